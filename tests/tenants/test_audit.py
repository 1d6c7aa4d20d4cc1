"""The audit chain notices every change."""

import random
from collections.abc import Callable

import pytest
from django.db.models import F

from tenants import audit
from tenants.models import AuditEntry, AuditHead, Tenant
from tests.conftest import Customer

ENTRIES = 60


@pytest.fixture
def chained(acme: Customer) -> Tenant:
    """A tenant with a chain of some length."""
    for number in range(ENTRIES):
        audit.record(acme.caller, "face.enrolled", acme.people, faces=[str(number)], score=number / 7)
    return acme.tenant


def _edit(tenant: Tenant, number: int) -> None:
    AuditEntry.objects.of(tenant).filter(number=number).update(facts={"faces": ["somebody else"]})


def _backdate(tenant: Tenant, number: int) -> None:
    entry = AuditEntry.objects.of(tenant).get(number=number)
    AuditEntry.objects.of(tenant).filter(number=number).update(at=entry.at.replace(year=2001))


def _blame(tenant: Tenant, number: int) -> None:
    AuditEntry.objects.of(tenant).filter(number=number).update(actor_id="innocent")


def _remove(tenant: Tenant, number: int) -> None:
    AuditEntry.objects.of(tenant).filter(number=number).delete()


def _remove_and_close_the_gap(tenant: Tenant, number: int) -> None:
    _remove(tenant, number)
    for later in AuditEntry.objects.of(tenant).filter(number__gt=number).order_by("number"):
        AuditEntry.objects.of(tenant).filter(pk=later.pk).update(number=F("number") - 1)


def _swap(tenant: Tenant, number: int) -> None:
    other = number + 1 if AuditEntry.objects.of(tenant).filter(number=number + 1).exists() else number - 1
    rows = AuditEntry.objects.of(tenant)
    rows.filter(number=number).update(number=0)
    rows.filter(number=other).update(number=number)
    rows.filter(number=0).update(number=other)


def test_an_untouched_chain_is_sound(chained: Tenant) -> None:
    found = audit.verify(chained)
    assert found.sound
    assert found.entries >= ENTRIES


@pytest.mark.parametrize("harm", [_edit, _backdate, _blame, _remove, _remove_and_close_the_gap, _swap])
def test_any_change_is_found_and_placed(chained: Tenant, harm: Callable[[Tenant, int], None]) -> None:
    number = random.Random(7).randrange(4, ENTRIES - 2)  # noqa: S311 -- no secret
    harm(chained, number)
    found = audit.verify(chained)
    assert not found.sound
    assert found.broken_at in {number, number - 1}


def test_removing_the_last_entries_is_found(chained: Tenant) -> None:
    last = AuditHead.objects.of(chained).get().number
    _remove(chained, last)
    assert audit.verify(chained).broken_at == last


def test_a_forger_without_the_key_cannot_append(chained: Tenant) -> None:
    head = AuditHead.objects.of(chained).get()
    entry = AuditEntry.objects.of(chained).get(number=head.number)
    entry.pk, entry.number = None, head.number + 1
    entry.save(force_insert=True)
    AuditHead.objects.of(chained).update(number=entry.number, digest=entry.digest)
    assert audit.verify(chained).broken_at == entry.number

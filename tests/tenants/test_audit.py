"""The audit chain detects every change. Over 300 lines: what is written, chained and verified is one promise."""

import copy
import io
import json
import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from collections_app.operations.compare import verify
from collections_app.operations.data_subject import PersonDetails
from collections_app.operations.enrol import enrol_face
from collections_app.operations.erase import delete_face
from collections_app.operations.search import search_by_image
from config.checks import Severity, work
from tenants import audit, chaining, tasks
from tenants.models import AuditEntry, AuditHead, Tenant
from tests.conftest import Customer
from tests.make import base64_of, flipped, portrait

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
    AuditHead.objects.of(chained).update(number=entry.number, end=entry.digest)
    assert audit.verify(chained).broken_at == entry.number


@pytest.mark.parametrize("left", [0, 1, 20])
def test_a_forger_without_the_key_cannot_cut_the_chain(chained: Tenant, left: int) -> None:
    """Check 24: the last entries are removed and the head is set back to match."""
    AuditEntry.objects.of(chained).filter(number__gt=left).delete()
    digests = AuditEntry.objects.of(chained).filter(number=left).values_list("digest", flat=True)
    for end in (*digests, "", "0" * 64):
        AuditHead.objects.of(chained).update(number=left, end=end)
        assert audit.verify(chained).broken_at == left + 1


def test_each_of_a_thousand_random_changes_is_found(acme: Customer) -> None:
    """Check 24: an edit, a removal or a move of each of 1,000 random rows of a long chain is detected."""
    number = AuditHead.objects.of(acme.tenant).get().number
    for made in range(300):
        audit.record(acme.caller, "face.enrolled", acme.people, faces=[str(made)])
    rows = list(AuditEntry.objects.of(acme.tenant).order_by("number"))
    head = AuditHead.objects.of(acme.tenant).get()
    chance = random.Random(24)  # noqa: S311 -- no secret
    fields = ("actor_id", "actor_name", "address", "via", "request_id", "action", "target_kind", "target_id")
    assert audit.first_unsound(head, rows) is None
    missed = 0
    for _ in range(1000):
        place = chance.randrange(number, len(rows))
        changed = list(rows)
        match chance.choice(("edit", "facts", "time", "remove", "move", "repeat")):
            case "edit":
                changed[place] = copy.copy(rows[place])
                field = chance.choice(fields)
                setattr(changed[place], field, getattr(rows[place], field) + "x")
            case "facts":
                changed[place] = copy.copy(rows[place])
                changed[place].facts = {"faces": ["-"]}
            case "time":
                changed[place] = copy.copy(rows[place])
                changed[place].at += timedelta(microseconds=1)
            case "remove":
                del changed[place]
            case "move":
                other = (place + chance.randrange(1, len(rows))) % len(rows)
                changed[place], changed[other] = changed[other], changed[place]
            case "repeat":
                changed.insert(place, rows[place])
        missed += audit.first_unsound(head, changed) is None
    assert missed == 0


def test_a_broken_chain_fails_the_command_and_raises_an_alert(
    chained: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    """Check 24: the command names tenant and entry; the scheduled check logs it and raises an alert."""
    out = io.StringIO()
    call_command("verify_audit", stdout=out)
    assert "acme: whole" in out.getvalue()
    tasks.verify_audits()
    assert not AuditEntry.objects.of(chained).filter(action__startswith="alert.").exists()
    logged = next(record for record in caplog.records if record.message == "An audit chain is sound")
    assert vars(logged)["entries"] == audit.verify(chained).entries
    _edit(chained, 30)
    with pytest.raises(CommandError, match="acme"):
        call_command("verify_audit", tenant="acme", stdout=out)
    assert "BROKEN at entry 30" in out.getvalue()
    tasks.verify_audits()
    assert AuditEntry.objects.of(chained).get(action="alert.audit_broken").facts == {"broken_at": 30}
    assert "An audit chain is broken" in caplog.text


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_chain_without_its_key_is_broken_and_the_next_tenant_s_is_verified(
    acme: Customer, globex: Customer, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    """Check 24: damaging one chain's key hides neither that nor a forgery in another chain."""
    number = AuditHead.objects.of(globex.tenant).get().number
    _edit(globex.tenant, number)
    heads = AuditHead.objects.of(acme.tenant)
    if harm == "gone":
        heads.delete()
    else:
        heads.update(wrapped_key=flipped(heads.get().wrapped_key))
    assert audit.verify(acme.tenant) == audit.Verification(0, 1)
    tasks.verify_audits()
    assert AuditEntry.objects.of(globex.tenant).get(action="alert.audit_broken").facts == {"broken_at": number}
    assert {vars(record)["tenant"] for record in caplog.records if record.message == "alert"} == {"acme", "globex"}


def test_one_tenant_s_failure_ends_no_other_s_verification(
    acme: Customer, globex: Customer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check 24: whatever it is."""
    looked, verify = [], audit.verify_recent

    def failing(tenant: Tenant, *, day: int) -> audit.Verification:
        looked.append(tenant.slug)
        if len(looked) == 1:
            raise OSError
        return verify(tenant, day=day)

    monkeypatch.setattr(audit, "verify_recent", failing)
    tasks.verify_audits()
    assert sorted(looked) == ["acme", "globex"]
    assert "the rest goes on" in caplog.text


@pytest.fixture
def recomputed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the numbers of the entries that are recomputed."""
    numbers: list[int] = []
    digest = audit._digest  # noqa: SLF001

    def counted(key: bytes, before: str, entry: AuditEntry) -> str:
        numbers.append(entry.number or 0)
        return digest(key, before, entry)

    monkeypatch.setattr(audit, "_digest", counted)
    return numbers


def _night(tenant: Tenant, recomputed: list[int], day: int = 0) -> tuple[audit.Verification, list[int]]:
    recomputed.clear()
    return audit.verify_recent(tenant, day=day), list(recomputed)


def test_a_night_recomputes_what_is_new_and_a_part_of_the_old(
    acme: Customer, chained: Tenant, recomputed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_PART", 20)
    last = AuditHead.objects.of(chained).get().number
    found, numbers = _night(chained, recomputed)
    assert (found, numbers) == (audit.Verification(last, None), list(range(1, last + 1)))  # nothing was sealed yet
    audit.record(acme.caller, "face.enrolled", acme.people)
    numbers = _night(chained, recomputed, day=1)[1]
    assert numbers == [last + 1, *range(21, 41)]
    parts = [_night(chained, recomputed, day=day)[1] for day in range(4)]
    assert sorted(number for part in parts for number in part) == list(range(1, last + 2))


def test_an_old_edit_is_found_on_the_day_of_its_part(
    chained: Tenant, recomputed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_PART", 20)
    audit.verify(chained)
    _edit(chained, 30)
    found = [_night(chained, recomputed, day=day)[0].broken_at for day in range(4)]
    assert found == [None, 30, None, None]
    assert audit.verify(chained).broken_at == 30


def test_a_forger_without_the_key_cannot_move_the_sealed_point(
    acme: Customer, chained: Tenant, recomputed: list[int]
) -> None:
    """An edit since the last verification is found, whatever the stored sealed point says."""
    audit.verify(chained)
    before = AuditHead.objects.of(chained).get()
    for number in range(5):
        audit.record(acme.caller, "face.enrolled", acme.people, faces=[str(number)])
    _edit(chained, before.number + 2)
    now = AuditHead.objects.of(chained).get()
    for seal in (before.verified_seal, now.end, AuditEntry.objects.of(chained).get(number=now.number).digest, ""):
        AuditHead.objects.of(chained).update(verified=now.number, verified_seal=seal)
        assert _night(chained, recomputed)[0].broken_at == before.number + 2
    AuditHead.objects.of(chained).update(verified=now.number + 100, verified_seal=before.verified_seal)
    assert _night(chained, recomputed)[0].broken_at == before.number + 2


def test_entries_hold_no_biometrics(acme: Customer) -> None:
    """Check 24: after enrolment, search, verification and deletion no entry holds a vector or an image."""
    image = portrait("macron_2025")
    face = enrol_face(acme.caller, collection="people", image=image, person=PersonDetails(name="x")).faces[0]
    search_by_image(acme.caller, collection="people", image=portrait("macron_2014"))
    verify(acme.caller, collection="people", face=face.uuid, image=image)
    delete_face(acme.caller, collection="people", face=face.uuid)
    entries = list(AuditEntry.objects.of(acme.tenant).order_by("number"))
    expected = {"face.enrolled", "collection.searched", "face.verified", "face.deleted"}
    assert expected <= {entry.action for entry in entries}
    for entry in entries:
        text = json.dumps(entry.facts)
        assert len(text) < 500
        assert base64_of(image)[:40] not in text
        assert not [value for value in _leaves(entry.facts) if isinstance(value, float)]
        assert entry.actor_id
        assert entry.at


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [value]


def _unchained(customer: Customer, count: int = 3) -> list[AuditEntry]:
    record = partial(audit.record_unchained, customer.caller, "face.enrolled", customer.people)
    return [record(faces=[str(made)]) for made in range(count)]


def test_what_was_written_unchained_is_chained_in_its_order(acme: Customer, globex: Customer) -> None:
    before = AuditHead.objects.of(acme.tenant).get().number
    with CaptureQueriesContext(connection) as seen:
        written = _unchained(acme)
    assert [query["sql"].split()[0] for query in seen] == ["INSERT"] * 3
    theirs = _unchained(globex, 1)
    assert AuditEntry.unscoped.filter(number=None).count() == 4
    chaining.chain_all()
    numbers = AuditEntry.objects.of(acme.tenant).in_bulk([entry.pk for entry in written])
    assert [numbers[entry.pk].number for entry in written] == [before + 1, before + 2, before + 3]
    assert AuditEntry.unscoped.get(pk=theirs[0].pk).number
    assert audit.verify(acme.tenant) == audit.Verification(before + 3, None)


def test_an_entry_that_is_chained_at_once_follows_what_waits(acme: Customer) -> None:
    written = _unchained(acme)
    entry = audit.record(acme.caller, "key.issued", acme.issued.key)
    waited = AuditEntry.objects.of(acme.tenant).get(pk=written[-1].pk).number
    assert entry.number == (waited or 0) + 1
    assert audit.verify(acme.tenant).sound


@pytest.mark.parametrize(
    "values", [{"facts": {"faces": ["x"]}}, {"actor_id": "innocent"}, {"digest": "0" * 64}, {"id": 2**50}]
)
def test_an_edit_before_an_entry_is_chained_is_found(acme: Customer, values: dict[str, object]) -> None:
    """Check 24: whatever was changed of it, its own HMAC no longer fits; a copy has another id."""
    head = AuditHead.objects.of(acme.tenant).get().number
    entry = _unchained(acme, 1)[0]
    AuditEntry.objects.of(acme.tenant).filter(pk=entry.pk).update(**values)
    assert audit.verify(acme.tenant).broken_at == head + 1


def test_a_chained_entry_cannot_be_taken_out_and_chained_again(chained: Tenant) -> None:
    """Check 24: write access to the database is enough to empty its number."""
    AuditEntry.objects.of(chained).filter(number=30).update(number=None)
    assert audit.verify(chained).broken_at == 30


def test_an_entry_of_version_0_2_is_verified(chained: Tenant) -> None:
    """Its digest was made otherwise; an edit of it is found, and so is one of an entry after it."""
    head = AuditHead.objects.of(chained).get()
    key = audit._key(chained, head)  # noqa: SLF001
    end = audit._end(key, 0, "")  # noqa: SLF001
    for entry in AuditEntry.objects.of(chained).order_by("number"):
        digest = audit._former_digest(key, end, entry)  # noqa: SLF001
        AuditEntry.objects.of(chained).filter(pk=entry.pk).update(digest=digest)
        end = audit._end(key, entry.number or 0, digest)  # noqa: SLF001
    AuditHead.objects.of(chained).update(end=end)
    chained_now = audit.verify(chained)
    assert chained_now == audit.Verification(head.number, None)
    _edit(chained, 30)
    assert audit.verify(chained).broken_at == 30


def test_what_stays_unchained_for_longer_is_reported(
    acme: Customer, globex: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    """Check 24: by readiness, by the verification, which chains it, and of one tenant whatever the other's chain is."""
    _unchained(acme, 2)
    _unchained(globex, 1)
    assert [finding.severity for finding in work.audit_chain()] == [Severity.OK]
    AuditEntry.unscoped.filter(number=None).update(at=timezone.now() - timedelta(minutes=1))
    [finding] = work.audit_chain()
    assert (finding.severity, finding.text.split(" are ")[0]) == (Severity.ERROR, "3 entries of the audit log")
    AuditHead.objects.of(globex.tenant).delete()
    chaining.chain_all()
    assert AuditEntry.unscoped.filter(number=None).get().tenant_id == globex.tenant.pk
    assert audit.verify(globex.tenant).late == 1
    tasks.verify_audits()
    assert "Audit entries were not chained in time" in caplog.text
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_audit", tenant="globex", stdout=out)
    assert "1 had not been chained in time" in out.getvalue()

"""A key authenticates for its tenant, and only while it is valid."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from tenants import keys
from tenants.access import ROLE_SCOPES, Caller, Scope, caller_for_key, caller_for_member
from tenants.errors import ExpiredKey, RevokedKey, ScopeMissing, TenantSuspended, UnknownKey
from tenants.models import ApiKey, Member, Tenant
from tests.conftest import Customer


def _enter(issued: keys.IssuedKey) -> Caller:
    return caller_for_key(*keys.split(issued.token), via="tests")


def test_a_key_has_its_scopes_and_reach(acme: Customer) -> None:
    issued = keys.issue(acme.tenant, name="kiosk", scopes=["search"], collections=[acme.people.pk])
    caller = _enter(issued)
    assert (caller.tenant, caller.kind, caller.name) == (acme.tenant, "key", "kiosk")
    caller.require(Scope.SEARCH)
    with pytest.raises(ScopeMissing) as refused:
        caller.require(Scope.DELETE)
    assert refused.value.scope == Scope.DELETE
    assert caller.reaches(acme.people.pk)
    assert not caller.reaches(acme.people.pk + 1)


def test_unknown_and_wrong_look_alike(acme: Customer, globex: Customer) -> None:
    for key_id, secret in (
        ("fp_unknown", acme.issued.secret),
        (acme.issued.key.pk, "wrong"),
        (acme.issued.key.pk, ""),
        (acme.issued.key.pk, globex.issued.secret),
        ("", ""),
    ):
        with pytest.raises(UnknownKey):
            caller_for_key(key_id, secret, via="tests")


def test_a_revoked_or_expired_key_is_refused(acme: Customer) -> None:
    row = ApiKey.objects.of(acme.tenant).filter(pk=acme.issued.key.pk)
    row.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(ExpiredKey):
        _enter(acme.issued)
    row.update(revoked_at=timezone.now())
    with pytest.raises(RevokedKey):
        _enter(acme.issued)


def test_a_suspended_tenant_is_refused(acme: Customer) -> None:
    Tenant.objects.filter(pk=acme.tenant.pk).update(state=Tenant.State.SUSPENDED)
    with pytest.raises(TenantSuspended):
        _enter(acme.issued)


def test_no_secret_lies_in_the_database(acme: Customer) -> None:
    row = ApiKey.objects.of(acme.tenant).values().get(pk=acme.issued.key.pk)
    assert acme.issued.secret not in repr(row)
    assert acme.issued.secret.encode() not in bytes(row["secret_hash"])


@pytest.mark.parametrize("role", Member.Role)
def test_a_member_has_the_role_s_scopes(acme: Customer, globex: Customer, role: Member.Role) -> None:
    user = User.objects.create_user("kim")
    Member.unscoped.create(tenant=acme.tenant, user=user, role=role)
    caller = caller_for_member(user, "acme")
    assert caller is not None
    assert caller.scopes == ROLE_SCOPES[role]
    assert caller_for_member(user, "globex") is None
    assert caller_for_member(user, "nowhere") is None


@pytest.mark.parametrize(
    ("proxies", "forwarded", "status"),
    [
        (0, "192.0.2.9", 403),
        (1, "192.0.2.9", 200),
        (1, "192.0.2.9, 203.0.113.1", 403),
        (2, "192.0.2.9, 203.0.113.1", 200),
        (2, "192.0.2.9", 403),
        (1, "", 403),
    ],
)
def test_a_caller_cannot_forge_its_network(
    acme: Customer, settings: Settings, proxies: int, forwarded: str, status: int
) -> None:
    """Check 20: behind own proxies their header counts; what the caller writes into it does not."""
    settings.TRUSTED_PROXIES = proxies
    key = keys.issue(acme.tenant, name="n", scopes=["read"], networks=["192.0.2.0/24"]).token
    head = {"x-api-key": key, "X-Forwarded-For": forwarded}
    assert Client().get("/faces", {"collectionId": "people", "page": "1"}, headers=head).status_code == status

"""Check 20: keys do what they are for, nothing more, and end at once."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from collections_app.errors import InvalidRequest
from collections_app.operations import keys as operations
from collections_app.operations.collections import create_collection, update_collection
from tenants import keys, limits
from tenants.access import Caller, Scope, caller_for_key, system
from tenants.errors import (
    AddressRefused,
    KeyNotFound,
    ReachTooNarrow,
    RevokedKey,
    ScopeMissing,
    TooManyRequests,
    UnknownKey,
)
from tenants.models import ApiKey, AuditEntry
from tests.conftest import Customer

SOON = timezone.now() + timedelta(days=2)


def _enter(token: str, address: str = "") -> Caller:
    return caller_for_key(*keys.split(token), via="tests", address=address)


def _actions(customer: Customer) -> list[str]:
    return list(AuditEntry.objects.of(customer.tenant).order_by("pk").values_list("action", flat=True))


def test_a_key_is_issued_with_what_was_asked_for_and_nothing_more(acme: Customer) -> None:
    """Check 20: scopes, collections and networks hold."""
    issued = operations.issue_key(
        acme.caller, name=" kiosk ", scopes=["search"], collections=["people"], networks=["192.0.2.0/24", "2001:db8::1"]
    )
    caller = _enter(issued.token, "192.0.2.77")
    assert caller.name == "kiosk"
    assert caller.scopes == frozenset({Scope.SEARCH})
    assert caller.collections == frozenset({acme.people.pk})
    assert _enter(issued.token, "::ffff:192.0.2.1").id == issued.key.pk
    assert _enter(issued.token, "2001:db8::1").id == issued.key.pk
    for address in ("192.0.3.1", "2001:db8::2", "", "unix:"):
        with pytest.raises(AddressRefused):
            _enter(issued.token, address)
    assert _actions(acme)[-1] == "key.issued"


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": ["fly"]},
        {"scopes": []},
        {"networks": ["192.0.2.1/24"]},
        {"networks": ["unscoped"]},
        {"name": "  "},
        {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"requests_per_minute": 0},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(acme: Customer, wrong: dict[str, object]) -> None:
    """Check 20: a key with a slip in it is not made."""
    given: dict[str, object] = {"name": "kiosk", "scopes": ["search"]} | wrong
    with pytest.raises(InvalidRequest) as refused:
        operations.issue_key(acme.caller, **given)  # type: ignore[arg-type]
    assert refused.value.field in wrong


def test_nobody_hands_out_more_than_they_hold(acme: Customer) -> None:
    """Check 20: an administrator without a scope, or with some collections only, cannot make a key that has more."""
    create_collection(acme.caller, name="vault")
    clerk = system(acme.tenant, "clerk", [Scope.ADMIN, Scope.READ])
    with pytest.raises(ScopeMissing):
        operations.issue_key(clerk, name="x", scopes=["delete"])
    with pytest.raises(ScopeMissing):
        operations.rotate_key(clerk, key=acme.issued.key.pk)
    narrow = _enter(operations.issue_key(acme.caller, name="n", scopes=list(Scope), collections=["people"]).token)
    with pytest.raises(InvalidRequest):
        operations.issue_key(narrow, name="x", scopes=["read"])
    assert operations.issue_key(narrow, name="x", scopes=["read"], collections=["people"]).key.collections
    with pytest.raises(KeyNotFound):
        operations.revoke_key(narrow, key=acme.issued.key.pk)
    assert {key.name for key in operations.list_keys(narrow)} == {"n", "x"}


def test_a_rotation_overlaps_and_then_ends(acme: Customer) -> None:
    """Check 20: until the given time both secrets enter under one id, afterwards the new one only."""
    old = acme.issued.token
    new = operations.rotate_key(
        acme.caller, key=acme.issued.key.pk, keep_until=timezone.now() + timedelta(hours=1)
    ).token
    assert new != old
    assert _enter(old).id == _enter(new).id
    _end_the_overlap(acme, old)
    assert _enter(new)
    with pytest.raises(UnknownKey):
        _enter(old)


def _end_the_overlap(acme: Customer, token: str) -> None:
    """Let the time be over for which a rotation kept the secret of a whole key."""
    row = ApiKey.objects.of(acme.tenant).get(pk=acme.issued.key.pk)
    ended = keys.secret_hash(keys.split(token)[1]).hex()
    kept = [[one, timezone.now().isoformat() if one == ended else until] for one, until in row.previous]
    assert kept != row.previous
    ApiKey.objects.of(acme.tenant).filter(pk=row.pk).update(previous=kept)


def test_a_second_rotation_keeps_the_promise_of_the_first(acme: Customer) -> None:
    """A replaced secret works until the time that its rotation gave; one whose time is over is forgotten."""
    key, hour = acme.issued.key.pk, timedelta(hours=1)
    first = acme.issued.token
    second = operations.rotate_key(acme.caller, key=key, keep_until=timezone.now() + hour).token
    third = operations.rotate_key(acme.caller, key=key, keep_until=timezone.now() + 24 * hour).token
    assert {_enter(token).id for token in (first, second, third)} == {key}
    _end_the_overlap(acme, first)
    assert {_enter(token).id for token in (second, third)} == {key}
    with pytest.raises(UnknownKey):
        _enter(first)
    operations.rotate_key(acme.caller, key=key, keep_until=timezone.now() + hour)
    assert len(ApiKey.objects.of(acme.tenant).get(pk=key).previous) == 2


def test_a_rotation_that_keeps_nothing_is_the_answer_to_a_leak(acme: Customer) -> None:
    """Whichever of the secrets leaked, none but the new one is left; and the kept ones do not pile up."""
    key, later = acme.issued.key.pk, timezone.now() + timedelta(hours=1)
    tokens = [acme.issued.token]
    tokens += [operations.rotate_key(acme.caller, key=key, keep_until=later).token for _ in range(8)]
    with pytest.raises(InvalidRequest) as refused:
        operations.rotate_key(acme.caller, key=key, keep_until=later)
    assert refused.value.field == "keep_until"
    last = operations.rotate_key(acme.caller, key=key).token
    for token in tokens:
        with pytest.raises(UnknownKey):
            _enter(token)
    assert _enter(last)


def test_a_rotation_without_overlap_closes_the_old_secret_at_once(acme: Customer) -> None:
    """Check 20: a leaked secret is replaced in one step."""
    new = operations.rotate_key(acme.caller, key=acme.issued.key.pk).token
    assert _enter(new)
    with pytest.raises(UnknownKey):
        _enter(acme.issued.token)


def test_a_revoked_key_stays_revoked(acme: Customer) -> None:
    """Check 20: no rotation brings it back, and revoking twice is one revocation."""
    first = operations.revoke_key(acme.caller, key=acme.issued.key.pk)
    assert operations.revoke_key(acme.caller, key=acme.issued.key.pk).revoked_at == first.revoked_at
    assert _actions(acme).count("key.revoked") == 1
    with pytest.raises(RevokedKey):
        _enter(acme.issued.token)
    with pytest.raises(InvalidRequest):
        operations.rotate_key(acme.caller, key=acme.issued.key.pk)


def test_a_tenant_s_keys_are_nobody_else_s(acme: Customer, globex: Customer) -> None:
    """Check 20: another tenant's key looks like none."""
    with pytest.raises(KeyNotFound):
        operations.get_key(globex.caller, key=acme.issued.key.pk)
    assert [key.pk for key in operations.list_keys(globex.caller)] == [globex.issued.key.pk]


def test_the_last_use_is_fresh_without_a_write_a_request(
    acme: Customer, django_assert_num_queries: pytest.FixtureRequest
) -> None:
    """Check 20: the first use is written down, uses within half a minute of it are not, the next one is."""
    row = ApiKey.objects.of(acme.tenant).filter(pk=acme.issued.key.pk)
    _enter(acme.issued.token)
    assert timezone.now() - row.get().last_used_at < timedelta(seconds=5)
    with django_assert_num_queries(1):  # type: ignore[operator]
        _enter(acme.issued.token)
    row.update(last_used_at=timezone.now() - timedelta(seconds=31))
    _enter(acme.issued.token)
    assert timezone.now() - row.get().last_used_at < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("own", "within", "beyond"),
    [
        ({"networks": ["192.0.2.0/24"]}, {"networks": ["192.0.2.7"]}, [{}, {"networks": ["192.0.2.7", "::1"]}]),
        ({"expires_at": SOON}, {"expires_at": SOON}, [{}, {"expires_at": SOON + timedelta(days=1)}]),
        ({"requests_per_minute": 9}, {"requests_per_minute": 9}, [{}, {"requests_per_minute": 10}]),
        ({"calls_per_day": 9}, {"calls_per_day": 1}, [{}, {"calls_per_day": 10}]),
    ],
    ids=["networks", "time", "minute", "day"],
)
def test_a_bounded_key_hands_out_no_wider_ones(
    acme: Customer, own: dict[str, Any], within: dict[str, Any], beyond: list[dict[str, Any]]
) -> None:
    """Check 20: neither by issuing nor by rotating does a key become what it is not."""
    keeper = _enter(operations.issue_key(acme.caller, name="keeper", scopes=["admin"], **own).token, "192.0.2.7")
    made = operations.issue_key(keeper, name="one", scopes=["admin"], **within)
    operations.rotate_key(keeper, key=made.key.pk)
    for wider in beyond:
        with pytest.raises(InvalidRequest):
            operations.issue_key(keeper, name="two", scopes=["admin"], **wider)
    free = operations.issue_key(acme.caller, name="free", scopes=["admin"])
    with pytest.raises(InvalidRequest):
        operations.rotate_key(keeper, key=free.key.pk)


def test_a_revoked_key_is_dead_whatever_the_clock_says(acme: Customer) -> None:
    """On a host whose clock lags, a revocation lies in the future."""
    operations.revoke_key(acme.caller, key=acme.issued.key.pk)
    row = ApiKey.objects.of(acme.tenant).filter(pk=acme.issued.key.pk)
    row.update(revoked_at=timezone.now() + timedelta(minutes=5))
    with pytest.raises(RevokedKey):
        _enter(acme.issued.token)


def _made_by(token: str, **more: Any) -> str:
    return operations.issue_key(_enter(token), name="made", scopes=["admin", "search"], **more).token


def test_revoking_a_key_closes_what_it_made_unless_it_is_to_be_kept(acme: Customer) -> None:
    """Who stole a key has made others with it."""
    first = acme.issued.token
    second = _made_by(first)
    third = _made_by(second)
    other = keys.issue(acme.tenant, name="other", scopes=list(Scope)).token
    operations.revoke_key(acme.caller, key=keys.split(second)[0], with_issued=False)
    assert _enter(third)
    operations.revoke_key(acme.caller, key=acme.issued.key.pk)
    for token in (first, second, third):
        with pytest.raises(RevokedKey):
            _enter(token)
    assert _enter(other)
    disclosed = AuditEntry.objects.of(acme.tenant).filter(action="key.revoked").order_by("number")
    assert [entry.facts for entry in disclosed] == [{}, {}, {"with": acme.issued.key.pk}]


def test_a_key_that_was_revoked_meanwhile_makes_no_other(acme: Customer) -> None:
    """Between the look at a key and its work, somebody may have revoked it with all that it had made."""
    entered = _enter(acme.issued.token)
    operations.revoke_key(acme.caller, key=acme.issued.key.pk)
    with pytest.raises(RevokedKey):
        operations.issue_key(entered, name="late", scopes=["search"])


def test_the_generations_of_keys_are_few(acme: Customer) -> None:
    """Each call looks at all of a key's ancestors, in one query."""
    token = acme.issued.token
    for _ in range(ApiKey.GENERATIONS - 1):
        token = _made_by(token)
    with pytest.raises(InvalidRequest):
        _made_by(token)
    assert ApiKey.ANCESTORS.count("parent") == ApiKey.GENERATIONS - 1


def test_the_calls_of_a_key_count_as_its_parent_s(
    acme: Customer, settings: Settings, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    """Nobody gets around a limit by making keys."""
    settings.LIMITS_URL = "database"
    monkeypatch.setattr("tenants.limits._leases", {})
    monkeypatch.setattr("tenants.limits.time.time", lambda: 1_800_000_010.0)
    parent = operations.issue_key(acme.caller, name="gate", scopes=["admin", "search"], requests_per_minute=10).token
    children = [_made_by(parent, requests_per_minute=10) for _ in range(3)]
    with django_assert_num_queries(2):  # the key with its ancestors, and its first use
        _enter(children[0])
    passed = 0
    for turn in range(30):
        with contextlib.suppress(TooManyRequests):
            limits.admit(_enter([parent, *children][turn % 4]))
            passed += 1
    assert passed == 10


def test_a_new_name_tells_a_narrow_key_nothing_of_other_collections(acme: Customer) -> None:
    """Taken or free, a name is refused alike; the policy is still the key's to change."""
    create_collection(acme.caller, name="vault")
    narrow = _enter(operations.issue_key(acme.caller, name="n", scopes=list(Scope), collections=["people"]).token)
    for name in ("vault", "free"):
        with pytest.raises(ReachTooNarrow):
            update_collection(narrow, collection="people", name=name)
    assert update_collection(narrow, collection="people", name="people", retention_days=9).retention_days == 9

"""API keys: issue, list, rotate and revoke them.

A caller cannot give more than it has: a key's scopes, collections, networks, expiry and limits must lie within those of
the key or member that issues or rotates it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice
from typing import Literal, Self, TypeAlias

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from collections_app.errors import InvalidRequest
from collections_app.operations.collections import find
from tenants import audit, captures, keys
from tenants.access import Caller, Scope
from tenants.errors import KeyNotFound, RevokedKey, ScopeMissing
from tenants.keys import IssuedKey
from tenants.models import ApiKey

_LONGEST_NAME = 100
Order: TypeAlias = Literal["newest", "oldest", "name"]
_ORDERS: Mapping[Order, tuple[str, str]] = {  # the field, and how a later key's value compares with an earlier one's
    "newest": ("created_at", "lt"),
    "oldest": ("created_at", "gt"),
    "name": ("name", "gt"),
}
_MOST_KEPT = 8  # earlier secrets of a key that still work


@dataclass(frozen=True, slots=True)
class _Bounds:
    """From where, until when and how often a key may be used; empty or None: without a bound."""

    networks: list[str]
    expires_at: datetime | None
    requests_per_minute: int | None
    calls_per_day: int | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """Return the bounds of a key."""
        return cls(key.networks, key.expires_at, key.requests_per_minute, key.calls_per_day)


def list_keys(
    caller: Caller, *, limit: int | None = None, after: str = "", order: Order = "newest"
) -> tuple[ApiKey, ...]:
    """List up to `limit` keys within reach, revoked ones too, beginning after the key `after`."""
    caller.require(Scope.ADMIN)
    field, further = _ORDERS[order]
    found = ApiKey.objects.of(caller.tenant).order_by(f"-{field}" if further == "lt" else field, "pk")
    if last := found.filter(pk=after).first():
        value = getattr(last, field)
        found = found.filter(Q(**{f"{field}__{further}": value}) | Q(**{field: value, "pk__gt": last.pk}))
    reached = (key for key in found.iterator(chunk_size=200) if _within_reach(caller, key.collections))
    return tuple(islice(reached, limit))


def issuers(caller: Caller, *, among: Iterable[ApiKey]) -> set[str]:
    """Return the ids of those keys that have issued keys which are not revoked."""
    caller.require(Scope.ADMIN)
    issued = ApiKey.objects.of(caller.tenant).filter(parent__in=[key.pk for key in among], revoked_at=None)
    return {str(parent) for parent in issued.values_list("parent_id", flat=True)}


def get_key(caller: Caller, *, key: str) -> ApiKey:
    """Return a key by its id.

    Raises:
        KeyNotFound: no key within reach has this id.
    """
    caller.require(Scope.ADMIN)
    return _find(caller, key)


def issue_key(
    caller: Caller,
    *,
    name: str,
    scopes: Iterable[str],
    collections: Iterable[str] | None = None,
    networks: Iterable[str] = (),
    expires_at: datetime | None = None,
    requests_per_minute: int | None = None,
    calls_per_day: int | None = None,
    signs: bool = False,
) -> IssuedKey:
    """Issue a key; only this answer ever shows its secret. With `signs`, for clients that sign with it (tenants.keys).

    `collections` are names; None: all of the tenant's, future ones too. `networks` are addresses or networks such as
    192.0.2.0/24; empty: from anywhere.

    Raises:
        InvalidRequest: a value cannot be used.
        ScopeMissing: the caller lacks a scope that the key would have.
        CollectionNotFound, CollectionDeleted: a collection does not exist.
    """
    caller.require(Scope.ADMIN)
    wanted = _scopes(scopes)
    ids = None if collections is None else [find(caller, collection).pk for collection in collections]
    if ids is None and caller.collections is not None:
        raise InvalidRequest("collections", "name them: you reach some collections only")
    _check_grant(caller, wanted)
    _check_future("expires_at", expires_at)
    for field, limit in (("requests_per_minute", requests_per_minute), ("calls_per_day", calls_per_day)):
        if limit is not None and limit < 1:
            raise InvalidRequest(field, "must be at least 1")
    bounds = _Bounds(_networks(networks), expires_at, requests_per_minute, calls_per_day)
    with transaction.atomic():
        parent = _own(caller, lock=True)  # locked, so that it is not revoked with its keys in the meantime
        _check_within(parent, bounds)
        _check_generation(parent)
        more = asdict(bounds) | {"parent": parent}
        issued = keys.issue(caller.tenant, name=_name(name), scopes=wanted, collections=ids, signs=signs, **more)
        _record_issue(caller, issued.key)
    return issued


def rotate_key(caller: Caller, *, key: str, keep_until: datetime | None = None) -> IssuedKey:
    """Give a key a new secret under the same id; the previous secret works until `keep_until`.

    Secrets that earlier rotations kept work until the time that was set then. Without `keep_until` no earlier secret
    works any more, and no capture token that the key has given: use this after a leak.

    Raises:
        KeyNotFound: no key within reach has this id.
        InvalidRequest: the key is revoked, the time is past, or too many earlier secrets still work.
        ScopeMissing: the key has a scope that the caller lacks.
    """
    caller.require(Scope.ADMIN)
    _check_future("keep_until", keep_until)
    with transaction.atomic():
        found = _find(caller, key, lock=True)
        if found.revoked_at:
            raise InvalidRequest("key", "is revoked")
        _check_grant(caller, found.scopes)
        _check_within(_own(caller), _Bounds.of(found))
        if keep_until and len(keys.overlapping(found, timezone.now())) >= _MOST_KEPT:
            raise InvalidRequest("keep_until", f"{_MOST_KEPT} earlier secrets still work: keep none, or wait")
        issued = keys.rotate(found, keep_until=keep_until)
        if keep_until is None:  # whoever had the secret may have given some
            captures.end(found)
        audit.record(caller, "key.rotated", found, keep_until=keep_until.isoformat() if keep_until else None)
    return issued


def revoke_key(caller: Caller, *, key: str, with_issued: bool = True) -> ApiKey:
    """Revoke a key: every process refuses the next request with it. Revoking it again changes nothing.

    With `with_issued`, all keys that it issued, directly or through other keys, are revoked too.

    Raises:
        KeyNotFound: no key within reach has this id.
    """
    caller.require(Scope.ADMIN)
    with transaction.atomic():
        found = _find(caller, key, lock=True)
        closing = [found, *(_issued_by(found) if with_issued else ())]
        living = [one for one in closing if one.revoked_at is None]
        for one in living:
            one.revoked_at = timezone.now()
            one.save(update_fields=["revoked_at"])
            keys.forget(one)
        for one in living:
            audit.record(caller, "key.revoked", one, **({} if one is found else {"with": found.pk}))
    return found


def _issued_by(key: ApiKey) -> Iterator[ApiKey]:
    """Yield the keys that a locked key issued, then the keys that those issued, and lock them: none can be added."""
    generation = [key]
    while generation:
        rows = ApiKey.objects.of(key.tenant).select_for_update().filter(parent__in=generation)
        generation = list(rows.order_by("pk"))
        yield from generation


def _own(caller: Caller, *, lock: bool = False) -> ApiKey | None:
    """Return the caller's own key; None: the caller is a member or the platform.

    Raises:
        RevokedKey: it was revoked after the request began.
    """
    if caller.kind != "key":
        return None
    rows = ApiKey.objects.of(caller.tenant)
    own: ApiKey = (rows.select_for_update() if lock else rows).get(pk=caller.id)
    if own.revoked_at:
        raise RevokedKey
    return own


def _find(caller: Caller, key: str, *, lock: bool = False) -> ApiKey:
    keys_of_tenant = ApiKey.objects.of(caller.tenant)
    if lock:
        keys_of_tenant = keys_of_tenant.select_for_update()
    found: ApiKey | None = (
        None if "\0" in key else keys_of_tenant.filter(pk=key).first()
    )  # PostgreSQL refuses NUL characters
    if found is None or not _within_reach(caller, found.collections):
        raise KeyNotFound(key)
    return found


def _within_reach(caller: Caller, collections: list[int] | None) -> bool:
    """Return whether the caller reaches all that a key for these collections reaches; None: all collections."""
    if caller.collections is None:
        return True
    return collections is not None and caller.collections.issuperset(collections)


def _check_grant(caller: Caller, scopes: Iterable[str]) -> None:
    for scope in scopes:
        if scope not in caller.scopes:
            raise ScopeMissing(scope)


def _check_generation(parent: ApiKey | None) -> None:
    """Refuse too long a chain of keys that issued keys: every call checks the whole chain."""
    if parent is not None and sum(1 for _ in parent.lineage()) >= ApiKey.GENERATIONS:
        raise InvalidRequest("scopes", f"{ApiKey.GENERATIONS} generations of keys at most: ask with an older key")


def _check_within(own: ApiKey | None, wanted: _Bounds) -> None:
    """Refuse bounds wider than those of the caller's key; members have no bounds."""
    if own is None:
        return
    inside = [any(_is_within(one, its) for its in own.networks) for one in wanted.networks]
    if own.networks and not (inside and all(inside)):
        raise InvalidRequest("networks", "must lie within those of your own key")
    for field in ("expires_at", "requests_per_minute", "calls_per_day"):
        most, asked = getattr(own, field), getattr(wanted, field)
        if most is not None and (asked is None or asked > most):
            raise InvalidRequest(field, "must lie within that of your own key")


def _is_within(one: str, other: str) -> bool:
    inner, outer = ip_network(one), ip_network(other)
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _scopes(words: Iterable[str]) -> list[Scope]:
    try:
        scopes = sorted({Scope(word) for word in words})
    except ValueError:
        known = ", ".join(Scope)
        raise InvalidRequest("scopes", f"each must be one of {known}") from None
    if not scopes:
        raise InvalidRequest("scopes", "at least one is needed")
    return scopes


def _name(name: str) -> str:
    bare = name.strip()
    if not 0 < len(bare) <= _LONGEST_NAME:
        raise InvalidRequest("name", f"must have 1 to {_LONGEST_NAME} characters")
    return bare


def _networks(networks: Iterable[str]) -> list[str]:
    try:
        return [str(ip_network(network.strip())) for network in networks]
    except ValueError as error:
        raise InvalidRequest("networks", str(error)) from None


def _check_future(field: str, moment: datetime | None) -> None:
    if moment is not None and moment <= timezone.now():
        raise InvalidRequest(field, "must be in the future")


def _record_issue(caller: Caller, key: ApiKey) -> None:
    audit.record(
        caller,
        "key.issued",
        key,
        scopes=key.scopes,
        collections=None if key.collections is None else [str(pk) for pk in key.collections],
        networks=key.networks,
        expires_at=key.expires_at.isoformat() if key.expires_at else None,
        **({"secret": "kept"} if key.signs else {}),
    )

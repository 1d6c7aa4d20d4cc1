"""Authentication: a key or a member becomes a Caller, and every operation takes a Caller as its first argument.

A Caller carries its own scopes and reach, so nothing lives in a thread-local, and a view cannot forget a check: each
operation requires its scope in its first line.

One file although it is longer than 300 lines: every way to become a Caller stands beside the checks that all share.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from tenants import keys, request_log, rls
from tenants.errors import (
    AddressRefused,
    InvitationUnusable,
    MissingKey,
    ReachTooNarrow,
    RevokedKey,
    ScopeMissing,
    TenantSuspended,
    UnknownKey,
)
from tenants.models import ApiKey, CaptureToken, Invitation, Member, Tenant
from tenants.prepared import Prepared
from tenants.sigv4 import Signature

if TYPE_CHECKING:
    from django.contrib.auth.models import User


# Keys of a request's META that server and views share: its Caller, that too many requests are active, that its
# credential is a signature, which no other request carries, and the most bytes that its body may have.
CALLER, CROWDED, SIGNED = "faceplane.caller", "faceplane.crowded", "faceplane.signed"
MOST_BYTES = "faceplane.most_bytes"

M = TypeVar("M", bound=Model)
_KEY = Prepared(lambda key: ApiKey.unscoped.select_related("tenant", ApiKey.ANCESTORS).filter(pk=key), str)
_FRESH = timedelta(seconds=30)  # last_used_at is written again when it is older than this


class Scope(StrEnum):
    """What a caller may do."""

    READ = "read"
    SEARCH = "search"
    ENROL = "enrol"
    DELETE = "delete"
    ADMIN = "admin"
    AUDIT = "audit"
    SCORES = "scores"  # to see scores below the threshold: many of them suffice to reconstruct a template


ALL_SCOPES = frozenset(Scope)
USUAL_SCOPES = frozenset({Scope.READ, Scope.SEARCH, Scope.ENROL, Scope.DELETE})  # of a key issued without any
ROLE_SCOPES: dict[str, frozenset[Scope]] = {
    Member.Role.OWNER: ALL_SCOPES,
    Member.Role.ADMIN: ALL_SCOPES,
    Member.Role.OPERATOR: USUAL_SCOPES,
    Member.Role.AUDITOR: frozenset({Scope.READ, Scope.AUDIT}),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` calls in each window of `seconds`; `subject` is a key, a whole tenant, or another name."""

    MINUTE: ClassVar[int] = 60
    HOUR: ClassVar[int] = 3_600
    DAY: ClassVar[int] = 86_400

    subject: str
    seconds: int
    most: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, for which tenant, and what they may do.

    `collections` are the ids of the collections within reach; None: all of the tenant's. `job`: the call is work of a
    job, which computes only while no request has to wait for it.
    """

    tenant: Tenant
    kind: str
    id: str
    name: str
    scopes: frozenset[Scope]
    collections: frozenset[int] | None = None
    address: str = ""
    via: str = ""
    request_id: str = ""
    limits: tuple[Limit, ...] = ()
    job: bool = False
    time_zone: str = "UTC"  # in which a member reads times

    def require(self, scope: Scope) -> None:
        """Require a scope.

        Raises:
            ScopeMissing: the caller does not hold it.
        """
        if scope not in self.scopes:
            raise ScopeMissing(scope)

    def require_whole_tenant(self) -> None:
        """Require reach over every collection of the tenant, future ones included.

        Raises:
            ReachTooNarrow: the caller reaches some collections only.
        """
        if self.collections is not None:
            raise ReachTooNarrow

    def within(self, rows: QuerySet[M], field: str = "collection") -> QuerySet[M]:
        """Return the rows whose collection, named by `field`, is within reach."""
        return rows if self.collections is None else rows.filter(**{f"{field}__in": self.collections})

    def reaches(self, collection_id: int) -> bool:
        """Return whether the collection is within reach."""
        return self.collections is None or collection_id in self.collections


@rls.all_tenants()
def caller_for_key(key_id: str, secret: str, *, via: str, address: str = "", request_id: str = "") -> Caller:
    """Find the key and check its secret; an unknown id and a wrong secret are indistinguishable, also by timing.

    Raises:
        UnknownKey, RevokedKey, ExpiredKey, AddressRefused, TenantSuspended: the key is not accepted.
    """
    key, now = _key(key_id), timezone.now()
    if not keys.opens(key, secret, now) or key is None:
        raise UnknownKey
    return _caller(key, now, via=via, address=address, request_id=request_id)


@rls.all_tenants()
def caller_for_signature(
    signature: Signature, text: Callable[[], str], *, via: str, address: str = "", request_id: str = ""
) -> Caller:
    """Find the key of a signature and check that it signed the request.

    `text` returns what was signed, which needs the request's body: it is called only if such a key exists, so that a
    stranger's body is not received. Ids of keys cannot be guessed.

    Raises:
        UnknownKey, RevokedKey, ExpiredKey, AddressRefused, TenantSuspended: the key is not accepted.
    """
    key, now = _key(signature.key_id), timezone.now()
    if key is None or not key.signs or not keys.signed(key, signature, text(), now):
        raise UnknownKey
    return _caller(key, now, via=via, address=address, request_id=request_id)


@rls.all_tenants()
def caller_for_id(
    key_id: str, permits: Callable[[Mapping[str, Any]], bool], *, via: str, address: str = "", request_id: str = ""
) -> Caller:
    """Find the key by its id alone, for contracts without a secret; `permits` judges its tenant's profiles.

    The caller never holds Scope.SCORES: ids stand in URLs and logs. Keys that only sign are not accepted.

    Raises:
        MissingKey: there is no such key, or its tenant does not permit it.
        RevokedKey, ExpiredKey, AddressRefused, TenantSuspended: the key is not accepted.
    """
    key = _key(key_id)
    if key is None or key.signs or not permits(key.tenant.profiles):
        raise MissingKey
    caller = _caller(key, timezone.now(), via=via, address=address, request_id=request_id)
    return replace(caller, scopes=caller.scopes - {Scope.SCORES})


@rls.all_tenants()
def capture_token(capture: str) -> CaptureToken | None:
    """Return the capture token with this id, of whichever tenant."""
    if "\0" in capture:
        return None
    return CaptureToken.unscoped.select_related("tenant").filter(pk=capture).first()


@rls.all_tenants()
def caller_behind(token: CaptureToken, *, via: str, address: str = "", request_id: str = "") -> Caller:
    """Return the key or member that gave a capture token, as it may act now.

    A key's networks do not matter: they are not those of browsers.

    Raises:
        RevokedKey, ExpiredKey, TenantSuspended: it may not act any more.
    """
    origin = {"address": address, "request_id": request_id}
    if token.actor_kind == "key":
        key = _key(token.actor_id)
        if key is None:
            raise RevokedKey
        return _caller(key, timezone.now(), via=via, anywhere=True, **origin)
    members = Member.unscoped.select_related("user").filter(tenant=token.tenant)
    member = members.filter(user_id=int(token.actor_id)).first() if token.actor_kind == "user" else None
    caller = caller_for_member(member.user, token.tenant.slug, **origin) if member else None
    if caller is None:
        raise RevokedKey
    return replace(caller, via=via)


def _key(key_id: str) -> ApiKey | None:
    if "\0" in key_id:  # PostgreSQL refuses NUL in text
        return None
    key: ApiKey | None = next(iter(_KEY(key_id)), None)
    return key


def _caller(key: ApiKey, now: datetime, *, via: str, address: str, request_id: str, anywhere: bool = False) -> Caller:
    """Return the caller of a key, if it may be used now, and from the address or `anywhere`."""
    request_log.used_key(key.tenant, key.pk, via)
    keys.require_valid(key, now)
    if not (anywhere or keys.admits(key, address)):
        raise AddressRefused(address)
    if key.tenant.state != Tenant.State.ACTIVE:
        raise TenantSuspended
    _mark_used(key, now)
    return Caller(
        tenant=key.tenant,
        kind="key",
        id=key.pk,
        name=key.name,
        scopes=frozenset(map(Scope, key.scopes)),
        collections=None if key.collections is None else frozenset(key.collections),
        address=address,
        via=via,
        request_id=request_id,
        limits=tuple(_limits(key)),
    )


def _limits(key: ApiKey) -> Iterator[Limit]:
    """Yield the limits of a call with the key: its own, those of the keys that issued it, the tenant's.

    Minutes come first, so that calls refused for their rate do not use up the day.
    """
    limited = [*((one.pk, one) for one in key.lineage()), (f"tenant {key.tenant_id}", key.tenant)]
    for seconds, name in ((Limit.MINUTE, "requests_per_minute"), (Limit.DAY, "calls_per_day")):
        for subject, row in limited:
            most = getattr(row, name)
            if most is not None:
                yield Limit(subject, seconds, most)


def _mark_used(key: ApiKey, now: datetime) -> None:
    """Record the time of use, at most every 30 seconds: a write per request would cost too much."""
    stale = now - _FRESH
    if key.last_used_at is None or key.last_used_at < stale:
        unmarked = Q(last_used_at__isnull=True) | Q(last_used_at__lt=stale)
        ApiKey.unscoped.filter(unmarked, pk=key.pk).update(last_used_at=now)


@rls.all_tenants()
def caller_for_member(user: "User", slug: str, *, address: str = "", request_id: str = "") -> Caller | None:
    """Return the member's Caller in the tenant of that slug; None without membership, or if there is no such tenant."""
    member = Member.unscoped.select_related("tenant").filter(user=user, tenant__slug=slug, user__is_active=True).first()
    if member is None or member.tenant.state != Tenant.State.ACTIVE:
        return None
    return Caller(
        tenant=member.tenant,
        kind="user",
        id=str(user.pk),
        name=user.get_username(),
        scopes=ROLE_SCOPES[member.role],
        address=address,
        via="console",
        request_id=request_id,
        time_zone=member.time_zone,
    )


@rls.all_tenants()
def suspended_memberships(user: "User") -> list[Member]:
    """Return a user's memberships in suspended tenants, by the tenant's name."""
    mine = Member.unscoped.filter(user=user, user__is_active=True, tenant__state=Tenant.State.SUSPENDED)
    return list(mine.select_related("tenant").order_by("tenant__name"))


@rls.all_tenants()
def memberships(user: "User") -> list[Member]:
    """Return a person's memberships in active tenants, ordered by the tenant's name."""
    memberships = Member.unscoped.filter(user=user, tenant__state=Tenant.State.ACTIVE)
    return list(memberships.select_related("tenant").order_by("tenant__name"))


def open_invitations() -> Q:
    """Return the filter for invitations that can be accepted: the inviter must still have the permission to invite."""
    inviting = [role for role, scopes in ROLE_SCOPES.items() if Scope.ADMIN in scopes]
    rank = Q(inviter__role=Member.Role.OWNER) | Q(inviter__role__in=inviting) & ~Q(role=Member.Role.OWNER)
    permitted = Q(inviter=None) | Q(inviter__user__is_active=True) & rank
    return permitted & Q(accepted_at=None, expires_at__gt=timezone.now())


@rls.all_tenants()
def invitation_for(secret: str) -> Invitation:
    """Find the invitation by its link's secret.

    Raises:
        InvitationUnusable: there is none that can still be accepted.
    """
    wanted = {"secret_hash": keys.secret_hash(secret), "tenant__state": Tenant.State.ACTIVE}
    found = Invitation.unscoped.select_related("tenant").filter(open_invitations(), **wanted).first()
    if found is None:
        raise InvitationUnusable
    return found


def system(tenant: Tenant, name: str, scopes: Iterable[Scope] = ALL_SCOPES) -> Caller:
    """Return the Caller for the platform's own work on a tenant: commands and tasks."""
    return Caller(tenant=tenant, kind="system", id=name, name=name, scopes=frozenset(scopes), via="system")

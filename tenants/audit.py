"""The audit log: an append-only chain of entries for each tenant.

An entry is written in the transaction of the change that it records. It carries an HMAC-SHA-256 over its own fields and
the end of the chain before it; the end is an HMAC over the last number and digest. Editing, removing, swapping or
cutting off entries breaks the chain from there on. The master key wraps the HMAC key, so write access to the database
is not enough to repair it. A database restored to an older state is detected by comparing it with what the nightly
check logged, or with a signed export. Entries hold no image, vector or secret.

One file although it is longer than 300 lines: what writes the chain and what verifies it belong together.
"""

import hashlib
import hmac
import json
import logging
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from tenants import commits, events, vault
from tenants.access import Caller
from tenants.errors import MasterKeyUnusable
from tenants.models import AuditEntry, AuditHead, Tenant
from tenants.prepared import Prepared

Alert: TypeAlias = Literal["alert.audit_broken", "alert.face_probed", "alert.probing", "alert.templates_damaged"]
Action: TypeAlias = Literal[
    "audit.exported",
    "collection.calibrated",
    "collection.created",
    "collection.deleted",
    "collection.examined",
    "collection.exported",
    "collection.imported",
    "collection.looked_below_floor",
    "collection.policy_changed",
    "collection.renamed",
    "collection.searched",
    "data_key.added",
    "data_key.removed",
    "do_not_enrol.added",
    "do_not_enrol.removed",
    "face.deleted",
    "face.enrolled",
    "face.expired",
    "face.moved",
    "face.shown",
    "face.verified",
    "image.listed",
    "image.viewed",
    "index.rebuild_asked",
    "key.issued",
    "key.revoked",
    "key.rotated",
    "member.invitation_withdrawn",
    "member.invited",
    "member.joined",
    "member.removed",
    "member.role_changed",
    "person.changed",
    "person.deleted",
    "person.exported",
    "tenant.changed",
    "tenant.created",
    "tenant.erased",
    "tenant.exported",
    "tenant.imported",
    "webhook.created",
    "webhook.deleted",
    "webhook.redelivered",
    "webhook.switched",
    Alert,
]

logger = logging.getLogger("faceplane.audit")
_LOCKED = Prepared(lambda tenant: AuditHead.objects.of(Tenant(pk=tenant)).select_for_update(no_key=True), int)
_PART = 50_000  # verified entries that a night recomputes: some five seconds
_CHECK_AGAIN = timedelta(hours=1)
_UNREADABLE = (MasterKeyUnusable, AuditHead.DoesNotExist)
_SIGNED = (
    "number",
    "actor_kind",
    "actor_id",
    "actor_name",
    "address",
    "via",
    "request_id",
    "action",
    "target_kind",
    "target_id",
    "facts",
)


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying a chain: how many entries are sound, and the first number that is not."""

    entries: int
    broken_at: int | None

    @property
    def sound(self) -> bool:
        """Whether every entry is unchanged and none is missing."""
        return self.broken_at is None


def start(tenant: Tenant) -> None:
    """Start the tenant's chain."""
    key = os.urandom(vault.KEY_BYTES)
    AuditHead.unscoped.create(tenant=tenant, end=_end(key, 0, ""), wrapped_key=vault.wrap(key, _context(tenant)))


def chain_of(tenant: Tenant) -> tuple[AuditHead, bytes]:
    """Return the chain's end and its key, for a sealed bundle that takes the whole tenant elsewhere.

    Raises:
        MasterKeyUnusable: no configured master key unwraps it.
    """
    head = AuditHead.objects.of(tenant).get()
    return head, _key(tenant, head)


def adopt(tenant: Tenant, key: bytes, entries: Iterable[AuditEntry], *, number: int, end: str) -> None:
    """Start a new tenant's chain with the entries of another installation, in the caller's transaction.

    Raises:
        ValueError: they are not its entries, whole and unchanged.
    """
    if len(key) != vault.KEY_BYTES:
        raise ValueError(len(key))
    head = AuditHead(tenant=tenant, number=number, end=end, wrapped_key=vault.wrap(key, _context(tenant)))
    entries = list(entries)
    if broken := first_unsound(head, entries):
        raise ValueError(broken)
    head.save(force_insert=True)
    AuditEntry.unscoped.bulk_create(entries, batch_size=1_000)


def record(caller: Caller, action: Action, target: models.Model | None = None, **facts: Any) -> AuditEntry:  # noqa: ANN401
    """Append an entry; call this last in the transaction of the change, since it takes the chain's row lock.

    In a group commit (tenants.commits) the entry is appended, and gets its number, at the end of the tenant's work.
    `facts` must be plain JSON. PostgreSQL stores -0.0 as 0.0, so the digest uses 0.0 too.
    """
    entry = AuditEntry(
        tenant=caller.tenant,
        at=timezone.now(),
        actor_kind=caller.kind,
        actor_id=caller.id,
        actor_name=caller.name,
        address=caller.address,
        via=caller.via,
        request_id=caller.request_id,
        action=action,
        target_kind=target._meta.model_name or "" if target else "",
        target_id=str(target.pk) if target else "",
        facts=json.loads(json.dumps(facts), parse_float=lambda number: float(number) + 0.0),
    )
    commits.insert(entry, _append)
    return entry


def _append(entries: list[AuditEntry]) -> None:
    """Lock the chain and append a tenant's entries to it."""
    tenant = entries[0].tenant
    [head] = _LOCKED(tenant.pk) or [None]
    if head is None:
        raise AuditHead.DoesNotExist
    key = _key(tenant, head)
    for entry in entries:
        entry.number = head.number + 1
        entry.digest = _digest(key, head.end, entry)
        head.number, head.end = entry.number, _end(key, entry.number, entry.digest)
    AuditEntry.unscoped.bulk_create(entries)
    head.save(update_fields=["number", "end"])


def alert(caller: Caller, action: Alert, target: models.Model | None = None, **facts: Any) -> int | None:  # noqa: ANN401
    """Append an entry that needs attention, send it to webhooks and log it; return its number.

    If the chain's key cannot be unwrapped, the alert is sent and logged without an entry: the number is None.
    """
    number: int | None
    try:
        entry = record(caller, action, target, **facts)
        commits.flush(AuditEntry)
        number = entry.number
    except _UNREADABLE:
        number = None
    name = action.removeprefix("alert.")
    events.emit(caller.tenant, events.Kind.AUDIT_ALERT, alert=name, entry=number, facts=facts)
    logger.warning("alert", extra={"alert": name, "tenant": caller.tenant.slug, "entry": number})
    return number


def verify(tenant: Tenant) -> Verification:
    """Recompute the whole chain up to its current end; takes no lock, so the tenant's work continues.

    A chain whose key cannot be unwrapped counts as broken from its first entry. A sound one is sealed: see
    `verify_recent`.
    """
    return _verified(tenant)


def verify_recent(tenant: Tenant, *, day: int) -> Verification:
    """Recompute the entries since the last sealed point, and one part of the older ones each day.

    When everything up to a point was found sound, that point is sealed with the chain's key: write access to the
    database is not enough to move it. If the seal is wrong, the whole chain is recomputed. An edit before the point is
    found on the day of its part: within as many days as there are parts of _PART entries.
    """
    return _verified(tenant, day=day)


def ask_check(tenant: Tenant) -> tuple[AuditHead, bool]:
    """Request a check of the whole chain; return the head, and whether the caller has to queue the task.

    A check requested within the last hour is not requested again.
    """
    heads, now = AuditHead.objects.of(tenant), timezone.now()
    old = Q(check_asked_at=None) | Q(check_asked_at__lt=now - _CHECK_AGAIN)
    asked = {"check_asked_at": now, "check_done": 0, "check_broken_at": None, "check_ended_at": None}
    ours = bool(heads.filter(old).update(**asked))
    return heads.get(), ours


def check(tenant: Tenant) -> Verification:
    """Recompute the whole chain in steps and store the progress in the head: the job for long chains."""
    heads = AuditHead.objects.of(tenant)
    try:
        head, broken = heads.get(), None
        for after in range(0, head.number, _PART):
            last = min(after + _PART, head.number)
            if broken := _unsound_between(head, after, last):
                break
            heads.update(check_done=last)
        broken = broken or _beyond(tenant)
        found = Verification(head.number if broken is None else broken - 1, broken)
        if broken is None:
            _seal_point(head, _key(tenant, head))
    except _UNREADABLE:
        found = Verification(0, 1)
    heads.update(check_done=found.entries, check_broken_at=found.broken_at, check_ended_at=timezone.now())
    return found


def _verified(tenant: Tenant, *, day: int | None = None) -> Verification:
    try:
        head = AuditHead.objects.of(tenant).get()
        key = _key(tenant, head)
        sealed = 0 if day is None else _sealed(head, key)
        broken = _unsound_between(head, sealed, head.number) or _beyond(tenant)
        if broken is None and day is not None and sealed:
            first = day % math.ceil(sealed / _PART) * _PART
            broken = _unsound_between(head, first, min(first + _PART, sealed))
    except _UNREADABLE:
        return Verification(0, 1)
    if broken is not None:
        return Verification(broken - 1, broken)
    _seal_point(head, key)
    return Verification(head.number, None)


def _unsound_between(head: AuditHead, after: int, last: int) -> int | None:
    """Recompute the entries after number `after` up to `last`; return the first that is unsound."""
    entries = AuditEntry.objects.of(head.tenant)
    part = entries.order_by("number").filter(number__gt=after, number__lte=last)
    digest = _stored_digest(head, after)
    return first_unsound(head, part.iterator(chunk_size=2000), after=(after, digest), last=last)


def first_unsound(
    head: AuditHead, entries: Iterable[AuditEntry], *, after: tuple[int, str] = (0, ""), last: int | None = None
) -> int | None:
    """Recompute entries in order, from the one after `after` to `last` (default: the head); return the first unsound.

    `after` is a number and its stored digest.
    """
    key, (number, before) = _key(head.tenant, head), after
    last = head.number if last is None else last
    end = _end(key, number, before)
    for entry in entries:
        digest = _digest(key, end, entry)
        if entry.number != number + 1 or not hmac.compare_digest(digest, entry.digest):
            return number + 1
        number, end = entry.number, _end(key, entry.number, digest)
    if number != last or (last == head.number and not hmac.compare_digest(end, head.end)):
        return number + 1
    return None


def _stored_digest(head: AuditHead, number: int) -> str:
    digests = AuditEntry.objects.of(head.tenant).filter(number=number).values_list("digest", flat=True)
    return digests.first() or ""


def _sealed(head: AuditHead, key: bytes) -> int:
    """Return the number of the last sealed point; 0 if there is none, or its seal is wrong."""
    seal = _seal(key, head.verified, _stored_digest(head, head.verified))
    trusted = 0 < head.verified <= head.number and hmac.compare_digest(seal, head.verified_seal)
    return head.verified if trusted else 0


def _seal_point(head: AuditHead, key: bytes) -> None:
    """Seal the head, as it was read: everything up to it is sound."""
    seal = _seal(key, head.number, _stored_digest(head, head.number))
    AuditHead.objects.of(head.tenant).update(verified=head.number, verified_seal=seal)


def _beyond(tenant: Tenant) -> int | None:
    """Return the number of an entry after the chain's end, if there is one; the lock waits for running appends."""
    with transaction.atomic():
        now = AuditHead.objects.of(tenant).select_for_update(no_key=True).get()
        stray = AuditEntry.objects.of(tenant).filter(number__gt=now.number).order_by("number").first()
    return stray.number if stray else None


def _context(tenant: Tenant) -> str:
    return f"audit-key:{tenant.pk}"


def _key(tenant: Tenant, head: AuditHead) -> bytes:
    return vault.unwrap(bytes(head.wrapped_key), _context(tenant))


def _digest(key: bytes, before: str, entry: AuditEntry) -> str:
    facts = [before, entry.at.isoformat(), *(getattr(entry, name) for name in _SIGNED)]
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _end(key: bytes, number: int, digest: str) -> str:
    return hmac.new(key, f"end {number} {digest}".encode(), hashlib.sha256).hexdigest()


def _seal(key: bytes, number: int, digest: str) -> str:
    return hmac.new(key, f"verified {number} {digest}".encode(), hashlib.sha256).hexdigest()

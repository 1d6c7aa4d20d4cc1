"""The audit log: an append-only chain of entries for each tenant.

An entry is written in the transaction of the change that it records, with an HMAC-SHA-256 over its own fields, its id
among them. To chain it is to give it the next number and an HMAC over that number, the end of the chain before it, and
its own HMAC; the end is an HMAC over the last number and digest. Editing, removing, swapping or cutting off entries
breaks the chain from there on. The master key wraps the HMAC key, so write access to the database is not enough to
repair it. A database restored to an older state is detected by comparing it with what the nightly check logged, or with
a signed export. Entries hold no image, vector or secret.

Entries of searches, enrolments and deletions are chained a moment later (tenants.chaining), so that no request waits
for the chain. Until then `number` is null and `digest` is the entry's own HMAC: an edit of it, or a copy, is found, a
removal is not. Who reads the log chains it first.

One file although it is longer than 300 lines: what writes the chain and what verifies it belong together.
"""

import hashlib
import hmac
import json
import logging
import math
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone

from tenants import commits, events, vault
from tenants.access import Caller
from tenants.errors import MasterKeyUnusable
from tenants.models import AuditEntry, AuditHead, Tenant
from tenants.prepared import Prepared
from tenants.scope import ordered_id

Alert: TypeAlias = Literal["alert.audit_broken", "alert.face_probed", "alert.probing", "alert.templates_damaged"]
Action: TypeAlias = Literal[
    "audit.exported",
    "bucket.removed",
    "bucket.set",
    "capture.issued",
    "capture.used",
    "collection.calibrated",
    "collection.created",
    "collection.deleted",
    "collection.examined",
    "collection.exported",
    "collection.imported",
    "collection.looked_below_floor",
    "collection.match_judged",
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
    "job.asked",
    "job.bundle_read",
    "job.cancelled",
    "job.ended",
    "job.report_read",
    "job.resumed",
    "key.issued",
    "key.revoked",
    "key.rotated",
    "liveness.challenged",
    "member.invitation_withdrawn",
    "member.invited",
    "member.joined",
    "member.removed",
    "member.role_changed",
    "model_change.begun",
    "model_change.compared",
    "model_change.ended",
    "model_change.rolled_back",
    "model_change.switched",
    "person.changed",
    "person.deleted",
    "person.exported",
    "tenant.changed",
    "tenant.created",
    "tenant.erased",
    "tenant.exported",
    "tenant.imported",
    "webhook.changed",
    "webhook.created",
    "webhook.deleted",
    "webhook.redelivered",
    "webhook.switched",
    "webhook.tested",
    Alert,
]

logger = logging.getLogger("faceplane.audit")
_LOCKED = Prepared(lambda tenant: AuditHead.objects.of(Tenant(pk=tenant)).select_for_update(no_key=True), int)
_PART = 50_000  # verified entries that a night recomputes: some five seconds
_CHECK_AGAIN = timedelta(hours=1)
_UNREADABLE = (MasterKeyUnusable, AuditHead.DoesNotExist)
_LATE = timedelta(seconds=10)  # an entry that is not chained by then is reported: tenants.chaining takes one second
_CHAINED_TOGETHER = 500
_CHAIN = """
UPDATE tenants_auditentry SET number = v.column2, digest = v.column3 FROM (VALUES {rows}) AS v
WHERE tenants_auditentry.id = v.column1 AND tenants_auditentry.tenant_id = %s
"""
SIGNED_FIELDS = (
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
    """The result of verifying a chain: how many entries are sound, and the first number that is not.

    `late` is how many entries had been waiting to be chained for longer than _LATE.
    """

    entries: int
    broken_at: int | None
    late: int = 0

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


def adopt(
    tenant: Tenant, key: bytes, entries: Iterable[AuditEntry], *, number: int, end: str, new_ids: bool = False
) -> None:
    """Start a new tenant's chain with the entries of another installation, in the caller's transaction.

    With `new_ids`, for a copy beside the original, the entries get ids of their own and are chained anew.

    Raises:
        ValueError: they are not its entries, whole and unchanged.
    """
    if len(key) != vault.KEY_BYTES:
        raise ValueError(len(key))
    head = AuditHead(tenant=tenant, number=number, end=end, wrapped_key=vault.wrap(key, _context(tenant)))
    entries = list(entries)
    if broken := first_unsound(head, entries):
        raise ValueError(broken)
    if new_ids:
        before = (0, "")
        for entry in entries:
            entry.pk = ordered_id(entry.at)
            entry.digest = _digest(key, _end(key, *before), entry)
            before = (entry.number or 0, entry.digest)
        head.end = _end(key, *before)
    head.save(force_insert=True)
    AuditEntry.unscoped.bulk_create(entries, batch_size=1_000)


def record(caller: Caller, action: Action, target: models.Model | None = None, **facts: Any) -> AuditEntry:  # noqa: ANN401
    """Write an entry and chain it: call this last in the transaction of the change, since it takes the chain's lock.

    `facts` must be plain JSON.
    """
    entry = record_unchained(caller, action, target, **facts)
    commits.flush(AuditEntry)
    entry.number = _chain_waiting(caller.tenant)[entry.pk]
    return entry


def record_unchained(caller: Caller, action: Action, target: models.Model | None = None, **facts: Any) -> AuditEntry:  # noqa: ANN401
    """Write an entry that is chained a moment later, without a lock: for what happens often.

    In a group commit (tenants.commits) it is written at the end of the tenant's work. `facts` must be plain JSON.
    PostgreSQL stores -0.0 as 0.0, so the digest uses 0.0 too.
    """
    entry = AuditEntry(
        id=ordered_id(),
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
    entry.digest = _own(_writing_key(caller.tenant.pk), entry)
    commits.insert(entry)
    return entry


def chain(tenant: Tenant) -> None:
    """Chain what is not chained yet, in the order in which it was written; takes the chain's row lock if there is any.

    Raises:
        MasterKeyUnusable, AuditHead.DoesNotExist: the chain cannot be continued.
    """
    if waiting(tenant).exists():
        with transaction.atomic():
            _chain_waiting(tenant)


def waiting(tenant: Tenant) -> models.QuerySet[AuditEntry]:
    """Return the tenant's entries that are not chained yet."""
    return AuditEntry.objects.of(tenant).filter(number=None)


def chained(tenant: Tenant) -> models.QuerySet[AuditEntry]:
    """Return the tenant's entries; what was written until now is chained first, if it can be."""
    with suppress(*_UNREADABLE):
        chain(tenant)
    return AuditEntry.objects.of(tenant)


def late(tenant: Tenant) -> int:
    """Return how many entries have been waiting to be chained for longer than they may."""
    return waiting(tenant).filter(at__lt=timezone.now() - _LATE).count()


def _chain_waiting(tenant: Tenant) -> dict[int, int]:
    """Lock the chain and chain what waits; return each entry's number by its id."""
    [head] = _LOCKED(tenant.pk) or [None]
    if head is None:
        raise AuditHead.DoesNotExist
    key, before, numbers = _key(tenant, head), head.number, {}
    while found := list(waiting(tenant).order_by("pk").values_list("pk", "digest")[:_CHAINED_TOGETHER]):
        values: list[int | str] = []
        for pk, own in found:
            numbers[pk] = head.number = head.number + 1
            digest = _linked(key, head.number, head.end, own)
            head.end = _end(key, head.number, digest)
            values += (pk, head.number, digest)
        with connection.cursor() as cursor:
            cursor.execute(_CHAIN.format(rows=", ".join(["(%s, %s, %s)"] * len(found))), [*values, tenant.pk])
    if head.number > before:
        head.save(update_fields=["number", "end"])
    return numbers


def alert(caller: Caller, action: Alert, target: models.Model | None = None, **facts: Any) -> int | None:  # noqa: ANN401
    """Append an entry that needs attention, send it to webhooks and log it; return its number.

    If the chain's key cannot be unwrapped, the alert is sent and logged without an entry: the number is None.
    """
    number: int | None
    try:
        number = record(caller, action, target, **facts).number
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
    heads, overdue = AuditHead.objects.of(tenant), late(tenant)
    try:
        chain(tenant)
        head, broken = heads.get(), None
        for after in range(0, head.number, _PART):
            last = min(after + _PART, head.number)
            if broken := _unsound_between(head, after, last):
                break
            heads.update(check_done=last)
        broken = broken or _beyond(tenant)
        found = Verification(head.number if broken is None else broken - 1, broken, overdue)
        if broken is None:
            _seal_point(head, _key(tenant, head))
    except _UNREADABLE:
        found = Verification(0, 1, overdue)
    heads.update(check_done=found.entries, check_broken_at=found.broken_at, check_ended_at=timezone.now())
    return found


def _verified(tenant: Tenant, *, day: int | None = None) -> Verification:
    overdue = late(tenant)
    try:
        chain(tenant)
        head = AuditHead.objects.of(tenant).get()
        key = _key(tenant, head)
        sealed = 0 if day is None else _sealed(head, key)
        broken = _unsound_between(head, sealed, head.number) or _beyond(tenant)
        if broken is None and day is not None and sealed:
            first = day % math.ceil(sealed / _PART) * _PART
            broken = _unsound_between(head, first, min(first + _PART, sealed))
    except _UNREADABLE:
        return Verification(0, 1, overdue)
    if broken is not None:
        return Verification(broken - 1, broken, overdue)
    _seal_point(head, key)
    return Verification(head.number, None, overdue)


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
        if digest != entry.digest:
            digest = _former_digest(key, end, entry)
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


@lru_cache(maxsize=4096)
def _writing_key(tenant_id: int) -> bytes:
    """Return the key of a tenant's chain, which never changes; only what wraps it does."""
    tenant = Tenant(pk=tenant_id)
    return _key(tenant, AuditHead.objects.of(tenant).get())


def _own(key: bytes, entry: AuditEntry) -> str:
    """Return the HMAC of an entry over its own fields."""
    facts = ["entry", entry.pk, entry.at.isoformat(), *(getattr(entry, name) for name in SIGNED_FIELDS)]
    return _hmac(key, json.dumps(facts, sort_keys=True, separators=(",", ":")))


def _linked(key: bytes, number: int, before: str, own: str) -> str:
    return _hmac(key, f"link {number} {before} {own}")


def _digest(key: bytes, before: str, entry: AuditEntry) -> str:
    """Return the digest that a chained entry must have."""
    return _linked(key, entry.number or 0, before, _own(key, entry))


def _former_digest(key: bytes, before: str, entry: AuditEntry) -> str:
    """Return the digest of an entry that was written by version 0.2, which chained every entry at once."""
    facts = [before, entry.at.isoformat(), entry.number, *(getattr(entry, name) for name in SIGNED_FIELDS)]
    return _hmac(key, json.dumps(facts, sort_keys=True, separators=(",", ":")))


def _end(key: bytes, number: int, digest: str) -> str:
    return _hmac(key, f"end {number} {digest}")


def _seal(key: bytes, number: int, digest: str) -> str:
    return _hmac(key, f"verified {number} {digest}")


def _hmac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

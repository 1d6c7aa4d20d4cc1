"""The audit log: an append-only chain of entries for each tenant.

An entry is written in the transaction of the change it tells of. Each carries an HMAC-SHA-256 over its own facts and
the end of the chain before it, which is an HMAC over the last number and digest: an edit, a removal, a swap or a cut
breaks the chain from there on. The key is wrapped by the master key, so write access to the database is not
enough to mend it. Whoever puts the whole database back to an older state is found by what the nightly check logged, or
by a signed export. Entries hold no image, vector or secret.
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

from tenants import events, vault
from tenants.access import Caller
from tenants.errors import MasterKeyUnusable
from tenants.models import AuditEntry, AuditHead, Tenant

Alert: TypeAlias = Literal["alert.audit_broken", "alert.face_probed", "alert.probing", "alert.templates_damaged"]
Action: TypeAlias = Literal[
    "audit.exported",
    "collection.created",
    "collection.deleted",
    "collection.examined",
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
    "webhook.created",
    "webhook.deleted",
    "webhook.redelivered",
    "webhook.switched",
    Alert,
]

logger = logging.getLogger("faceplane.audit")
_PART = 50_000  # entries of the old that a night recomputes: some five seconds
_CHECKED_FOR = timedelta(hours=1)
_CANNOT_BE_OPENED = (MasterKeyUnusable, AuditHead.DoesNotExist)
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
    """What a check of the chain found: how many entries are sound, and the first number that is not."""

    entries: int
    broken_at: int | None

    @property
    def sound(self) -> bool:
        """Whether every entry is as it was written, and none is missing."""
        return self.broken_at is None


def start(tenant: Tenant) -> None:
    """Begin the tenant's chain."""
    key = os.urandom(vault.KEY_BYTES)
    AuditHead.unscoped.create(tenant=tenant, end=_end(key, 0, ""), wrapped_key=vault.wrap(key, _context(tenant)))


def record(caller: Caller, action: Action, target: models.Model | None = None, **facts: Any) -> AuditEntry:  # noqa: ANN401
    """Append an entry; call it last in the transaction of the change, since it takes the chain's row lock.

    `facts` must be plain JSON. PostgreSQL keeps no sign of a zero, so none is signed.
    """
    head = AuditHead.objects.of(caller.tenant).select_for_update(no_key=True).get()
    entry = AuditEntry(
        tenant=caller.tenant,
        number=head.number + 1,
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
    key = _key(caller.tenant, head)
    entry.digest = _digest(key, head.end, entry)
    entry.save(force_insert=True)
    head.number, head.end = entry.number, _end(key, entry.number, entry.digest)
    head.save(update_fields=["number", "end"])
    return entry


def alert(caller: Caller, action: Alert, target: models.Model | None = None, **facts: Any) -> int | None:  # noqa: ANN401
    """Append an entry that somebody should look at, and log it; return its number.

    It is told even if the chain cannot be opened to take it; then it has none.
    """
    number: int | None
    try:
        number = record(caller, action, target, **facts).number
    except _CANNOT_BE_OPENED:
        number = None
    name = action.removeprefix("alert.")
    events.emit(caller.tenant, events.Kind.AUDIT_ALERT, alert=name, entry=number, facts=facts)
    logger.warning("alert", extra={"alert": name, "tenant": caller.tenant.slug, "entry": number})
    return number


def verify(tenant: Tenant) -> Verification:
    """Recompute the whole chain up to its present end; takes no lock, so the tenant's work goes on meanwhile.

    One that cannot be opened is broken from its first entry on. A sound one is sealed: see `verify_recent`.
    """
    return _verified(tenant)


def verify_recent(tenant: Tenant, *, day: int) -> Verification:
    """Recompute what came since the last sealed point, and of what lies before it another part each day.

    A point is sealed with the chain's key when everything up to it was found sound, so whoever can only write to the
    database cannot move it on; one whose seal is not right is not believed, and the whole chain is recomputed. An edit
    before it is found when its part has its day, within as many days as there are parts of _PART entries.
    """
    return _verified(tenant, day=day)


def ask_check(tenant: Tenant) -> tuple[AuditHead, bool]:
    """Note that the whole chain is to be recomputed, and tell whether a task has to be queued for it.

    One that ended within the hour, or was asked for within it and has not ended, is not asked for again.
    """
    heads, now = AuditHead.objects.of(tenant), timezone.now()
    old = Q(check_asked_at=None) | Q(check_asked_at__lt=now - _CHECKED_FOR)
    asked = {"check_asked_at": now, "check_done": 0, "check_broken_at": None, "check_ended_at": None}
    ours = bool(heads.filter(old).update(**asked))
    return heads.get(), ours


def check(tenant: Tenant) -> Verification:
    """Recompute the whole chain in steps, noting in the head how far it is: what a job does for a long one."""
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
    except _CANNOT_BE_OPENED:
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
    except _CANNOT_BE_OPENED:
        return Verification(0, 1)
    if broken is not None:
        return Verification(broken - 1, broken)
    _seal_point(head, key)
    return Verification(head.number, None)


def _unsound_between(head: AuditHead, after: int, last: int) -> int | None:
    """Recompute the entries beyond `after` up to `last`, on what is written of `after`; return the first unsound."""
    entries = AuditEntry.objects.of(head.tenant)
    part = entries.order_by("number").filter(number__gt=after, number__lte=last)
    digest = _written(head, after)
    return first_unsound(head, part.iterator(chunk_size=2000), after=(after, digest), last=last)


def first_unsound(
    head: AuditHead, entries: Iterable[AuditEntry], *, after: tuple[int, str] = (0, ""), last: int | None = None
) -> int | None:
    """Recompute entries in their order, from the one beyond `after` to `last`, or to the chain's end with the head.

    `after` is a number and the digest written there. Returns the first number that is not sound.
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


def _written(head: AuditHead, number: int) -> str:
    digests = AuditEntry.objects.of(head.tenant).filter(number=number).values_list("digest", flat=True)
    return digests.first() or ""


def _sealed(head: AuditHead, key: bytes) -> int:
    """Return up to which entry the chain was found sound before: 0 if that is not sealed, or not about this chain."""
    seal = _seal(key, head.verified, _written(head, head.verified))
    trusted = 0 < head.verified <= head.number and hmac.compare_digest(seal, head.verified_seal)
    return head.verified if trusted else 0


def _seal_point(head: AuditHead, key: bytes) -> None:
    """Note that everything up to the head, as it was read, is sound."""
    seal = _seal(key, head.number, _written(head, head.number))
    AuditHead.objects.of(head.tenant).update(verified=head.number, verified_seal=seal)


def _beyond(tenant: Tenant) -> int | None:
    """Return the number of an entry beyond the chain's end; the lock waits for whoever is appending."""
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
    line = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, line.encode(), hashlib.sha256).hexdigest()


def _end(key: bytes, number: int, digest: str) -> str:
    return hmac.new(key, f"end {number} {digest}".encode(), hashlib.sha256).hexdigest()


def _seal(key: bytes, number: int, digest: str) -> str:
    return hmac.new(key, f"verified {number} {digest}".encode(), hashlib.sha256).hexdigest()

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
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from django.db import models, transaction
from django.utils import timezone

from tenants import events, vault
from tenants.access import Caller
from tenants.errors import MasterKeyUnusable
from tenants.models import AuditEntry, AuditHead, Tenant

Alert: TypeAlias = Literal["alert.audit_broken", "alert.probing", "alert.templates_damaged"]
Action: TypeAlias = Literal[
    "audit.exported",
    "collection.created",
    "collection.deleted",
    "collection.examined",
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
    AuditHead.everywhere.create(tenant=tenant, end=_end(key, 0, ""), wrapped_key=vault.wrap(key, _context(tenant)))


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
    """Recompute the chain up to its present end and compare; takes no lock, so the tenant's work goes on meanwhile.

    One that cannot be opened is broken from its first entry on.
    """
    try:
        head = AuditHead.objects.of(tenant).get()
        entries = AuditEntry.objects.of(tenant).order_by("number").filter(number__lte=head.number)
        broken = first_unsound(head, entries.iterator(chunk_size=2000)) or _beyond(tenant)
    except _CANNOT_BE_OPENED:
        return Verification(0, 1)
    return Verification(head.number if broken is None else broken - 1, broken)


def first_unsound(head: AuditHead, entries: Iterable[AuditEntry]) -> int | None:
    """Recompute a chain from its entries, in their order, to its head; return the first number that is not sound."""
    key, number = _key(head.tenant, head), 0
    end = _end(key, number, "")
    for entry in entries:
        digest = _digest(key, end, entry)
        if entry.number != number + 1 or not hmac.compare_digest(digest, entry.digest):
            return number + 1
        number, end = entry.number, _end(key, entry.number, digest)
    return None if number == head.number and hmac.compare_digest(end, head.end) else number + 1


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

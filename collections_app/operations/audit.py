"""The audit log, as its tenant reads it: page by page, checked, and as a signed file.

The log is the tenant's as a whole: it tells of keys, members and every collection, and its chain can only be checked
from end to end. So whoever reaches some collections only is refused.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from collections_app.errors import InvalidRequest
from tenants import audit, signing
from tenants.access import Caller, Scope
from tenants.models import AuditEntry, AuditHead
from tenants.queue import enqueue
from tenants.task_names import Task

MOST_AT_ONCE = 20_000  # entries that are recomputed within a request: some two seconds
MOST_EXPORTED = 100_000  # in a file; they are made in memory, within a request's time
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "number",
    "at",
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
    "digest",
)
ACTIONS: tuple[str, ...] = get_args(audit.Action)
Form: TypeAlias = Literal["csv", "json"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries; what is empty does not narrow. An action that ends in a dot stands for its whole family."""

    action: str = ""
    actor: str = ""
    target_kind: str = ""
    target: str = ""
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


EVERY = Filters()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of the whole chain found; while its job is under way `sound` is None, `entries` how far it is."""

    sound: bool | None
    entries: int
    broken_at: int | None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, newest first, and the number to ask for the next page with; None: this was the last."""

    entries: tuple[AuditEntry, ...]
    before: int | None


@dataclass(frozen=True, slots=True)
class Export:
    """A file of entries, oldest first, and the signed document that says what it is and what its SHA-256 is."""

    name: str
    media_type: str
    content: bytes
    statement: Mapping[str, Any]


def list_entries(caller: Caller, *, filters: Filters = EVERY, before: int | None = None, limit: int = 50) -> AuditPage:
    """List entries, newest first; `before` is the number that the page before ended with."""
    caller.require(Scope.AUDIT)
    caller.require_whole_tenant()
    entries = _filtered(caller, filters)
    if before is not None:
        entries = entries.filter(number__lt=before)
    page = tuple(entries.order_by("-number")[: limit + 1])
    return AuditPage(page[:limit], page[limit - 1].number if len(page) > limit else None)


def verify_chain(caller: Caller) -> Checked:
    """Recompute the tenant's whole chain and compare: at once, or a long one as a job.

    What a job found is told for an hour; who asks later starts another.
    """
    caller.require(Scope.AUDIT)
    caller.require_whole_tenant()
    head = AuditHead.objects.of(caller.tenant).first()
    if head is None or head.number <= MOST_AT_ONCE:
        found = audit.verify(caller.tenant)
        return Checked(found.sound, found.entries, found.broken_at)
    with transaction.atomic():
        head, ours = audit.ask_check(caller.tenant)
        if ours:
            transaction.on_commit(partial(enqueue, Task.VERIFY_AUDIT, caller.tenant.pk))
    sound = head.check_broken_at is None if head.check_ended_at else None
    return Checked(sound, head.check_done, head.check_broken_at, f"audit-{head.pk}")


def export(caller: Caller, *, form: Form, filters: Filters = EVERY) -> Export:
    """Write entries to a file, signed by the installation; that it was taken is an entry itself.

    Raises:
        InvalidRequest: more than MOST_EXPORTED entries.
    """
    caller.require(Scope.AUDIT)
    caller.require_whole_tenant()
    entries = _filtered(caller, filters).order_by("number")
    if entries[: MOST_EXPORTED + 1].count() > MOST_EXPORTED:
        raise InvalidRequest("since", f"more than {MOST_EXPORTED} entries: take them by their time, piece by piece")
    write, media_type = {"csv": (_csv, "text/csv"), "json": (_json, "application/json")}[form]
    content, count = write(entries.iterator(chunk_size=2000))
    taken = timezone.now()
    statement = signing.signed(
        {
            "kind": "faceplane.audit-export",
            "tenant": caller.tenant.slug,
            "taken_at": taken.isoformat(),
            "taken_by": f"{caller.kind}:{caller.id}",
            "filters": {name: str(value) for name, value in asdict(filters).items() if value},
            "entries": count,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    )
    with transaction.atomic():
        audit.record(caller, "audit.exported", entries=count, sha256=statement["sha256"])
    return Export(f"audit-{caller.tenant.slug}-{taken:%Y%m%dT%H%M%SZ}.{form}", media_type, content, statement)


def _filtered(caller: Caller, filters: Filters) -> QuerySet[AuditEntry]:
    family = filters.action.endswith(".")
    wanted = {
        "action__startswith" if family else "action": filters.action,
        "actor_id": filters.actor,
        "target_kind": filters.target_kind,
        "target_id": filters.target,
        "request_id": filters.request_id,
        "at__gte": filters.since,
        "at__lt": filters.until,
    }
    return AuditEntry.objects.of(caller.tenant).filter(**{name: value for name, value in wanted.items() if value})


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _COLUMNS} | {"at": entry.at.isoformat()}


def _json(entries: Iterable[AuditEntry]) -> tuple[bytes, int]:
    rows = [_row(entry) for entry in entries]
    return json.dumps(rows, ensure_ascii=False, indent=1).encode(), len(rows)


def _csv(entries: Iterable[AuditEntry]) -> tuple[bytes, int]:
    """Write CSV that a spreadsheet opens without running anything: a cell that begins like a formula gets a quote."""
    out = io.StringIO()
    sheet = csv.writer(out)
    sheet.writerow(_COLUMNS)
    count = 0
    for count, entry in enumerate(entries, start=1):  # noqa: B007 -- the last number is how many
        cells = _row(entry) | {"facts": json.dumps(entry.facts, ensure_ascii=False, sort_keys=True)}
        sheet.writerow(["'" + cell if cell.startswith(_FORMULA) else cell for cell in map(str, cells.values())])
    return out.getvalue().encode(), count

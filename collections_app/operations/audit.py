"""The audit log for its tenant: list it, verify its chain, export it as a signed file.

The log covers keys, members and all collections, and its chain can only be verified as a whole. So callers that reach
only some collections are refused.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any, get_args

from django.db import transaction
from django.db.models import QuerySet

from collections_app.errors import InvalidRequest
from collections_app.operations.signed_files import Export, Form, Table, exported
from tenants import audit
from tenants.access import Caller, Scope
from tenants.models import AuditEntry, AuditHead
from tenants.queue import enqueue
from tenants.task_names import Task

MOST_AT_ONCE = 20_000  # entries that a request verifies: about two seconds
MOST_EXPORTED = 100_000  # entries in a file, which is made in memory within a request
_COLUMNS = ("number", "at", *audit.SIGNED_FIELDS, "digest")
ACTIONS: tuple[str, ...] = get_args(audit.Action)


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of the list; empty ones do not apply. An action that ends in a dot selects its whole family."""

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
    """The result of verifying the chain; while its job runs `sound` is None and `entries` is the progress."""

    sound: bool | None
    entries: int
    broken_at: int | None
    job: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries in the order that was asked for, and the `before` of the next page; None: this is the last page."""

    entries: tuple[AuditEntry, ...]
    before: int | None


def list_entries(
    caller: Caller, *, filters: Filters = EVERY, before: int | None = None, limit: int = 50, oldest: bool = False
) -> AuditPage:
    """List entries, newest first, or with `oldest` oldest first; `before` is the last number of the page before."""
    caller.require(Scope.AUDIT)
    caller.require_whole_tenant()
    entries = _filtered(caller, filters)
    if before is not None:
        entries = entries.filter(number__gt=before) if oldest else entries.filter(number__lt=before)
    page = tuple(entries.order_by("number" if oldest else "-number")[: limit + 1])
    return AuditPage(page[:limit], page[limit - 1].number if len(page) > limit else None)


def verify_chain(caller: Caller) -> Checked:
    """Verify the tenant's whole chain: at once, or as a job if it has more than MOST_AT_ONCE entries.

    A job's result is returned for an hour; after that a call starts another job.
    """
    caller.require(Scope.AUDIT)
    caller.require_whole_tenant()
    audit.chained(caller.tenant)
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
    """Write entries to a file and sign it with the installation's key; the export is logged.

    Raises:
        InvalidRequest: more than MOST_EXPORTED entries.
    """
    caller.require(Scope.AUDIT)
    caller.require_whole_tenant()
    entries = _filtered(caller, filters).order_by("number")
    if entries[: MOST_EXPORTED + 1].count() > MOST_EXPORTED:
        raise InvalidRequest("since", f"more than {MOST_EXPORTED} entries: take them by their time, piece by piece")
    rows = [_row(entry) for entry in entries.iterator(chunk_size=2000)]
    chosen = {name: str(value) for name, value in asdict(filters).items() if value}
    return exported(caller, Table("audit", _COLUMNS, rows, {"filters": chosen}), form)


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
    conditions = {name: value for name, value in wanted.items() if value}
    return audit.chained(caller.tenant).filter(number__isnull=False, **conditions)


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _COLUMNS} | {"at": entry.at.isoformat()}

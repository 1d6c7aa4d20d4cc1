"""Bulk jobs: list them, cancel, go on, and read their reports."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import transaction

from collections_app import bulk
from collections_app.errors import JobNotFound, JobOver
from collections_app.models import BulkJob, JobUnit
from collections_app.operations import signed_files
from collections_app.operations.jobs import Job, JobPage, Place, bulk_job, bulk_jobs, newest
from tenants import audit
from tenants.access import Caller, Scope
from tenants.scope import as_id
from tenants.vault import Vault

NEEDED = {  # to change the course of a job
    BulkJob.Kind.EXPORT: Scope.ADMIN,
    BulkJob.Kind.IMPORT: Scope.ENROL,
    BulkJob.Kind.REEMBED: Scope.ADMIN,
}
COLUMNS = (
    "number",
    "outcome",
    "file",
    "reference",
    "name",
    "face",
    "error",
    "reason",
    "reasons",
    "duplicate_of",
    "boxes",
    "must_come_again",
)
_BATCH = 500


def list_bulk_jobs(caller: Caller, *, limit: int, before: Place | None = None) -> JobPage:
    """List bulk jobs within reach, those that are over too, newest first."""
    caller.require(Scope.READ)
    found = [bulk_job(job) for job in newest(bulk_jobs(caller), "created_at", before, limit + 1)]
    return JobPage(tuple(found[:limit]), more=len(found) > limit)


def get_bulk_job(caller: Caller, *, job: str) -> Job:
    """Return a bulk job by its id.

    Raises:
        JobNotFound: no bulk job within reach has it.
    """
    caller.require(Scope.READ)
    return bulk_job(find_bulk_job(caller, job))


def may_change(caller: Caller, job: Job) -> bool:
    """Return whether the caller may cancel a bulk job and go on with it. Not an operation."""
    return NEEDED[BulkJob.Kind(job.kind)] in caller.scopes


def refused_items(caller: Caller, *, job: str, limit: int) -> list[dict[str, Any]]:
    """Return the first refused items of a bulk job, with the reasons.

    Raises:
        JobNotFound: no bulk job within reach has this id.
    """
    caller.require(Scope.READ)
    row = find_bulk_job(caller, job)
    opened = bulk.vault_of(row)
    return [_item(row, opened, unit) for unit in bulk.units(row).filter(outcome="refused").order_by("number")[:limit]]


def cancel_job(caller: Caller, *, job: str) -> Job:
    """Stop a bulk job; what it has done stays, and it can go on later. One that is over stays as it is.

    Raises:
        JobNotFound: no bulk job within reach has this id.
    """
    caller.require(Scope.READ)
    row = find_bulk_job(caller, job)
    caller.require(NEEDED[BulkJob.Kind(row.kind)])
    with transaction.atomic():
        if bulk.stop(row, BulkJob.State.CANCELLED):
            audit.record(caller, "job.cancelled", row, kind=row.kind)
    row.refresh_from_db()
    return bulk_job(row)


def resume_job(caller: Caller, *, job: str, refused: bool = False, enrol: bool = False) -> Job:
    """Go on with a job that was cancelled or failed; one that is under way stays as it is.

    `refused`: try the refused items again. `enrol`: of a dry run, now do what it found possible.

    Raises:
        JobNotFound: no bulk job within reach has this id.
        JobOver: the job is done, and there is nothing to try again.
    """
    caller.require(Scope.READ)
    row = find_bulk_job(caller, job)
    caller.require(NEEDED[BulkJob.Kind(row.kind)])
    if row.state in bulk.ACTIVE:
        return bulk_job(row)
    enrol = enrol and bool(row.options.get("dry_run"))
    again = [outcome for outcome, wanted in (("refused", refused), ("possible", enrol)) if wanted]
    with transaction.atomic():
        opened = bulk.reopen(row, *again)
        if row.state == BulkJob.State.DONE and not opened:
            raise JobOver(row.state)
        if enrol:
            row.options["dry_run"] = False
            row.save(update_fields=["options"])
        bulk.adopt(row, caller)
        bulk.start(row)
        audit.record(caller, "job.resumed", row, kind=row.kind, refused=refused, enrol=enrol)
    return bulk_job(row)


def report(caller: Caller, *, job: str) -> Iterator[dict[str, Any]]:
    """Iterate over the results of a bulk job so far, item by item; items that were erased are left out.

    Raises:
        JobNotFound: no bulk job within reach has this id.
    """
    caller.require(Scope.READ)
    row = find_bulk_job(caller, job)
    with transaction.atomic():
        audit.record(caller, "job.report_read", row, kind=row.kind)
    return _items(row)


def as_csv(items: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Render a report as CSV; no cell begins with what a spreadsheet takes for a formula. Not an operation."""
    yield (",".join(COLUMNS) + "\r\n").encode()
    for item in items:
        line = io.StringIO()
        cells = (item.get(column, "") for column in COLUMNS)
        csv.writer(line).writerow(_cell(cell) for cell in cells)
        yield line.getvalue().encode()


def as_lines(items: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Render a report as JSON, one item a line. Not an operation."""
    for item in items:
        yield json.dumps(item, ensure_ascii=False).encode() + b"\n"


def find_bulk_job(caller: Caller, job: str) -> BulkJob:
    """Return a bulk job within reach by its id. Not an operation.

    Raises:
        JobNotFound: there is none.
    """
    kind, _, number = job.partition("-")
    found: BulkJob | None = bulk_jobs(caller).filter(kind=kind, pk=as_id(number) or 0).first()
    if found is None:
        raise JobNotFound
    return found


def _items(job: BulkJob) -> Iterator[dict[str, Any]]:
    opened, last = bulk.vault_of(job), -1
    while batch := list(bulk.units(job).filter(number__gt=last).order_by("number")[:_BATCH]):
        yield from (_item(job, opened, unit) for unit in batch)
        last = batch[-1].number


def _item(job: BulkJob, opened: Vault, unit: JobUnit) -> dict[str, Any]:
    told: dict[str, Any] = bulk.unseal(opened, job, unit.number, unit.payload).get("told", {})
    result = bulk.unseal(opened, job, unit.number, unit.result)
    return {"number": unit.number + 1, "outcome": unit.outcome or "open"} | told | result


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return signed_files.cell(text)

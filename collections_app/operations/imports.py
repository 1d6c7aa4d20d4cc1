"""Bulk import: ask for one, hand over its files part by part, and start it."""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import BinaryIO, Literal

from django.conf import settings
from django.db import transaction

from collections_app import bulk, job_files
from collections_app.errors import InvalidRequest, JobOver
from collections_app.models import BulkJob
from collections_app.operations.bulk_jobs import find_bulk_job
from collections_app.operations.collections import Alias, find
from collections_app.operations.jobs import Job, bulk_job
from tenants import audit
from tenants.access import Caller, Scope

Part = Literal["archive", "manifest"]
PART_PIECE = job_files.PIECE
"""Every part of a file but its last is a multiple of this many bytes long."""
MOST_MANIFEST = 100_000_000
_MANIFESTS = (".csv", ".jsonl")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz")


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How an import treats its items.

    `dry_run`: nothing is stored. `largest`: of several faces the largest, instead of a refusal. `stop`: the first
    refusal ends the job. `existing`: what happens to a person who was there before the import: another face is added,
    their faces are replaced, or they are skipped. `consent` is the reference for items that name none of their own.
    """

    dry_run: bool = False
    largest: bool = False
    stop: bool = False
    existing: Literal["add", "replace", "skip"] = "add"
    consent: str = ""


def begin_import(caller: Caller, *, collection: str | Alias, options: ImportOptions) -> Job:
    """Make an import that waits for its files (`add_part`) and then for its start.

    Raises:
        QuotaExceeded: too many jobs of the tenant are not over.
    """
    caller.require(Scope.ENROL)
    found = find(caller, collection)
    with transaction.atomic():
        job = bulk.begin(caller, BulkJob.Kind.IMPORT, found, asdict(options))
        audit.record(caller, "job.asked", job, kind=job.kind, collection=str(found.pk), **asdict(options))
    return bulk_job(job)


def add_part(caller: Caller, *, job: str, file: Part, offset: int, content: BinaryIO) -> int:
    """Append a part to a file of an import that has not started; return how many bytes the file has now.

    Raises:
        JobNotFound: no bulk job within reach has this id.
        JobOver: the import was started.
        FileChanged: the part does not begin where the file ends.
        QuotaExceeded: the file would become too long.
    """
    caller.require(Scope.ENROL)
    return _append(_receiving(caller, job), file, offset, content)


def add_files(caller: Caller, *, job: str, files: Sequence[tuple[str, bytes]]) -> None:
    """Add files by their names to an import that has not started: pictures, archives, or a manifest.

    Raises:
        JobNotFound: no bulk job within reach has this id.
        JobOver: the import was started.
        QuotaExceeded: it would become too large.
    """
    caller.require(Scope.ENROL)
    row = _receiving(caller, job)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files:
            if name.lower().endswith(_MANIFESTS):
                _append(row, "manifest", 0, io.BytesIO(content))
            elif name.lower().endswith(_ARCHIVES):
                _append(row, _free_name(row), 0, io.BytesIO(content))
            else:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        pictures = bool(tar.getmembers())
    packed.seek(0)
    if pictures:
        _append(row, _free_name(row), 0, packed)


def _receiving(caller: Caller, job: str) -> BulkJob:
    row = find_bulk_job(caller, job)
    if row.kind != BulkJob.Kind.IMPORT or row.stage != BulkJob.Stage.RECEIVE or row.state != BulkJob.State.WAITING:
        raise JobOver(row.state)
    return row


def _free_name(row: BulkJob) -> str:
    """Return a name for one more archive, which sorts behind those that are there."""
    return f"archive {job_files.of(row).filter(name__startswith='archive').count():06}"


def _append(row: BulkJob, file: str, offset: int, content: BinaryIO) -> int:
    there = bulk.add_file(row, file, given=True)
    room = settings.JOB_FILES_BYTES - job_files.received(row) + there.size
    most = min(MOST_MANIFEST, room) if file == "manifest" else room
    job_files.append(bulk.vault_of(row), there, offset, content, most=most)
    return there.size


def start_import(caller: Caller, *, job: str) -> Job:
    """Start an import whose files are there; one that was started stays as it is.

    Raises:
        JobNotFound: no bulk job within reach has this id.
        InvalidRequest: it has received neither an archive nor a manifest.
        JobOver: it was cancelled before.
    """
    caller.require(Scope.ENROL)
    row = find_bulk_job(caller, job)
    if row.state not in bulk.ACTIVE:
        raise JobOver(row.state)
    if row.state == BulkJob.State.WAITING:
        files = job_files.of(row).filter(size__gt=0)
        if not files.exists():
            raise InvalidRequest("archive", "no byte of an archive or manifest was received")
        with transaction.atomic():
            files.update(complete=True)
            bulk.start(row)
    return bulk_job(row)


def receive(caller: Caller, *, collection: str | Alias, options: ImportOptions, archive: bytes, manifest: bytes) -> Job:
    """Begin and start an import whose files fit into one request."""
    caller.require(Scope.ENROL)
    job = begin_import(caller, collection=collection, options=options)
    for file, content in (("archive", archive), ("manifest", manifest)):
        if content:
            add_part(caller, job=job.id, file=file, offset=0, content=io.BytesIO(content))  # type: ignore[arg-type]  # a Part
    return start_import(caller, job=job.id)

"""The engine of bulk jobs: plan, do every unit, finish; any number of workers at once, each killed at any line.

A run works on one job for some seconds. It may be called again at any point, by any worker of any host: planning and
finishing are done by the one that holds the job's lease, units by those that hold theirs.
"""

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice

from django.db import transaction

from collections_app import bulk
from collections_app.bulk import LeaseLost, Settled
from collections_app.errors import CollectionDeleted, CollectionNotFound, Unavailable
from collections_app.job_files import FileLost
from collections_app.jobs import exports, imports, reembed
from collections_app.jobs.kind import JobFailed, Kind, Run
from collections_app.models import BulkJob
from recognition.errors import Busy
from tenants import audit
from tenants.database import at_fault
from tenants.errors import MasterKeyUnusable, ScopeMissing, SealBroken

logger = logging.getLogger("faceplane.jobs")
KINDS: Mapping[str, Kind] = {
    BulkJob.Kind.EXPORT: exports,
    BulkJob.Kind.IMPORT: imports,
    BulkJob.Kind.REEMBED: reembed,
}
_BATCH = 500  # units planned in one transaction
_STOPPING = (JobFailed, FileLost, CollectionDeleted, CollectionNotFound, ScopeMissing)
_WORDS = {
    FileLost: "A file that the job received is not there any more.",
    CollectionDeleted: "The collection was deleted.",
    CollectionNotFound: "The collection was deleted.",
    ScopeMissing: "Who asked for the job may not do this any more.",
}


def work(job: BulkJob, seconds: float) -> bool:
    """Work on a job for some seconds; return whether there is more for this worker.

    Raises:
        DatabaseError: the database is away; what was not settled is open again once its lease expires.
    """
    try:
        vault, caller = bulk.vault_of(job), bulk.caller_of(job)
    except (MasterKeyUnusable, SealBroken):
        return False  # the tenant was erased, or its key is away: the schedule tries again
    if caller is None:
        bulk.stop(job, BulkJob.State.FAILED, "Who asked for the job has no access any more.")
        return False
    try:
        return _work(Run(caller, job, vault), time.monotonic() + seconds)
    except Busy:
        return True
    except Unavailable:
        logger.warning("A job waits for the storage.", extra={"job": job.pk})
    except _STOPPING as error:
        bulk.stop(job, BulkJob.State.FAILED, _WORDS.get(type(error), str(error)))
    return False


def _work(run: Run, ends: float) -> bool:
    while time.monotonic() < ends:
        row = BulkJob.objects.of(run.job.tenant).filter(pk=run.job.pk).values_list("state", "stage").first()
        if row is None or row[0] != BulkJob.State.RUNNING or not _STEPS[row[1]](run):
            return False
    return True


def _plan(run: Run) -> bool:
    """Cut the job into units, if no other worker does; units that are there already stay as they are."""
    job, total = run.job, 0
    if not bulk.take(job, run.token):
        return False
    try:
        payloads = iter(KINDS[job.kind].plan(run))
        while batch := list(islice(payloads, _BATCH)):
            with transaction.atomic():
                bulk.keep(job, run.token)
                bulk.add_units(job, run.vault, total, batch)
            total += len(batch)
        bulk.keep(job, run.token, total=total, stage=BulkJob.Stage.WORK, leased_until=None)
    except LeaseLost:
        return False
    return True


def _do(run: Run) -> bool:
    """Do the next units; whatever goes wrong unforeseen is tried again, a few times."""
    kind, job = KINDS[run.job.kind], run.job
    units = bulk.claim(job, run.vault, run.token, kind.AT_ONCE)
    if not units:
        return bulk.all_settled(job)
    if spent := [unit for unit in units if unit.row.attempts > bulk.MOST_ATTEMPTS]:
        bulk.settle(run.vault, job, *(Settled(unit, "refused", {"error": "not_finished"}) for unit in spent))
        units = [unit for unit in units if unit not in spent]
    if any(unit.row.attempts > 1 for unit in units):  # each alone, so that one does not take the others down
        bulk.release(job, units[1:])
        units = units[:1]
    failed = False
    try:
        kind.do(run, units)
    except LeaseLost:
        logger.warning("Units went to another worker.", extra={"job": job.pk})
    except (Busy, Unavailable, *_STOPPING):
        raise
    except Exception as error:
        if at_fault(error):
            raise
        logger.exception("Units of a job failed.", extra={"job": job.pk})
        failed = True
    finally:
        bulk.release(job, units, failed=failed)
    return True


def _finish(run: Run) -> bool:
    """Finish the job, if no other worker does."""
    job = run.job
    if bulk.take(job, run.token):
        KINDS[job.kind].finish(run)
        with suppress(LeaseLost), transaction.atomic():
            bulk.end(job, run.token)
            audit.record(run.caller, "job.ended", job, kind=job.kind, counts=bulk.counts(job))
    return False


_STEPS = {BulkJob.Stage.PLAN: _plan, BulkJob.Stage.WORK: _do, BulkJob.Stage.FINISH: _finish}

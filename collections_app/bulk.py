"""Bulk jobs: begin one, cut it into units, take a unit and settle it.

Operations and workers share this. A unit is taken with a lease and settled by the token of that lease, in the
transaction of what was done for it: a worker that is killed loses nothing, and one that was suspended beyond its lease
doubles nothing. Units and files are sealed with a key of the job's own.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from collections_app import job_files, storage, stores
from collections_app.models import BulkJob, Collection, JobFile, JobUnit
from tenants import vault
from tenants.access import Caller, Scope
from tenants.errors import QuotaExceeded
from tenants.models import ApiKey, Member, Tenant
from tenants.queue import enqueue
from tenants.task_names import Task
from tenants.vault import Vault

LEASE = timedelta(seconds=120)  # longer than any unit takes
MOST_ACTIVE = 20  # jobs of a tenant that are not over
MOST_ATTEMPTS = 5  # of a unit whose worker died
OPEN = ""  # the outcome of a unit that is to be done
ACTIVE = (BulkJob.State.WAITING, BulkJob.State.RUNNING)


class LeaseLost(Exception):
    """Another worker has the unit or the job, or it is gone: what was done for it must be rolled back."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that this worker holds, and what is to be done."""

    row: JobUnit
    payload: dict[str, Any]


def begin(caller: Caller, kind: BulkJob.Kind, collection: Collection | None, options: Mapping[str, Any]) -> BulkJob:
    """Make a job that waits for its files or for its start, in the caller's transaction.

    Raises:
        QuotaExceeded: the tenant has MOST_ACTIVE jobs that are not over.
    """
    caller.tenant.lock()
    if BulkJob.objects.of(caller.tenant).filter(state__in=ACTIVE).count() >= MOST_ACTIVE:
        raise QuotaExceeded("jobs", MOST_ACTIVE)
    job = BulkJob(tenant=caller.tenant, kind=kind, collection=collection, options=dict(options))
    job.sealed_key = Vault.of(caller.tenant).seal(os.urandom(vault.KEY_BYTES), f"job-key:{job.pk}")
    job.save(force_insert=True)
    adopt(job, caller)
    return job


def adopt(job: BulkJob, caller: Caller) -> None:
    """Have the job done in the caller's name, with the caller's rights."""
    named = {"actor_kind": caller.kind, "actor_id": caller.id, "actor_name": caller.name[:150]}
    reach = None if caller.collections is None else sorted(caller.collections)
    rights = {"scopes": sorted(caller.scopes), "reach": reach, "via": caller.via, "request_id": caller.request_id}
    for name, value in (named | rights).items():
        setattr(job, name, value)
    job.save(update_fields=[*named, *rights])


def vault_of(job: BulkJob) -> Vault:
    """Return the vault of a job's units and files.

    Raises:
        MasterKeyUnusable, SealBroken: the tenant was erased, or the key cannot be opened.
    """
    return Vault.with_key(job.tenant, Vault.of(job.tenant).open(bytes(job.sealed_key), f"job-key:{job.pk}"))


def caller_of(job: BulkJob) -> Caller | None:
    """Return the caller who asked for a job, with the rights that they still have; None: they have none any more."""
    held = frozenset(map(Scope, job.scopes))
    tenant = job.tenant
    if tenant.state != Tenant.State.ACTIVE:
        return None
    if job.actor_kind == "key":
        key = ApiKey.objects.of(tenant).filter(pk=job.actor_id, revoked_at=None).first()
        if key is None or (key.expires_at and key.expires_at <= timezone.now()):
            return None
    if job.actor_kind == "user" and not Member.objects.of(tenant).filter(user_id=job.actor_id).exists():
        return None
    reach = None if job.reach is None else frozenset(job.reach)
    return Caller(
        tenant=tenant,
        kind=job.actor_kind,
        id=job.actor_id,
        name=job.actor_name,
        scopes=held,
        collections=reach,
        via=job.via,
        request_id=job.request_id,
        job=True,
    )


def start(job: BulkJob) -> bool:
    """Have workers do the job, after the caller's transaction; return whether it was not under way already."""
    rows = BulkJob.objects.of(job.tenant).filter(pk=job.pk).exclude(state=BulkJob.State.RUNNING)
    now, done = timezone.now(), units(job).exclude(outcome=OPEN).count()
    stage = BulkJob.Stage.PLAN if job.total is None else BulkJob.Stage.WORK
    values = {"state": BulkJob.State.RUNNING, "stage": stage, "fault": "", "finished_at": None}
    began = rows.update(**values, began_at=now, done_before=done, leased_until=None)
    job.refresh_from_db()
    for _ in range(settings.COMPUTE_SLOTS + 1):
        transaction.on_commit(lambda: enqueue(Task.WORK_ON_JOB, job.pk))
    return bool(began)


def stop(job: BulkJob, state: BulkJob.State, fault: str = "") -> bool:
    """End a job that is not over, as failed or cancelled; return whether it was not."""
    rows = BulkJob.objects.of(job.tenant).filter(pk=job.pk, state__in=ACTIVE)
    return bool(rows.update(state=state, fault=fault[:255], finished_at=timezone.now(), leased_until=None))


def units(job: BulkJob) -> QuerySet[JobUnit]:
    """Return a job's units."""
    return JobUnit.objects.of(job.tenant).filter(job=job)


def counts(job: BulkJob) -> dict[str, int]:
    """Return how many units have each outcome; those that are open under ""."""
    rows = units(job).order_by().values("outcome").annotate(number=Count("pk"))
    return {row["outcome"]: row["number"] for row in rows}


def add_units(job: BulkJob, opened: Vault, first: int, payloads: Iterable[Mapping[str, Any]]) -> None:
    """Add units from the number `first` on; those that are there already stay as they are."""
    rows = [
        JobUnit(tenant=job.tenant, job=job, number=number, payload=seal(opened, job, number, payload))
        for number, payload in enumerate(payloads, start=first)
    ]
    JobUnit.unscoped.bulk_create(rows, ignore_conflicts=True)


def seal(opened: Vault, job: BulkJob, number: int, values: Mapping[str, Any]) -> bytes:
    """Seal a unit's payload or result."""
    return opened.seal(json.dumps(values, ensure_ascii=False).encode(), f"job-unit:{job.pk}:{number}")


def unseal(opened: Vault, job: BulkJob, number: int, sealed: bytes | memoryview | None) -> dict[str, Any]:
    """Open a unit's payload or result; nothing is left of what was erased."""
    if not sealed:
        return {}
    values: dict[str, Any] = json.loads(opened.open(bytes(sealed), f"job-unit:{job.pk}:{number}"))
    return values


def claim(job: BulkJob, opened: Vault, token: str, most: int) -> list[Unit]:
    """Take the first units that are open and that no worker holds, up to `most`."""
    now = timezone.now()
    with transaction.atomic():
        free = units(job).filter(Q(leased_until=None) | Q(leased_until__lt=now), outcome=OPEN).order_by("number")
        if connection.features.has_select_for_update_skip_locked:
            free = free.select_for_update(skip_locked=True, no_key=True)
        rows = list(free[:most])
        taken = JobUnit.objects.of(job.tenant).filter(pk__in=[row.pk for row in rows])
        if rows:
            taken.update(claim=token, leased_until=now + LEASE, attempts=F("attempts") + 1)
    for row in rows:
        row.job, row.claim, row.attempts = job, token, row.attempts + 1
    return [Unit(row, unseal(opened, job, row.number, row.payload)) for row in rows]


@dataclass(frozen=True, slots=True)
class Settled:
    """The result of a unit: its outcome, facts for the report, and the face that was enrolled."""

    unit: Unit
    outcome: str
    result: Mapping[str, Any] | None = None
    face_id: int | None = None


def settle(opened: Vault, job: BulkJob, *settled: Settled) -> None:
    """Store the results of units, in the transaction that did them.

    Raises:
        LeaseLost: one of them is no longer ours.
    """
    rows = []
    for one in settled:
        row = one.unit.row
        row.outcome, row.face_id = one.outcome, one.face_id
        row.result = seal(opened, job, row.number, one.result) if one.result else None
        rows.append(row)
    tokens = {row.claim for row in rows}
    mine = JobUnit.objects.of(job.tenant).filter(pk__in=[row.pk for row in rows], claim__in=tokens, outcome=OPEN)
    if mine.update(claim="", leased_until=None) != len(rows):
        raise LeaseLost
    JobUnit.objects.of(job.tenant).bulk_update(rows, ["outcome", "result", "face_id"])


def release(job: BulkJob, taken: Sequence[Unit], *, failed: bool = False) -> None:
    """Give back those of the units that are still ours and open; unless they `failed`, as if they were never taken."""
    tokens = {unit.row.claim for unit in taken}
    rows = JobUnit.objects.of(job.tenant).filter(pk__in=[unit.row.pk for unit in taken], outcome=OPEN)
    rows.filter(claim__in=tokens).update(claim="", leased_until=None, attempts=F("attempts") - int(not failed))


def all_settled(job: BulkJob) -> bool:
    """Return whether no unit is open, and if so have the job finished."""
    if units(job).filter(outcome=OPEN).exists():
        return False
    _row(job).filter(stage=BulkJob.Stage.WORK).update(stage=BulkJob.Stage.FINISH)
    return True


def reopen(job: BulkJob, *outcomes: str) -> int:
    """Make the units with these outcomes open again; return how many. Those whose contents were erased stay."""
    again = units(job).filter(outcome__in=outcomes).exclude(payload=b"")
    return again.update(outcome=OPEN, result=None, attempts=0)


def live(job: BulkJob) -> int:
    """Return how many workers hold a unit of the job."""
    held = units(job).filter(leased_until__gt=timezone.now())
    return held.order_by().values("claim").distinct().count()


def take(job: BulkJob, token: str) -> bool:
    """Take the job's own lease, for planning or finishing; return whether no other worker has it."""
    now = timezone.now()
    free = _row(job).filter(Q(leased_until=None) | Q(leased_until__lt=now), state=BulkJob.State.RUNNING)
    return bool(free.update(claim=token, leased_until=now + LEASE))


def keep(job: BulkJob, token: str, **values: object) -> None:
    """Renew the job's lease and change the job.

    Raises:
        LeaseLost: another worker has it, or the job was stopped.
    """
    mine = _row(job).filter(claim=token, state=BulkJob.State.RUNNING)
    if not mine.update(**{"leased_until": timezone.now() + LEASE} | values):
        raise LeaseLost


def end(job: BulkJob, token: str) -> None:
    """Close the job as done.

    Raises:
        LeaseLost: another worker has it, or the job was stopped.
    """
    keep(job, token, state=BulkJob.State.DONE, finished_at=timezone.now(), leased_until=None)


def add_file(job: BulkJob, name: str, *, given: bool = False) -> JobFile:
    """Return the job's file of that name; an empty one if there is none yet."""
    fresh = JobFile(tenant=job.tenant, job=job, name=name, given=given)
    JobFile.unscoped.bulk_create([fresh], ignore_conflicts=True)
    return job_files.of(job).get(name=name)


def drop_given(job: BulkJob) -> None:
    """Remove the files that a job received."""
    for file in job_files.of(job).filter(given=True):
        job_files.remove(file)


def forget(job: BulkJob) -> None:
    """Remove a job with its units and files. Can be run again at any point."""
    for name in storage.job_names(storage.job_folder(job.tenant_id, job.collection_id or 0, job.pk)):
        storage.erase(name)
    stores.remove_rows(units(job))
    job.delete()


def _row(job: BulkJob) -> QuerySet[BulkJob]:
    rows: QuerySet[BulkJob] = BulkJob.objects.of(job.tenant).filter(pk=job.pk)
    return rows

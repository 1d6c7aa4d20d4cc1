"""Jobs: the work behind the requests, all kinds in one form.

A job is computed from the row of its subject: an index job from the index's Compaction, a health job from its report,
an erasure from its receipt, an audit job from the log's head, a bulk job from its own. A collection has one index, so
the work on it is always the same job, which is done, waits, and runs again. One file although it is longer than 300
lines: one form of all kinds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from collections_app import bulk
from collections_app.errors import JobNotFound
from collections_app.models import BulkJob, Collection, HealthReport, Receipt
from collections_app.operations.collections import list_collections
from collections_app.operations.erase import reachable_receipts
from recognition.models import Compaction, IndexSegment
from tenants.access import Caller, Scope
from tenants.models import AuditHead, Tenant
from tenants.scope import as_id

_UNTOLD = frozenset({"change", "digest", "key", "manifest"})
R = TypeVar("R", bound=Model)
Place: TypeAlias = tuple[datetime, int]
"""A job's place in the list: the time since when it exists, and the id of its subject."""


class Kind(StrEnum):
    """The kind of work."""

    INDEX = "index"
    HEALTH = "health"
    ERASURE = "erasure"
    AUDIT = "audit"
    EXPORT = "export"
    IMPORT = "import"
    REEMBED = "reembed"


class State(StrEnum):
    """The state. A job that failed and will be retried automatically is WAITING."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Bulk:
    """What only a bulk job has: who asked, its options, how many items have each outcome, and items a second."""

    requested_by: str
    requested_at: datetime
    options: Mapping[str, Any]
    counts: Mapping[str, int]
    rate: float | None


@dataclass(frozen=True, slots=True)
class Job:
    """The present state of a piece of work.

    Rows, progress (0 to 1) and seconds are those of the present stage, and None if unknown. `fault` is what stopped the
    last attempt.
    """

    id: str
    kind: Kind
    collection: Collection | None
    state: State
    place: Place
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stage: str = ""
    rows_done: int | None = None
    rows_total: int | None = None
    progress: float | None = None
    seconds_left: float | None = None
    fault: str = ""
    bulk: Bulk | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of jobs, and whether there are more after it."""

    jobs: tuple[Job, ...]
    more: bool


def list_jobs(caller: Caller, *, limit: int, before: Place | None = None) -> JobPage:
    """List the unfinished jobs within reach, newest first; `before` is the place of the last job of the page before."""
    caller.require(Scope.READ)
    found = sorted(_unfinished(caller, before, limit + 1), key=lambda job: job.place, reverse=True)
    return JobPage(tuple(found[:limit]), more=len(found) > limit)


def get_job(caller: Caller, *, job: str) -> Job:
    """Return a job by its id, finished or not.

    Raises:
        JobNotFound: no job within reach has it.
    """
    caller.require(Scope.READ)
    kind, _, which = job.partition("-")
    number = as_id(which) or 0  # 0: no row has it
    if kind == Kind.ERASURE and (receipt := reachable_receipts(caller).filter(uuid=which).first()):
        return erasure_job(receipt)
    if kind == Kind.HEALTH and (report := _reports(caller).filter(pk=number).first()):
        return health_job(report)
    if kind == Kind.AUDIT and (head := _checks(caller).filter(pk=number).first()):
        return audit_job(head)
    if kind in BulkJob.Kind.values and (row := bulk_jobs(caller).filter(kind=kind, pk=number).first()):
        return bulk_job(row)
    living = list_collections(caller).select_related("tenant")
    if kind == Kind.INDEX and (collection := living.filter(pk=number).first()):
        return index_job(collection)
    raise JobNotFound


def index_job(collection: Collection) -> Job:
    """Return the work on a collection's index as a job."""
    work = _compactions(collection.tenant).filter(gallery=collection.gallery_id).first()
    place = (collection.created_at, collection.pk)
    return _index_job(work) if work else Job(f"{Kind.INDEX}-{collection.pk}", Kind.INDEX, collection, State.DONE, place)


def health_job(report: HealthReport) -> Job:
    """Return the making of a health report as a job."""
    state = State.WAITING if report.state == HealthReport.State.QUEUED else State(report.state)
    running = state == State.RUNNING
    return Job(
        id=f"{Kind.HEALTH}-{report.pk}",
        kind=Kind.HEALTH,
        collection=report.collection,
        state=state,
        place=(report.created_at, report.pk),
        started_at=report.began_at,
        finished_at=report.finished_at,
        progress=report.progress / 100,
        seconds_left=seconds_left(report.began_at, report.progress, 100) if running else None,
    )


def erasure_job(receipt: Receipt) -> Job:
    """Return an erasure as a job."""
    return Job(
        id=f"{Kind.ERASURE}-{receipt.uuid}",
        kind=Kind.ERASURE,
        collection=receipt.collection,
        state=State.DONE if receipt.completed_at else State.WAITING,
        place=(receipt.requested_at, receipt.pk),
        started_at=receipt.requested_at,
        finished_at=receipt.completed_at,
    )


def audit_job(head: AuditHead) -> Job:
    """Return the verification of the whole audit log as a job."""
    asked, ended, done = head.check_asked_at, head.check_ended_at, head.check_done
    state = State.DONE if ended else State.RUNNING if done else State.WAITING
    running = state == State.RUNNING
    return Job(
        id=f"{Kind.AUDIT}-{head.pk}",
        kind=Kind.AUDIT,
        collection=None,
        state=state,
        place=(asked or timezone.now(), head.pk),
        started_at=asked,
        finished_at=ended,
        rows_done=done,
        rows_total=head.number,
        progress=min(1.0, done / head.number) if head.number else None,
        seconds_left=seconds_left(asked, done, max(done, head.number)) if running else None,
        fault="" if head.check_broken_at is None else f"The log is broken at entry {head.check_broken_at}.",
    )


def bulk_job(row: BulkJob) -> Job:
    """Return a bulk job as a job."""
    counts = bulk.counts(row)
    done = sum(counts.values()) - counts.pop(bulk.OPEN, 0)
    state, working = State(row.state), row.total is not None
    ended = row.finished_at or timezone.now()
    seconds = (ended - row.began_at).total_seconds() if row.began_at else 0.0
    rate = (done - row.done_before) / seconds if working and seconds > 0 else None
    left = (row.total or 0) - done
    return Job(
        id=str(row),
        kind=Kind(row.kind),
        collection=row.collection,
        state=state,
        place=(row.created_at, row.pk),
        started_at=row.began_at,
        finished_at=row.finished_at,
        stage=row.stage if state in {State.WAITING, State.RUNNING} else "",
        rows_done=done if working else None,
        rows_total=row.total,
        progress=done / row.total if row.total else None,
        seconds_left=left / rate if rate and state == State.RUNNING else None,
        fault=row.fault,
        bulk=Bulk(f"{row.actor_kind}:{row.actor_id}", row.created_at, _told(row.options), counts, rate),
    )


def _told(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without what only the work needs."""
    return {name: value for name, value in options.items() if name not in _UNTOLD}


def bulk_jobs(caller: Caller) -> QuerySet[BulkJob]:
    """Return the bulk jobs within reach; those of the whole tenant only for who reaches all of it."""
    jobs = BulkJob.objects.of(caller.tenant).select_related("collection", "tenant")
    return caller.within(jobs.exclude(collection__state=Collection.State.DELETED))


def seconds_left(began_at: datetime | None, done: int, total: int) -> float | None:
    """Return how long the rest takes at the speed so far; None: unknown yet."""
    if began_at is None or not done:
        return None
    return (timezone.now() - began_at).total_seconds() / done * (total - done)


def _index_job(work: Compaction) -> Job:
    now = timezone.now()
    collection: Collection = work.gallery.collection
    held = work.leased_until is not None and work.leased_until > now and not work.fault
    unfinished = work.unsound or work.stage or work.fault  # type: ignore[attr-defined]  # _compactions() annotates it
    state = State.RUNNING if held else State.WAITING if unfinished else State.DONE
    running = state == State.RUNNING and work.stage
    return Job(
        id=f"{Kind.INDEX}-{collection.pk}",
        kind=Kind.INDEX,
        collection=collection,
        state=state,
        place=(work.began_at or collection.created_at, work.pk),
        started_at=None if state == State.WAITING else work.began_at,
        finished_at=work.finished_at if state == State.DONE else None,
        stage=work.stage if running else "",
        rows_done=work.done if running else None,
        rows_total=work.total if running else None,
        progress=work.done / work.total if running and work.total else None,
        seconds_left=seconds_left(work.stage_began_at, work.done, work.total) if running else None,
        fault=work.fault,
    )


def _unfinished(caller: Caller, before: Place | None, most: int) -> Iterator[Job]:
    """Yield up to `most` unfinished jobs of each kind, newest first."""
    active = Q(leased_until__gt=timezone.now()) | ~Q(stage="") | ~Q(fault="") | Q(unsound=True)
    works = _compactions(caller.tenant).filter(active, gallery__serves__state=Collection.State.ACTIVE)
    works = caller.within(works, "gallery__collection")
    open_reports = _reports(caller).filter(state__in=[HealthReport.State.QUEUED, HealthReport.State.RUNNING])
    pending = reachable_receipts(caller).filter(completed_at=None).select_related("collection")
    active_bulk = bulk_jobs(caller).filter(state__in=bulk.ACTIVE)
    yield from map(_index_job, newest(works, "began_at", before, most))
    yield from map(health_job, newest(open_reports, "created_at", before, most))
    yield from map(erasure_job, newest(pending, "requested_at", before, most))
    yield from map(audit_job, newest(_checks(caller).filter(check_ended_at=None), "check_asked_at", before, most))
    yield from map(bulk_job, newest(active_bulk, "created_at", before, most))


def newest(rows: QuerySet[R], time: str, before: Place | None, most: int) -> QuerySet[R]:
    """Return the newest rows by a field of time, up to `most`, of those before a place."""
    rows = rows.filter(**{f"{time}__isnull": False})
    if before:
        at, key = before
        rows = rows.filter(Q(**{f"{time}__lt": at}) | Q(**{time: at, "pk__lt": key}))
    return rows.order_by(f"-{time}", "-pk")[:most]


def _compactions(tenant: Tenant) -> QuerySet[Compaction]:
    segments = IndexSegment.objects.of(tenant).filter(gallery=OuterRef("gallery"))
    unsound = Exists(segments.exclude(condition=IndexSegment.Condition.SOUND))
    works: QuerySet[Compaction] = Compaction.objects.of(tenant).select_related("gallery__collection")
    return works.filter(gallery__mirrored=False).annotate(unsound=unsound)  # pgvector has no segments


def _reports(caller: Caller) -> QuerySet[HealthReport]:
    reports = HealthReport.objects.of(caller.tenant).filter(collection__state=Collection.State.ACTIVE)
    return caller.within(reports).select_related("collection")


def _checks(caller: Caller) -> QuerySet[AuditHead]:
    """Return the log's head if a verification was requested; nothing for callers that may not read the log."""
    checks = AuditHead.objects.of(caller.tenant).filter(check_asked_at__isnull=False)
    return checks if Scope.AUDIT in caller.scopes and caller.collections is None else checks.none()

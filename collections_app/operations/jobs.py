"""Jobs: the work behind the requests, in one shape wherever it is written down.

The work on an index is told by its compaction, a look at a collection's health by its report, an erasure by its
receipt, a check of the audit log by the log's head. There is no table of jobs, so none can say otherwise than what it
is about. A collection has one index, so the work on it is one job, which is done, waits and runs again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, TypeVar

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from collections_app.errors import JobNotFound
from collections_app.models import Collection, HealthReport, Receipt
from collections_app.operations.collections import list_collections
from collections_app.operations.erase import reachable_receipts
from recognition.models import Compaction, IndexSegment
from tenants.access import Caller, Scope
from tenants.models import AuditHead, Tenant
from tenants.scope import as_id

R = TypeVar("R", bound=Model)
Place: TypeAlias = tuple[datetime, int]
"""Where a job stands in the list: since when it is there, and then by the key of what it is about."""


class Kind(StrEnum):
    """What is worked on."""

    INDEX = "index"
    HEALTH = "health"
    ERASURE = "erasure"
    AUDIT = "audit"


class State(StrEnum):
    """How far it is. What failed and is tried again by itself waits."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work, told as of now.

    Rows, progress (0 to 1) and seconds are of the present stage, and None where they cannot be known. `fault` is what
    stopped the last attempt.
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


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, and whether the list goes on after these."""

    jobs: tuple[Job, ...]
    more: bool


def list_jobs(caller: Caller, *, limit: int, before: Place | None = None) -> JobPage:
    """List the jobs within reach that are not over, newest first; `before` is where the page before ended."""
    caller.require(Scope.READ)
    found = sorted(_under_way(caller, before, limit + 1), key=lambda job: job.place, reverse=True)
    return JobPage(tuple(found[:limit]), more=len(found) > limit)


def get_job(caller: Caller, *, job: str) -> Job:
    """Return a job by its id, over or not.

    Raises:
        JobNotFound: none within reach has it.
    """
    caller.require(Scope.READ)
    kind, _, which = job.partition("-")
    number = as_id(which) or 0  # which no row has
    if kind == Kind.ERASURE and (receipt := reachable_receipts(caller).filter(uuid=which).first()):
        return erasure_job(receipt)
    if kind == Kind.HEALTH and (report := _reports(caller).filter(pk=number).first()):
        return health_job(report)
    if kind == Kind.AUDIT and (head := _checks(caller).filter(pk=number).first()):
        return audit_job(head)
    living = list_collections(caller).select_related("tenant")
    if kind == Kind.INDEX and (collection := living.filter(pk=number).first()):
        return index_job(collection)
    raise JobNotFound


def index_job(collection: Collection) -> Job:
    """Tell how far the work on a collection's index is."""
    work = _compactions(collection.tenant).filter(gallery_id=collection.pk).first()
    place = (collection.created_at, collection.pk)
    return _index_job(work) if work else Job(f"{Kind.INDEX}-{collection.pk}", Kind.INDEX, collection, State.DONE, place)


def health_job(report: HealthReport) -> Job:
    """Tell how far a look at a collection's health is."""
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
    """Tell whether an erasure is complete."""
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
    """Tell how far the recomputation of the whole audit log is."""
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


def seconds_left(began_at: datetime | None, done: int, total: int) -> float | None:
    """Return how long the rest takes if it goes on as it went; None: it cannot be known yet."""
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
        place=(work.began_at or collection.created_at, collection.pk),
        started_at=None if state == State.WAITING else work.began_at,
        finished_at=work.finished_at if state == State.DONE else None,
        stage=work.stage if running else "",
        rows_done=work.done if running else None,
        rows_total=work.total if running else None,
        progress=work.done / work.total if running and work.total else None,
        seconds_left=seconds_left(work.stage_began_at, work.done, work.total) if running else None,
        fault=work.fault,
    )


def _under_way(caller: Caller, before: Place | None, most: int) -> Iterator[Job]:
    """Give up to so many jobs of each kind that are not over, newest first."""
    active = Q(leased_until__gt=timezone.now()) | ~Q(stage="") | ~Q(fault="") | Q(unsound=True)
    works = _compactions(caller.tenant).filter(active, gallery__collection__state=Collection.State.ACTIVE)
    works = caller.within(works, "gallery")
    open_reports = _reports(caller).filter(state__in=[HealthReport.State.QUEUED, HealthReport.State.RUNNING])
    pending = reachable_receipts(caller).filter(completed_at=None).select_related("collection")
    yield from map(_index_job, _newest(works, "began_at", before, most))
    yield from map(health_job, _newest(open_reports, "created_at", before, most))
    yield from map(erasure_job, _newest(pending, "requested_at", before, most))
    yield from map(audit_job, _newest(_checks(caller).filter(check_ended_at=None), "check_asked_at", before, most))


def _newest(rows: QuerySet[R], time: str, before: Place | None, most: int) -> QuerySet[R]:
    rows = rows.filter(**{f"{time}__isnull": False})
    if before:
        at, key = before
        rows = rows.filter(Q(**{f"{time}__lt": at}) | Q(**{time: at, "pk__lt": key}))
    return rows.order_by(f"-{time}", "-pk")[:most]


def _compactions(tenant: Tenant) -> QuerySet[Compaction]:
    segments = IndexSegment.objects.of(tenant).filter(gallery=OuterRef("gallery"))
    unsound = Exists(segments.exclude(condition=IndexSegment.Condition.SOUND))
    works: QuerySet[Compaction] = Compaction.objects.of(tenant).select_related("gallery__collection")
    return works.filter(gallery__mirrored=False).annotate(unsound=unsound)  # in pgvector there are no segments to make


def _reports(caller: Caller) -> QuerySet[HealthReport]:
    reports = HealthReport.objects.of(caller.tenant).filter(collection__state=Collection.State.ACTIVE)
    return caller.within(reports).select_related("collection")


def _checks(caller: Caller) -> QuerySet[AuditHead]:
    """Return the check of the audit log, if one was asked for: whoever may not read the log learns of none."""
    checks = AuditHead.objects.of(caller.tenant).filter(check_asked_at__isnull=False)
    return checks if Scope.AUDIT in caller.scopes and caller.collections is None else checks.none()

"""What the operator's dashboard shows besides the findings: use of tenants, work, failures, the schedule, this host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from platform import python_version
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.db import connection
from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.utils import timezone

from collections_app import bulk
from collections_app.models import BulkJob, HealthReport, Receipt
from config.checks import host
from recognition import packs
from recognition.index import lease
from recognition.models import Compaction, Gallery, IndexSegment
from tenants import heartbeat, queue, rls
from tenants.heartbeat import Run
from tenants.models import Delivery, Invitation, LoggedRequest, Tenant, UsageDay

_SHOWN = 50
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant with what it uses: counts against quotas, calls of today and of seven days, its last request."""

    tenant: Tenant
    faces: int
    collections: int
    today: int
    week: int
    failed: int
    last: datetime | None
    invitations: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Work of a kind that is due or under way: how much, and since when the oldest of it."""

    kind: str
    count: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Work of a tenant that failed and is not tried again by itself. `work` names it for tenants.retry."""

    tenant: Tenant
    kind: str
    work: str
    at: datetime | None
    fault: str


@dataclass(frozen=True, slots=True)
class PackRow:
    """A model pack: its model files, and how many collections and faces use it."""

    name: str
    default: bool
    files: tuple[str, ...]
    collections: int
    faces: int


@rls.all_tenants()
def tables(tenants: Sequence[Tenant]) -> dict[str, Any]:
    """Return the page's tables by name; of the tenants those that are given."""
    workers = heartbeat.workers()
    return {
        "tenants": _tenants(tenants),
        "work": {
            "workers": [(name, age, age < heartbeat.LOST_SECONDS) for name, age in workers.items()],
            "lag": heartbeat.signs().lag_seconds,
            "queue": queue.length(),
            "waiting": _waiting(),
        },
        "failures": _failures(),
        "runs": _runs(),
        "backup": heartbeat.noted("backup"),
        "audits": heartbeat.noted("audits"),
        "disks": host.spaces(),
        "memory": host.memory_bytes(),
        "index": _index(),
        "packs": _packs(),
        "versions": _versions(),
        "sign_ins": _sign_ins(),
    }


def _tenants(shown: Sequence[Tenant]) -> list[TenantRow]:
    """Return the tenants with their use; each column is one query."""
    today = timezone.now().date()
    held = Gallery.unscoped.filter(tenant__in=shown, serves__state="active").values("tenant_id").order_by()
    sizes = {row["tenant_id"]: row for row in held.annotate(faces=Sum("size"), collections=Count("pk"))}
    days = UsageDay.unscoped.filter(tenant__in=shown, day__gt=today - 7 * _DAY).values("tenant_id").order_by()
    calls = {row["tenant_id"]: row for row in days.annotate(week=Sum("calls"), today=Sum("calls", filter=Q(day=today)))}
    recent = LoggedRequest.unscoped.filter(tenant__in=shown, at__gte=timezone.now() - _DAY).values("tenant_id")
    wrong = Count("pk", filter=Q(status__gte=400) | ~Q(code=""))
    asked: dict[int, Any] = {row["tenant_id"]: row for row in recent.order_by().annotate(last=Max("at"), failed=wrong)}
    waiting = Invitation.unscoped.filter(tenant__in=shown, accepted_at=None, expires_at__gt=timezone.now())
    invited = dict(waiting.values("tenant_id").order_by().annotate(n=Count("pk")).values_list("tenant_id", "n"))
    return [
        TenantRow(
            tenant,
            _of(sizes, tenant, "faces"),
            _of(sizes, tenant, "collections"),
            _of(calls, tenant, "today"),
            _of(calls, tenant, "week"),
            _of(asked, tenant, "failed"),
            asked.get(tenant.pk, {}).get("last"),
            invited.get(tenant.pk, 0),
        )
        for tenant in shown
    ]


def _of(rows: Mapping[int, Mapping[str, Any]], tenant: Tenant, name: str) -> int:
    return rows.get(tenant.pk, {}).get(name) or 0


def _waiting() -> list[Waiting]:
    """Return what is due or under way, with the age of the oldest; builds of an index that wait have no time."""
    due = Delivery.unscoped.filter(state=Delivery.State.PENDING, webhook__active=True, next_at__lte=timezone.now())
    reports = HealthReport.unscoped.filter(state__in=[HealthReport.State.QUEUED, HealthReport.State.RUNNING])
    rows: tuple[tuple[str, QuerySet[Any], str], ...] = (
        ("job", BulkJob.unscoped.filter(state__in=bulk.ACTIVE), "created_at"),
        ("erasure", Receipt.unscoped.filter(completed_at=None), "requested_at"),
        ("health", reports, "created_at"),
        ("index", lease.held(Compaction.unscoped.all()), "began_at"),
        ("delivery", due, "next_at"),
    )
    return [Waiting(kind, **found.aggregate(count=Count("pk"), since=Min(since))) for kind, found, since in rows]


def _failures() -> list[Failure]:
    """Return the newest failures: jobs, health reports that no later one replaced, deliveries."""
    jobs = BulkJob.unscoped.filter(state=BulkJob.State.FAILED).select_related("tenant").order_by("-finished_at")
    reports = HealthReport.unscoped.filter(state=HealthReport.State.FAILED, collection__state="active")
    newest = reports.annotate(newest=Max("collection__health_reports__created_at")).select_related("tenant")
    failed = Delivery.unscoped.filter(state=Delivery.State.FAILED).select_related("tenant", "event")
    found = [Failure(job.tenant, job.kind, str(job), job.finished_at, job.fault) for job in jobs[:_SHOWN]]
    found += [
        Failure(one.tenant, "health", f"health-{one.pk}", one.finished_at or one.created_at, "")
        for one in newest.order_by("-created_at")[:_SHOWN]
        if one.created_at == one.newest
    ]
    found += [
        Failure(one.tenant, "delivery", f"delivery-{one.pk}", one.event.at, one.problem)
        for one in failed.order_by("-event__at")[:_SHOWN]
    ]
    return found


def _runs() -> list[tuple[str, Run]]:
    return [(name, heartbeat.run_of(name, entry["task"])) for name, entry in settings.CELERY_BEAT_SCHEDULE.items()]


def _index() -> list[Any]:
    """Return the segments by condition, and the changes that are in none yet."""
    of = IndexSegment.unscoped.values("condition").order_by("condition")
    return list(of.annotate(segments=Count("pk"), templates=Sum("rows"), size=Sum("bytes")))


def _packs() -> list[PackRow]:
    used = Gallery.unscoped.values("pack").order_by().annotate(collections=Count("pk"), faces=Sum("size"))
    by_name = {row["pack"]: row for row in used}
    rows = []
    for name in packs.names():
        files = sorted({model.file for role in packs.get(name).roles.values() for model in role})
        of: Mapping[str, Any] = by_name.get(name, {})
        rows.append(
            PackRow(name, name == packs.DEFAULT, tuple(files), of.get("collections") or 0, of.get("faces") or 0)
        )
    return rows


def _versions() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if connection.vendor == "sqlite" else "SHOW server_version")
        database = cursor.fetchone()[0]
    return [
        ("Faceplane", settings.VERSION),
        (connection.display_name, database),
        ("Python", python_version()),
        *((name, version(name)) for name in ("Django", "celery", "onnxruntime")),
    ]


def _sign_ins() -> list[AccessAttempt]:
    """Return the newest sign-ins that failed and are still counted."""
    return list(AccessAttempt.objects.order_by("-attempt_time")[:_SHOWN])

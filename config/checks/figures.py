"""The installation in figures, for /metrics: what the database, the host's queue and readiness say at this moment."""

from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Max, Sum
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from collections_app.models import HealthReport, Receipt
from recognition.admission import computing
from recognition.index import lease
from recognition.models import Compaction, Gallery, IndexSegment
from tenants import heartbeat
from tenants.models import Delivery, Tenant, UsageDay


def collect() -> Iterator[Metric]:
    """Yield every figure. If the database is away, only `faceplane_up`, which is 0."""
    info = {"version": settings.VERSION, "database": connection.vendor, "engine": settings.FACE_INDEX}
    yield _labelled("faceplane_info", "This version and its engines.", [(info, 1)])
    host = [({"state": state}, number) for state, number in computing().items()]
    yield _labelled("faceplane_compute", "This host's computing slots, those held, and the callers that wait.", host)
    try:
        figures = [*_content(), *_index(), *_work(), *_moments(), *(_tenants() if settings.METRICS_TENANTS else ())]
    except Exception:  # noqa: BLE001 -- whatever it is, the counts of the host are still answered
        yield GaugeMetricFamily("faceplane_up", "Whether the database answers.", 0)
        return
    yield GaugeMetricFamily("faceplane_up", "Whether the database answers.", 1)
    yield from figures


def _content() -> Iterator[Metric]:
    totals = Gallery.unscoped.filter(serves__isnull=False).aggregate(faces=Sum("size"), collections=Count("pk"))
    yield GaugeMetricFamily("faceplane_faces", "Enrolled faces.", totals["faces"] or 0)
    yield GaugeMetricFamily("faceplane_collections", "Collections.", totals["collections"])
    active = Tenant.objects.filter(state=Tenant.State.ACTIVE).count()
    yield GaugeMetricFamily("faceplane_tenants", "Active tenants.", active)


def _index() -> Iterator[Metric]:
    of = IndexSegment.unscoped.values_list("kind", "condition").order_by("kind", "condition")
    for name, help_text, total in (
        ("faceplane_index_segments", "Segments.", Count("pk")),
        ("faceplane_index_rows", "Templates in segments.", Sum("rows")),
        ("faceplane_index_bytes", "Bytes of segments.", Sum("bytes")),
    ):
        found = [({"kind": kind, "condition": condition}, n) for kind, condition, n in of.annotate(total=total)]
        yield _labelled(name, help_text, found)
    waiting = Gallery.unscoped.filter(mirrored=False).aggregate(
        all=Sum(F("head") - F("base")), most=Max(F("head") - F("base"))
    )
    yield GaugeMetricFamily("faceplane_index_waiting", "Changes that are in no segment yet.", waiting["all"] or 0)
    yield GaugeMetricFamily("faceplane_index_waiting_most", "The same, of one collection.", waiting["most"] or 0)


def _work() -> Iterator[Metric]:
    reports = HealthReport.unscoped.filter(state__in=[HealthReport.State.QUEUED, HealthReport.State.RUNNING])
    due = Delivery.unscoped.filter(state=Delivery.State.PENDING, next_at__lte=timezone.now(), webhook__active=True)
    jobs = {
        "compaction": lease.held(Compaction.unscoped.all()).count(),
        "erasure": Receipt.unscoped.filter(completed_at=None).count(),
        "health_report": reports.count(),
        "delivery": due.count(),
    }
    yield _labelled("faceplane_jobs", "Work that is due or running.", [({"job": job}, n) for job, n in jobs.items()])
    oldest = Receipt.unscoped.filter(completed_at=None).order_by("requested_at").values_list("requested_at", flat=True)
    since = oldest.first()
    age = (timezone.now() - since).total_seconds() if since else 0
    yield GaugeMetricFamily("faceplane_oldest_erasure_seconds", "Since the oldest open erasure was asked for.", age)
    alive = sum(seconds < heartbeat.LOST_SECONDS for seconds in heartbeat.workers().values())
    yield GaugeMetricFamily("faceplane_workers", "Workers that gave a sign of life within a minute.", alive)
    signs = heartbeat.signs()
    if signs.lag_seconds is not None:
        yield GaugeMetricFamily("faceplane_queue_lag_seconds", "How long the last task waited.", signs.lag_seconds)
    if signs.queue is not None:
        yield GaugeMetricFamily("faceplane_queue_silent_seconds", "Since scheduled work was last done.", signs.queue)


def _moments() -> Iterator[Metric]:
    for deed, help_text in (
        ("audits", "When every audit chain was last checked."),
        ("audit_broken", "When an audit chain was last found broken."),
        ("backup", "When the last backup was made."),
    ):
        at = heartbeat.noted(deed)
        if at:
            yield GaugeMetricFamily(f"faceplane_{deed}_timestamp_seconds", help_text, at.timestamp())


def _tenants() -> Iterator[Metric]:
    faces = (
        Gallery.unscoped.filter(serves__isnull=False)
        .values_list("tenant__slug")
        .annotate(faces=Sum("size"))
        .order_by("tenant__slug")
    )
    yield _labelled("faceplane_tenant_faces", "A tenant's faces.", [({"tenant": slug}, n) for slug, n in faces])
    today = UsageDay.unscoped.filter(day=timezone.now().date())
    calls = today.values_list("tenant__slug").annotate(calls=Sum("calls")).order_by("tenant__slug")
    yield _labelled("faceplane_tenant_calls_today", "A tenant's calls.", [({"tenant": slug}, n) for slug, n in calls])


def _labelled(name: str, help_text: str, values: Sequence[tuple[dict[str, str], float]]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=list(values[0][0]) if values else ())
    for labels, value in values:
        family.add_metric(list(labels.values()), value)
    return family

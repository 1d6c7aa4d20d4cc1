"""Checks of the work behind requests: storage, broker, workers, index, audit log, erasures, deliveries, backups."""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, F, Sum
from django.utils import timezone

from collections_app import storage
from collections_app.models import Receipt
from config.celery import app
from config.checks import Finding, error, ok, warning
from recognition.models import Compaction, Gallery, IndexSegment
from tenants import chaining, heartbeat
from tenants.models import Delivery

_STORAGE_SECONDS = 15.0  # checking an S3 that does not answer takes seconds
_AHEAD_SECONDS = 5.0
_SLOW_QUEUE_SECONDS = 60.0
_WAITING_CHANGES = 5  # times INDEX_DELTA_ROWS
_NAMED = 10
_LATE = timedelta(hours=2)
_LATE_ERASURE = timedelta(days=1)
_LATE_AUDIT = timedelta(hours=26)
_LATE_BACKUP = timedelta(hours=26)
_REMEDY_WORKER = "Start the worker and the beat (faceplane-worker, faceplane-beat), and read their logs."


class _Storage:
    """The storage of images, checked at most every _STORAGE_SECONDS."""

    def __init__(self) -> None:
        self._due = 0.0
        self._fault: Exception | None = None

    def __call__(self) -> Iterator[Finding]:
        if time.monotonic() >= self._due:
            try:
                storage.check()
                self._fault = None
            except Exception as fault:  # noqa: BLE001 -- any error is reported
                self._fault = fault
            self._due = time.monotonic() + _STORAGE_SECONDS
        if self._fault:
            raise self._fault
        yield ok("It can be written to.")


images = _Storage()


def broker() -> Iterator[Finding]:
    """Connect to the broker."""
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=2)
    yield ok("It answers.")


def workers() -> Iterator[Finding]:
    """Check that workers are alive, that scheduled work is sent and done, and how long it waited."""
    signs = heartbeat.signs()
    for fault in signs.faults.values():
        yield error(fault, _REMEDY_WORKER)
    lag = signs.lag_seconds
    if lag is not None and lag > _SLOW_QUEUE_SECONDS:
        yield warning(f"The last scheduled task waited {lag:.0f} s for a worker.", "Start more workers.")
    seen = heartbeat.workers()
    for name, seconds in seen.items():
        if seconds < -_AHEAD_SECONDS:
            yield warning(f"The clock of {name} is {-seconds:.0f} s ahead.", "Synchronise the hosts by NTP.")
    if seen:
        waited = "" if lag is None else f" The last task waited {lag:.1f} s."
        yield ok(f"Last signs of life: {', '.join(f'{name} {age:.0f} s' for name, age in seen.items())}.{waited}")


def index() -> Iterator[Finding]:
    """Check the segments of every collection, and what waits to be written into segments."""
    unsound = IndexSegment.unscoped.exclude(condition=IndexSegment.Condition.SOUND)
    of = (
        unsound.values_list("tenant__slug", "gallery__collection_id", "condition")
        .annotate(count=Count("pk"))
        .order_by("pk")
    )
    remedy = "The worker rebuilds them; until then these collections are searched exactly. If not: read its log."
    for tenant, gallery, condition, count in of[:_NAMED]:
        yield warning(f"Collection {gallery} of {tenant}: {count} segments are {condition}.", remedy)
    failed = Compaction.unscoped.exclude(fault="").values_list("tenant__slug", "gallery__collection_id", "fault")
    for tenant, gallery, fault in failed[:_NAMED]:
        yield warning(f"Collection {gallery} of {tenant}: the last build failed: {fault}", "Read the worker's log.")
    if settings.FACE_INDEX == "segments":
        most = _WAITING_CHANGES * settings.INDEX_DELTA_ROWS
        late = Gallery.unscoped.filter(mirrored=False, head__gt=F("base") + most)
        for tenant, gallery, count in late.values_list("tenant__slug", "collection_id", F("head") - F("base"))[:_NAMED]:
            text = (
                f"Collection {gallery} of {tenant}: {count} changes are in no segment yet; searches read each of them."
            )
            yield warning(text, _REMEDY_WORKER)
    sizes = IndexSegment.unscoped.aggregate(count=Count("pk"), bytes=Sum("bytes"))
    faces = Gallery.unscoped.filter(serves__isnull=False).aggregate(count=Count("pk"), size=Sum("size"))
    yield ok(
        f"{faces['count']} collections with {faces['size'] or 0} faces; engine {settings.FACE_INDEX}, "
        f"{sizes['count']} segments of {(sizes['bytes'] or 0) / 1e6:.0f} MB."
    )


def audit_log() -> Iterator[Finding]:
    """Check that every audit chain was checked last night, and that none was found broken."""
    broken = heartbeat.noted("audit_broken")
    if broken and broken > timezone.now() - _LATE_AUDIT:
        remedy = "Run manage.py verify_audit, and compare with an exported log: somebody changed the database."
        yield error("An audit chain was found broken.", remedy)
    yield _since("The audit log was checked", heartbeat.noted("audits"), _LATE_AUDIT, _REMEDY_WORKER)


def audit_chain() -> Iterator[Finding]:
    """Check that no audit entry waits to be chained for longer than a process takes."""
    if late := chaining.late():
        text = f"{late} entries of the audit log are not chained yet: the removal of one would not be found."
        yield error(text, "Web processes and workers chain them within a second: read their logs.")
    else:
        yield ok("No entry waits to be chained.")


def background() -> Iterator[Finding]:
    """Check that erasures complete and webhooks are delivered."""
    now = timezone.now()
    late = Receipt.unscoped.filter(completed_at=None, requested_at__lt=now - _LATE_ERASURE).count()
    if late:
        yield warning(f"{late} erasures are not complete after a day.", "Read the worker's log for their receipts.")
    due = Delivery.unscoped.filter(state=Delivery.State.PENDING, webhook__active=True, next_at__lt=now - _LATE).count()
    if due:
        yield warning(f"{due} webhook deliveries are due since {_LATE}.", _REMEDY_WORKER)
    if not (late or due):
        yield ok("No erasure and no delivery is late.")


def backups() -> Iterator[Finding]:
    """Check the age of the last backup."""
    yield _since(
        "The last backup was made", heartbeat.noted("backup"), _LATE_BACKUP, "Run manage.py backup every night."
    )


def _since(what: str, at: datetime | None, late: timedelta, remedy: str) -> Finding:
    if at is None:
        return warning(f"{what.replace(' was ', ' was never ')}.", remedy)
    hours = (timezone.now() - at) / timedelta(hours=1)
    text = f"{what} {hours:.1f} hours ago."
    return warning(text, remedy) if hours > late / timedelta(hours=1) else ok(text)

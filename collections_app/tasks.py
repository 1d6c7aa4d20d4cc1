"""Work behind the requests. A task receives ids only.

One file although it is longer than 300 lines: Celery finds the tasks of an app in this module.
"""

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import timedelta
from itertools import islice

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from collections_app import bulk, calibration, erasure, health_report, safe_http, storage, stores
from collections_app.errors import CollectionDeleted
from collections_app.jobs import engine
from collections_app.models import (
    BulkJob,
    Collection,
    Face,
    HealthReport,
    KeyedRequest,
    LivenessChallenge,
    ModelChange,
    NearMatch,
    Receipt,
    SearchRecord,
    SeenFrame,
)
from collections_app.operations import challenges, model_changes
from collections_app.operations.collections import lock
from recognition.index import store
from recognition.index.lease import Lease
from recognition.models import Gallery
from tenants import access, audit, events, heartbeat
from tenants.models import CaptureToken, Delivery, Event, LoggedRequest, Tenant, Webhook
from tenants.queue import enqueue, exclusive, isolate_failure
from tenants.task_names import Task

logger = logging.getLogger("faceplane.tasks")
_BATCH = 500
_LOG_KEPT = timedelta(days=30)  # events and their deliveries; the last attempt is a day after the event
_RUN_SECONDS = 5.0  # in which a run starts deliveries; the schedule starts a run every 10 s
_RUN_LOST_SECONDS = 30.0  # after which a run that stopped answering is considered dead
_SENT_AT_ONCE = 8
_LOOK_SECONDS = 0.25  # between two looks for further deliveries
_UNNAMED_FOR = timedelta(hours=1)
_NAMED_IN_ALERT = 20
_LOST_AFTER = timedelta(minutes=5)
_YOUNG = timedelta(minutes=10)  # an older open receipt waits for something that takes long
_CALIBRATED_FOR = timedelta(hours=20)  # a day is promised
_CHANGED = 10  # changes, as a part of the faces
_DUE_SECONDS = 10.0  # the schedule of work_due
_WORKER_SILENT_SECONDS = 60.0
_EXAMINED_FOR = timedelta(minutes=30)  # longer than any comparison takes


@shared_task
def purge_collection(collection_id: int) -> None:
    """Erase a deleted collection's templates, faces, people and images; its row stays (decision A12).

    Works in batches and can be run again at any point. It needs the compaction leases, so that no worker writes another
    segment: while a worker holds one, this does nothing and purge_due tries again. The leases go with the galleries.
    """
    deleted = Collection.unscoped.filter(pk=collection_id, state=Collection.State.DELETED)
    if not deleted.exists():
        return
    mine = Gallery.unscoped.select_related("tenant").filter(collection=collection_id, mirrored=False)
    if not all(Lease.take(gallery) for gallery in mine):
        return
    receipts = Receipt.unscoped.select_related("tenant").filter(collection_id=collection_id)
    for receipt in receipts.filter(kind=Receipt.Kind.COLLECTION):
        stores.purge(receipt)
    for receipt in receipts.filter(completed_at=None):
        erasure.finish(receipt)


@shared_task
def finish_erasure(receipt_id: int) -> None:
    """Check that nothing is left of an erasure, and sign its receipt."""
    receipt = Receipt.unscoped.select_related("tenant").filter(pk=receipt_id).first()
    if receipt is None or (receipt.kind == Receipt.Kind.TEMPLATES and not erasure.purge_gallery(receipt)):
        return
    erasure.finish(receipt)


@shared_task
def finish_due() -> None:
    """Try again to sign young receipts: most wait only for a reader of the database or a worker that indexes."""
    young = Receipt.unscoped.filter(completed_at=None, requested_at__gt=timezone.now() - _YOUNG)
    _finish_each(young)


@shared_task
def purge_due() -> None:
    """Finish what a lost message left undone: deleted collections, open receipts. Delete what is past its time."""
    left = Collection.unscoped.filter(state=Collection.State.DELETED, gallery__isnull=False)
    for collection_id in left.values_list("pk", flat=True):
        with isolate_failure("purge_collection", collection_id):
            purge_collection.run(collection_id)
    _finish_each(Receipt.unscoped.filter(completed_at=None))
    switched = ModelChange.unscoped.filter(state=ModelChange.State.SWITCHED, collection__state=Collection.State.ACTIVE)
    for change in switched.select_related("collection__tenant"):
        if change.switched_at and change.switched_at + timedelta(days=change.retention_days) <= timezone.now():
            with isolate_failure("end_model_change", change.pk):
                model_changes.end_due(change)
    old = timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS)
    KeyedRequest.unscoped.filter(claimed_at__lt=old).delete()
    LivenessChallenge.unscoped.filter(expires_at__lt=old).delete()
    CaptureToken.unscoped.filter(expires_at__lt=old).delete()
    expired = CaptureToken.unscoped.filter(expires_at__lt=timezone.now())
    expired.exclude(reference="", consent="").update(reference="", consent="")
    SeenFrame.unscoped.filter(at__lt=timezone.now() - challenges.KEPT).delete()
    Event.unscoped.filter(at__lt=timezone.now() - _LOG_KEPT).delete()
    NearMatch.unscoped.filter(at__lt=timezone.now() - NearMatch.KEPT).delete()


def _finish_each(receipts: QuerySet[Receipt]) -> None:
    for receipt_id in list(receipts.values_list("pk", flat=True)):
        with isolate_failure("finish_erasure", receipt_id):
            finish_erasure.run(receipt_id)


@shared_task
def sweep_images() -> None:
    """Remove kept images that no face refers to: left by a killed process, or by an erasure while the storage was down.

    An image younger than an hour is left alone: its face may not be committed yet.
    """
    for tenant in Tenant.objects.order_by("pk"):
        with isolate_failure("sweep_images", tenant):
            _sweep_images(tenant)


def _sweep_images(tenant: Tenant) -> None:
    oldest = timezone.now() - _UNNAMED_FOR
    stored = storage.names(tenant.pk)
    while names := set(islice(stored, _BATCH)):
        kept = Face.unscoped.filter(tenant=tenant, stored_image__in=names)
        for name in names - set(kept.values_list("stored_image", flat=True)):
            with suppress(FileNotFoundError):
                if storage.kept_at(name) < oldest:
                    storage.erase(name)
                    logger.warning("A kept image that no face names was removed.", extra={"image": name})


@shared_task
def expire_faces() -> None:
    """Erase the faces that are older than their collection's retention."""
    bounded = Collection.unscoped.filter(state=Collection.State.ACTIVE, retention_days__isnull=False)
    for collection in bounded.select_related("tenant", "gallery__tenant"):
        with isolate_failure("expire_faces", collection.pk):
            while _expire_batch(collection):
                pass


@shared_task
def verify_templates() -> None:
    """Decrypt every stored template; for damaged ones, which no search finds, raise an alert that names the first."""
    for collection in Collection.unscoped.filter(state=Collection.State.ACTIVE).select_related(
        "tenant", "gallery__tenant"
    ):
        with isolate_failure("verify_templates", collection.pk):
            if damaged := store.damaged(collection.gallery):
                first = collection.faces.filter(pk__in=damaged[:_NAMED_IN_ALERT]).values_list("uuid", flat=True)
                facts = {"damaged": len(damaged), "faces": sorted(first)}
                caller = access.system(collection.tenant, "verify_templates")
                with transaction.atomic():
                    audit.alert(caller, "alert.templates_damaged", collection, **facts)


def _expire_batch(collection: Collection) -> bool:
    """Erase a batch of expired faces; return whether there were any."""
    caller = access.system(collection.tenant, "retention")
    due = timezone.now() - timedelta(days=collection.retention_days or 0)
    with transaction.atomic():
        try:
            lock(collection)
        except CollectionDeleted:
            return False
        faces = list(collection.faces.filter(created_at__lt=due).order_by("number")[:_BATCH])
        if not faces:
            return False
        kind, subject = Receipt.Kind.RETENTION, str(collection.pk)
        erased = erasure.erase_faces(caller, collection, faces, kind=kind, subject=subject)
        facts = {"days": collection.retention_days, "receipt": erased.receipt.uuid}
        audit.record(caller, "face.expired", collection, faces=[face.uuid for face in faces], **facts)
    erasure.search_again(collection, erased)
    return True


@shared_task
def deliver_due() -> None:
    """Send due deliveries to webhooks, one at a time to each webhook; failed ones become due again later.

    Only one run is active at a time. It starts deliveries for _RUN_SECONDS and then queues itself again, so that other
    tasks get their turn.
    """
    running: dict[Future[int], Delivery] = {}
    with exclusive(deliver_due.name, _RUN_LOST_SECONDS) as ours, ThreadPoolExecutor(_SENT_AT_ONCE) as pool:
        ends = time.monotonic() + _RUN_SECONDS
        while ours:
            while len(running) < _SENT_AT_ONCE and time.monotonic() < ends and (delivery := _claimed_delivery()):
                running[_attempt(pool, delivery)] = delivery
            if not running:
                break
            for attempt in wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED).done:
                _settle(running.pop(attempt), attempt)
    if ours and time.monotonic() > ends:
        enqueue(Task.DELIVER_DUE, expires=events.SCHEDULED_SECONDS)


def _claimed_delivery() -> Delivery | None:
    """Lease a due delivery of the webhook that has been free longest; until it is settled the webhook gets no other."""
    now = timezone.now()
    due = Delivery.unscoped.filter(state=Delivery.State.PENDING, next_at__lte=now)
    free = Webhook.unscoped.filter(Exists(due.filter(webhook=OuterRef("pk"))), active=True, free_at__lte=now)
    hook = free.order_by("free_at").first()
    delivery = due.filter(webhook=hook).select_related("webhook__tenant", "event__tenant").order_by("next_at").first()
    if hook is None or delivery is None:
        return None
    until = now + events.LEASE
    mine = Delivery.unscoped.filter(pk=delivery.pk, attempts=delivery.attempts, next_at=delivery.next_at)
    if not Webhook.unscoped.filter(pk=hook.pk, free_at=hook.free_at).update(free_at=until):
        return None
    if not mine.update(attempts=F("attempts") + 1, next_at=until):
        return None  # redeliver() changed it just now, which freed the webhook
    delivery.attempts, delivery.next_at = delivery.attempts + 1, until
    return delivery


def _attempt(pool: Executor, delivery: Delivery) -> "Future[int]":
    """Start sending in the pool. The database is read here, in the task's thread; an error here is a failed attempt."""
    hook, event = delivery.webhook, delivery.event
    content = events.body(event)
    try:
        headers = events.headers(hook, event, content)
    except Exception as error:  # noqa: BLE001 -- whatever it is, only this delivery fails
        failed: Future[int] = Future()
        failed.set_exception(error)
        return failed
    return pool.submit(safe_http.post, hook.url, content, headers=headers, ports=safe_http.PORTS)


def _settle(delivery: Delivery, attempt: "Future[int]") -> None:
    try:
        status = attempt.result()
    except safe_http.UrlRefused as error:
        events.settle(delivery, status=None, problem=error.reason)
    except safe_http.UrlTimeout:
        events.settle(delivery, status=None, problem="took too long")
    except Exception as error:
        logger.exception("A delivery could not be made.", extra={"delivery": delivery.pk})
        events.settle(delivery, status=None, problem=type(error).__name__)
    else:
        accepted = 200 <= status < 300  # noqa: PLR2004 -- the range of success
        events.settle(delivery, status=status, problem="" if accepted else f"answered {status}")


@shared_task
def examine_collection(report_id: int) -> None:
    """Compare a collection's templates with one another and save the findings (collections_app.health_report)."""
    report = HealthReport.unscoped.select_related("collection__gallery__tenant").filter(pk=report_id).first()
    if report is None or report.state == HealthReport.State.DONE:
        return
    health_report.make(report)
    calibration.renew(report.collection)


@shared_task
def examine_due() -> None:
    """Restart comparisons whose message was lost, or whose worker was killed or lost the database."""
    now = timezone.now()
    lost = Q(state=HealthReport.State.QUEUED, created_at__lt=now - _LOST_AFTER)
    abandoned = Q(state=HealthReport.State.RUNNING, began_at__lt=now - _EXAMINED_FOR)
    for report_id in HealthReport.unscoped.filter(lost | abandoned).values_list("pk", flat=True):
        with isolate_failure("examine_collection", report_id):
            examine_collection.run(report_id)


@shared_task
def calibrate_collection(collection_id: int) -> None:
    """Learn anew what a collection's scores are measured against (collections_app.calibration)."""
    living = Collection.unscoped.filter(pk=collection_id, state=Collection.State.ACTIVE)
    for collection in living.select_related("tenant", "gallery__tenant"):
        calibration.renew(collection)


@shared_task
def calibrate_due() -> None:
    """Calibrate collections anew a day after the last time, or after changes of a tenth of their faces.

    So what people leave in a mean is gone a day after their erasure, merges, splits and moves count, and a collection
    that is being filled is soon measured.
    """
    galleries = Gallery.unscoped.filter(serves__state=Collection.State.ACTIVE)
    due = Q(calibration__made_at__lt=timezone.now() - _CALIBRATED_FOR)
    due |= Q(calibration__isnull=True, size__gte=calibration.FEWEST)
    due |= Q(size__gte=calibration.FEWEST, head__gt=F("calibration__head") + F("size") / _CHANGED)
    for collection_id in galleries.filter(due).order_by("calibration__made_at").values_list("collection_id", flat=True):
        with isolate_failure("calibrate_collection", collection_id):
            calibrate_collection.run(collection_id)


@shared_task
def work_on_job(job_id: int) -> None:
    """Work on a bulk job for some seconds, then queue the rest, so that other tasks get their turn.

    Several runs work on one job, as many as the workers' hosts have computing slots; a run too many ends at once.
    """
    job = BulkJob.unscoped.select_related("tenant", "collection__gallery__tenant").filter(pk=job_id).first()
    if job is None or job.state != BulkJob.State.RUNNING or bulk.live(job) >= _runs():
        return
    if engine.work(job, _RUN_SECONDS):
        enqueue(Task.WORK_ON_JOB, job_id)


@shared_task
def work_due() -> None:
    """Queue runs for jobs that have fewer than they may, also after messages were lost; close what is past its time."""
    for job in BulkJob.unscoped.filter(state=BulkJob.State.RUNNING):
        for _ in range(_runs() - bulk.live(job)):
            enqueue(Task.WORK_ON_JOB, job.pk, expires=_DUE_SECONDS)
    now = timezone.now()
    late = now - timedelta(hours=settings.JOB_FILES_HOURS)
    for job in BulkJob.unscoped.filter(state=BulkJob.State.WAITING, created_at__lt=late):
        bulk.stop(job, BulkJob.State.CANCELLED, "It was never started.")
    over = BulkJob.unscoped.exclude(state__in=bulk.ACTIVE).select_related("tenant")
    for job in over.filter(finished_at__lt=late, files__given=True).distinct():
        with isolate_failure("drop_given", job.pk):
            bulk.drop_given(job)
    for job in over.filter(finished_at__lt=now - timedelta(days=settings.JOB_DAYS)):
        with isolate_failure("forget_job", job.pk):
            bulk.forget(job)


def _runs() -> int:
    """Return how many runs may work on a job at once: on each host, taken to be like this one, its slots and one more.

    While that one waits for the database, the others keep the slots busy.
    """
    alive = sum(seconds < _WORKER_SILENT_SECONDS for seconds in heartbeat.workers().values())
    return (settings.COMPUTE_SLOTS + 1) * max(1, alive)


@shared_task
def purge_searches() -> None:
    """Delete the searches older than SEARCH_LOG_DAYS and the requests older than REQUEST_LOG_DAYS; 0 keeps them all."""
    kept = ((SearchRecord, settings.SEARCH_LOG_DAYS), (LoggedRequest, settings.REQUEST_LOG_DAYS))
    for model, days in kept:
        old = timezone.now() - timedelta(days=days)
        for tenant in Tenant.objects.all() if days else ():
            with isolate_failure("purge_searches", tenant):
                stores.remove_rows(model.objects.of(tenant).filter(at__lt=old))

"""Work behind the requests. A task receives ids only."""

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from typing import Any

import numpy as np
from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from collections_app import erasure, safe_http, storage, stores
from collections_app.models import (
    Collection,
    Face,
    HealthReport,
    KeyedRequest,
    NearMatch,
    Receipt,
    SearchRecord,
)
from recognition import packs
from recognition.calibration.pairwise import HIGH, LOW, Findings, separate
from recognition.index import store
from recognition.index.lease import Lease
from recognition.models import Gallery
from recognition.similarity import LOWEST
from tenants import access, audit, events
from tenants.models import Delivery, Event, Tenant, Webhook
from tenants.queue import enqueue, exclusive, isolate_failure
from tenants.task_names import Task

logger = logging.getLogger("faceplane.tasks")
_BATCH = 500
_LOG_KEPT = timedelta(days=30)  # events and how their delivery went; the last attempt comes after a day
_RUN_SECONDS = 5.0  # in which deliveries begin: a run ends within the schedule's 10, unless somebody answers slowly
_RUN_LOST_SECONDS = 30.0
_SENT_AT_ONCE = 8
_LOOK_SECONDS = 0.25
_MOST_COMPARED = 20_000  # all pairs of these take a core about a minute
_UNNAMED_FOR = timedelta(hours=1)
_NAMED_IN_ALERT = 20
_LOST_AFTER = timedelta(minutes=5)
_EXAMINED_FOR = timedelta(minutes=30)  # longer than any examination takes


@shared_task
def purge_collection(collection_id: int) -> None:
    """Erase a deleted collection's templates, faces, people and images; its row stays (decision A12).

    Works in batches and can be run again at any point. While a worker makes a segment of it, that is waited for: its
    lease is ours then until the gallery goes, so that nobody makes another.
    """
    deleted = Collection.unscoped.filter(pk=collection_id, state=Collection.State.DELETED)
    if not deleted.exists():
        return
    gallery = Gallery.unscoped.select_related("tenant").filter(pk=collection_id).first()
    if gallery and not gallery.mirrored and Lease.take(gallery) is None:
        return
    receipts = Receipt.unscoped.select_related("tenant").filter(collection_id=collection_id)
    for receipt in receipts.filter(kind=Receipt.Kind.COLLECTION):
        stores.purge(receipt)
    for receipt in receipts.filter(completed_at=None):
        erasure.finish(receipt)


@shared_task
def finish_erasure(receipt_id: int) -> None:
    """Look whether everything of an erasure is gone, and sign its receipt."""
    receipt = Receipt.unscoped.select_related("tenant").filter(pk=receipt_id).first()
    if receipt is not None:
        erasure.finish(receipt)


@shared_task
def purge_due() -> None:
    """Find what a lost message left behind: deleted collections that still have a gallery, and open receipts."""
    left = Collection.unscoped.filter(state=Collection.State.DELETED, gallery__isnull=False)
    for collection_id in left.values_list("pk", flat=True):
        with isolate_failure("purge_collection", collection_id):
            purge_collection.run(collection_id)
    for receipt_id in list(Receipt.unscoped.filter(completed_at=None).values_list("pk", flat=True)):
        with isolate_failure("finish_erasure", receipt_id):
            finish_erasure.run(receipt_id)
    old = timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS)
    KeyedRequest.unscoped.filter(claimed_at__lt=old).delete()
    Event.unscoped.filter(at__lt=timezone.now() - _LOG_KEPT).delete()
    NearMatch.unscoped.filter(at__lt=timezone.now() - NearMatch.KEPT).delete()


@shared_task
def sweep_images() -> None:
    """Remove the kept images that no face names: a killed process left them, or an erasure while the storage was away.

    One that was kept within the hour may belong to a face that is not committed yet.
    """
    for tenant in Tenant.objects.order_by("pk"):
        with isolate_failure("sweep_images", tenant):
            _sweep_images(tenant)


def _sweep_images(tenant: Tenant) -> None:
    oldest = timezone.now() - _UNNAMED_FOR
    lying = storage.names(tenant.pk)
    while names := set(islice(lying, _BATCH)):
        kept = Face.unscoped.filter(tenant=tenant, stored_image__in=names)
        for name in names - set(kept.values_list("stored_image", flat=True)):
            with suppress(FileNotFoundError):
                if storage.kept_at(name) < oldest:
                    storage.erase(name)
                    logger.warning("A kept image that no face names was removed.", extra={"image": name})


@shared_task
def expire_faces() -> None:
    """Erase the faces that are older than their collection's policy keeps them."""
    bounded = Collection.unscoped.filter(state=Collection.State.ACTIVE, retention_days__isnull=False)
    for collection in bounded.select_related("tenant", "gallery__tenant"):
        with isolate_failure("expire_faces", collection.pk):
            while _expire_batch(collection):
                pass


@shared_task
def verify_templates() -> None:
    """Open every stored template; damaged ones, which no search finds, raise an alert with the first faces' ids."""
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
    """Erase some of what is due, and tell whether there was any."""
    caller = access.system(collection.tenant, "retention")
    due = timezone.now() - timedelta(days=collection.retention_days or 0)
    with transaction.atomic():
        if not Gallery.unscoped.select_for_update(no_key=True).filter(pk=collection.pk).exists():
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
    """Deliver what is due to webhooks, one event at a time to each; those that fail become due again later.

    One run is at work at a time, for some seconds; then whatever else waits in the queue has its turn.
    """
    under_way: dict[Future[int], Delivery] = {}
    with exclusive(deliver_due.name, _RUN_LOST_SECONDS) as ours, ThreadPoolExecutor(_SENT_AT_ONCE) as pool:
        ends = time.monotonic() + _RUN_SECONDS
        while ours:
            while len(under_way) < _SENT_AT_ONCE and time.monotonic() < ends and (delivery := _claimed_delivery()):
                under_way[_attempt(pool, delivery)] = delivery
            if not under_way:
                break
            for attempt in wait(under_way, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED).done:
                _settle(under_way.pop(attempt), attempt)
    if ours and time.monotonic() > ends:
        enqueue(Task.DELIVER_DUE, expires=events.SCHEDULED_SECONDS)


def _claimed_delivery() -> Delivery | None:
    """Take a due delivery of the webhook that was free first: until the lease is over, or settled, it has no other."""
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
        return None  # it was asked for once more just now, which freed the webhook
    delivery.attempts, delivery.next_at = delivery.attempts + 1, until
    return delivery


def _attempt(pool: Executor, delivery: Delivery) -> "Future[int]":
    """Begin to send; what fails before it fails like the sending. The database is asked here, in the task's thread."""
    hook, event = delivery.webhook, delivery.event
    content = events.body(event)
    try:
        headers = events.headers(hook, event, content)
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is this delivery's alone
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
    """Compare a collection's templates with one another and write down what was found, with progress on the way.

    Of a collection with more than _MOST_COMPARED faces a random sample is compared; the report says how many.
    """
    report = HealthReport.unscoped.select_related("collection__gallery__tenant").filter(pk=report_id).first()
    if report is None or report.state == HealthReport.State.DONE:
        return
    _tell(report, state=HealthReport.State.RUNNING, progress=0, began_at=timezone.now())
    try:
        findings = _examine(report)
    except Exception:
        _tell(report, state=HealthReport.State.FAILED)
        raise
    done = {"state": HealthReport.State.DONE, "progress": 100, "finished_at": timezone.now()}
    _tell(report, findings=_plain(findings), **done)


@shared_task
def examine_due() -> None:
    """Do what a lost message left undone, or a worker that was killed or lost the database."""
    now = timezone.now()
    lost = Q(state=HealthReport.State.QUEUED, created_at__lt=now - _LOST_AFTER)
    abandoned = Q(state=HealthReport.State.RUNNING, began_at__lt=now - _EXAMINED_FOR)
    for report_id in HealthReport.unscoped.filter(lost | abandoned).values_list("pk", flat=True):
        with isolate_failure("examine_collection", report_id):
            examine_collection.run(report_id)


def _examine(report: HealthReport) -> Findings:
    collection = report.collection
    order = "?" if collection.gallery.size > _MOST_COMPARED else "pk"
    chosen = dict(collection.faces.order_by(order).values_list("pk", "person_id")[:_MOST_COMPARED])
    vectors: dict[int, np.ndarray] = {}
    wanted = list(chosen)
    for start in range(0, len(wanted), _BATCH):
        vectors |= store.vectors(collection.gallery, wanted[start : start + _BATCH])
    faces = np.array(list(vectors), dtype=np.int64)
    scale = packs.get(collection.pack).similarity
    return separate(
        faces,
        np.array([chosen[face] for face in vectors], dtype=np.int64),
        np.array(list(vectors.values()), dtype=np.float32).reshape(len(faces), packs.get(collection.pack).dimension),
        duplicate_from=collection.similarity_threshold,
        mixed_below=LOWEST.on(scale),  # faces of one person that are no more alike than many strangers
        progress=lambda share: _tell(report, progress=int(100 * share)),
    )


def _tell(report: HealthReport, **facts: Any) -> None:  # noqa: ANN401 -- the report's own fields
    for name, value in facts.items():
        setattr(report, name, value)
    report.save(update_fields=list(facts))


def _plain(findings: Findings) -> dict[str, Any]:
    """Return the findings as JSON; ids as text, since they are larger than JavaScript's whole numbers."""
    plain = asdict(findings) | {"low": LOW, "high": HIGH}
    for kind in ("duplicates", "mixed"):
        plain[kind] = [[str(pair["first"]), str(pair["second"]), round(pair["cosine"], 4)] for pair in plain[kind]]
    return plain


@shared_task
def purge_searches() -> None:
    """Delete the searches that are older than the search log keeps them."""
    if not settings.SEARCH_LOG_DAYS:
        return
    old = timezone.now() - timedelta(days=settings.SEARCH_LOG_DAYS)
    for tenant in Tenant.objects.all():
        with isolate_failure("purge_searches", tenant):
            stores.remove_rows(SearchRecord.objects.of(tenant).filter(at__lt=old))

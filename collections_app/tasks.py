"""Work behind the requests. A task receives ids only."""

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from collections_app import erasure, fetch, storage
from collections_app.errors import ImageUrlRefused, ImageUrlTimeout
from collections_app.models import Collection, Face, HealthReport, KeyedRequest, Person, Receipt
from recognition import packs
from recognition.index import pgvector, store
from recognition.models import Embedding, Gallery
from recognition.separation import HIGH, LOW, Findings, separate
from tenants import access, audit, events
from tenants.models import Delivery, Event

logger = logging.getLogger("faceplane.tasks")
_BATCH = 500
_LOG_KEPT = timedelta(days=30)  # events and how their delivery went; the last attempt comes after a day
_MOST_COMPARED = 20_000  # all pairs of these take a core about a minute
_LOST_AFTER = timedelta(minutes=5)
_MIXED_RATE = 1e-2  # two faces of one person that are no more alike than this share of strangers are suspicious


@shared_task
def purge_collection(collection_id: int) -> None:
    """Erase a deleted collection's templates, faces, people and images; its row stays (decision A12).

    Works in batches and can be run again at any point.
    """
    deleted = Collection.everywhere.filter(pk=collection_id, state=Collection.State.DELETED)
    if not deleted.exists():
        return
    while batch := list(Face.everywhere.filter(collection_id=collection_id).values_list("pk", "stored_image")[:_BATCH]):
        for _, stored in batch:
            if stored:
                storage.erase(stored)
        with transaction.atomic():
            Embedding.everywhere.filter(face_id__in=[pk for pk, _ in batch]).delete()
            Face.everywhere.filter(pk__in=[pk for pk, _ in batch]).delete()
    Person.everywhere.filter(collection_id=collection_id).delete()
    pgvector.drop_graphs([collection_id])
    Gallery.everywhere.filter(collection_id=collection_id).delete()
    for receipt in Receipt.everywhere.select_related("tenant").filter(collection_id=collection_id, completed_at=None):
        erasure.finish(receipt)


@shared_task
def finish_erasure(receipt_id: int) -> None:
    """Look whether everything of an erasure is gone, and sign its receipt."""
    receipt = Receipt.everywhere.select_related("tenant").filter(pk=receipt_id).first()
    if receipt is not None:
        erasure.finish(receipt)


@shared_task
def purge_due() -> None:
    """Find what a lost message left behind: deleted collections that still have a gallery, and open receipts."""
    left = Collection.everywhere.filter(state=Collection.State.DELETED, gallery__isnull=False)
    for collection_id in left.values_list("pk", flat=True):
        purge_collection.run(collection_id)
    for receipt_id in list(Receipt.everywhere.filter(completed_at=None).values_list("pk", flat=True)):
        finish_erasure.run(receipt_id)
    old = timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS)
    KeyedRequest.everywhere.filter(claimed_at__lt=old).delete()
    Event.everywhere.filter(at__lt=timezone.now() - _LOG_KEPT).delete()


@shared_task
def expire_faces() -> None:
    """Erase the faces that are older than their collection's policy keeps them."""
    bounded = Collection.everywhere.filter(state=Collection.State.ACTIVE, retention_days__isnull=False)
    for home in bounded.select_related("tenant", "gallery__tenant"):
        while _expire_batch(home):
            pass


def _expire_batch(home: Collection) -> bool:
    """Erase some of what is due, and tell whether there was any."""
    caller = access.system(home.tenant, "retention")
    due = timezone.now() - timedelta(days=home.retention_days or 0)
    with transaction.atomic():
        if not Gallery.everywhere.select_for_update(no_key=True).filter(pk=home.pk).exists():
            return False
        faces = list(home.faces.filter(created_at__lt=due).order_by("number")[:_BATCH])
        if not faces:
            return False
        kind, subject = Receipt.Kind.RETENTION, str(home.pk)
        receipt, probes = erasure.erase_faces(caller, home, faces, kind=kind, subject=subject)
        uuids = [face.uuid for face in faces]
        audit.record(caller, "face.expired", home, faces=uuids, days=home.retention_days, receipt=receipt.uuid)
    erasure.search_again(home, receipt, probes)
    finish_erasure.run(receipt.pk)
    return True


@shared_task
def deliver_due() -> None:
    """Deliver every event that is due to its webhook; those that fail become due again later."""
    while delivery := _claimed_delivery():
        hook, event = delivery.webhook, delivery.event
        content = events.body(event)
        try:
            status = fetch.post(hook.url, content, headers=events.headers(hook, event, content), ports=fetch.PORTS)
        except (ImageUrlRefused, ImageUrlTimeout) as error:
            events.settle(delivery, status=None, problem=str(error) or "took too long")
        else:
            accepted = 200 <= status < 300  # noqa: PLR2004 -- the range of success
            events.settle(delivery, status=status, problem="" if accepted else f"answered {status}")


def _claimed_delivery() -> Delivery | None:
    """Take one due delivery: whoever raises its count of attempts first has it, until the lease is over."""
    now = timezone.now()
    due = Delivery.everywhere.filter(state=Delivery.State.PENDING, next_at__lte=now)
    waiting = due.filter(webhook__active=True).order_by("next_at")
    for delivery in waiting.select_related("webhook__tenant", "event__tenant")[:_BATCH]:
        mine = Delivery.everywhere.filter(pk=delivery.pk, attempts=delivery.attempts, next_at=delivery.next_at)
        until = now + events.LEASE
        if mine.update(attempts=F("attempts") + 1, next_at=until):
            delivery.attempts, delivery.next_at = delivery.attempts + 1, until
            return delivery
    return None


@shared_task
def examine_collection(report_id: int) -> None:
    """Compare a collection's templates with one another and write down what was found, with progress on the way.

    Of a collection with more than _MOST_COMPARED faces a random sample is compared; the report says how many.
    """
    report = HealthReport.everywhere.select_related("collection__gallery__tenant").filter(pk=report_id).first()
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
    """Do what a lost message left undone."""
    lost = HealthReport.everywhere.filter(state=HealthReport.State.QUEUED, created_at__lt=timezone.now() - _LOST_AFTER)
    for report_id in lost.values_list("pk", flat=True):
        examine_collection.run(report_id)


def _examine(report: HealthReport) -> Findings:
    home = report.collection
    order = "?" if home.gallery.size > _MOST_COMPARED else "pk"
    chosen = dict(home.faces.order_by(order).values_list("pk", "person_id")[:_MOST_COMPARED])
    vectors: dict[int, np.ndarray] = {}
    wanted = list(chosen)
    for start in range(0, len(wanted), _BATCH):
        vectors |= store.vectors(home.gallery, wanted[start : start + _BATCH])
    faces = np.array(list(vectors), dtype=np.int64)
    scale = packs.get(home.pack).similarity
    return separate(
        faces,
        np.array([chosen[face] for face in vectors], dtype=np.int64),
        np.array(list(vectors.values()), dtype=np.float32).reshape(len(faces), packs.get(home.pack).dimension),
        duplicate_from=home.similarity_threshold,
        mixed_below=scale.threshold_for(_MIXED_RATE),
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

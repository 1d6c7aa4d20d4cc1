"""Work behind the requests. A task receives ids only."""

import logging

from celery import Task, shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from collections_app import storage
from collections_app.models import Collection, Face, Person
from recognition.models import Embedding, Gallery

logger = logging.getLogger("faceplane.tasks")
_BATCH = 500


def soon(task: "Task[..., None]", *ids: int) -> None:
    """Queue a task; when the queue is down, leave it to the scheduled sweep that finds what is due.

    The change that asks for the work is committed already, so its caller must not be told that it failed.
    """
    try:
        task.delay(*ids)
    except (OperationalError, OSError):
        logger.warning(
            "The queue did not take a task; the scheduled sweep will do its work.", extra={"task": task.name}
        )


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
    Gallery.everywhere.filter(collection_id=collection_id).delete()


@shared_task
def purge_due() -> None:
    """Find what a lost message left behind: deleted collections that still have a gallery."""
    left = Collection.everywhere.filter(state=Collection.State.DELETED, gallery__isnull=False)
    for collection_id in left.values_list("pk", flat=True):
        purge_collection.run(collection_id)

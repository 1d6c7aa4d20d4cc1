"""Background work on indexes. A task receives ids only."""

import logging

from celery import shared_task
from django.conf import settings

from recognition.index import compaction, files, lease, pgvector, pgvector_graph
from recognition.models import Compaction, Gallery, IndexSegment, Tombstone
from tenants.queue import enqueue, isolate_failure
from tenants.task_names import Task

logger = logging.getLogger("faceplane.index")


@shared_task
def compact_gallery(gallery_id: int) -> None:
    """Build the due segments of a gallery; skip a gallery that was deleted or that another worker holds."""
    gallery = Gallery.unscoped.select_related("tenant").filter(pk=gallery_id).first()
    if gallery is None or settings.FACE_INDEX == "exact":
        return
    try:
        if gallery.mirrored:
            pgvector.tidy(gallery)
            pgvector_graph.index_if_large(gallery)
            return
        if compaction.compact(gallery):
            enqueue(Task.CALIBRATE_COLLECTION, gallery.collection_id)
    except files.NoRoom:
        logger.error("No room to build a segment.", extra={"gallery": gallery_id})  # noqa: TRY400 -- nothing to trace


@shared_task
def rebuild_index(gallery_id: int) -> None:
    """Rebuild every segment of a gallery from the stored templates."""
    for gallery in Gallery.unscoped.select_related("tenant").filter(pk=gallery_id):
        compaction.outdate(gallery)
    compact_gallery.run(gallery_id)


@shared_task
def compact_due() -> None:
    """Compact every gallery with work to do. This also repairs an index after any loss."""
    for gallery_id in due():
        with isolate_failure("compact_gallery", gallery_id):
            compact_gallery.run(gallery_id)


@shared_task
def sweep_index() -> None:
    """Remove the files that no published segment refers to and no living build makes."""
    prefixes = lease.prefixes(Compaction.unscoped.all())  # before the names: a segment published in between has one
    files.sweep(set(IndexSegment.unscoped.values_list("name", flat=True)), prefixes=prefixes)


def due() -> set[int]:
    """Return the ids of the galleries in which `compact_gallery` has work to do."""
    if settings.FACE_INDEX == "exact":
        return set()
    galleries = Gallery.unscoped.all()
    segments, tombstones = IndexSegment.unscoped.all(), Tombstone.unscoped.all()
    return compaction.due(galleries, segments, tombstones) | pgvector.due(galleries)

"""The engine for several hosts: vectors in PostgreSQL with pgvector, beside the rows they belong to.

One transaction writes the face, its sealed template and its vector, so nothing has to be kept in step. Small galleries
are searched exactly; each large one has an HNSW index of its own (recognition.index.pgvector_graph).

The sealed templates remain the truth. A foreign key deletes a vector with its template, whichever engine deletes it. A
gallery that another engine has added to is no longer `mirrored`: it is searched locally until `move_index` has copied
it again.
"""

from collections.abc import Collection, Mapping

import numpy as np
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from recognition.index import compaction, pgvector_graph, pgvector_table, store
from recognition.index.local import LocalIndex
from recognition.index.protocol import Neighbour
from recognition.index.scores import scored
from recognition.metrics import stage
from recognition.models import Gallery, IndexSegment, Tombstone

_COPIED = 500  # sequence numbers copied at once: the gallery is locked for a tenth of a second
_ALL = -3.0  # below every cosine


def move_in(gallery: Gallery) -> int:
    """Copy a gallery's templates into the table, some at a time under its lock; return how many were copied.

    The gallery does not change while a batch is read and written. Between two batches other writers get the lock.

    Raises:
        Gallery.DoesNotExist: it was erased.
    """
    copied = upto = 0
    galleries = Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk)
    moved = galleries.filter(mirrored=True).exists()
    while not moved:
        with transaction.atomic(), pgvector_table.as_tenant(gallery) as cursor:
            head = galleries.select_for_update(no_key=True).values_list("head", flat=True).get()
            low, upto = upto, min(upto + _COPIED, head)
            for rows in store.rows(gallery, low, upto):
                pgvector_table.write(cursor, gallery, dict(zip(rows.ids.tolist(), rows.vectors, strict=True)))
                copied += len(rows.ids)
            if moved := upto == head:
                galleries.update(mirrored=True)
    pgvector_graph.index_if_large(gallery)
    return copied


def move_out(gallery: Gallery) -> None:
    """Remove a gallery's vectors from the table; it is searched locally from then on."""
    with transaction.atomic():
        Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk).update(mirrored=False)
        with pgvector_table.as_tenant(gallery) as cursor:
            cursor.execute(
                "DELETE FROM recognition_vector WHERE tenant_id = %s AND gallery_id = %s",
                [gallery.tenant_id, gallery.pk],
            )
            pgvector_graph.drop([gallery.pk])
            cursor.execute("DELETE FROM recognition_graph WHERE gallery_id = %s", [gallery.pk])


def due(galleries: QuerySet[Gallery]) -> set[int]:
    """Return the ids of the galleries for which `tidy` or `index_if_large` has work to do."""
    if not pgvector_table.tables():
        return set()
    return {*_untidy(galleries).values_list("pk", flat=True), *pgvector_graph.outgrown()}


def tidy(gallery: Gallery) -> None:
    """Delete what is not read while the vectors are here: the segments, and tombstones once there are many.

    A process that still holds the gallery locally sees a new version whose base is 0, and reads everything again.
    """
    with transaction.atomic():
        galleries = Gallery.objects.of(gallery.tenant).select_for_update(no_key=True)
        locked = galleries.filter(pk=gallery.pk).first()
        if locked and _untidy(Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk)).exists():
            IndexSegment.objects.of(gallery.tenant).filter(gallery=gallery).delete()
            Tombstone.objects.of(gallery.tenant).filter(gallery=gallery).delete()
            locked.base, locked.version = 0, locked.version + 1
            locked.save(update_fields=["base", "version"])


def _untidy(galleries: QuerySet[Gallery]) -> QuerySet[Gallery]:
    counted = galleries.filter(mirrored=True).annotate(removed=Count("tombstones", distinct=True))
    return counted.filter(Q(segments__isnull=False) | Q(removed__gt=compaction.TOMBSTONES_AT_LEAST))


class PgvectorIndex:
    """The engine over pgvector; galleries that were not moved are searched by the local engine."""

    def __init__(self, local: LocalIndex) -> None:
        """Keep the local engine."""
        self._local = local

    def add(self, gallery: Gallery, vectors: Mapping[int, np.ndarray]) -> int:
        """See FaceIndex."""
        self._adopt_if_new(gallery)
        first = store.add(gallery, vectors, mirrored=True)
        if gallery.mirrored:
            with pgvector_table.as_tenant(gallery) as cursor:
                pgvector_table.write(cursor, gallery, vectors)
        return first

    def remove(self, gallery: Gallery, face_ids: Collection[int]) -> int:
        """See FaceIndex. The foreign key deletes the vectors with their templates."""
        return store.remove(gallery, face_ids, mirrored=True)

    def vector(self, gallery: Gallery, face_id: int) -> np.ndarray:
        """See FaceIndex."""
        return store.vector(gallery, face_id)

    def search(
        self, gallery: Gallery, probe: np.ndarray, *, limit: int, floor: float, as_read: bool = False
    ) -> list[Neighbour]:
        """See FaceIndex."""
        if not Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk, mirrored=True).exists():
            return self._local.search(gallery, probe, limit=limit, floor=floor, as_read=as_read)
        return self._nearest(gallery, probe, limit, floor)

    @stage("index")
    def _nearest(self, gallery: Gallery, probe: np.ndarray, limit: int, floor: float) -> list[Neighbour]:
        wanted = limit + pgvector_graph.MARGIN
        while True:
            ids = pgvector_table.nearest(gallery, probe, wanted)
            known = scored(gallery, ids, [None] * len(ids), probe, _ALL)
            nearest = [one for one in known if one.cosine >= floor]
            if len(nearest) >= limit or len(nearest) < len(known) or len(ids) < wanted:
                return nearest[:limit]
            wanted *= 4  # some were removed during the search: look further

    def _adopt_if_new(self, gallery: Gallery) -> None:
        """Mark an empty gallery as mirrored: there is nothing to copy."""
        mine = Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk, size=0, mirrored=False)
        if mine.select_for_update().exists():
            mine.update(mirrored=True)

"""The engine of many hosts: vectors in PostgreSQL with pgvector, beside the rows they belong to.

One transaction writes the face, its sealed template and its vector, so that there is nothing to keep in step. Small
galleries are searched exactly; a large one has an HNSW index of its own, since one index over all tenants would have
the planner search it for a small gallery and miss. It is used once it has passed the gate that segments pass
(recognition.index.selftest), at the width that passed; until then, and if none passes, the search is exact.
Row-level security is the second wall between tenants, after the WHERE.

The vectors lie in clear inside the database, readable by whoever may read its tables: encrypt its volumes. The sealed
templates remain the truth: a vector goes with its template by a foreign key, whatever engine removes it, and a
gallery that another engine added to is a mirror no more and is searched locally until `move_index` has moved it
again.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Count, Q, QuerySet

from recognition.index import compaction, selftest, store
from recognition.index.local import LocalIndex
from recognition.index.protocol import Neighbour
from recognition.index.scores import scored
from recognition.models import Embedding, Gallery, IndexSegment, Tombstone
from tenants import rls

logger = logging.getLogger("faceplane.index")
GRAPH_ROWS = 100_000
WIDTHS = (100, 200, 400, 1000)  # hnsw.ef_search
_PROBES, _TOP = 500, 10
_MARGIN = 22
_COPIED = 500  # changes that are gone through at once: the gallery is locked for a tenth of a second
_ALL = -3.0  # under every cosine
_SETUP = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS recognition_vector (
    tenant_id bigint NOT NULL,
    gallery_id bigint NOT NULL,
    face_id bigint NOT NULL REFERENCES recognition_embedding (face_id) ON DELETE CASCADE,
    vector halfvec NOT NULL,
    PRIMARY KEY (tenant_id, face_id)
);
CREATE INDEX IF NOT EXISTS recognition_vector_face ON recognition_vector (face_id);
CREATE INDEX IF NOT EXISTS recognition_vector_gallery ON recognition_vector (tenant_id, gallery_id);
CREATE TABLE IF NOT EXISTS recognition_graph (
    gallery_id bigint PRIMARY KEY REFERENCES recognition_gallery (collection_id) ON DELETE CASCADE,
    width integer NOT NULL,
    rows bigint NOT NULL
);
ALTER TABLE recognition_vector ENABLE ROW LEVEL SECURITY;
ALTER TABLE recognition_vector FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS tenant_only ON recognition_vector;
CREATE POLICY tenant_only ON recognition_vector
    USING (tenant_id = NULLIF(current_setting('faceplane.tenant', true), '')::bigint);
"""
# A vector stands where its template does. Only a purge removes templates without the gallery's lock: waiting for what
# it is about to remove, while it waits for what was copied just before, would end one of the two.
_WRITE = """
INSERT INTO recognition_vector (tenant_id, gallery_id, face_id, vector)
SELECT tenant_id, gallery_id, face_id, %s FROM recognition_embedding
WHERE face_id = %s AND gallery_id = %s FOR KEY SHARE SKIP LOCKED
ON CONFLICT (tenant_id, face_id) DO NOTHING
"""
_WAY = """
SELECT set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('hnsw.ef_search', LEAST(GREATEST(width, %s), 1000)::text, true),
    set_config('enable_indexscan', CASE WHEN width > 0 THEN 'on' ELSE 'off' END, true)
FROM (SELECT COALESCE(%s, (SELECT width FROM recognition_graph WHERE gallery_id = %s), 0) AS width) AS known
"""
_OUTGROWN = """
SELECT collection_id, size FROM recognition_gallery LEFT JOIN recognition_graph ON gallery_id = collection_id
WHERE mirrored AND size >= %s AND size >= 2 * COALESCE(rows, 0)
"""
_VERDICT = """
INSERT INTO recognition_graph (gallery_id, width, rows) VALUES (%s, %s, %s)
ON CONFLICT (gallery_id) DO UPDATE SET width = EXCLUDED.width, rows = EXCLUDED.rows
"""


def prepare() -> None:
    """Make the table and its policy, where they are not there yet."""
    with connection.cursor() as cursor:
        cursor.execute(_SETUP)


def move_in(gallery: Gallery) -> int:
    """Copy a gallery's templates into the table, a few at a time under its lock; return how many there were to copy.

    Nobody comes or leaves while a few are read and written, and between them whoever waits has the gallery.

    Raises:
        Gallery.DoesNotExist: it was erased.
    """
    copied = upto = 0
    galleries = Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk)
    moved = galleries.filter(mirrored=True).exists()
    while not moved:
        with transaction.atomic(), _as_tenant(gallery) as cursor:
            head = galleries.select_for_update(no_key=True).values_list("head", flat=True).get()
            low, upto = upto, min(upto + _COPIED, head)
            for rows in store.rows(gallery, low, upto):
                _write(cursor, gallery, dict(zip(rows.ids.tolist(), rows.vectors, strict=True)))
                copied += len(rows.ids)
            if moved := upto == head:
                galleries.update(mirrored=True)
    index_if_large(gallery)
    return copied


def move_out(gallery: Gallery) -> None:
    """Remove a gallery's vectors from the table; it is searched locally from then on."""
    with transaction.atomic():
        Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk).update(mirrored=False)
        with _as_tenant(gallery) as cursor:
            cursor.execute(
                "DELETE FROM recognition_vector WHERE tenant_id = %s AND gallery_id = %s",
                [gallery.tenant_id, gallery.pk],
            )
            drop_graphs([gallery.pk])
            cursor.execute("DELETE FROM recognition_graph WHERE gallery_id = %s", [gallery.pk])


def due(galleries: QuerySet[Gallery]) -> set[int]:
    """Return the ids of those that `tidy` or `index_if_large` finds work with."""
    if not tables():
        return set()
    return {*_untidy(galleries).values_list("pk", flat=True), *_outgrown()}


def index_if_large(gallery: Gallery) -> None:
    """Give a gallery above 100,000 rows an HNSW index of its own, without blocking writes.

    It is examined again whenever the gallery is twice as large. One that fails the gate goes, and is built anew then.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [gallery.pk])
        if not cursor.fetchone()[0]:
            return  # another worker is at it
        try:
            size = _outgrown().get(gallery.pk)
            if size is None:
                return
            if not width(gallery):
                _build_graph(gallery, cursor)
            passed = _passing_width(gallery)
            cursor.execute(_VERDICT, [gallery.pk, passed, size])
            if not passed:
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {graph_name(gallery.pk)}")
        except (ValueError, IntegrityError):
            if Embedding.objects.of(gallery.tenant).filter(gallery=gallery).exists():
                raise
            drop_graphs([gallery.pk])  # everybody in it was erased while its graph was made
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [gallery.pk])


def _outgrown() -> dict[int, int]:
    """Return the size of each gallery that is large and was not examined yet, or not since it is twice as large."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTGROWN, [GRAPH_ROWS])
        return dict(cursor.fetchall())


def _build_graph(gallery: Gallery, cursor: CursorWrapper) -> None:
    cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {graph_name(gallery.pk)}")  # one that was not finished
    cursor.execute(
        f"CREATE INDEX CONCURRENTLY {graph_name(gallery.pk)} ON recognition_vector"
        f" USING hnsw ((vector::halfvec({store.dimension(gallery)})) halfvec_ip_ops)"
        f" WHERE tenant_id = {int(gallery.tenant_id)} AND gallery_id = {int(gallery.pk)}"
    )
    cursor.execute("ANALYZE recognition_vector")


def drop_graphs(gallery_ids: Iterable[int]) -> None:
    """Remove the HNSW indexes of galleries that go; the vectors go with their templates."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for pk in gallery_ids:
                cursor.execute(f"DROP INDEX IF EXISTS {graph_name(pk)}")


def tables() -> list[str]:
    """Return the tables that hold vectors, where they were made."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('recognition_vector') IS NOT NULL")
        return ["recognition_vector"] if cursor.fetchone() == (True,) else []


def width(gallery: Gallery) -> int:
    """Return the width at which the gallery's graph passed the gate; 0: it is searched exactly."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT width FROM recognition_graph WHERE gallery_id = %s", [gallery.pk])
        passed: int = (cursor.fetchone() or (0,))[0]
    return passed


def _passing_width(gallery: Gallery) -> int:
    """Return the least width at which the graph passes the gate, against exact search in the same table; 0: none."""
    chosen = Embedding.objects.of(gallery.tenant).filter(gallery=gallery).order_by("?").values_list("pk", flat=True)
    templates = np.stack(list(store.vectors(gallery, list(chosen[:_PROBES])).values()))
    probes = selftest.noisy(templates, len(templates))
    nearest = np.stack([_found(gallery, probe, _TOP, 0) for probe in probes])
    for each in WIDTHS:
        gate = selftest.judge(probes, nearest, lambda probe, each=each: _found(gallery, probe, _TOP + _MARGIN, each))  # type: ignore[misc]
        facts = {"gallery": gallery.pk, "width": each, "rank1": gate.rank1, "recall": gate.recall}
        if gate.passed:
            logger.info("A graph passed its test.", extra=facts)
            return each
    logger.warning("A graph failed its test: the gallery is searched exactly.", extra=facts)
    return 0


def _found(gallery: Gallery, probe: np.ndarray, wanted: int, each: int) -> np.ndarray:
    """Return the templates that a search of that width finds."""
    return np.stack(list(store.vectors(gallery, _nearest(gallery, probe, wanted, width=each)).values()))


def tidy(gallery: Gallery) -> None:
    """Remove what nobody reads while the vectors stand here: segments, and the word of many who left.

    Whoever still holds the gallery locally sees a version without a base, and reads everything again.
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


def nearest_query(gallery: Gallery) -> str:
    """Return the query for the nearest faces; the ids are literals, so that the partial index can be chosen."""
    width = store.dimension(gallery)
    return (  # no text of anybody is in it: whole numbers only
        f"SELECT face_id FROM recognition_vector WHERE tenant_id = {int(gallery.tenant_id)}"  # noqa: S608
        f" AND gallery_id = {int(gallery.pk)} ORDER BY (vector::halfvec({width})) <#> %s::halfvec({width}) LIMIT %s"
    )


class PgvectorIndex:
    """The engine over pgvector; galleries that were not moved are the local engine's."""

    def __init__(self, local: LocalIndex) -> None:
        """Keep the local engine."""
        self._local = local

    def add(self, gallery: Gallery, vectors: Mapping[int, np.ndarray]) -> int:
        """See FaceIndex."""
        self._adopt_if_new(gallery)
        first = store.add(gallery, vectors, mirrored=True)
        if gallery.mirrored:
            with _as_tenant(gallery) as cursor:
                _write(cursor, gallery, vectors)
        return first

    def remove(self, gallery: Gallery, face_ids: Collection[int]) -> int:
        """See FaceIndex. The vectors go with their templates, by the foreign key."""
        return store.remove(gallery, face_ids, mirrored=True)

    def vector(self, gallery: Gallery, face_id: int) -> np.ndarray:
        """See FaceIndex."""
        return store.vector(gallery, face_id)

    def search(self, gallery: Gallery, probe: np.ndarray, *, limit: int, floor: float) -> list[Neighbour]:
        """See FaceIndex."""
        if not Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk, mirrored=True).exists():
            return self._local.search(gallery, probe, limit=limit, floor=floor)
        wanted = limit + _MARGIN
        while True:
            ids = _nearest(gallery, probe, wanted)
            known = scored(gallery, ids, [None] * len(ids), probe, _ALL)
            nearest = [one for one in known if one.cosine >= floor]
            if len(nearest) >= limit or len(nearest) < len(known) or len(ids) < wanted:
                return nearest[:limit]
            wanted *= 4  # some left while we searched: look further

    def _adopt_if_new(self, gallery: Gallery) -> None:
        """Take over a gallery that holds nothing: there is nothing to move."""
        mine = Gallery.objects.of(gallery.tenant).filter(pk=gallery.pk, size=0, mirrored=False)
        if mine.select_for_update().exists():
            mine.update(mirrored=True)


def _nearest(gallery: Gallery, probe: np.ndarray, wanted: int, *, width: int | None = None) -> list[int]:
    """Return the nearest faces; the width is that which passed the gate, unless one is given; 0: exactly."""
    with transaction.atomic(), _as_tenant(gallery) as cursor:
        cursor.execute(_WAY, [wanted, width, gallery.pk])
        cursor.execute(nearest_query(gallery), [_text(probe), wanted])
        found = [face for (face,) in cursor.fetchall()]
        cursor.execute("SET LOCAL enable_indexscan TO DEFAULT")  # the caller's transaction may go on
        return found


@contextmanager
def _as_tenant(gallery: Gallery) -> Iterator[CursorWrapper]:
    """Yield a cursor that the row-level security lets see this tenant's rows, in workers and commands as well."""
    with rls.one_tenant(gallery.tenant), connection.cursor() as cursor:
        yield cursor


def _write(cursor: CursorWrapper, gallery: Gallery, vectors: Mapping[int, np.ndarray]) -> None:
    cursor.executemany(_WRITE, [(_text(vector), face, gallery.pk) for face, vector in vectors.items()])


def _text(vector: np.ndarray) -> str:
    """Return a vector as pgvector reads it."""
    return "[" + ",".join(f"{float(value):.8g}" for value in vector) + "]"


def graph_name(gallery_id: int) -> str:
    """Return the name of a gallery's own HNSW index."""
    return f"recognition_vector_{int(gallery_id)}"

"""The HNSW index that each large gallery in pgvector's table has to itself.

One index over all tenants would be chosen for small galleries too and would miss faces there. A graph is used once it
has passed the same test as a segment (recognition.index.selftest), at the smallest width (hnsw.ef_search) that passed.
Until then, and if no width passes, the gallery is searched exactly.
"""

import logging
from collections.abc import Iterable

import numpy as np
from django.db import IntegrityError, connection
from django.db.backends.utils import CursorWrapper

from recognition.index import pgvector_table, selftest, store
from recognition.models import Embedding, Gallery

logger = logging.getLogger("faceplane.index")
GRAPH_ROWS = 100_000
WIDTHS = (100, 200, 400, 1000)  # hnsw.ef_search
MARGIN = 22  # candidates beyond those asked for: half precision may order them otherwise
_PROBES, _TOP = 500, 10
_OUTGROWN = """
SELECT id, size FROM recognition_gallery LEFT JOIN recognition_graph ON gallery_id = id
WHERE mirrored AND size >= %s AND size >= 2 * COALESCE(rows, 0)
"""
_VERDICT = """
INSERT INTO recognition_graph (gallery_id, width, rows) VALUES (%s, %s, %s)
ON CONFLICT (gallery_id) DO UPDATE SET width = EXCLUDED.width, rows = EXCLUDED.rows
"""


def outgrown() -> dict[int, int]:
    """Return the size of each large gallery whose graph was never tested, or not since the gallery doubled in size."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTGROWN, [GRAPH_ROWS])
        return dict(cursor.fetchall())


def index_if_large(gallery: Gallery) -> None:
    """Build the graph of a gallery above 100,000 rows and test it, without blocking writes.

    The graph is tested again whenever the gallery has doubled in size. One that fails is dropped, and built anew then.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [gallery.pk])
        if not cursor.fetchone()[0]:
            return  # another worker is doing it
        try:
            size = outgrown().get(gallery.pk)
            if size is None:
                return
            if not width(gallery):
                _build(gallery, cursor)
            passed = _passing_width(gallery)
            cursor.execute(_VERDICT, [gallery.pk, passed, size])
            if not passed:
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name(gallery.pk)}")
        except (ValueError, IntegrityError):
            if Embedding.objects.of(gallery.tenant).filter(gallery=gallery).exists():
                raise
            drop([gallery.pk])  # every face was erased while the graph was built
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [gallery.pk])


def drop(gallery_ids: Iterable[int]) -> None:
    """Drop the graphs of galleries that are deleted; the vectors are deleted with their templates."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for pk in gallery_ids:
                cursor.execute(f"DROP INDEX IF EXISTS {name(pk)}")


def width(gallery: Gallery) -> int:
    """Return the width at which the gallery's graph passed its test; 0: the gallery is searched exactly."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT width FROM recognition_graph WHERE gallery_id = %s", [gallery.pk])
        passed: int = (cursor.fetchone() or (0,))[0]
    return passed


def name(gallery_id: int) -> str:
    """Return the name of a gallery's own HNSW index."""
    return f"recognition_vector_{int(gallery_id)}"


def _build(gallery: Gallery, cursor: CursorWrapper) -> None:
    cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name(gallery.pk)}")  # an earlier build that was interrupted
    cursor.execute(
        f"CREATE INDEX CONCURRENTLY {name(gallery.pk)} ON recognition_vector"
        f" USING hnsw ((vector::halfvec({store.dimension(gallery)})) halfvec_ip_ops)"
        f" WHERE tenant_id = {int(gallery.tenant_id)} AND gallery_id = {int(gallery.pk)}"
    )
    cursor.execute("ANALYZE recognition_vector")


def _passing_width(gallery: Gallery) -> int:
    """Return the smallest width at which the graph passes against exact search of the same table; 0: none does."""
    chosen = (
        Embedding.objects.of(gallery.tenant).filter(gallery=gallery).order_by("?").values_list("face_id", flat=True)
    )
    templates = np.stack(list(store.vectors(gallery, list(chosen[:_PROBES])).values()))
    probes = selftest.noisy(templates, len(templates))
    nearest = np.stack([_found(gallery, probe, _TOP, 0) for probe in probes])
    for each in WIDTHS:
        gate = selftest.judge(probes, nearest, lambda probe, each=each: _found(gallery, probe, _TOP + MARGIN, each))  # type: ignore[misc]
        facts = {"gallery": gallery.pk, "width": each, "rank1": gate.rank1, "recall": gate.recall}
        if gate.passed:
            logger.info("A graph passed its test.", extra=facts)
            return each
    logger.warning("A graph failed its test: the gallery is searched exactly.", extra=facts)
    return 0


def _found(gallery: Gallery, probe: np.ndarray, wanted: int, each: int) -> np.ndarray:
    """Return the templates that a search of that width finds."""
    nearest = pgvector_table.nearest(gallery, probe, wanted, width=each)
    return np.stack(list(store.vectors(gallery, nearest).values()))

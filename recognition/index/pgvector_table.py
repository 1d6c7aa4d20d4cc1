"""pgvector's table: how it is set up, written and searched. It holds the vectors of the galleries that were moved.

Row-level security is the second barrier between tenants, after the WHERE clause. The vectors are not encrypted in the
database, and everyone who may read its tables can read them: encrypt the database's volumes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from recognition.index import store
from recognition.models import Gallery
from tenants import rls

_SETUP = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS recognition_vector (
    tenant_id bigint NOT NULL,
    gallery_id bigint NOT NULL,
    face_id bigint NOT NULL,
    vector halfvec NOT NULL,
    PRIMARY KEY (tenant_id, gallery_id, face_id),
    FOREIGN KEY (face_id, gallery_id) REFERENCES recognition_embedding (face_id, gallery_id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS recognition_vector_face ON recognition_vector (face_id);
CREATE INDEX IF NOT EXISTS recognition_vector_gallery ON recognition_vector (tenant_id, gallery_id);
CREATE TABLE IF NOT EXISTS recognition_graph (
    gallery_id bigint PRIMARY KEY REFERENCES recognition_gallery (id) ON DELETE CASCADE,
    width integer NOT NULL,
    rows bigint NOT NULL
);
ALTER TABLE recognition_vector ENABLE ROW LEVEL SECURITY;
ALTER TABLE recognition_vector FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS tenant_only ON recognition_vector;
CREATE POLICY tenant_only ON recognition_vector
    USING (tenant_id = NULLIF(current_setting('faceplane.tenant', true), '')::bigint);
"""
# A vector is written only where its template exists. Purges are the only deletions of templates that do not hold the
# gallery's lock. SKIP LOCKED avoids a deadlock with them: without it we would wait for a template that a purge is about
# to delete, while the purge waits for one whose vector we have just written.
_WRITE = """
INSERT INTO recognition_vector (tenant_id, gallery_id, face_id, vector)
SELECT tenant_id, gallery_id, face_id, %s FROM recognition_embedding
WHERE face_id = %s AND gallery_id = %s FOR KEY SHARE SKIP LOCKED
ON CONFLICT (tenant_id, gallery_id, face_id) DO NOTHING
"""
# A width of 0 switches index scans off: the search is exact.
_SEARCH_SETTINGS = """
SELECT set_config('hnsw.iterative_scan', 'strict_order', true),
    set_config('hnsw.ef_search', LEAST(GREATEST(width, %s), 1000)::text, true),
    set_config('enable_indexscan', CASE WHEN width > 0 THEN 'on' ELSE 'off' END, true)
FROM (SELECT COALESCE(%s, (SELECT width FROM recognition_graph WHERE gallery_id = %s), 0) AS width) AS known
"""


def prepare() -> None:
    """Create the table and its policy if they do not exist yet."""
    with connection.cursor() as cursor:
        cursor.execute(_SETUP)


def tables() -> list[str]:
    """Return the tables that hold vectors, if they were created."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('recognition_vector') IS NOT NULL")
        return ["recognition_vector"] if cursor.fetchone() == (True,) else []


@contextmanager
def as_tenant(gallery: Gallery) -> Iterator[CursorWrapper]:
    """Yield a cursor that sees this tenant's rows under row-level security, in workers and commands as well."""
    with rls.one_tenant(gallery.tenant), connection.cursor() as cursor:
        yield cursor


def write(cursor: CursorWrapper, gallery: Gallery, vectors: Mapping[int, np.ndarray]) -> None:
    """Write vectors by face id; a face without a template, or with a vector already, is skipped."""
    cursor.executemany(_WRITE, [(_literal(vector), face, gallery.pk) for face, vector in vectors.items()])


def nearest(gallery: Gallery, probe: np.ndarray, wanted: int, *, width: int | None = None) -> list[int]:
    """Return the ids of the nearest faces.

    `width` is hnsw.ef_search, and 0 searches exactly; by default it is the width at which the gallery's graph passed
    its test.
    """
    with transaction.atomic(), as_tenant(gallery) as cursor:
        cursor.execute(_SEARCH_SETTINGS, [wanted, width, gallery.pk])
        cursor.execute(nearest_query(gallery), [_literal(probe), wanted])
        found = [face for (face,) in cursor.fetchall()]
        cursor.execute("SET LOCAL enable_indexscan TO DEFAULT")  # the caller's transaction may go on
        return found


def nearest_query(gallery: Gallery) -> str:
    """Return the query for the nearest faces; the ids are literals, so that the partial index can be chosen."""
    dimension = store.dimension(gallery)
    return (  # only integers are interpolated
        f"SELECT face_id FROM recognition_vector WHERE tenant_id = {int(gallery.tenant_id)}"  # noqa: S608
        f" AND gallery_id = {int(gallery.pk)}"
        f" ORDER BY (vector::halfvec({dimension})) <#> %s::halfvec({dimension}) LIMIT %s"
    )


def _literal(vector: np.ndarray) -> str:
    """Return a vector as pgvector reads it."""
    return "[" + ",".join(f"{float(value):.8g}" for value in vector) + "]"

"""Nearest neighbours among the templates of a gallery.

The parts: `protocol` is what an engine does; `store` the templates in the database; `local` the engine for one host,
with `segments`, `scan` and `exact` as its kinds of search; `pgvector` the engine for several hosts; `compaction` makes
segments under a `lease`, in `files`, and publishes those that pass the `selftest`.
"""

from functools import cache

from django.conf import settings

from recognition.index.local import LocalIndex
from recognition.index.pgvector import PgvectorIndex
from recognition.index.protocol import FaceIndex, Neighbour

__all__ = ["FaceIndex", "Neighbour", "face_index"]


def face_index() -> FaceIndex:
    """Return the engine that the settings name."""
    return _engine(settings.FACE_INDEX)


@cache
def _engine(name: str) -> FaceIndex:
    local = LocalIndex(segmented=name != "exact")
    return PgvectorIndex(local) if name == "pgvector" else local

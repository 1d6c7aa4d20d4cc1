"""Nearest neighbours among the templates of one gallery."""

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

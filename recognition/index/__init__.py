"""Nearest neighbours among the templates of a gallery.

The parts: `protocol` is what an engine does; `store` the templates in the database; `local` the engine for one host,
with `segments`, `scan` and `exact` as its kinds of search; `pgvector` the engine for several hosts; `compaction` makes
segments under a `lease`, in `files`, and publishes those that pass the `selftest`.
"""

from functools import cache

import numpy as np
from django.conf import settings

from recognition.index.local import LocalIndex
from recognition.index.pgvector import PgvectorIndex
from recognition.index.protocol import FaceIndex, Neighbour
from recognition.models import Gallery

__all__ = ["FaceIndex", "Neighbour", "face_index", "reaching"]

_FEW = 20


def face_index() -> FaceIndex:
    """Return the engine that the settings name."""
    return _engine(settings.FACE_INDEX)


def reaching(gallery: Gallery, probe: np.ndarray, floor: float) -> list[Neighbour]:
    """Return all templates of a gallery that have at least `floor` cosine to the probe, best first."""
    limit = _FEW
    while len(near := face_index().search(gallery, probe, limit=limit, floor=floor)) == limit:
        limit *= 4
    return near


@cache
def _engine(name: str) -> FaceIndex:
    local = LocalIndex(segmented=name != "exact")
    return PgvectorIndex(local) if name == "pgvector" else local

"""The cosine of a candidate: computed in float64 from the stored template, whichever index found it."""

from collections.abc import Sequence

import numpy as np

from recognition.index import store
from recognition.index.protocol import Neighbour
from recognition.models import Gallery


def scored(
    gallery: Gallery,
    ids: Sequence[int] | np.ndarray,
    vectors: Sequence[np.ndarray | None],
    probe: np.ndarray,
    floor: float,
) -> list[Neighbour]:
    """Compute every cosine in float64, reading the templates that are None; omit those removed meanwhile."""
    missing = [int(face) for face, vector in zip(ids, vectors, strict=True) if vector is None]
    stored = store.vectors(gallery, missing) if missing else {}
    pairs = [
        (int(face), vector if vector is not None else stored.get(int(face)))
        for face, vector in zip(ids, vectors, strict=True)
    ]
    known = [(face, vector) for face, vector in pairs if vector is not None]
    if not known:
        return []
    cosines = np.array([vector for _, vector in known], dtype=np.float64) @ probe.astype(np.float64)
    near = [Neighbour(face, cosine, vector) for (face, vector), cosine in zip(known, cosines.tolist(), strict=True)]
    return sorted((one for one in near if one.cosine >= floor), key=lambda one: (-one.cosine, one.face_id))

"""Vectors from before a pack's became narrower: they are projected as its embedder is now, and no image is needed.

Both belong to one space: a cosine of two such vectors differs from that of the same two pictures today by less than
1e-5. So nothing else of the pack changes, neither its version nor its scale.
"""

import numpy as np

from recognition.packs import Pack, sessions
from recognition.results import Floats

_TINY = 1e-12


def widths(pack: Pack) -> set[int]:
    """Return how many numbers a vector of the pack may have."""
    return {pack.dimension, pack.earlier.dimension if pack.earlier else pack.dimension}


def narrowed(pack: Pack, vectors: Floats) -> Floats:
    """Return vectors (n, d) of the pack, of either width, at its present one; unit vectors stay such.

    Raises:
        ValueError: they have another width.
        ModelUnavailable: the model that projects them is not installed.
    """
    width, earlier = vectors.shape[1], pack.earlier
    if width == pack.dimension:
        return vectors
    if not earlier or width != earlier.dimension:
        raise ValueError(vectors.shape)
    kept, wide = np.split(vectors.astype(np.float32), [earlier.kept], axis=1)
    [narrow] = sessions.run(earlier.projection, wide)
    lengths, left = (np.linalg.norm(part, axis=1, keepdims=True) for part in (wide, narrow))
    return np.concatenate([kept, narrow * (lengths / np.maximum(left, _TINY))], axis=1)

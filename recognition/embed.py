"""Aligned faces to unit vectors, by the embedders of a pack."""

from collections.abc import Sequence

import numpy as np

from recognition import sessions
from recognition.packs import Model, Pack
from recognition.results import Floats, Pixels

_BATCH = 8  # faces a run: more gain nothing, and each takes some 10 MB while it runs


def embed(aligned: Sequence[Pixels], pack: Pack) -> Floats:
    """Return (faces, pack.dimension) float32, each row of unit length.

    `aligned` are (112, 112, 3), blue-green-red. The unit vectors of several embedders are joined, each times the root
    of its weight, so that the dot product of two embeddings is the weighted mean of the embedders' cosines.

    Raises:
        ModelUnavailable: an embedder of the pack is not installed.
    """
    if not aligned:
        return np.empty((0, pack.dimension), np.float32)
    faces = np.stack(aligned)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    parts = [np.sqrt(np.float32(weight)) * _unit_vectors(faces, model) for model, weight in pack.embedders]
    return np.concatenate(parts, axis=1)


def _unit_vectors(faces: Floats, model: Model) -> Floats:
    """Run an embedder on (faces, 3, 112, 112), red-green-blue, 0 to 255."""
    fed = (faces - np.float32(model.mean)) / np.float32(model.scale)
    vectors = np.concatenate([sessions.run(model, fed[at : at + _BATCH])[0] for at in range(0, len(fed), _BATCH)])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

"""Aligned faces to templates."""

from collections.abc import Sequence

import numpy as np

from recognition import sessions
from recognition.packs import Model, Pack
from recognition.results import Floats, Pixels

# By model: what is taken from each value of 0 to 255, and what the rest is divided by.
_RANGES = {"sface": (0.0, 1.0), "fr_feature": (127.0, 128.0)}


def embed(aligned: Sequence[Pixels], pack: Pack) -> Floats:
    """Return (faces, dimension) float32 unit vectors of aligned faces, each (112, 112, 3), blue-green-red.

    With several embedders the unit vectors are weighted and concatenated so that a cosine of the whole is the weighted
    mean of the parts' cosines.

    Raises:
        ModelUnavailable: an embedder is not installed.
    """
    if not aligned:
        return np.zeros((0, pack.dimension), np.float32)
    batch = np.stack(aligned)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)  # the networks want red first
    parts = [np.sqrt(weight) * _unit(_embedded(batch, model)) for model, weight in pack.embedders]
    return _unit(np.concatenate(parts, 1))


def _embedded(batch: Floats, model: Model) -> Floats:
    """Run one embedder on (faces, 3, 112, 112), red-green-blue, 0 to 255."""
    offset, divisor = _RANGES[model.name]
    vectors = sessions.run(model, batch if divisor == 1.0 else (batch - offset) / divisor)[0]
    return np.asarray(vectors, np.float32)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

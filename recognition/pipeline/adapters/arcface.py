"""Embedders in the manner of ArcFace: a square, aligned face in, one vector out."""

from dataclasses import dataclass

import numpy as np

from recognition.packs import Model, sessions
from recognition.results import Floats, Pixels

_BATCH = 8  # faces a run: more gain nothing, and each takes some 10 MB while it runs


@dataclass(frozen=True, slots=True)
class ArcFace:
    """Takes red-green-blue, (values - mean) / scale, `side` pixels square."""

    model: Model
    side: int = 112
    mean: float = 0.0
    scale: float = 1.0

    def embed(self, faces: Pixels) -> Floats:
        """Return (faces, dimension), not normalised, of (faces, side, side, 3), blue-green-red.

        Raises:
            ModelUnavailable: the model is not installed.
        """
        values = faces[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
        fed = (values - np.float32(self.mean)) / np.float32(self.scale)
        runs = [sessions.run(self.model, fed[at : at + _BATCH])[0] for at in range(0, len(fed), _BATCH)]
        return np.concatenate(runs)

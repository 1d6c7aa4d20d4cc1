"""ArcFace-style embedders: one vector from a square, aligned face."""

from dataclasses import dataclass

import numpy as np

from recognition.packs import Model, sessions
from recognition.results import Floats, Pixels

_BATCH = 8  # faces per run: more gain nothing, and each takes about 10 MB during the run


@dataclass(frozen=True, slots=True)
class ArcFace:
    """Takes red-green-blue, (values - mean) / scale, `side` pixels square."""

    model: Model
    side: int = 112
    mean: float = 0.0
    scale: float = 1.0

    def embed(self, faces: Pixels) -> Floats:
        """Return vectors (faces, dimension), not normalised, for (faces, side, side, 3), blue-green-red.

        Raises:
            ModelUnavailable: the model is not installed.
        """
        values = faces[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
        fed = (values - np.float32(self.mean)) / np.float32(self.scale)
        runs = [sessions.run(self.model, fed[at : at + _BATCH])[0] for at in range(0, len(fed), _BATCH)]
        return np.concatenate(runs)

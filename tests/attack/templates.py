"""Generated templates, distributed as those of the pack `light`: strangers, people, and pictures of people."""

import numpy as np

from recognition import packs

DIMENSION = packs.get("light").dimension
_COMMON = 0.31  # every face looks a little like every other: the norm of what all templates share
_DECAY = 0.5  # and varies more in some directions than in others


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length 1."""
    scaled: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled


class Population:
    """People in numbers, from one seed."""

    def __init__(self, seed: int) -> None:
        """Draw the directions in which faces differ."""
        self.rng = np.random.default_rng(seed)
        self._axes, _ = np.linalg.qr(self.rng.standard_normal((DIMENSION, DIMENSION)))
        self._spread = np.exp(-_DECAY * np.arange(DIMENSION) / DIMENSION)

    def strangers(self, count: int) -> np.ndarray:
        """Draw (count, DIMENSION) float32 templates of people, each of another."""
        varied = unit((self.rng.standard_normal((count, DIMENSION)) * self._spread) @ self._axes.T)
        return unit(np.sqrt(1 - _COMMON**2) * varied + _COMMON * self._axes[:, 0]).astype(np.float32)

    def pictures(self, person: np.ndarray, cosines: np.ndarray) -> np.ndarray:
        """Draw templates of a person that have these cosines to the enrolled one."""
        aside = self.strangers(len(cosines)).astype(np.float64)
        aside = unit(aside - (aside @ person)[:, None] * person)
        drawn = cosines[:, None] * person + np.sqrt(1 - cosines[:, None] ** 2) * aside
        return np.asarray(drawn, dtype=np.float32)

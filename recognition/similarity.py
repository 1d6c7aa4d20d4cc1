"""The scale of similarity: cosine, a score of 0 to 100, and the false match rate behind both.

Inside the platform similarity is cosine, and decisions use it exactly. A score is for reading: it is anchored on the
false match rates of a pack, so that 80 means the same with every pack: one in a thousand comparisons between strangers
reaches it. What callers are told is whole points: scores are linear in the cosine, and from some dozens of exact ones a
template can be computed.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Value = float | npt.NDArray[np.floating]

FALSE_MATCH_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SCORES = (40.0, 70.0, 80.0, 85.0, 90.0, 95.0)
_MOST = 100.0
_ROUNDING = 1e-6  # a face compared with itself comes to a cosine a little under 1, and must reach a threshold of 100
_NOISE = 1e-9  # of arithmetic on scores: 0.55 * 100 is a little more than 55


@dataclass(frozen=True, slots=True)
class SimilarityScale:
    """A pack's cosines at FALSE_MATCH_RATES; piecewise linear between them (rates: in their logarithm), monotone."""

    cosines: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse anchors that would make the scale run backwards."""
        if len(self.cosines) != len(SCORES) or not (np.diff((-1.0, *self.cosines, 1.0)) > 0).all():
            message = f"a similarity scale takes {len(SCORES)} ascending cosines between -1 and 1, not {self.cosines}"
            raise ValueError(message)

    def score(self, cosine: Value) -> npt.NDArray[np.float64]:
        """Return the exact score, 0 to 100, of a cosine or of each of an array."""
        return np.asarray(np.interp(cosine, (-1.0, *self.cosines, 1.0), (0.0, *SCORES, _MOST)))

    def cosine(self, score: Value) -> npt.NDArray[np.float64]:
        """Return the cosine that reaches a score, 0 to 100, or each of an array; whatever rounds to 1 reaches 100."""
        cosine = np.interp(score, (0.0, *SCORES, _MOST), (-1.0, *self.cosines, 1.0))
        return np.asarray(np.minimum(cosine, 1 - _ROUNDING))

    def whole(self, cosine: float) -> float:
        """Return the score of a cosine as it may be told: whole points, rounded down."""
        return _MOST if cosine >= 1 - _ROUNDING else float(math.floor(float(self.score(cosine)) + _NOISE))

    def threshold(self, cosine: float) -> "Threshold":
        """Return the threshold that a cosine is on this scale."""
        return Threshold(float(self.score(cosine)))


@dataclass(frozen=True, slots=True)
class Threshold:
    """What two faces have to reach to count as one person: a score of 0 to 100, the same with every pack.

    The one place that converts: contracts have other scales, packs have cosines.
    """

    score: float

    @classmethod
    def of_share(cls, share: float) -> Self:
        """Take a score on a scale of 0 to 1."""
        return cls(100 * share)

    @classmethod
    def of_rate(cls, false_match_rate: float) -> Self:
        """Take the score that this share of comparisons between strangers reaches.

        Raises:
            ValueError: the rate is outside of what was measured, so that no honest threshold exists.
        """
        if not FALSE_MATCH_RATES[-1] <= false_match_rate <= 1:
            message = f"a false match rate is between {FALSE_MATCH_RATES[-1]} and 1, not {false_match_rate}"
            raise ValueError(message)
        # np.interp wants its abscissae ascending: from the rarest false match to the commonest.
        exponents = np.log10((*FALSE_MATCH_RATES[::-1], 1.0))
        return cls(float(np.interp(np.log10(false_match_rate), exponents, (*SCORES[::-1], 0.0))))

    @property
    def false_match_rate(self) -> float:
        """The share of comparisons between strangers that reach it.

        Below the first anchor it rises towards 1 at a score of 0; above the last one it stays: no smaller rate was
        measured.
        """
        return float(10.0 ** np.interp(self.score, (0.0, *SCORES), np.log10((1.0, *FALSE_MATCH_RATES))))

    def rounded_up(self) -> "Threshold":
        """Return the next whole point: a finer one, moved a little each time, would find the exact score out."""
        return Threshold(min(_MOST, float(math.ceil(self.score - _NOISE))))

    def on(self, scale: SimilarityScale) -> float:
        """Return the cosine that a pair of faces has to reach on a pack's scale."""
        return float(scale.cosine(self.score))


DEFAULT = Threshold.of_rate(1e-4)  # of a collection that names none, and of a comparison of two images
LOWEST = Threshold.of_rate(1e-2)  # below which no collection's threshold may be set

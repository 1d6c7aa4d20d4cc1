"""The similarity scale: cosine, a score from 0 to 100, and the false match rate that both stand for.

Inside the platform similarity is a cosine, and decisions use it exactly. Callers see a score, which is anchored on the
pack's false match rates, so that it means the same with every pack: one in a thousand comparisons between strangers
reaches 80. Callers see whole points only: between two anchors a score is linear in the cosine, and a template can be
computed from some dozens of exact scores.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, overload

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating]

FALSE_MATCH_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SCORES = (40.0, 70.0, 80.0, 85.0, 90.0, 95.0)
_MOST = 100.0
_SCALE = (0.0, *SCORES, _MOST)
_ONE = 1 - 1e-6  # a face compared with itself has a cosine slightly below 1, and must reach a threshold of 100
_NOISE = 1e-9  # of arithmetic on scores: 0.55 * 100 is slightly more than 55


@overload
def _between(value: float, xs: Sequence[float], ys: Sequence[float]) -> float: ...
@overload
def _between(value: Values, xs: Sequence[float], ys: Sequence[float]) -> npt.NDArray[np.float64]: ...
def _between(value: float | Values, xs: Sequence[float], ys: Sequence[float]) -> float | npt.NDArray[np.float64]:
    """Interpolate between the points (xs, ys), as np.interp does; of a single number in a tenth of its time."""
    if isinstance(value, np.ndarray):
        return np.asarray(np.interp(value, xs, ys))
    one = float(value)
    if not xs[0] < one < xs[-1]:
        return ys[0] if one <= xs[0] else ys[-1]
    at = bisect_right(xs, one) - 1
    return (ys[at + 1] - ys[at]) / (xs[at + 1] - xs[at]) * (one - xs[at]) + ys[at]


def rate_at(score: float, rates: Sequence[float]) -> float:
    """Return the false match rate at a score, given those at SCORES; log-linear between them, and 1 at a score of 0."""
    return float(10.0 ** _between(score, (0.0, *SCORES), (0.0, *map(math.log10, rates))))


@dataclass(frozen=True, slots=True)
class SimilarityScale:
    """A pack's cosines at FALSE_MATCH_RATES; scores are piecewise linear between them, rates log-linear."""

    cosines: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse anchors that are not ascending."""
        if len(self.cosines) != len(SCORES) or not (np.diff((-1.0, *self.cosines, 1.0)) > 0).all():
            message = f"a similarity scale takes {len(SCORES)} ascending cosines between -1 and 1, not {self.cosines}"
            raise ValueError(message)

    @overload
    def score(self, cosine: float) -> float: ...
    @overload
    def score(self, cosine: Values) -> npt.NDArray[np.float64]: ...
    def score(self, cosine: float | Values) -> float | npt.NDArray[np.float64]:
        """Return the exact score, 0 to 100, of a cosine or of an array of them."""
        return _between(cosine, (-1.0, *self.cosines, 1.0), _SCALE)

    @overload
    def cosine(self, score: float) -> float: ...
    @overload
    def cosine(self, score: Values) -> npt.NDArray[np.float64]: ...
    def cosine(self, score: float | Values) -> float | npt.NDArray[np.float64]:
        """Return the cosine at a score, 0 to 100, or at an array of them; a cosine that rounds to 1 reaches 100."""
        cosine = _between(score, _SCALE, (-1.0, *self.cosines, 1.0))
        return min(cosine, _ONE) if isinstance(cosine, float) else np.minimum(cosine, _ONE)

    def whole(self, cosine: float) -> float:
        """Return the score of a cosine as callers may see it: whole points, rounded down."""
        return _MOST if cosine >= _ONE else float(math.floor(self.score(cosine) + _NOISE))

    def threshold(self, cosine: float) -> "Threshold":
        """Return the threshold at a cosine of this scale."""
        return Threshold(self.score(cosine))


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score, 0 to 100, that two faces have to reach to count as one person; it means the same with every pack.

    The only place that converts between the scales of the contracts and the cosines of the packs.
    """

    score: float

    @classmethod
    def of_share(cls, share: float) -> Self:
        """Convert from a scale of 0 to 1."""
        return cls(100 * share)

    @classmethod
    def of_rate(cls, false_match_rate: float) -> Self:
        """Convert from a false match rate: the score that this share of comparisons between strangers reaches.

        Raises:
            ValueError: no rate so small was measured, or it is above 1.
        """
        if not FALSE_MATCH_RATES[-1] <= false_match_rate <= 1:
            message = f"a false match rate is between {FALSE_MATCH_RATES[-1]} and 1, not {false_match_rate}"
            raise ValueError(message)
        # np.interp needs ascending abscissae: from the smallest rate to the largest.
        exponents = np.log10((*FALSE_MATCH_RATES[::-1], 1.0))
        return cls(float(np.interp(np.log10(false_match_rate), exponents, (*SCORES[::-1], 0.0))))

    @property
    def false_match_rate(self) -> float:
        """The share of comparisons between strangers that reach it.

        Below the first anchor it rises to 1 at a score of 0. Above the last anchor it is constant: no smaller rate was
        measured.
        """
        return rate_at(self.score, FALSE_MATCH_RATES)

    def rounded_up(self) -> "Threshold":
        """Return the next whole point: with finer thresholds a caller could find the exact score by bisection."""
        return Threshold(min(_MOST, float(math.ceil(self.score - _NOISE))))

    def on(self, scale: SimilarityScale) -> float:
        """Return the cosine that a pair of faces has to reach on a pack's scale."""
        return scale.cosine(self.score)


DEFAULT = Threshold.of_rate(1e-4)  # for collections that set none, and for comparisons of two images
LOWEST = Threshold.of_rate(1e-2)  # the lowest threshold that a collection may have

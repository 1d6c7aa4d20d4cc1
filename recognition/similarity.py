"""The scale of similarity: cosine, a score of 0 to 100, and the false match rate behind both.

Inside the platform similarity is cosine. A score is for reading: it is anchored on the false match rates of a pack, so
that 80 means the same with every pack: one in a thousand comparisons between strangers reaches it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Value = float | npt.NDArray[np.floating]

FALSE_MATCH_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
SCORES = (40.0, 70.0, 80.0, 85.0, 90.0, 95.0)


@dataclass(frozen=True, slots=True)
class SimilarityScale:
    """A pack's cosines at FALSE_MATCH_RATES; piecewise linear between them (rates: in their logarithm), monotone.

    Every method takes a number or an array, and answers in kind.
    """

    cosines: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse anchors that would make the scale run backwards."""
        if len(self.cosines) != len(SCORES) or not (np.diff((-1.0, *self.cosines, 1.0)) > 0).all():
            message = f"a similarity scale takes {len(SCORES)} ascending cosines between -1 and 1, not {self.cosines}"
            raise ValueError(message)

    def score(self, cosine: Value) -> npt.NDArray[np.float64]:
        """Return the score, 0 to 100, of a cosine."""
        return np.asarray(np.interp(cosine, (-1.0, *self.cosines, 1.0), (0.0, *SCORES, 100.0)))

    def cosine(self, score: Value) -> npt.NDArray[np.float64]:
        """Return the cosine of a score, 0 to 100."""
        return np.asarray(np.interp(score, (0.0, *SCORES, 100.0), (-1.0, *self.cosines, 1.0)))

    def false_match_rate(self, cosine: Value) -> npt.NDArray[np.float64]:
        """Return the share of comparisons between strangers that reach a cosine.

        Below the first anchor it rises towards 1 at a cosine of -1; above the last one it stays: no smaller rate was
        measured.
        """
        exponents = np.interp(cosine, (-1.0, *self.cosines), np.log10((1.0, *FALSE_MATCH_RATES)))
        return np.asarray(10.0**exponents)

    def threshold_for(self, false_match_rate: float) -> float:
        """Return the cosine that this share of comparisons between strangers reaches.

        Raises:
            ValueError: the rate is outside of what was measured, so that no honest threshold exists.
        """
        if not FALSE_MATCH_RATES[-1] <= false_match_rate <= 1:
            message = f"a false match rate is between {FALSE_MATCH_RATES[-1]} and 1, not {false_match_rate}"
            raise ValueError(message)
        # np.interp wants its abscissae ascending: from the rarest false match to the commonest.
        exponents = np.log10((*FALSE_MATCH_RATES[::-1], 1.0))
        return float(np.interp(np.log10(false_match_rate), exponents, (*self.cosines[::-1], -1.0)))

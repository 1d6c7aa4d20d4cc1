"""The false match rates that a pack publishes: one figure for each cohort, since no figure holds for everybody."""

from dataclasses import dataclass
from typing import Self

from recognition.similarity import FALSE_MATCH_RATES, Threshold, rate_at


@dataclass(frozen=True, slots=True, eq=False)
class PublishedCohort:
    """A named population, and its measured false match rates at the scale's anchors (score 40, 70 ... 95).

    `intervals` are the 95 % intervals of the rates. Compared by identity: every search looks one up.
    """

    name: str
    people: int
    pairs: int
    rates: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, *, name: str, people: int, pairs: int, rates: list[list[float]]) -> Self:
        """Read an entry of the manifest: each rate with the ends of its interval."""
        rows = [(rate, (low, high)) for rate, low, high in rates]
        return cls(name, people, pairs, tuple(rate for rate, _ in rows), tuple(ends for _, ends in rows))

    def rate(self, threshold: Threshold) -> float:
        """Return the share of the cohort's strangers that reach a threshold; an anchor that none reached is left low.

        No smaller rate than the scale's smallest is claimed.
        """
        return rate_at(threshold.score, [max(rate, FALSE_MATCH_RATES[-1]) for rate in self.rates])

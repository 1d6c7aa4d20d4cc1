"""The meaning of a similarity threshold: how often strangers reach it; and the packs to choose from."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from recognition import packs
from recognition.calibration.cohorts import PublishedCohort
from recognition.similarity import FALSE_MATCH_RATES, LOWEST, Threshold
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class ThresholdMeaning:
    """A threshold's expected errors.

    No false match rate holds for everybody. `false_match_rate` was measured on `population`, on which the pack's scores
    are anchored; `worst_rate` on `worst_cohort`, the pack's cohort in which it is highest. `strangers` is how many of
    `faces` faces of other people a search in the worst cohort is expected to return, and `curve` the worst cohort's
    (score, false match rate) to draw, from the lowest score that a collection may ask for. Above the last anchor
    (`measured` is False) the rates are those at the last anchor, so that they are never understated.
    """

    score: float
    false_match_rate: float
    population: PublishedCohort
    worst_cohort: PublishedCohort
    worst_rate: float
    faces: int
    strangers: float
    measured: bool
    curve: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, threshold: Threshold, *, faces: int, pack: str) -> Self:
        """Explain a threshold of a pack for a search among that many faces."""
        cohorts, worst = packs.get(pack).cohorts, packs.get(pack).worst_cohort(threshold)
        rate = worst.rate(threshold)
        points = np.linspace(LOWEST.score, 100, 61).tolist()
        return cls(
            score=threshold.score,
            false_match_rate=threshold.false_match_rate,
            population=cohorts[0],
            worst_cohort=worst,
            worst_rate=rate,
            faces=faces,
            strangers=rate * faces,
            measured=threshold.score <= Threshold.of_rate(FALSE_MATCH_RATES[-1]).score,
            curve=tuple((score, worst.rate(Threshold(score))) for score in points),
        )


def explain_threshold(
    caller: Caller, *, threshold: Threshold, faces: int, pack: str = packs.DEFAULT
) -> ThresholdMeaning:
    """Say what a threshold of a pack means for a search among that many faces."""
    caller.require(Scope.READ)
    return ThresholdMeaning.of(threshold, faces=faces, pack=pack)


def packs_on_offer(caller: Caller) -> tuple[str, ...]:
    """Return the names of the model packs for a new collection, the default first."""
    caller.require(Scope.READ)
    return packs.names()

"""The meaning of a similarity threshold: how often strangers reach it; and the packs to choose from."""

from dataclasses import dataclass

import numpy as np

from recognition import packs
from recognition.similarity import FALSE_MATCH_RATES, LOWEST, Threshold
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class ThresholdMeaning:
    """A threshold's expected errors.

    `strangers` is how many of `faces` faces of other people a search is expected to return. Above the highest measured
    score (`measured` is False) the rate is the smallest measured one, so that it is never understated. `curve` has
    pairs (score, false match rate) to draw, from the lowest threshold that a collection may have to 100.
    """

    score: float
    false_match_rate: float
    faces: int
    strangers: float
    measured: bool
    curve: tuple[tuple[float, float], ...]


def explain_threshold(caller: Caller, *, threshold: Threshold, faces: int) -> ThresholdMeaning:
    """Return what a threshold means for a search among `faces` faces."""
    caller.require(Scope.READ)
    rate = threshold.false_match_rate
    points = np.linspace(LOWEST.score, 100, 61).tolist()
    curve = tuple((score, Threshold(score).false_match_rate) for score in points)
    measured = threshold.score <= Threshold.of_rate(FALSE_MATCH_RATES[-1]).score
    return ThresholdMeaning(threshold.score, rate, faces, rate * faces, measured, curve)


def packs_on_offer(caller: Caller) -> tuple[str, ...]:
    """Return the names of the model packs for a new collection, the default first."""
    caller.require(Scope.READ)
    return packs.names()

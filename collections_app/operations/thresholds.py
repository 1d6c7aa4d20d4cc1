"""What a similarity threshold means: how often strangers reach it."""

from dataclasses import dataclass

import numpy as np

from recognition import packs
from recognition.similarity import FALSE_MATCH_RATES, LOWEST, Threshold
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class ThresholdMeaning:
    """A threshold in other words.

    `strangers` is how many of `faces` faces of other people a search is expected to return. Beyond what was measured
    (`measured` is False) the false match rate is the smallest that was, so that it is never understated. `curve` are
    (score, false match rate) to draw, from the lowest score that a collection may ask for.
    """

    score: float
    false_match_rate: float
    faces: int
    strangers: float
    measured: bool
    curve: tuple[tuple[float, float], ...]


def explain_threshold(caller: Caller, *, threshold: Threshold, faces: int) -> ThresholdMeaning:
    """Say what a threshold means for a search among that many faces."""
    caller.require(Scope.READ)
    rate = threshold.false_match_rate
    points = np.linspace(LOWEST.score, 100, 61).tolist()
    curve = tuple((score, Threshold(score).false_match_rate) for score in points)
    measured = threshold.score <= Threshold.of_rate(FALSE_MATCH_RATES[-1]).score
    return ThresholdMeaning(threshold.score, rate, faces, rate * faces, measured, curve)


def packs_on_offer(caller: Caller) -> tuple[str, ...]:
    """Return the names of the model packs that a new collection may take, the default first."""
    caller.require(Scope.READ)
    return packs.names()

"""What a similarity threshold means: how often strangers reach it."""

from dataclasses import dataclass

import numpy as np

from collections_app.operations.collections import DEFAULT_FALSE_MATCH_RATE
from recognition import packs
from recognition.similarity import FALSE_MATCH_RATES
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class ThresholdMeaning:
    """A cosine threshold in other words.

    `strangers` is how many of `faces` faces of other people a search is expected to return. Beyond what was measured
    (`measured` is False) the false match rate is the smallest that was, so that it is never understated.
    """

    cosine: float
    score: float
    false_match_rate: float
    faces: int
    strangers: float
    measured: bool
    curve: tuple[tuple[float, float], ...]


def explain_threshold(caller: Caller, *, pack: str, cosine: float, faces: int) -> ThresholdMeaning:
    """Say what a threshold means for a search among that many faces; `curve` are (cosine, false match rate) to draw.

    Raises:
        UnknownPack: there is no such pack.
    """
    caller.require(Scope.READ)
    scale = packs.get(pack).similarity
    rate = float(scale.false_match_rate(cosine))
    points = np.linspace(-1, 1, 201)
    curve = tuple(zip(points.tolist(), scale.false_match_rate(points).tolist(), strict=True))
    measured = cosine <= scale.threshold_for(FALSE_MATCH_RATES[-1])
    return ThresholdMeaning(cosine, float(scale.score(cosine)), rate, faces, rate * faces, measured, curve)


def packs_on_offer(caller: Caller) -> tuple[str, ...]:
    """Return the names of the model packs that a new collection may take, the default first."""
    caller.require(Scope.READ)
    return packs.names()


def usual_threshold(caller: Caller, *, pack: str) -> float:
    """Return the cosine that a new collection of the pack begins with."""
    caller.require(Scope.READ)
    return packs.get(pack).similarity.threshold_for(DEFAULT_FALSE_MATCH_RATE)

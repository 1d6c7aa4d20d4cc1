"""The meaning of a similarity threshold: how often strangers reach it; and the packs to choose from."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from collections_app import scoring
from collections_app.models import Collection
from recognition import packs
from recognition.calibration.cohorts import PublishedCohort
from recognition.calibration.tail import Tail
from recognition.similarity import FALSE_MATCH_RATES, LOWEST, Threshold
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class OwnRate:
    """A false match rate with its 95 % interval, measured between so many people of the collection itself."""

    rate: float
    low: float
    high: float
    people: int

    @classmethod
    def of(cls, tail: Tail, cosine: float) -> Self:
        """Read it at a cosine."""
        return cls(tail.rate(cosine), *tail.interval(cosine), tail.people)


@dataclass(frozen=True, slots=True)
class ThresholdMeaning:
    """A threshold's expected errors.

    No false match rate holds for everybody. `false_match_rate` was measured on `population`, on which the pack's scores
    are anchored; `worst_rate` on `worst_cohort`, the pack's cohort in which it is highest; `own` in the collection,
    once it has strangers enough. `rate` is that of the collection, or else of the worst cohort: `strangers` is how many
    of `faces` faces of other people a search is expected to return by it, and `curve` its (score, false match rate) to
    draw, from the lowest score that a collection may ask for. Above the last anchor (`measured` is False) the rates of
    cohorts are those at the last anchor, so that they are never understated.
    """

    score: float
    false_match_rate: float
    population: PublishedCohort
    worst_cohort: PublishedCohort
    worst_rate: float
    own: OwnRate | None
    rate: float
    faces: int
    strangers: float
    measured: bool
    curve: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, threshold: Threshold, *, faces: int, pack: str, tail: Tail | None = None) -> Self:
        """Explain a threshold of a pack for a search among that many faces of a collection with that tail."""
        cohorts, worst = packs.get(pack).cohorts, packs.get(pack).worst_cohort(threshold)
        scale = packs.get(pack).similarity
        own = OwnRate.of(tail, threshold.on(scale)) if tail else None
        rate = own.rate if own else worst.rate(threshold)
        points = np.linspace(LOWEST.score, 100, 61).tolist()
        return cls(
            score=threshold.score,
            false_match_rate=threshold.false_match_rate,
            population=cohorts[0],
            worst_cohort=worst,
            worst_rate=worst.rate(threshold),
            own=own,
            rate=rate,
            faces=faces,
            strangers=rate * faces,
            measured=own is not None or threshold.score <= Threshold.of_rate(FALSE_MATCH_RATES[-1]).score,
            curve=tuple(
                (score, tail.rate(Threshold(score).on(scale)) if tail else worst.rate(Threshold(score)))
                for score in points
            ),
        )


def expected_strangers(collection: Collection, threshold: Threshold) -> tuple[float, str | None]:
    """Return how many strangers a search is expected to meet at a threshold, and the cohort that this is measured on.

    The cohort is None where it is measured on the collection's own strangers. Not an operation.
    """
    pack, own = packs.get(collection.pack), scoring.tail(collection)
    if own is not None:
        return own.rate(threshold.on(pack.similarity)) * collection.gallery.size, None
    worst = pack.worst_cohort(threshold)
    return worst.rate(threshold) * collection.gallery.size, worst.name


def explain_threshold(
    caller: Caller,
    *,
    threshold: Threshold,
    faces: int,
    pack: str = packs.DEFAULT,
    collection: Collection | None = None,
) -> ThresholdMeaning:
    """Say what a threshold of a pack means for a search among that many faces; `collection`: the caller's."""
    caller.require(Scope.READ)
    return ThresholdMeaning.of(threshold, faces=faces, pack=pack, tail=scoring.tail(collection) if collection else None)


def packs_on_offer(caller: Caller) -> tuple[str, ...]:
    """Return the names of the model packs for a new collection, the default first."""
    caller.require(Scope.READ)
    return packs.names()

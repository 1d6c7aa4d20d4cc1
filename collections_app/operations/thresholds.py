"""The meaning of a similarity threshold: how often strangers reach it; and the packs to choose from."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from collections_app import scoring
from collections_app.models import Collection, HealthReport
from collections_app.operations.collections import Alias, find
from recognition import packs
from recognition.calibration.cohorts import PublishedCohort
from recognition.calibration.tail import Tail
from recognition.similarity import FALSE_MATCH_RATES, LOWEST, SCORES, Threshold
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


@dataclass(frozen=True, slots=True)
class Aim:
    """The threshold for at most one false match in so many searches among so many faces.

    `score` is in whole points; None: the scale ends before, at `last`, where one false match is expected in
    `reached` searches. Expected by what is measured in the collection (`own`), else by the pack's worst cohort.
    `missed` is the share of `pairs` pairs of pictures of one person, from the last health report, that are below the
    score; None: the caller lacks Scope.SCORES, or there are fewer than FEWEST_PAIRS.
    """

    score: float | None
    last: float
    reached: float
    own: bool
    missed: float | None
    pairs: int


FEWEST_PAIRS = 100


def aim_threshold(caller: Caller, *, collection: str | Alias, searches: int, faces: int) -> Aim:
    """Say which threshold gives at most one false match in `searches` searches among `faces` faces."""
    caller.require(Scope.READ)
    found = find(caller, collection)
    pack, own = packs.get(found.pack), scoring.tail(found)

    def rate(score: float) -> float:
        threshold = Threshold(score)
        return own.rate(threshold.on(pack.similarity)) if own else pack.worst_cohort(threshold).rate(threshold)

    points = [float(score) for score in range(math.ceil(LOWEST.score), 101 if own else int(SCORES[-1]) + 1)]
    wanted = 1 / (searches * faces)
    score = next((each for each in points if rate(each) <= wanted), None)
    last = next(each for each in points if rate(each) <= rate(points[-1]))
    at = Threshold(last if score is None else score).on(pack.similarity)
    missed, pairs = _missed(found, at) if Scope.SCORES in caller.scopes else (None, 0)
    return Aim(score, last, 1 / (rate(last) * faces), own is not None, missed, pairs)


def _missed(collection: Collection, cosine: float) -> tuple[float | None, int]:
    """Return the share of pairs of one person's pictures below a cosine in the last health report, and their number."""
    report = collection.health_reports.filter(state=HealthReport.State.DONE).order_by("-created_at").first()
    counts = report.findings["genuine"] if report else []
    if sum(counts) < FEWEST_PAIRS or report is None:
        return None, sum(counts)
    low, high = report.findings["low"], report.findings["high"]
    below = int((cosine - low) / (high - low) * len(counts))  # bins wholly below it
    return sum(counts[: max(0, below)]) / sum(counts), sum(counts)


def packs_on_offer(caller: Caller) -> tuple[str, ...]:
    """Return the names of the model packs for a new collection, the default first."""
    caller.require(Scope.READ)
    return packs.names()

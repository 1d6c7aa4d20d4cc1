"""What a caller is told of enrolled faces: whole points from the collection's floor on, and below it nothing.

The model is public and a score is linear in the cosine: whoever is told how alike a few dozen probes of their own are
to a face can compute its template. So a threshold may be raised by a caller and not lowered, and what does not reach
the floor has neither score nor place in an order (decisions R10, R19). To look below takes Scope.SCORES; each look is
logged and counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from collections_app.models import Collection
from recognition import packs
from recognition.similarity import DEFAULT, LOWEST, SimilarityScale, Threshold
from tenants import audit, usage
from tenants.access import Caller, Scope

EVERYTHING = -2.0  # under every cosine


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The threshold that is applied and the floor from which on a score is told, both cosines of one pack.

    `below`: the caller looks below the collection's floor, which has to be logged (log_look).
    """

    scale: SimilarityScale
    threshold: float
    floor: float
    below: bool = False

    @property
    def applied(self) -> Threshold:
        """The threshold as it is told."""
        return self.scale.threshold(self.threshold)

    def matches(self, cosine: float) -> bool:
        """Decide, on the exact value."""
        return cosine >= self.threshold

    def score(self, cosine: float) -> float | None:
        """Return the score to be told, a match's never below the threshold; None: nothing may be told."""
        if cosine < self.floor:
            return None
        told = self.scale.whole(cosine)
        return max(told, self.applied.score) if self.matches(cosine) else told


def disclosure(caller: Caller, collection: Collection, asked: Threshold | None = None) -> Disclosure:
    """Return what holds for a call that asks for a threshold, None: for the collection's own.

    What is asked for is rounded up to whole points, and raised to the floor unless the caller may look below it.
    """
    scale, floor = packs.get(collection.pack).similarity, floor_of(collection)
    if asked is None:
        return Disclosure(scale, _own(collection), floor)
    wanted = asked.rounded_up().on(scale)
    if wanted >= floor or Scope.SCORES not in caller.scopes:
        return Disclosure(scale, max(wanted, floor), floor)
    return Disclosure(scale, wanted, wanted, below=True)


def below_floor(caller: Caller, collection: Collection) -> Disclosure:
    """Return what holds for looking at everything, with the collection's own threshold.

    Raises:
        ScopeMissing: the caller may not look below the floor.
    """
    caller.require(Scope.SCORES)
    return Disclosure(packs.get(collection.pack).similarity, _own(collection), EVERYTHING, below=True)


def of_images(pack: str, asked: Threshold | None = None) -> Disclosure:
    """Return what holds between two images: nothing enrolled is asked, so there is no floor."""
    scale = packs.get(pack).similarity
    return Disclosure(scale, (asked or DEFAULT).rounded_up().on(scale), EVERYTHING)


def floor_of(collection: Collection) -> float:
    """Return the cosine below which nothing is said: the threshold, or the lower end that the policy opens."""
    own = _own(collection)
    if collection.similarity_floor is None:
        return own
    return min(own, max(collection.similarity_floor, LOWEST.on(packs.get(collection.pack).similarity)))


def log_look(caller: Caller, collection: Collection, what: str, faces: Iterable[str]) -> None:
    """Log that somebody was told of these faces, by UUID, whatever their scores; in the caller's transaction."""
    audit.record(caller, "collection.looked_below_floor", collection, what=what, faces=sorted(faces))
    usage.count(caller.tenant, f"{caller.via} scores below the floor")


def _own(collection: Collection) -> float:
    """Return the collection's threshold as a cosine, within the scale as it is today."""
    scale = packs.get(collection.pack).similarity
    return min(max(collection.similarity_threshold, LOWEST.on(scale)), float(scale.cosine(100)))

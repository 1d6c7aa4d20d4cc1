"""Which scores a caller gets: whole points from the collection's floor on, and nothing below it.

Why: the model is public and a score is linear in the cosine, so the exact scores of a few dozen probes with a face are
enough to compute its template. Therefore scores are whole points; a caller may raise the threshold but not lower it;
and a face below the floor has no score and no place in any order (decisions R10, R19). The floor is the collection's
threshold, unless its policy sets a lower one. Scope.SCORES allows a look below the floor; each look is logged and
counted. How many scores of one face are disclosed is limited in operations.budget.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from collections_app.models import Collection
from recognition import packs
from recognition.similarity import DEFAULT, LOWEST, SimilarityScale, Threshold
from tenants import audit, usage
from tenants.access import Caller, Scope

EVERYTHING = -2.0  # below every cosine


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The rules of one answer: the threshold for a match and the floor for a score, both cosines of the pack.

    `below`: the caller looks below the collection's floor, which must be logged (log_look). `probe`: the caller sent a
    picture, which may show the owner of a face; None: something else, such as a vector of the caller's choice.
    """

    scale: SimilarityScale
    threshold: float
    floor: float
    below: bool = False
    probe: Literal["picture"] | None = "picture"

    @property
    def applied(self) -> Threshold:
        """The threshold as a score."""
        return self.scale.threshold(self.threshold)

    def matches(self, cosine: float) -> bool:
        """Return whether an exact cosine is a match."""
        return cosine >= self.threshold

    def score(self, cosine: float) -> float | None:
        """Return the score to show, for a match at least the threshold's; None below the floor."""
        if cosine < self.floor:
            return None
        score = self.scale.whole(cosine)
        return max(score, self.applied.score) if self.matches(cosine) else score


def disclosure(caller: Caller, collection: Collection, asked: Threshold | None = None) -> Disclosure:
    """Return the rules for a call with the threshold `asked`; None: the collection's own.

    The threshold is rounded up to whole points, and raised to the floor unless the caller has Scope.SCORES.
    """
    scale, floor = packs.get(collection.pack).similarity, floor_of(collection)
    if asked is None:
        return Disclosure(scale, _own(collection), floor)
    wanted = asked.rounded_up().on(scale)
    if wanted >= floor or Scope.SCORES not in caller.scopes:
        return Disclosure(scale, max(wanted, floor), floor)
    return Disclosure(scale, wanted, wanted, below=True)


def below_floor(caller: Caller, collection: Collection) -> Disclosure:
    """Return the rules for a look at all scores, with the collection's own threshold.

    Raises:
        ScopeMissing: the caller lacks Scope.SCORES.
    """
    caller.require(Scope.SCORES)
    return Disclosure(packs.get(collection.pack).similarity, _own(collection), EVERYTHING, below=True)


def of_images(pack: str, asked: Threshold | None = None) -> Disclosure:
    """Return the rules for a comparison of two images: no enrolled face is involved, so there is no floor."""
    scale = packs.get(pack).similarity
    return Disclosure(scale, (asked or DEFAULT).rounded_up().on(scale), EVERYTHING)


def floor_of(collection: Collection) -> float:
    """Return the cosine below which no score is shown: the policy's floor, or else the collection's threshold."""
    own = _own(collection)
    if collection.similarity_floor is None:
        return own
    return min(own, max(collection.similarity_floor, LOWEST.on(packs.get(collection.pack).similarity)))


def log_look(caller: Caller, collection: Collection, what: str, faces: Iterable[str]) -> None:
    """Log that the caller saw these faces, by UUID, below the floor too; in the caller's transaction."""
    audit.record(caller, "collection.looked_below_floor", collection, what=what, faces=sorted(faces))
    usage.count(caller.tenant, f"{caller.via} scores below the floor")


def _own(collection: Collection) -> float:
    """Return the collection's threshold as a cosine, moved into LOWEST to 100 if the pack's scale has changed."""
    scale = packs.get(collection.pack).similarity
    return min(max(collection.similarity_threshold, LOWEST.on(scale)), scale.cosine(100))

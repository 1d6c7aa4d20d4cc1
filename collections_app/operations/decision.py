"""What a search among many faces says: whether somebody was recognised, and how sure that is.

A match is never silent about a second person who is almost as near, such as a twin: it is for review. Only what was
disclosed and charged (operations.budget) decides, in the whole points that are shown, so a decision reveals nothing
more: not even which of two faces is nearer, where both are shown with the same score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from collections_app.models import Collection
from collections_app.operations.budget import Match
from collections_app.operations.disclosure import Disclosure
from collections_app.operations.thresholds import expected_strangers

_MARGIN = 3.0  # points between two people below which a picture may show either


class Verdict(StrEnum):
    """Whom the probe shows: one person, perhaps somebody, or nobody who is enrolled."""

    MATCH = "match"
    REVIEW = "review"
    UNKNOWN = "unknown"


class NextPerson(StrEnum):
    """Whether a second person's score is within the margin of the first's."""

    CLEAR = "clear"
    NEAR = "near"


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, the next person, and how many false matches are expected of a search among so many faces.

    They were measured on the strangers of the collection itself, or else on the `cohort` of that name.
    """

    verdict: Verdict
    next: NextPerson
    expected: float
    cohort: str | None

    @property
    def facts(self) -> dict[str, object]:
        """What webhooks are told."""
        return {
            "decision": self.verdict,
            "next": self.next,
            "expected_false_matches": float(f"{self.expected:.3g}"),
            "measured_on": self.cohort or "collection",
        }


def review_line(collection: Collection, terms: Disclosure) -> float:
    """Return the cosine from which a face is for review: the policy's, within the floor and the threshold."""
    line = collection.review_threshold
    return terms.threshold if line is None else min(max(line, terms.floor), terms.threshold)


def decide(collection: Collection, shown: Sequence[Match], terms: Disclosure) -> Decision:
    """Decide by the faces that are shown, best first, of which the first reaches the line for review."""
    expected, cohort = expected_strangers(collection, terms.applied)
    if not shown:
        return Decision(Verdict.UNKNOWN, NextPerson.CLEAR, expected, cohort)
    best = shown[0]
    second = max((one.score for one in shown if one.face.person_id != best.face.person_id), default=None)
    near = second is not None and best.score - second < _MARGIN
    verdict = Verdict.MATCH if terms.matches(best.cosine) and not near else Verdict.REVIEW
    return Decision(verdict, NextPerson.NEAR if near else NextPerson.CLEAR, expected, cohort)

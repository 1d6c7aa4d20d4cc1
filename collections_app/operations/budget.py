"""How much is told of an enrolled face in thirty days, and what follows when it is too much.

A picture of a stranger that matches points at the owner's template: the mean of ten such pictures has a cosine near .8
with it, at any vendor. What can be held small is their number, and what else each answer says. So each match that a
stranger's picture could have had is written down with its cost, by face and over all keys:

- a match within five points above the threshold, where nine in ten of the strangers land who reach it, costs one;
- one between there and the scores of owners costs a tenth; so does each but the first beside the same match that looks
  like its owner, since a door meets its people's doubles every day (whoever enrols pictures of strangers to have such a
  match beside each of them pays for each), and so does one just above a threshold that was raised among the owners'
  scores, since a threshold that moves is a question about the score;
- a face that looks like its owner costs nothing: somebody whom a door sees fifty times a day is told as ever;
- an answer below the collection's threshold costs one;
- where two enrolled faces are held against each other, each of them is told of.

The same cosine told again tells nothing new and costs nothing. With MATCHES_PER_FACE as the limit (ten; the figures are
from tests/attack), in thirty days:

- from a fifth of it, scores are told up to 95 only, above which no rate was measured: who got near with two strangers'
  pictures could climb from one whole point to the next with pictures made for it;
- beyond half of it, the face is found where it matches, but told with the threshold's own score, last in the order,
  and nothing is told of it below the threshold; an alert is raised once;
- a key that was told as much as the limit of one face is refused whatever it asks, so that a refusal is no answer.

What is written down goes with the face, and after thirty days.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from collections_app.errors import ProbingRefused
from collections_app.models import Collection, Face, NearMatch
from collections_app.operations.disclosure import Disclosure
from tenants import audit
from tenants.access import Caller

WHOLE, PART = 10, 1  # what a match costs, in tenths
_STRANGERS = 5.0  # points above the threshold within which nine in ten of the strangers land who reach it
_ANCHORED = 95.0  # the highest score with a measured false match rate
_OWNERS = 0.5  # points above that, or above a threshold that is higher, from which on a face looks like its owner
_DIGITS = 5  # of a cosine, within which it counts as the same probe again


@dataclass(frozen=True, slots=True)
class Match:
    """A face as it is told of, and the exact cosine that was decided on."""

    face: Face
    score: float
    cosine: float


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is told of a face: its cosine to something, what that costs, in tenths, and beside whom it is told."""

    face: Face
    cosine: float
    cost: int
    beside: Face | None = None


@dataclass(frozen=True, slots=True)
class _Spent:
    """What a face's matches cost in the window, over all keys and of the caller's, in tenths."""

    total: int = 0
    own: int = 0


def refuse_probing(caller: Caller) -> None:
    """Refuse a caller that was told too much of one face.

    Raises:
        ProbingRefused: it was.
    """
    most = settings.MATCHES_PER_FACE * WHOLE
    last = _window(caller).filter(actor_id=caller.id, spent__gte=most).order_by("-at").first()
    if last is not None:
        raise ProbingRefused((last.at + NearMatch.KEPT - timezone.now()).total_seconds())


def tell(
    caller: Caller,
    home: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    probe: Face | None = None,
) -> tuple[Match, ...]:
    """Decide what is told of faces that were found, best first, and write down what it costs; in a transaction.

    `found` are faces with their cosines to a probe. Those whose cosine may not be told are left out. Where the probe is
    an enrolled face itself, each answer is one about it as well: whoever enrols pictures can ask for them by it.
    """
    found = [(face, cosine) for face, cosine in found if terms.score(cosine) is not None]
    answers = [_Answer(face, cosine, _cost(home, terms, cosine)) for face, cosine in found]
    if answers and answers[0].cost == 0 and any(answer.cost for answer in answers):
        answers = _beside(caller, answers)
    if probe is not None:
        answers += [replace(answer, face=probe) for answer in answers]
    return _as_told(home, found, terms, _count(caller, answers), probe)


def tell_pairs(
    caller: Caller,
    home: Collection,
    pairs: Sequence[tuple[Face, Face, float]],
    terms: Disclosure,
    most: int = WHOLE,
) -> list[float | None]:
    """Decide which scores are told of pairs of enrolled faces, and write down what is new; in a transaction.

    `most` is what one pair may cost each of its faces.
    """
    answers = [
        _Answer(face, cosine, min(_cost(home, terms, cosine), most))
        for first, second, cosine in pairs
        if terms.score(cosine) is not None
        for face in (first, second)
    ]
    after = _count(caller, answers)
    scores: list[float | None] = []
    for first, second, cosine in pairs:
        told = _as_told(home, [(second, cosine)], terms, after, first)
        scores.append(told[0].score if told else None)
    return scores


def _beside(caller: Caller, answers: Sequence[_Answer]) -> list[_Answer]:
    """Return the answers beside a best match that looks like its owner: of its doubles the first one costs as ever."""
    owner = answers[0].face
    known = _window(caller).filter(face__in=[answer.face.pk for answer in answers], beside=owner.pk)
    doubles = set(known.values_list("face_id", flat=True))
    return [
        replace(answer, cost=min(answer.cost, PART) if answer.face.pk in doubles else answer.cost, beside=owner)
        for answer in answers
    ]


def _count(caller: Caller, answers: Sequence[_Answer]) -> dict[int, int]:
    """Write down what is new of these answers, raise the alerts, and return what each face's have cost since then."""
    faces = {answer.face.pk: answer.face for answer in answers}
    new = _new(caller, [answer for answer in answers if answer.cost])
    spent = _spent(caller, faces)
    after = {pk: spent[pk].total if pk in spent else 0 for pk in faces}
    own = {pk: spent[pk].own if pk in spent else 0 for pk in faces}
    rows: list[NearMatch] = []
    most = settings.MATCHES_PER_FACE * WHOLE
    for answer in new:
        pk = answer.face.pk
        own[pk] += answer.cost
        after[pk] += answer.cost
        rows.append(
            NearMatch(
                tenant=caller.tenant,
                face=answer.face,
                actor_id=caller.id,
                cosine=round(answer.cosine, _DIGITS),
                cost=answer.cost,
                spent=own[pk],
                beside=answer.beside.pk if answer.beside else None,
            )
        )
        if after[pk] - answer.cost <= most / 2 < after[pk]:
            facts = {"face": answer.face.uuid, "matches": after[pk] / WHOLE, "days": NearMatch.KEPT.days}
            audit.alert(caller, "alert.face_probed", answer.face, **facts)
    NearMatch.everywhere.bulk_create(rows)
    return after


def _as_told(
    home: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    after: Mapping[int, int],
    probe: Face | None = None,
) -> tuple[Match, ...]:
    """Put the scores that are told to the faces, and the faces in the order of these scores.

    A probe that is beyond its own budget is told of as the faces are that are beyond theirs.
    """
    most = settings.MATCHES_PER_FACE * WHOLE
    bar = max(terms.threshold, home.similarity_threshold)
    lowest = terms.scale.threshold(bar).score
    of_probe = after.get(probe.pk, 0) if probe else 0
    told = [max(after.get(face.pk, 0), of_probe) for face, _ in found]
    highest = max(_ANCHORED, lowest) if any(cost >= most / 5 for cost in told) else 100.0
    within: list[Match] = []
    beyond: list[Match] = []
    for (face, cosine), cost in zip(found, told, strict=True):
        score = terms.score(cosine)
        if score is None:
            continue
        if cost <= most / 2:
            within.append(Match(face, min(score, highest), cosine))
        elif cosine >= bar:
            beyond.append(Match(face, lowest, cosine))
    within.sort(key=lambda one: (-one.score, -one.cosine))
    # Which of two owners a probe is nearer to is not told; that somebody looks like themselves beside a double is.
    beyond.sort(key=lambda one: (_cost(home, terms, one.cosine) != 0, one.face.number))
    return (*within, *beyond)


def _cost(home: Collection, terms: Disclosure, cosine: float) -> int:
    """Return what it costs to tell of a face at a cosine, in tenths."""
    bar = float(terms.scale.score(max(terms.threshold, home.similarity_threshold)))
    score = float(terms.scale.score(cosine))
    if score < min(bar + _STRANGERS, _ANCHORED):
        return WHOLE
    return PART if score < max(bar, _ANCHORED) + _OWNERS else 0


def _new(caller: Caller, answers: Sequence[_Answer]) -> list[_Answer]:
    """Return those that were not told before of a face that is still there; their faces are locked.

    The lock makes two answers about one face follow one another.
    """
    if not answers:
        return []
    faces = Face.objects.of(caller.tenant).filter(pk__in={answer.face.pk for answer in answers}).order_by("pk")
    there = set(faces.select_for_update(no_key=True).values_list("pk", flat=True))
    same = _window(caller).filter(face__in=there, cosine__in={round(answer.cosine, _DIGITS) for answer in answers})
    told = set(same.values_list("face_id", "cosine"))
    new: dict[tuple[int, float], _Answer] = {}
    for answer in answers:
        what = (answer.face.pk, round(answer.cosine, _DIGITS))
        if answer.face.pk in there and what not in told:
            new.setdefault(what, answer)
    return list(new.values())


def _spent(caller: Caller, faces: Iterable[int]) -> dict[int, _Spent]:
    own = Sum("cost", filter=Q(actor_id=caller.id), default=0)
    sums = _window(caller).filter(face__in=list(faces)).values("face_id").annotate(total=Sum("cost"), own=own)
    return {row["face_id"]: _Spent(row["total"], row["own"]) for row in sums}


def _window(caller: Caller) -> QuerySet[NearMatch]:
    return NearMatch.objects.of(caller.tenant).filter(at__gt=timezone.now() - NearMatch.KEPT)

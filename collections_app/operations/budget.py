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
- a key that was told as much as the limit of one face is refused whatever it asks, so that a refusal is no answer;
- unless most of what it was told of that face lies above the strangers' scores: somebody is badly enrolled there. Then
  searches and verifications go on as if that face were not enrolled, for that key, and nobody else is hindered.

What a key was told of a face before it meets the face at 98 or more counts no more: that is the owner's own picture,
where strangers' pictures do not lead (tests/attack: earning it with made-up probes wins nothing).

The figures for a door that sees somebody fifty times a day are in docs/operate.md: from a mean cosine of .66 on, the
middle of the people in measured photographs, they are known all the time; from .62 down, where a third of them are, the
limit is reached within days. No limit holds both: twenty matches instead of ten let made-up probes come .14 nearer than
the mean of what matched. So an alert comes first, and a better picture is the remedy: what is written down goes with
the face, and after thirty days.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from django.conf import settings
from django.db.models import Case, Q, QuerySet, Sum, When
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
_KNOWN = 98.0  # the score from which on a face was met: the mean of ten strangers' pictures does not lead there
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
    last = _spent_whole(caller).order_by("-at").first()
    if last is not None:
        raise ProbingRefused((last.at + NearMatch.KEPT - timezone.now()).total_seconds())


def withdrawn(caller: Caller) -> frozenset[int]:
    """Return the faces of which the caller was told too much and is told nothing any more, whatever it asks.

    They look like their owners more often than like strangers: badly enrolled, they do not cost others their door.

    Raises:
        ProbingRefused: it was told too much of a face that looks like strangers.
    """
    faces = set(_spent_whole(caller).values_list("face_id", flat=True))
    if faces:
        dear = Sum(Case(When(cost=WHOLE, then=1), default=-1))
        told = _window(caller).filter(actor_id=caller.id, face__in=faces, cost__gt=0)
        if told.values("face_id").annotate(dear=dear).filter(dear__gte=0).exists():
            refuse_probing(caller)
    return frozenset(faces)


def tell(
    caller: Caller,
    collection: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    probe: Face | Literal["picture"] | None = None,
) -> tuple[Match, ...]:
    """Decide what is told of faces that were found, best first, and write down what it costs; in a transaction.

    `found` are faces with their cosines to a probe. Those whose cosine may not be told are left out, and those that are
    withdrawn from the caller. Where the probe is an enrolled face itself, each answer is one about it as well: whoever
    enrols pictures can ask for them by it. Where it is a picture that the caller sent, a face can have been met.
    """
    found = [(face, cosine) for face, cosine in found if terms.score(cosine) is not None]
    spent = _spent(caller, [face.pk for face, _ in found])
    most = settings.MATCHES_PER_FACE * WHOLE
    found = [(face, cosine) for face, cosine in found if spent.get(face.pk, _Spent()).own < most]
    if probe == "picture":
        _forget_met(caller, collection, found, terms, spent)
    answers = [_Answer(face, cosine, _cost(collection, terms, cosine)) for face, cosine in found]
    if answers and answers[0].cost == 0 and any(answer.cost for answer in answers):
        answers = _beside(caller, answers)
    enrolled = probe if isinstance(probe, Face) else None
    if enrolled is not None:
        answers += [replace(answer, face=enrolled) for answer in answers]
    return _as_told(collection, found, terms, _count(caller, answers), enrolled)


def tell_pairs(
    caller: Caller,
    collection: Collection,
    pairs: Sequence[tuple[Face, Face, float]],
    terms: Disclosure,
    most: int = WHOLE,
) -> list[float | None]:
    """Decide which scores are told of pairs of enrolled faces, and write down what is new; in a transaction.

    `most` is what one pair may cost each of its faces.
    """
    answers = [
        _Answer(face, cosine, min(_cost(collection, terms, cosine), most))
        for first, second, cosine in pairs
        if terms.score(cosine) is not None
        for face in (first, second)
    ]
    after = _count(caller, answers)
    scores: list[float | None] = []
    for first, second, cosine in pairs:
        told = _as_told(collection, [(second, cosine)], terms, after, first)
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
    NearMatch.unscoped.bulk_create(rows)
    return after


def _forget_met(
    caller: Caller,
    collection: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    spent: Mapping[int, _Spent],
) -> None:
    """Forget what the caller was told of faces before it met their owners."""
    known = float(terms.scale.cosine(_KNOWN))
    met = [face.pk for face, cosine in found if cosine >= known and _cost(collection, terms, cosine) == 0]
    if owing := [pk for pk in met if spent.get(pk, _Spent()).own]:
        _window(caller).filter(actor_id=caller.id, face__in=owing).update(cost=0, spent=0)


def _as_told(
    collection: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    after: Mapping[int, int],
    probe: Face | None = None,
) -> tuple[Match, ...]:
    """Put the scores that are told to the faces, and the faces in the order of these scores.

    A probe that is beyond its own budget is told of as the faces are that are beyond theirs.
    """
    most = settings.MATCHES_PER_FACE * WHOLE
    threshold = max(terms.threshold, collection.similarity_threshold)
    lowest = terms.scale.threshold(threshold).score
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
        elif cosine >= threshold:
            beyond.append(Match(face, lowest, cosine))
    within.sort(key=lambda one: (-one.score, -one.cosine))
    # Which of two owners a probe is nearer to is not told; that somebody looks like themselves beside a double is.
    beyond.sort(key=lambda one: (_cost(collection, terms, one.cosine) != 0, one.face.number))
    return (*within, *beyond)


def _cost(collection: Collection, terms: Disclosure, cosine: float) -> int:
    """Return what it costs to tell of a face at a cosine, in tenths."""
    threshold = float(terms.scale.score(max(terms.threshold, collection.similarity_threshold)))
    score = float(terms.scale.score(cosine))
    if score < min(threshold + _STRANGERS, _ANCHORED):
        return WHOLE
    return PART if score < max(threshold, _ANCHORED) + _OWNERS else 0


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


def _spent_whole(caller: Caller) -> QuerySet[NearMatch]:
    """Return the answers to the caller with which it had been told as much of a face as there is."""
    return _window(caller).filter(actor_id=caller.id, spent__gte=settings.MATCHES_PER_FACE * WHOLE)


def _window(caller: Caller) -> QuerySet[NearMatch]:
    return NearMatch.objects.of(caller.tenant).filter(at__gt=timezone.now() - NearMatch.KEPT)

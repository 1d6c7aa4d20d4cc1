"""How much is told of an enrolled face in thirty days, and what follows when it is too much.

A picture of a stranger that matches points at the owner's template: the mean of ten such pictures has a cosine near .8
with it, at any vendor. What can be held small is their number, and what else each answer says. So each match that a
stranger's picture could have had is written down with its cost, by face and over all keys:

- a match within five points above the threshold, where nine in ten of the strangers land who reach it, costs one;
- one between there and the scores of owners costs a tenth; so does one beside a match that looks like its owner, since
  a door meets its people's doubles every day, and so does one just above a threshold that was raised among the owners'
  scores, since a threshold that moves is a question about the score;
- a face that looks like its owner costs nothing: somebody whom a door sees fifty times a day is told as ever;
- an answer below the collection's threshold costs one.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    home: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    *,
    picture: bool = False,
) -> tuple[Match, ...]:
    """Decide what is told of faces that were found, best first, and write down what it costs; in a transaction.

    `found` are faces with their cosines to a probe. Those whose cosine may not be told are left out, and those that are
    withdrawn from the caller. `picture`: the probe was sent by the caller, so that a face can have been met.
    """
    found = [(face, cosine) for face, cosine in found if terms.score(cosine) is not None]
    most = settings.MATCHES_PER_FACE * WHOLE
    spent = _spent(caller, [face for face, _ in found])
    found = [(face, cosine) for face, cosine in found if spent.get(face.pk, _Spent()).own < most]
    if picture and _met(caller, home, found, terms, spent):
        spent = _spent(caller, [face for face, _ in found])
    asked = {face.pk: _cost(home, terms, cosine) for face, cosine in found}
    best = found[0] if found else None
    if best and asked[best[0].pk] == 0:  # the others are beside somebody who looks like themselves
        asked = {pk: min(cost, PART) for pk, cost in asked.items()}
    costs = _new(caller, found, asked) if any(asked.values()) else {}
    after = {face.pk: spent.get(face.pk, _Spent()).total + costs.get(face.pk, 0) for face, _ in found}
    _write(caller, found, costs, spent)
    for face, _ in found:
        if after[face.pk] - costs.get(face.pk, 0) <= most / 2 < after[face.pk]:
            facts = {"face": face.uuid, "matches": after[face.pk] / WHOLE, "days": NearMatch.KEPT.days}
            audit.alert(caller, "alert.face_probed", face, **facts)
    return _as_told(home, found, terms, after)


def tell_pairs(
    caller: Caller, home: Collection, pairs: Sequence[tuple[Face, Face, float]], terms: Disclosure
) -> list[float | None]:
    """Decide which scores are told of pairs of enrolled faces, and write down what is new; in a transaction."""
    faces = {face.pk: face for first, second, _ in pairs for face in (first, second)}
    told = set(_window(caller).filter(face__in=faces).values_list("face_id", "cosine"))
    for first, second, cosine in pairs:
        if {(first.pk, round(cosine, _DIGITS)), (second.pk, round(cosine, _DIGITS))} - told:
            tell(caller, home, [(first, cosine), (second, cosine)], terms)
    spent = {pk: spent.total for pk, spent in _spent(caller, list(faces.values())).items()}
    scores: list[float | None] = []
    for first, second, cosine in pairs:
        after = {face.pk: spent.get(face.pk, 0) for face in (first, second)}
        both = _as_told(home, [(first, cosine), (second, cosine)], terms, after)
        scores.append(min(one.score for one in both) if len(both) == len(after) else None)
    return scores


def _met(
    caller: Caller,
    home: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    spent: Mapping[int, _Spent],
) -> bool:
    """Forget what the caller was told of faces before it met them; return whether there was any."""
    known = float(terms.scale.cosine(_KNOWN))
    met = [face.pk for face, cosine in found if cosine >= known and _cost(home, terms, cosine) == 0]
    owing = [pk for pk in met if spent.get(pk, _Spent()).own]
    if owing:
        _window(caller).filter(actor_id=caller.id, face__in=owing).update(cost=0, spent=0)
    return bool(owing)


def _as_told(
    home: Collection, found: Sequence[tuple[Face, float]], terms: Disclosure, after: Mapping[int, int]
) -> tuple[Match, ...]:
    """Put the scores that are told to the faces, and the faces in the order of these scores."""
    most = settings.MATCHES_PER_FACE * WHOLE
    bar = max(terms.threshold, home.similarity_threshold)
    lowest = terms.scale.threshold(bar).score
    highest = max(_ANCHORED, lowest) if any(cost >= most / 5 for cost in after.values()) else 100.0
    within: list[Match] = []
    beyond: list[Match] = []
    for face, cosine in found:
        score = terms.score(cosine)
        if score is None:
            continue
        if after[face.pk] <= most / 2:
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


def _new(caller: Caller, found: Sequence[tuple[Face, float]], asked: Mapping[int, int]) -> dict[int, int]:
    """Return what faces cost that were not told at this cosine before; they are locked, and those that are gone left.

    The lock makes two answers about one face follow one another.
    """
    dear = [face.pk for face, _ in found if asked[face.pk]]
    faces = Face.objects.of(caller.tenant).filter(pk__in=dear).order_by("pk")
    there = set(faces.select_for_update(no_key=True).values_list("pk", flat=True))
    same = Q()
    for face, cosine in found:
        same |= Q(face=face, cosine=round(cosine, _DIGITS))
    told = set(_window(caller).filter(same).values_list("face_id", flat=True))
    return {pk: asked[pk] for pk in dear if pk in there and pk not in told}


def _spent(caller: Caller, faces: Sequence[Face]) -> dict[int, _Spent]:
    if not faces:
        return {}
    own = Sum("cost", filter=Q(actor_id=caller.id), default=0)
    sums = _window(caller).filter(face__in=faces).values("face_id").annotate(total=Sum("cost"), own=own)
    return {row["face_id"]: _Spent(row["total"], row["own"]) for row in sums}


def _write(
    caller: Caller, found: Sequence[tuple[Face, float]], costs: Mapping[int, int], spent: Mapping[int, _Spent]
) -> None:
    NearMatch.everywhere.bulk_create(
        NearMatch(
            tenant=caller.tenant,
            face=face,
            actor_id=caller.id,
            cosine=round(cosine, _DIGITS),
            cost=costs[face.pk],
            spent=spent.get(face.pk, _Spent()).own + costs[face.pk],
        )
        for face, cosine in found
        if face.pk in costs
    )


def _spent_whole(caller: Caller) -> QuerySet[NearMatch]:
    """Return the answers to the caller with which it had been told as much of a face as there is."""
    return _window(caller).filter(actor_id=caller.id, spent__gte=settings.MATCHES_PER_FACE * WHOLE)


def _window(caller: Caller) -> QuerySet[NearMatch]:
    return NearMatch.objects.of(caller.tenant).filter(at__gt=timezone.now() - NearMatch.KEPT)

"""The budget of an enrolled face: how much may be disclosed about it in 30 days, and what happens beyond that.

Why: a stranger's picture that matches a face points towards the face's template. The mean of ten such pictures has a
cosine of about .8 with the template, whatever the vendor's model. The platform cannot prevent that, but it can limit
how many such matches it discloses, and what else each answer reveals. So every disclosed score that a stranger's
picture could have reached is charged to the face (a NearMatch row), by key. The figures are from tests/attack.

What a disclosed score costs, in matches:

- 1 below the threshold, and up to 5 points above it, but not above 95: nine in ten of the strangers who reach the
  threshold score there.
- 0.1 above that, up to 95.5, or up to half a point above a higher threshold: to raise a threshold step by step is to
  ask for the score.
- 0 above that: the face looks like its owner. A person whom a door sees fifty times a day costs nothing.
- 0.5 instead of 1 for a double: a face in one answer with a best match that costs 0, except the first time beside that
  best match; and for a face compared with another of the same person. A door meets its people's doubles every day, but
  whoever may enrol can make any face a double of one of theirs.
- 0 for a cosine that was disclosed before: it reveals nothing new.

A score between two enrolled faces is charged to both.

What follows, with the limit MATCHES_PER_FACE (10). The first two count the charges of all keys, the last those of one:

- From a fifth of the limit on, answers show scores of the face above 95 as 95, and faces at 95 in the order of
  enrolment: no false match rate was measured above it, and a caller who got near with two strangers' pictures could
  climb with made-up pictures, by whole points or by what comes before a picture that the caller enrolled.
- Beyond half of the limit, a match is shown with the threshold's score, after the other matches, and nothing is
  disclosed below the threshold. An alert is raised once.
- No answer discloses more than the limit: an enrolled face may have many matches. The best are shown first.
- The first faces of an answer are the first of all that match, in the order in which all would be shown. Where people
  are found, so is the face that stands for its person: the nearest one would be a comparison of enrolled faces.
- At the limit, searches by picture and verifications go on for that key as if the face were not enrolled, and no other
  person is affected. What compares enrolled faces is refused.
- A key that goes on to the limit of a third face, or that names a face to verify it, and whose matches are a stranger's
  but for one in nine, is refused whatever it asks, so that the refusal reveals nothing. A door hardly ever is: it sees
  people who look like themselves, and half of the matches of even the worst enrolled score higher than strangers do.

When a key's picture scores 98 or more with a face, it shows the owner: the mean of strangers' pictures does not reach
that. The charges of this key for this face are then set to 0. Made-up pictures gain nothing by this.

Trade-off, for a door that sees a person fifty times a day (figures: docs/operate.md): with a mean cosine of .66 to the
enrolled face, the median in measured photographs, the person stays known; at .62 and below, where a third of the people
are, the limit is reached within days. A limit of twenty would let made-up pictures come .14 nearer than the mean of the
matches. So an alert comes first, and a better enrolled picture is the remedy: charges go with the face, and after 30
days.

The module is longer than 300 lines because prices, charges and what they show only make sense together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from django.conf import settings
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from collections_app.errors import ProbingRefused
from collections_app.models import Collection, Face, NearMatch, Person
from collections_app.operations.disclosure import Disclosure
from tenants import audit
from tenants.access import Caller
from tenants.models import Tenant
from tenants.prepared import Prepared

WHOLE, DOUBLE, PART = 10, 5, 1  # the costs 1, 0.5 and 0.1, in tenths of a match
_STRANGERS = 5.0  # points above the threshold that cost 1: nine in ten of the strangers who reach it score there
_ANCHORED = 95.0  # the highest score with a measured false match rate
_OWNERS = 0.5  # points above _ANCHORED, or above a higher threshold, from which a face looks like its owner
_KNOWN = 98.0  # from this score on a picture is the owner's: the mean of ten strangers' pictures does not reach it
_PAGE = 1000  # faces in one SQL statement
_SEVERAL = 3  # faces at their limits, before a key that searches is suspected: one may be badly enrolled
_STRANGERS_PER_OWNER = 8  # charges of 1 for each lower one: strangers' matches have ten, a badly enrolled person's one
_DIGITS = 5  # of a cosine; equal ones count as the same disclosure

Show: TypeAlias = Literal["faces", "people", "decision"]
"""What of the matches an answer shows: all up to its limit; of each person the first; also the first of a second person
beyond the limit, by which a decision is made (operations.decision)."""
_Key: TypeAlias = tuple[int, float]
"""A face's id and a cosine, rounded: a disclosure."""


@dataclass(frozen=True, slots=True)
class Match:
    """A face with the score that is shown, and the exact cosine behind it."""

    face: Face
    score: float
    cosine: float


@dataclass(frozen=True, slots=True)
class _Charge:
    """A disclosed cosine of a face and its cost in tenths; `beside`: the best match, if the face is its double."""

    face: Face
    cosine: float
    cost: int
    beside: Face | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """The charges to a face in the last 30 days, in tenths: of all keys, and of the caller's."""

    total: int = 0
    own: int = 0


def refuse_probing(caller: Caller, but: Person | None = None) -> None:
    """Refuse a caller that has reached the limit of any face; `but`: those of this person do not count.

    Raises:
        ProbingRefused: it has, until the last charge beyond a limit is 30 days old.
    """
    exhausted = _exhausted(caller) if but is None else _exhausted(caller).exclude(face__person=but)
    last = exhausted.order_by("-at").first()
    if last is not None:
        raise ProbingRefused((last.at + NearMatch.KEPT - timezone.now()).total_seconds())


def hidden_faces(caller: Caller, several: int = _SEVERAL) -> frozenset[int]:
    """Return the ids of the faces whose limit the caller has reached: it does not see them any more.

    `several`: of how many faces it has reached the limit if it is suspected; 1 where it names the face it asks about.

    Raises:
        ProbingRefused: it is suspected, and was shown few matches that look like an owner's.
    """
    faces = frozenset(face for (face,) in _EXHAUSTED(caller.tenant.pk, *limit_of(caller)))
    if len(faces) >= several:
        whole, owners = Count("pk", filter=Q(cost=WHOLE)), Count("pk", filter=Q(cost__lte=PART))
        seen = _window(caller).filter(actor_id=caller.id).aggregate(whole=whole, owners=owners)
        if seen["whole"] >= _STRANGERS_PER_OWNER * seen["owners"]:
            refuse_probing(caller)
    return faces


def disclose(  # noqa: PLR0917 -- keywords are for operations, which this is not
    caller: Caller,
    collection: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    probe: Face | Literal["picture"] | None = None,
    limit: int | None = None,
    show: Show = "faces",
    known: Mapping[int, Spent] | None = None,
) -> tuple[Match, ...]:
    """Charge for faces that were found, and return the first `limit` that are shown; in the caller's transaction.

    `found` are all faces from the threshold on, with their cosines to the probe. Left out are cosines below the floor,
    and faces whose limit the caller has reached. If `probe` is an enrolled face, each cosine is charged to it as well:
    otherwise a caller could enrol pictures and search by the face. "picture": the caller sent a picture, which may show
    the owner. `known` is what was spent on the faces a moment ago: it is read again, under a lock, to charge for them.
    """
    found = [(face, cosine) for face, cosine in found if terms.score(cosine) is not None]
    enrolled = probe if isinstance(probe, Face) else None
    faces = [face.pk for face, _ in found] + ([enrolled.pk] if enrolled else [])
    spent = known if known is not None and enrolled is None else _spent(caller, faces)
    allowed = settings.MATCHES_PER_FACE * WHOLE
    found = [(face, cosine) for face, cosine in found if spent.get(face.pk, Spent()).own < allowed]
    if probe == "picture" and _clear_owners(caller, collection, found, terms, spent):
        spent = _spent(caller, faces)
    found = _concerned(collection, found, terms, spent, probe=enrolled, limit=limit, show=show)
    charges = [_Charge(face, cosine, _cost(collection, terms, cosine)) for face, cosine in found]
    if charges and charges[0].cost == 0 and any(charge.cost for charge in charges):
        charges = _discount_doubles(caller, charges)
    if enrolled is not None:
        charges += [replace(charge, face=enrolled) for charge in charges]
    totals, withheld = _record(caller, charges, spent)
    found = [(face, cosine) for face, cosine in found if not withheld & _keys(cosine, face, enrolled)]
    return _first(_shown(collection, found, terms, totals, enrolled), limit, show)


def _concerned(
    collection: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    spent: Mapping[int, Spent],
    *,
    probe: Face | None,
    limit: int | None,
    show: Show,
) -> Sequence[tuple[Face, float]]:
    """Return the faces of which an answer with the best `limit` of them tells, in the order in which they are shown.

    Those are also the faces that are cut off within _STRANGERS points of the last one shown, or of the one shown of
    their person. Otherwise a caller could enrol pictures that push a face out of the answer unless it scores more,
    which would be a score free of charge.
    """
    shown = _shown(collection, found, terms, {pk: one.total for pk, one in spent.items()}, probe)
    first = _first(shown, limit, show)
    if len(first) < len(shown):
        last = first[-1].score
        of_person = {match.face.person_id: match.score for match in first} if show == "people" else {}
        kept = {match.face.pk for match in first}
        shown = tuple(
            match
            for match in shown
            if match.face.pk in kept or match.score >= of_person.get(match.face.person_id, last) - _STRANGERS
        )
    return [(match.face, match.cosine) for match in shown]


def _first(shown: Sequence[Match], limit: int | None, show: Show) -> tuple[Match, ...]:
    """Return the first of the matches that would all be shown."""
    if show == "people":
        of_person: dict[int, Match] = {}
        for match in shown:
            of_person.setdefault(match.face.person_id, match)
        shown = tuple(of_person.values())
    if show == "decision" and limit is not None:
        others = (place for place, match in enumerate(shown) if match.face.person_id != shown[0].face.person_id)
        limit = max(limit, next(others, 0) + 1)
    return tuple(shown[:limit])


def disclose_pairs(
    caller: Caller,
    collection: Collection,
    pairs: Sequence[tuple[Face, Face, float]],
    terms: Disclosure,
    most: int = WHOLE,
) -> list[float | None]:
    """Charge for pairs of enrolled faces with their cosines, and return the score to show for each, if any.

    In the caller's transaction. `most` is the highest cost of a pair for each of its faces, in tenths.
    """
    charges = [
        _Charge(face, cosine, min(_cost(collection, terms, cosine), most))
        for first, second, cosine in pairs
        if terms.score(cosine) is not None
        for face in (first, second)
    ]
    totals, withheld = _record(caller, charges)
    shown = [
        () if withheld & _keys(cosine, first, second) else _shown(collection, [(second, cosine)], terms, totals, first)
        for first, second, cosine in pairs
    ]
    return [matches[0].score if matches else None for matches in shown]


def _discount_doubles(caller: Caller, charges: Sequence[_Charge]) -> list[_Charge]:
    """Reduce the charges beside a best match that looks like its owner, for faces that were beside it before."""
    owner = charges[0].face
    before = _window(caller).filter(face__in=[charge.face.pk for charge in charges], beside=owner.pk)
    doubles = set(before.values_list("face_id", flat=True))
    return [
        replace(charge, cost=min(charge.cost, DOUBLE) if charge.face.pk in doubles else charge.cost, beside=owner)
        for charge in charges
    ]


def _record(
    caller: Caller, charges: Sequence[_Charge], known: Mapping[int, Spent] | None = None
) -> tuple[dict[int, int], set[_Key]]:
    """Save the new charges and raise alerts. `known` is what was spent on the faces; it counts if nothing is charged.

    Returns by face what all keys have spent on it, in tenths, and the charges that are withheld: neither saved nor to
    be disclosed.
    """
    faces = {charge.face.pk: charge.face for charge in charges}
    new = _new(caller, [charge for charge in charges if charge.cost])
    spent = _spent(caller, faces) if new or known is None else known
    total = {pk: spent[pk].total if pk in spent else 0 for pk in faces}
    own = {pk: spent[pk].own if pk in spent else 0 for pk in faces}
    rows: list[NearMatch] = []
    withheld: set[_Key] = set()
    limit = settings.MATCHES_PER_FACE * WHOLE
    half = limit / 2
    for charge in new:
        pk = charge.face.pk
        if own[pk] >= limit:
            withheld |= _keys(charge.cosine, charge.face)
            continue
        own[pk] += charge.cost
        total[pk] += charge.cost
        rows.append(
            NearMatch(
                tenant=caller.tenant,
                face=charge.face,
                actor_id=caller.id,
                cosine=round(charge.cosine, _DIGITS),
                cost=charge.cost,
                spent=own[pk],
                beside=charge.beside.pk if charge.beside else None,
            )
        )
        if total[pk] - charge.cost <= half < total[pk]:
            facts = {"face": charge.face.uuid, "matches": total[pk] / WHOLE, "days": NearMatch.KEPT.days}
            audit.alert(caller, "alert.face_probed", charge.face, **facts)
    NearMatch.unscoped.bulk_create(rows)
    return total, withheld


def _keys(cosine: float, *faces: Face | None) -> set[_Key]:
    """Return what identifies the disclosure of a cosine of each of these faces."""
    return {(face.pk, round(cosine, _DIGITS)) for face in faces if face}


def _clear_owners(
    caller: Caller,
    collection: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    spent: Mapping[int, Spent],
) -> bool:
    """Set the caller's charges to 0 for the faces whose owner the picture shows: it scores _KNOWN or more.

    Returns whether there were any.
    """
    known = terms.scale.cosine(_KNOWN)
    owners = [face.pk for face, cosine in found if cosine >= known and _cost(collection, terms, cosine) == 0]
    charged = [pk for pk in owners if spent.get(pk, Spent()).own]
    if charged:
        _window(caller).filter(actor_id=caller.id, face__in=charged).update(cost=0, spent=0)
    return bool(charged)


def _shown(
    collection: Collection,
    found: Sequence[tuple[Face, float]],
    terms: Disclosure,
    totals: Mapping[int, int],
    probe: Face | None = None,
) -> tuple[Match, ...]:
    """Return the matches to show, in the order of the scores that they are shown with.

    `totals` is what all keys have spent on each face, in tenths. The total of an enrolled probe counts for every match.
    """
    limit = settings.MATCHES_PER_FACE * WHOLE
    threshold = max(terms.threshold, collection.similarity_threshold)
    lowest = terms.scale.threshold(threshold).score
    of_probe = totals.get(probe.pk, 0) if probe else 0
    cap, at_cap = max(_ANCHORED, lowest), False
    within: list[Match] = []
    beyond: list[Match] = []
    for face, cosine in found:
        score, total = terms.score(cosine), max(totals.get(face.pk, 0), of_probe)
        if score is None:
            continue
        if total <= limit / 2:
            capped = total >= limit / 5
            at_cap |= capped and score >= cap
            within.append(Match(face, min(score, cap) if capped else score, cosine))
        elif cosine >= threshold:
            beyond.append(Match(face, lowest, cosine))
    # At the cap, the order by cosine would reveal which face is nearer, and a caller may have enrolled one of them.
    within.sort(key=lambda match: (-match.score, match.face.number if at_cap and match.score == cap else -match.cosine))
    # In the order of enrolment: one by cosine would reveal which face is nearer. But people come before their doubles.
    beyond.sort(key=lambda match: (_cost(collection, terms, match.cosine) != 0, match.face.number))
    return (*within, *beyond)


def _cost(collection: Collection, terms: Disclosure, cosine: float) -> int:
    """Return the cost of disclosing a cosine, in tenths of a match."""
    threshold = terms.scale.score(max(terms.threshold, collection.similarity_threshold))
    score = terms.scale.score(cosine)
    if score < min(threshold + _STRANGERS, _ANCHORED):
        return WHOLE
    return PART if score < max(threshold, _ANCHORED) + _OWNERS else 0


def _new(caller: Caller, charges: Sequence[_Charge]) -> list[_Charge]:
    """Return the charges that are not recorded yet and whose face still exists.

    Locks the faces, so that concurrent answers about one face are charged one after the other.
    """
    if not charges:
        return []
    existing = lock_faces(caller.tenant, {charge.face.pk for charge in charges})
    cosines = {round(charge.cosine, _DIGITS) for charge in charges}
    same = _window(caller).filter(face__in=existing, cosine__in=cosines)
    recorded = set(same.values_list("face_id", "cosine"))
    new: dict[tuple[int, float], _Charge] = {}
    for charge in charges:
        key = (charge.face.pk, round(charge.cosine, _DIGITS))
        if charge.face.pk in existing and key not in recorded:
            new.setdefault(key, charge)
    return list(new.values())


def lock_faces(tenant: Tenant, faces: Iterable[int]) -> set[int]:
    """Lock faces in the order of their ids until the transaction ends; return which of them exist."""
    rows = Face.objects.of(tenant).filter(pk__in=set(faces)).order_by("pk")
    return set(rows.select_for_update(no_key=True).values_list("pk", flat=True))


def _spent(caller: Caller, faces: Iterable[int]) -> dict[int, Spent]:
    """Return what has been spent on each of these faces; a face without charges is missing."""
    ids = list(faces)
    pages = (ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE))
    sums = (row for page in pages for row in _SUMS(caller.tenant.pk, _since(), caller.id, page))
    return {face: Spent(total, own) for face, total, own in sums}


def with_spent(faces: QuerySet[Face], tenant: int, since: datetime, actor: str) -> QuerySet[Face]:
    """Add to each face the charges since then, in tenths: all keys' (`spent`), and the actor's (`spent_by_caller`)."""
    charges = _charges(tenant, since).filter(face=OuterRef("pk")).values("face")
    total, own = charges.annotate(sum=Sum("cost")), charges.filter(actor_id=actor).annotate(sum=Sum("cost"))
    sums = {"spent": total.values("sum"), "spent_by_caller": own.values("sum")}
    return faces.annotate(**{name: Coalesce(Subquery(one), 0) for name, one in sums.items()})


def _exhausted(caller: Caller) -> QuerySet[NearMatch]:
    """Return the charges with which the caller reached the limit of a face."""
    return exhausted_faces(caller.tenant.pk, *limit_of(caller))


def _window(caller: Caller) -> QuerySet[NearMatch]:
    """Return the tenant's charges of the last 30 days."""
    return _charges(caller.tenant.pk, _since())


def _charges(tenant: int, since: datetime) -> QuerySet[NearMatch]:
    return NearMatch.objects.of(Tenant(pk=tenant)).filter(at__gt=since)


def _since() -> datetime:
    """Return the moment after which charges count."""
    return timezone.now() - NearMatch.KEPT


def limit_of(caller: Caller) -> tuple[datetime, str, int]:
    """Return what `exhausted_faces` needs to know of a caller."""
    return _since(), caller.id, settings.MATCHES_PER_FACE * WHOLE


def exhausted_faces(tenant: int, since: datetime, actor: str, limit: int) -> QuerySet[NearMatch]:
    """Return the charges since then with which the actor reached the limit of a face."""
    return _charges(tenant, since).filter(actor_id=actor, spent__gte=limit)


_EXHAUSTED = Prepared(lambda *asks: exhausted_faces(*asks).values_list("face_id"), int, datetime, str, int)
_SUMS = Prepared(
    lambda tenant, since, actor, faces: (
        _charges(tenant, since)
        .filter(face__in=faces)
        .values_list("face_id")
        .annotate(total=Sum("cost"), own=Sum("cost", filter=Q(actor_id=actor), default=0))
    ),
    int,
    datetime,
    str,
    list,
)

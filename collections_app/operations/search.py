"""Search: whose face is this, among the faces of a collection?

Longer than 300 lines: every kind of search ends in the same candidates and the same record.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from collections_app import scoring
from collections_app.errors import CollectionDeleted, CollectionNotFound
from collections_app.examine import Purpose, examine, naming
from collections_app.image_url import ImageUrl
from collections_app.models import Collection, Face, SearchRecord
from collections_app.operations.budget import (
    Match,
    Show,
    Spent,
    disclose,
    hidden_faces,
    limit_of,
    lock_faces,
    refuse_probing,
    with_spent,
)
from collections_app.operations.collections import Alias, find
from collections_app.operations.data_subject import PersonRecord, show_images
from collections_app.operations.decision import Decision, Verdict, decide, review_line
from collections_app.operations.disclosure import Disclosure, disclosure, floor_of, log_look
from collections_app.operations.faces import find_face
from collections_app.operations.named_people import is_named
from collections_app.operations.probing import watch_searches
from collections_app.operations.references import find_person
from recognition.errors import SpoofSuspected
from recognition.images import DEFAULT_LIMITS, ImageLimits
from recognition.index import Neighbour, face_index
from recognition.results import DetectedFace, Selection
from recognition.similarity import Threshold
from tenants import audit, commits, events
from tenants.access import Caller, Scope
from tenants.models import Tenant
from tenants.prepared import Prepared

_RECORDED = 5  # best candidates kept with the record, matches or not, so that an auditor sees how near it was
_REVIEWED = 25  # nearest faces among which a second person is looked for
_OF_PERSON = 5  # faces of a person by which others are searched for
_ALL = -2.0  # below every cosine
_WIDER = 4  # by how much the search grows when too few of the nearest faces qualify, or when all match
_PAGE = 1000  # faces in one SQL statement
# With the collection as a condition, SQLite would read all its faces.
_FACES = Prepared(
    lambda tenant, since, actor, ids: with_spent(
        Face.objects.of(Tenant(pk=tenant)).select_related("person").filter(pk__in=ids), tenant, since, actor
    ),
    int,
    datetime,
    str,
    list,
)
_TRIES = 3  # repetitions when faces were erased during the search


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A face, with its person, and its cosine to the probe."""

    face: Face
    cosine: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The faces at or above the threshold, best first; `source` is the probe's face where the probe was an image.

    `others` are the image's other faces. With a `decision`, `review` are faces below the threshold that it is about.
    """

    collection: Collection
    record: SearchRecord
    matches: tuple[Match, ...]
    source: DetectedFace | None = None
    width: int = 0
    height: int = 0
    others: tuple[DetectedFace, ...] = ()
    decision: Decision | None = None
    review: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonMatch:
    """The recognised person, and the score of their face that is most similar to the probe."""

    record: PersonRecord
    score: float


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a search.

    `started` is a time of the performance counter. `probe` (an enrolled face) and `hidden` (face ids) are not found.
    `named`: only named people are found, each by the first of their faces in the order in which all would be shown.
    `review`: the answer has a decision, which also discloses faces below the threshold, down to the floor.
    """

    collection: Collection
    terms: Disclosure
    limit: int
    started: float
    since: datetime | None = None
    request_name: str = ""
    liveness: float | None = None
    probe: Face | None = None
    hidden: frozenset[int] = frozenset()
    named: bool = False
    review: bool = False

    @property
    def show(self) -> Show:
        """What of the matches its answer shows."""
        return "people" if self.named else "decision" if self.review else "faces"


def search_by_image(  # noqa: PLR0913 -- what a request may say
    caller: Caller,
    *,
    collection: str | Alias,
    image: bytes | ImageUrl,
    limit: int = _RECORDED,
    threshold: Threshold | None = None,
    largest: bool = False,
    since: datetime | None = None,
    request_name: str = "",
    gate: str = "none",
    liveness: int = 0,
    at: tuple[float, float] | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> SearchResult:
    """Find the faces most similar to the one in the image, or with `largest` to the largest of several.

    `at`: to the one at this place, in pixels of the upright image, whatever else the image shows.
    `threshold` None is the collection's own; a lower one is raised to the floor unless the caller has Scope.SCORES.
    Faces enrolled before `since` are not found. The face must pass the quality gate. The image is not kept. The
    `liveness` largest of its faces get a liveness score, whatever the policy.

    Raises:
        NoFace, SeveralFaces, LowQuality: the image does not show one face, or not well enough.
        SpoofSuspected: the policy asks for liveness and the face did not pass; the refusal is recorded.
        LivenessUnsure: the policy asks for liveness, and the image shows too little around the face to tell.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.SEARCH)
    query = _query(caller, collection, threshold, limit, since=since, request_name=request_name)
    return _by_image(caller, query, image, largest=largest, gate=gate, liveness=liveness, at=at, limits=limits)


def search_with_decision(
    caller: Caller,
    *,
    collection: str,
    image: bytes | ImageUrl,
    limit: int,
    threshold: Threshold | None = None,
    largest: bool = False,
    request_name: str = "",
) -> SearchResult:
    """Find faces and decide whom the image shows (operations.decision), also by faces below the threshold.

    As search_by_image otherwise.
    """
    caller.require(Scope.SEARCH)
    query = _query(caller, collection, threshold, limit, request_name=request_name, review=True)
    return _by_image(caller, query, image, largest=largest, gate="none", limits=DEFAULT_LIMITS)


def search_people_by_image(
    caller: Caller,
    *,
    collection: str,
    image: bytes | ImageUrl,
    limit: int,
    threshold: Threshold | None = None,
    gate: str = "none",
    limits: ImageLimits = DEFAULT_LIMITS,
) -> SearchResult:
    """Find the named people (operations.named_people) most similar to the largest face: of each one face.

    As search_by_image otherwise.
    """
    caller.require(Scope.SEARCH)
    query = _query(caller, collection, threshold, limit, named=True)
    return _by_image(caller, query, image, largest=True, gate=gate, limits=limits)


def _query(
    caller: Caller,
    collection: str | Alias,
    threshold: Threshold | None,
    limit: int,
    **more: Any,  # noqa: ANN401 -- fields of a query
) -> Query:
    """Begin a search by a picture."""
    started = time.perf_counter()
    found, hidden = _opened(caller, collection)
    return Query(found, disclosure(caller, found, threshold), limit, started, hidden=hidden, **more)


def _opened(caller: Caller, collection: str | Alias) -> tuple[Collection, frozenset[int]]:
    """Find the collection, and the faces whose limit the caller has reached.

    Raises:
        ProbingRefused: see hidden_faces; a caller that is refused is not told whether the collection exists.
    """
    try:
        found = find(caller, collection)
    except (CollectionNotFound, CollectionDeleted):
        hidden_faces(caller)
        raise
    return found, hidden_faces(caller) if found.exhausted else frozenset()


def _by_image(
    caller: Caller,
    query: Query,
    image: bytes | ImageUrl,
    *,
    largest: bool,
    gate: str,
    liveness: int = 0,
    at: tuple[float, float] | None = None,
    limits: ImageLimits,
) -> SearchResult:
    collection = query.collection
    try:
        examined = examine(
            caller,
            collection,
            image,
            purpose=Purpose.SEARCH,
            largest=largest,
            gate=gate,
            liveness=liveness,
            selection=Selection(point=at),
            limits=limits,
        )
    except SpoofSuspected as error:
        record_spoof(caller, query, error.score)
        raise
    source, seen = examined.face, examined.analysis
    query = replace(query, liveness=source.liveness.score if source.liveness else None)
    record, shown = search_by_template(caller, query, source.template)
    return _result(query, record, shown, source=source, width=seen.width, height=seen.height, others=examined.others)


def search_by_face(
    caller: Caller,
    *,
    collection: str,
    face: str,
    limit: int,
    threshold: Threshold | None = None,
    named: bool = False,
    review: bool = False,
) -> SearchResult:
    """Find the faces most similar to an enrolled one, which is not in the result (decision H21).

    `named`: only named people, of each one face. `review`: with a decision (operations.decision).

    Raises:
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.SEARCH)
    refuse_probing(caller)
    started = time.perf_counter()
    collection = find(caller, collection)
    probe = find_face(collection, face)
    terms = disclosure(caller, collection, threshold)
    query = Query(collection, terms, limit, started, request_name=probe.uuid, probe=probe, named=named, review=review)
    record, shown = search_by_template(caller, query, face_index().vector(collection.gallery, probe.pk))
    return _result(query, record, shown)


def search_by_person(
    caller: Caller, *, collection: str, reference: str, limit: int, threshold: Threshold | None = None
) -> SearchResult:
    """Find the named people most similar to one of them: by each of the person's newest faces, without faces nobody.

    Each is a search by that face, which is charged for it; the result has the newest one's record. A mean of the
    person's templates would be charged to none of them, and who enrols a picture as that person could choose what is
    asked about the others.

    Raises:
        PersonNotFound: there is no such person.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.SEARCH)
    refuse_probing(caller)
    collection = find(caller, collection)
    faces = list(find_person(collection, reference).faces.select_related("person").order_by("-number"))
    query = Query(
        collection,
        disclosure(caller, collection, threshold),
        limit,
        time.perf_counter(),
        hidden=frozenset(face.pk for face in faces),
        named=True,
    )
    if not faces:
        return SearchResult(collection, *_record(caller, query, []))
    searches = []
    for face in faces[:_OF_PERSON]:
        by_face = replace(query, probe=face, request_name=face.uuid)
        template = face_index().vector(collection.gallery, face.pk)
        searches.append(search_by_template(caller, by_face, template))
    matches = sorted((match for _, found in searches for match in found), key=lambda match: match.score)
    best = {match.face.person_id: match for match in matches}.values()
    return SearchResult(collection, searches[0][0], tuple(sorted(best, key=lambda match: -match.score)[:limit]))


def match_person(
    caller: Caller, *, collection: str | Alias, images: Sequence[bytes], limits: ImageLimits = DEFAULT_LIMITS
) -> PersonMatch | None:
    """Return the person whom the largest face of any image matches best; None: no image matches.

    Raises:
        ImageRefused: an image cannot be decoded or shows no face.
    """
    caller.require(Scope.SEARCH)
    results = [_match_one(caller, collection, place, image, limits) for place, image in enumerate(images)]
    matched = (result for result in results if result.matches)
    best = max(matched, key=lambda result: result.matches[0].score, default=None)  # the first, of several
    if best is None:
        return None
    match, collection = best.matches[0], best.collection
    if Scope.READ not in caller.scopes:  # enough to learn who it is, not to see their pictures
        return PersonMatch(PersonRecord(collection, match.face.person, ()), match.score)
    record = show_images(caller, collection, match.face.person_id)
    return PersonMatch(record, match.score) if record else None


def search_by_template(caller: Caller, query: Query, template: np.ndarray) -> tuple[SearchRecord, tuple[Match, ...]]:
    """Find the faces most similar to a template: the second half of every search; return what was disclosed.

    Not an operation: callers check the scope and the budget first.
    """
    hidden = query.hidden if query.probe is None else query.hidden | {query.probe.pk}
    candidates = _candidates(caller, query, template, hidden)
    return _record(caller, query, [one for one in candidates if one.face.pk not in hidden])


def _result(query: Query, record: SearchRecord, shown: tuple[Match, ...], **seen: Any) -> SearchResult:  # noqa: ANN401
    """Part the matches from what a decision is about; a second person may have been disclosed beyond the limit."""
    within = shown[: query.limit]
    matches = tuple(one for one in within if query.terms.matches(one.cosine))
    review = tuple(one for one in within if not query.terms.matches(one.cosine))
    decision = decide(query.collection, shown, query.terms)
    return SearchResult(query.collection, record, matches, decision=decision, review=review, **seen)


def record_spoof(caller: Caller, query: Query, liveness: float) -> None:
    """Record a search that was not made, because the face looks like a picture of a face. Not an operation."""
    _record(caller, replace(query, liveness=liveness), [], spoof=True)


def _match_one(caller: Caller, collection: str | Alias, place: int, image: bytes, limits: ImageLimits) -> SearchResult:
    with naming(str(place)):
        return search_by_image(caller, collection=collection, image=image, limit=1, largest=True, limits=limits)


def _candidates(caller: Caller, query: Query, template: np.ndarray, hidden: frozenset[int]) -> list[_Candidate]:
    """Return the best faces, and all at or above the floor: what is shown of the first depends on them all.

    Of named people only matches are read: a gallery may hold millions of faces of people without a name.
    """
    terms = query.terms
    least = max(query.limit if terms.below else 0, _REVIEWED if query.review else _RECORDED) + len(hidden)
    floor = terms.floor if query.review else max(terms.threshold, floor_of(query.collection))
    found = _nearest(caller, query, template, least, terms.threshold if query.named else _ALL)
    while len(found) == least and (found[-1].cosine >= floor or (query.named and _few_people(query, found, hidden))):
        least *= _WIDER
        found = _nearest(caller, query, template, least, terms.threshold if query.named else floor)
    return found


def _few_people(query: Query, found: Sequence[_Candidate], hidden: frozenset[int]) -> bool:
    return len({one.face.person_id for one in found if one.face.pk not in hidden}) < query.limit


def _nearest(caller: Caller, query: Query, probe: np.ndarray, limit: int, floor: float) -> list[_Candidate]:
    """Return the best `limit` faces that the query may find and that the database still has after the search.

    If faces were erased during the search, they may have been replaced, so it is repeated up to _TRIES times.
    """
    collection, enrolled = query.collection, query.probe is not None
    wanted, again, read = limit, _TRIES, True  # the gallery was read with the collection, in this request
    while True:
        near = scoring.nearest(collection, probe, limit=wanted, floor=floor, enrolled=enrolled, as_read=read)
        candidates, gone = _confirmed(caller, query, near, limit)
        if gone and again:
            again, read = again - 1, False
        elif len(candidates) == limit or len(near) < wanted:
            return candidates
        else:
            wanted *= _WIDER


def _confirmed(caller: Caller, query: Query, near: Sequence[Neighbour], limit: int) -> tuple[list[_Candidate], bool]:
    """Return up to `limit` of the neighbours that still exist, and whether any of those checked does not."""
    candidates: list[_Candidate] = []
    gone = False
    for start in range(0, len(near), _PAGE):
        page = near[start : start + _PAGE]
        ids = [neighbour.face_id for neighbour in page]
        faces = {face.pk: face for face in _FACES(query.collection.tenant.pk, *limit_of(caller)[:2], ids)}
        gone = gone or len(faces) < len(page)
        found = [_Candidate(faces[one.face_id], one.cosine) for one in page if one.face_id in faces]
        candidates += [one for one in found if _may_be_found(query, one.face)]
        if len(candidates) >= limit:
            break
    return candidates[:limit], gone


def _may_be_found(query: Query, face: Face) -> bool:
    if face.collection_id != query.collection.pk or (query.since is not None and face.created_at < query.since):
        return False
    return not query.named or is_named(face.person)


def _disclosable(query: Query, candidates: Sequence[_Candidate]) -> list[tuple[Face, float]]:
    """Return the faces to disclose: the matches, or with a decision those that it is made by.

    A decision takes the faces down to the floor, if the first reaches the line for review.
    """
    lowest = query.terms.threshold
    if query.review and candidates and candidates[0].cosine >= review_line(query.collection, query.terms):
        lowest = query.terms.floor
    return [(one.face, one.cosine) for one in candidates if one.cosine >= lowest]


def _emit(collection: Collection, record: SearchRecord, best: Match, decision: Decision, *, match: bool) -> None:
    """Tell webhooks of a match, and of a search that is for review."""
    facts = {"search": record.uuid, "face": best.face.uuid, "person": str(best.face.person_id), **decision.facts}
    if match:
        events.emit(collection.tenant, events.Kind.SEARCH_MATCHED, collection=collection.name, **facts)
    if decision.verdict == Verdict.REVIEW:
        events.emit(collection.tenant, events.Kind.SEARCH_REVIEW, collection=collection.name, **facts)


def _log(caller: Caller, collection: Collection, record: SearchRecord) -> None:
    """Insert the record, with its audit entry."""
    commits.insert(record)
    facts = {"collection": str(collection.pk), "outcome": record.outcome}
    audit.record_unchained(caller, "collection.searched", record, **facts)


def _spent(found: Sequence[tuple[Face, float]]) -> dict[int, Spent]:
    return {face.pk: Spent(face.spent, face.spent_by_caller) for face, _ in found}


def _record(
    caller: Caller, query: Query, candidates: Sequence[_Candidate], *, spoof: bool = False
) -> tuple[SearchRecord, tuple[Match, ...]]:
    """Disclose and charge the matches, and record the search, in one commit with those of other requests."""
    found = _disclosable(query, candidates)
    faces = [face.pk for face, _ in found] + ([query.probe.pk] if query.probe else [])

    def work() -> tuple[SearchRecord, tuple[Match, ...]]:
        return _recorded(caller, query, candidates, found, spoof=spoof)

    return commits.commit(query.collection.tenant, work, lock=lock_faces, rows=faces)


def _recorded(
    caller: Caller, query: Query, candidates: Sequence[_Candidate], found: Sequence[tuple[Face, float]], *, spoof: bool
) -> tuple[SearchRecord, tuple[Match, ...]]:
    collection, terms = query.collection, query.terms
    scale = scoring.normalisation(collection)
    probe = query.probe or terms.probe
    matches = disclose(caller, collection, found, terms, probe, query.limit, query.show, _spent(found))
    decision = decide(collection, matches, terms) if matches else None
    shown = {match.face.pk for match in matches}
    below = [(one.face, one.cosine) for one in candidates if one.face.pk not in shown and not terms.matches(one.cosine)]
    recorded = [*((match.face, match.cosine) for match in matches), *below][:_RECORDED]
    about = matches[0].face if matches else query.probe  # without a match the nearest face must not appear in an alert
    outcome = SearchRecord.Outcome(decision.verdict) if decision else SearchRecord.Outcome.NO_MATCH
    record = SearchRecord(
        tenant=collection.tenant,
        collection=collection,
        request_name=query.request_name,
        threshold=terms.threshold,
        outcome=SearchRecord.Outcome.SPOOF if spoof else outcome,
        best=about.uuid if about else "",
        candidates=[[face.uuid, round(cosine, 6)] for face, cosine in recorded],
        liveness=query.liveness,
        pack=collection.pack,
        calibration=scale.version if scale else None,
        gallery_size=collection.gallery.size,
        milliseconds=round((time.perf_counter() - query.started) * 1000, 1),
        actor_kind=caller.kind,
        actor_id=caller.id,
        actor_name=caller.name,
        via=caller.via,
        request_id=caller.request_id,
    )
    _log(caller, collection, record)
    if decision and collection.hooked:
        _emit(collection, record, matches[0], decision, match=terms.matches(matches[0].cosine))
    if terms.below:
        log_look(caller, collection, "search", [match.face.uuid for match in matches])
    watch_searches(caller, record)
    return record, matches

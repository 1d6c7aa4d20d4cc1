"""Lists for people to look through: scoped queries that the console filters and pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery

from collections_app import identifiers
from collections_app.errors import SearchNotFound, UnknownCursor
from collections_app.models import Face, Person, SearchRecord
from collections_app.operations.budget import disclose, refuse_probing
from collections_app.operations.collections import find
from collections_app.operations.disclosure import Disclosure, below_floor, disclosure, log_look
from collections_app.paging import Page, page_by_time, place
from tenants.access import Caller, Scope
from tenants.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Candidate:
    """A face that a search came near to: its score, and the face itself unless it is erased by now."""

    uuid: str
    score: float
    face: Face | None


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """A person in a list."""

    person: Person
    face_count: int
    cover: Face | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A search and what it was decided on; of the candidates those from the floor on, `below`: all that are kept."""

    record: SearchRecord
    candidates: tuple[Candidate, ...]
    below: bool


def browse_faces(caller: Caller, *, collection: str) -> QuerySet[Face]:
    """Return a collection's faces with their people."""
    caller.require(Scope.READ)
    return find(caller, collection).faces.select_related("person")


def sum_up(caller: Caller, *, people: Sequence[int]) -> tuple[PersonSummary, ...]:
    """Return people by their ids, with how many faces they have and their newest face: two queries for all of them."""
    caller.require(Scope.READ)
    faces = Face.objects.of(caller.tenant)
    newest = faces.filter(person=OuterRef("pk")).order_by("-number").values("pk")[:1]
    theirs = (
        Person.objects.of(caller.tenant).annotate(face_count=Count("faces"), cover=Subquery(newest)).in_bulk(people)
    )
    covers = faces.in_bulk([person.cover for person in theirs.values()])
    summed = (theirs[pk] for pk in people if pk in theirs and caller.reaches(theirs[pk].collection_id))
    return tuple(PersonSummary(person, person.face_count, covers.get(person.cover)) for person in summed)


def browse_searches(caller: Caller) -> QuerySet[SearchRecord]:
    """Return the tenant's searches."""
    caller.require(Scope.AUDIT)
    return caller.within(SearchRecord.objects.of(caller.tenant).select_related("collection"))


def page_searches(
    caller: Caller, *, limit: int, after: str, collection: str | None = None, outcome: str | None = None
) -> Page:
    """Return the newest searches, of one collection or outcome if named; `after` is where the page before ended.

    Raises:
        UnknownCursor: no page ends there.
    """
    caller.require(Scope.AUDIT)
    if after and place(after) is None:
        raise UnknownCursor
    named = None if collection is None else identifiers.keys(collection)
    wanted = {"collection__name_key__in": named, "outcome": outcome}
    records = browse_searches(caller).filter(**{name: value for name, value in wanted.items() if value is not None})
    return page_by_time(records, after, field="at", size=limit)


def best_told(caller: Caller, record: SearchRecord) -> float | None:
    """Return the best score of a search; None: nobody came so near that it is told, or they are erased by now."""
    if not record.candidates:
        return None
    uuid, cosine = record.candidates[0]
    with transaction.atomic():
        told = _candidates_told(caller, record, {uuid: cosine}, disclosure(caller, record.collection))
    return told[0].score if told else None


def explain_search(caller: Caller, *, search: str, below: bool = False) -> Explained:
    """Return why a search answered as it did.

    `below`: with the candidates below the floor as well, which takes a scope of its own.

    Raises:
        SearchNotFound: none within reach has this UUID.
        ProbingRefused: the caller was told too much of one face.
    """
    caller.require(Scope.AUDIT)
    refuse_probing(caller)
    record = browse_searches(caller).filter(uuid=search).first()
    if record is None:
        raise SearchNotFound
    collection = record.collection
    terms = below_floor(caller, collection) if below else disclosure(caller, collection)
    near = {uuid: cosine for uuid, cosine in record.candidates if terms.score(cosine) is not None}
    with transaction.atomic():
        candidates = _candidates_told(caller, record, near, terms)
        if below:
            log_look(caller, collection, "searches", near)
    return Explained(record, candidates, below)


def _candidates_told(
    caller: Caller, record: SearchRecord, near: Mapping[str, float], terms: Disclosure
) -> tuple[Candidate, ...]:
    """Return what is told of some of a record's candidates, which is counted; in a transaction.

    A search by an enrolled face bears its name, and tells of that one too.
    """
    faces = Face.objects.of(caller.tenant).filter(uuid__in=[*near, record.request_name])
    found = faces.select_related("person").in_bulk(field_name="uuid")
    there = [(found[uuid], cosine) for uuid, cosine in near.items() if uuid in found]
    probe = found.get(record.request_name)
    told = {match.face.uuid: match.score for match in disclose(caller, record.collection, there, terms, probe=probe)}
    erased = {uuid: score for uuid in near if uuid not in found and (score := terms.score(near[uuid])) is not None}
    scores = told | erased
    return tuple(Candidate(uuid, scores[uuid], found.get(uuid)) for uuid in near if uuid in scores)


def face_history(caller: Caller, *, face: Face) -> QuerySet[AuditEntry]:
    """Return what was done to a face since it was enrolled, newest first."""
    caller.require(Scope.READ)
    entries = AuditEntry.objects.of(caller.tenant).filter(target_kind="face", target_id=str(face.pk))
    return entries.order_by("-number")

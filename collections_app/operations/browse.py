"""Lists for people to look through: scoped queries that the console filters and pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, OuterRef, QuerySet, Subquery

from collections_app import identifiers
from collections_app.errors import SearchNotFound, UnknownCursor
from collections_app.models import Face, Person, SearchRecord
from collections_app.operations.collections import Node, find
from collections_app.paging import Page, page_by_time, place
from tenants.access import Caller, Scope
from tenants.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Candidate:
    """A face that a search came near to: its cosine, and the face itself unless it is erased by now."""

    uuid: str
    cosine: float
    face: Face | None


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """A person in a list."""

    person: Person
    face_count: int
    cover: Face | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A search and what it was decided on."""

    record: SearchRecord
    candidates: tuple[Candidate, ...]


def browse_faces(caller: Caller, *, collection: str) -> QuerySet[Face]:
    """Return a collection's faces with their people."""
    caller.require(Scope.READ)
    return find(caller, collection).faces.select_related("person")


def browse_people(caller: Caller, *, collection: str | Node) -> QuerySet[Person]:
    """Return a collection's people."""
    caller.require(Scope.READ)
    return find(caller, collection).people.all()


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


def explain_search(caller: Caller, *, search: str) -> Explained:
    """Return why a search answered as it did.

    Raises:
        SearchNotFound: none within reach has this UUID.
    """
    caller.require(Scope.AUDIT)
    record = browse_searches(caller).filter(uuid=search).first()
    if record is None:
        raise SearchNotFound
    uuids = [uuid for uuid, _ in record.candidates]
    found = Face.objects.of(caller.tenant).filter(uuid__in=uuids).select_related("person")
    faces = {face.uuid: face for face in found}
    return Explained(record, tuple(Candidate(uuid, cosine, faces.get(uuid)) for uuid, cosine in record.candidates))


def face_history(caller: Caller, *, face: Face) -> QuerySet[AuditEntry]:
    """Return what was done to a face since it was enrolled, newest first."""
    caller.require(Scope.READ)
    entries = AuditEntry.objects.of(caller.tenant).filter(target_kind="face", target_id=str(face.pk))
    return entries.order_by("-number")

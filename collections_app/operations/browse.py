"""Lists of faces, people and searches, and the explanation of one search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery

from collections_app import identifiers, scoring
from collections_app.errors import SearchNotFound, UnknownCursor
from collections_app.models import Face, Person, SearchRecord
from collections_app.operations.budget import disclose, refuse_probing
from collections_app.operations.collections import find
from collections_app.operations.disclosure import Disclosure, below_floor, disclosure, log_look
from collections_app.operations.thresholds import ThresholdMeaning
from collections_app.paging import Page, page_by_time, place
from tenants import audit
from tenants.access import Caller, Scope
from tenants.models import AuditEntry


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate of a search: its score, and the face unless it was erased since."""

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
    """A search with its candidates at or above the floor; `below`: with all that were recorded."""

    record: SearchRecord
    meaning: ThresholdMeaning
    candidates: tuple[Candidate, ...]
    below: bool


def browse_faces(caller: Caller, *, collection: str) -> QuerySet[Face]:
    """Return a collection's faces with their people."""
    caller.require(Scope.READ)
    return find(caller, collection).faces.select_related("person")


def sum_up(caller: Caller, *, people: Sequence[int]) -> tuple[PersonSummary, ...]:
    """Return people by their ids, each with their number of faces and newest face, in two queries."""
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
    """Return the newest searches, optionally of one collection or outcome; `after` is where the last page ended.

    Raises:
        UnknownCursor: `after` is no such place.
    """
    caller.require(Scope.AUDIT)
    if after and place(after) is None:
        raise UnknownCursor
    named = None if collection is None else identifiers.comparison_key(collection)
    wanted = {"collection__name_key": named, "outcome": outcome}
    records = browse_searches(caller).filter(**{name: value for name, value in wanted.items() if value is not None})
    return page_by_time(records, after, field="at", size=limit)


def best_told(caller: Caller, record: SearchRecord) -> float | None:
    """Return the best score of a search; None: it is below the floor, or the face was erased."""
    if not record.candidates:
        return None
    uuid, cosine = record.candidates[0]
    with transaction.atomic():
        shown = _disclosed(caller, record, {uuid: cosine}, disclosure(caller, record.collection))
    return shown[0].score if shown else None


def explain_search(caller: Caller, *, search: str, below: bool = False) -> Explained:
    """Return a search and its candidates; `below`: also those below the floor, which needs Scope.SCORES.

    Raises:
        SearchNotFound: no search within reach has this UUID.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
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
        candidates = _disclosed(caller, record, near, terms)
        if below:
            log_look(caller, collection, "searches", near)
    same = record.calibration == (collection.gallery.calibrated or None)  # else the tail is another scale's
    tail = scoring.tail(collection) if same else None
    meaning = ThresholdMeaning.of(record.applied, faces=record.gallery_size, pack=record.pack, tail=tail)
    return Explained(record, meaning, candidates, below)


def _disclosed(
    caller: Caller, record: SearchRecord, near: Mapping[str, float], terms: Disclosure
) -> tuple[Candidate, ...]:
    """Disclose and charge some of a record's candidates, given as UUIDs with cosines; in the caller's transaction.

    The record of a search by an enrolled face has its UUID as `request_name`: that face is charged too.
    """
    faces = Face.objects.of(caller.tenant).filter(uuid__in=[*near, record.request_name])
    found = faces.select_related("person").in_bulk(field_name="uuid")
    existing = [(found[uuid], cosine) for uuid, cosine in near.items() if uuid in found]
    probe = found.get(record.request_name)
    matches = disclose(caller, record.collection, existing, terms, probe=probe)
    shown = [Candidate(match.face.uuid, match.score, match.face) for match in matches]
    erased = [(uuid, terms.score(cosine)) for uuid, cosine in near.items() if uuid not in found]
    return (*shown, *(Candidate(uuid, score, None) for uuid, score in erased if score is not None))


def face_history(caller: Caller, *, face: Face) -> QuerySet[AuditEntry]:
    """Return the audit entries about a face, newest first."""
    caller.require(Scope.READ)
    entries = audit.chained(caller.tenant).filter(target_kind="face", target_id=str(face.pk))
    return entries.order_by("-number")

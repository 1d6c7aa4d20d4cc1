"""A data subject: the record of one person, to find, list, change, erase and hand out to the person it is about."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from collections_app import erasure, identifiers, storage
from collections_app.errors import PersonNotFound
from collections_app.models import Collection, Face, Person, Receipt, SearchRecord
from collections_app.operations.budget import disclose, refuse_probing
from collections_app.operations.collections import Alias, find, lock
from collections_app.operations.disclosure import Disclosure, below_floor, disclosure, log_look
from collections_app.operations.faces import FacePage
from tenants import audit
from tenants.access import Caller, Scope
from tenants.scope import as_id, random_id

logger = logging.getLogger("faceplane.people")
_BATCH = 200  # people read from the database at a time; of their images one person's are in memory


@dataclass(frozen=True, slots=True)
class PersonDetails:
    """What the caller says of a person; None: nothing. `reference` is the caller's own id, empty for a new person."""

    reference: str = ""
    external_id: str | None = None
    name: str | None = None
    age: int | None = None
    gender: int | None = None
    listing: int | None = None
    note: str | None = None

    @property
    def said(self) -> dict[str, str | int]:
        """What is said, by the names of a person's fields."""
        names = ("external_id", "name", "age", "gender", "listing", "note")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person, and their enrolled images as they were given, oldest first; none unless the policy keeps originals."""

    collection: Collection
    person: Person
    images: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Some people of a collection, and whether the list goes on."""

    people: tuple[Person, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Nearness:
    """A search that came near to a person: the score of their face that was nearest, and whether it was a match."""

    record: SearchRecord
    score: float
    found: bool


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """Everything that is kept about one person; `images` are the kept ones by image id."""

    collection: Collection
    person: Person
    faces: tuple[Face, ...]
    images: Mapping[str, bytes]
    searches: tuple[Nearness, ...]


def browse_people(caller: Caller, *, collection: str | Alias) -> QuerySet[Person]:
    """Return a collection's people."""
    caller.require(Scope.READ)
    return find(caller, collection).people.all()


def page_people(caller: Caller, *, collection: str | Alias, limit: int, after: int = 0) -> PeoplePage:
    """Return up to `limit` people of a collection by id, from the first one after an id."""
    caller.require(Scope.READ)
    page = tuple(browse_people(caller, collection=collection).filter(pk__gt=after).order_by("pk")[: limit + 1])
    return PeoplePage(page[:limit], more=len(page) > limit)


def list_people(caller: Caller, *, collection: str | Alias) -> Iterator[PersonRecord]:
    """List everybody in a collection with their images, oldest first, read as the iteration goes."""
    caller.require(Scope.READ)
    collection = find(caller, collection)
    if collection.images == Collection.Images.ORIGINAL:
        with transaction.atomic():
            audit.record(caller, "image.listed", collection, people=collection.people.count())
    return with_images(collection, collection.people.order_by("created_at", "pk"))


def get_person(caller: Caller, *, collection: str | Alias, person: int | str) -> Person:
    """Return somebody by the caller's reference or by our id.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.READ)
    return find_person(find(caller, collection), person)


def list_faces_of(
    caller: Caller, *, collection: str | Alias, person: int | str, limit: int, before: int | None = None
) -> FacePage:
    """List somebody's faces, newest first, from before the number of the last face seen.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.READ)
    collection = find(caller, collection)
    return FacePage.of(collection, find_person(collection, person).faces.all(), limit=limit, before=before)


def update_person(caller: Caller, *, collection: str | Alias, person: int | str, details: PersonDetails) -> Person:
    """Note what is said of somebody now; what nothing is said of stays, and so does the reference.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        changed = save_person(collection, details, find_person(collection, person))
        audit.record(caller, "person.changed", changed, collection=str(collection.pk), fields=sorted(details.said))
    return changed


def export_person(caller: Caller, *, collection: str | Alias, person: int | str, below: bool = False) -> SubjectRecord:
    """Gather everything about somebody: their details, faces, kept images, and the searches that came near to them.

    `below`: those below the floor as well, which takes a scope of its own.

    Raises:
        PersonNotFound: the collection holds no such person.
        ProbingRefused: the caller was told too much of one face.
    """
    caller.require(Scope.ADMIN)
    refuse_probing(caller)
    collection = find(caller, collection)
    found = find_person(collection, person)
    faces = tuple(found.faces.select_related("person").order_by("number"))
    read = storage.reader(caller.tenant)
    kept = {face.image: _read_kept(read, face.image, face.stored_image) for face in faces if face.stored_image}
    images = {image: content for image, content in kept.items() if content is not None}
    by_uuid = {face.uuid: face for face in faces}
    terms = below_floor(caller, collection) if below else disclosure(caller, collection)
    with transaction.atomic():
        searches = tuple(
            Nearness(record, score, best[1] >= record.threshold)
            for record in collection.searches.order_by("at").iterator(chunk_size=500)
            if (best := _nearest(record, by_uuid)) and (score := _told(caller, collection, best, terms)) is not None
        )
        if below:
            log_look(caller, collection, "export", by_uuid)
        audit.record(caller, "person.exported", found, collection=str(collection.pk), faces=sorted(by_uuid))
    return SubjectRecord(collection, found, faces, images, searches)


def delete_person(caller: Caller, *, collection: str | Alias, person: int | str, reason: str = "") -> Receipt:
    """Erase somebody with every face, template and kept image of theirs; the reason stands in the audit log.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.DELETE)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(
            collection
        )  # before the faces are read: one that came afterwards would lose its person and keep its template
        found = find_person(collection, person)
        pk, faces = str(found.pk), list(found.faces.all())
        erased = erasure.erase_faces(caller, collection, faces, kind=Receipt.Kind.PERSON, subject=pk)
        collection.people.filter(pk=found.pk).delete()
        facts = {"faces": [face.uuid for face in faces], "receipt": erased.receipt.uuid, "reason": reason}
        audit.record(caller, "person.deleted", found, collection=str(collection.pk), **facts)
    erasure.search_again(collection, erased)
    return erased.receipt


def find_person(collection: Collection, person: int | str) -> Person:
    """Return a person: a number is our id, a text the caller's reference or else our id.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    found = known_person(collection, person) if isinstance(person, str) else collection.people.filter(pk=person).first()
    if found is None:
        raise PersonNotFound(str(person))
    return found


def known_person(collection: Collection, reference: str) -> Person | None:
    """Return the person whom the caller, or else the platform, knows by this id.

    A person without an id of the caller's is told to callers by ours, so that is what may come back.
    """
    if not reference or "\0" in reference:
        return None
    named = list(collection.people.filter(reference_key__in=identifiers.keys(reference)))
    found = min(named, key=lambda person: person.reference != reference, default=None)  # of two: who is spelt so
    if found is None and (ours := as_id(identifiers.comparison_key(reference))) is not None:
        found = collection.people.filter(pk=ours).first()
    return found


def save_person(collection: Collection, details: PersonDetails, known: Person | None = None) -> Person:
    """Make a person, or note of a known one what is said of them now; what nothing is said of stays.

    Raises:
        InvalidRequest: nobody can be called so.
    """
    said = details.said
    for field in ("external_id", "name"):
        identifiers.check_text(field, str(said.get(field, "")))
    if known is None:
        pk = random_id()
        if details.reference:
            identifiers.check("reference", details.reference)
        reference = details.reference or str(pk)
        return Person.unscoped.create(
            id=pk, tenant=collection.tenant, collection=collection, reference=reference, **said
        )
    for name, value in said.items():
        setattr(known, name, value)
    known.save(update_fields=list(said))
    return known


def with_images(collection: Collection, people: QuerySet[Person]) -> Iterator[PersonRecord]:
    """Read people in batches: two queries a batch, and one for the keys."""
    if collection.images != Collection.Images.ORIGINAL:
        for person in people.iterator(chunk_size=_BATCH):
            yield PersonRecord(collection, person, ())
        return
    read = storage.reader(collection.tenant)
    kept = Face.objects.of(collection.tenant).filter(collection=collection).exclude(stored_image="").order_by("number")
    for person in people.prefetch_related(Prefetch("faces", kept)).iterator(chunk_size=_BATCH):
        names = {face.stored_image: face.image for face in person.faces.all()}
        images = (_read_kept(read, image, name) for name, image in names.items())
        yield PersonRecord(collection, person, tuple(image for image in images if image is not None))


def _read_kept(read: Callable[[str, str], bytes], image: str, name: str) -> bytes | None:
    """Read a kept image; None: it was erased since its row was read, or the storage lost it."""
    try:
        return read(image, name)
    except FileNotFoundError:
        logger.warning("A kept image is gone", extra={"image": image})
        return None


def _told(caller: Caller, collection: Collection, near: tuple[Face, float], terms: Disclosure) -> float | None:
    """Return the score that is told of a face that a search came near to, which is counted."""
    told = disclose(caller, collection, [near], terms)
    return told[0].score if told else None


def _nearest(record: SearchRecord, faces: Mapping[str, Face]) -> tuple[Face, float] | None:
    """Return to which of these faces a search came nearest, and how near; one made with one of them bears its name."""
    if record.request_name in faces:
        return faces[record.request_name], 1.0
    near = [(faces[uuid], cosine) for uuid, cosine in record.candidates if uuid in faces]
    return max(near, key=lambda pair: pair[1], default=None)

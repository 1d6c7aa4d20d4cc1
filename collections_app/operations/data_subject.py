"""People: find, list, change and erase them, and export everything that is kept about one (a data subject)."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from collections_app import erasure, identifiers, storage
from collections_app.models import Collection, Face, Person, Receipt, SearchRecord
from collections_app.operations.budget import Match, disclose, refuse_probing
from collections_app.operations.collections import Alias, find, lock
from collections_app.operations.disclosure import Disclosure, below_floor, disclosure, log_look
from collections_app.operations.faces import FacePage
from collections_app.operations.references import find_person, known_person
from tenants import audit
from tenants.access import Caller, Scope
from tenants.scope import as_id, random_id

logger = logging.getLogger("faceplane.people")
_BATCH = 200  # people read from the database at a time; the images of one person at a time are in memory


@dataclass(frozen=True, slots=True)
class PersonDetails:
    """A person's fields as sent; None: omitted. `reference` is the caller's own id for them; empty: a new person."""

    reference: str = ""
    external_id: str | None = None
    name: str | None = None
    age: int | None = None
    gender: int | None = None
    listing: int | None = None
    note: str | None = None

    @property
    def values(self) -> dict[str, str | int]:
        """The fields that are not omitted."""
        names = ("external_id", "name", "age", "gender", "listing", "note")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """A person with their original images, oldest first; none unless the policy keeps originals."""

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
    """A search with a candidate of this person: the best score of their faces, and whether it was a match."""

    record: SearchRecord
    score: float
    found: bool


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """Everything that is kept about one person; `images` are the kept images by image id."""

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
    """Return up to `limit` people of a collection in the order of their ids, beginning after the id `after`."""
    caller.require(Scope.READ)
    page = tuple(browse_people(caller, collection=collection).filter(pk__gt=after).order_by("pk")[: limit + 1])
    return PeoplePage(page[:limit], more=len(page) > limit)


def list_people(caller: Caller, *, collection: str | Alias) -> Iterator[PersonRecord]:
    """Iterate over all people of a collection with their images, oldest first, reading them in batches."""
    caller.require(Scope.READ)
    collection = find(caller, collection)
    if collection.images == Collection.Images.ORIGINAL:
        with transaction.atomic():
            audit.record(caller, "image.listed", collection, people=collection.people.count())
    return with_images(collection, collection.people.order_by("created_at", "pk"))


def get_person(caller: Caller, *, collection: str | Alias, person: int | str) -> Person:
    """Return a person by the caller's reference or by our id.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.READ)
    return find_person(find(caller, collection), person)


def list_faces_of(
    caller: Caller,
    *,
    collection: str | Alias,
    person: int | str,
    limit: int,
    before: int | None = None,
    among: Sequence[str] | None = None,
) -> FacePage:
    """List a person's faces, newest first; `before` is the number of the last face of the page before.

    `among`: only the faces with these UUIDs.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.READ)
    collection = find(caller, collection)
    faces = find_person(collection, person).faces.all()
    faces = faces if among is None else faces.filter(uuid__in=among)
    return FacePage.of(collection, faces, limit=limit, before=before)


def update_person(caller: Caller, *, collection: str | Alias, person: int | str, details: PersonDetails) -> Person:
    """Change a person; omitted fields and the reference stay unchanged.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        changed = save_person(collection, details, find_person(collection, person))
        audit.record(caller, "person.changed", changed, collection=str(collection.pk), fields=sorted(details.values))
    return changed


def export_person(caller: Caller, *, collection: str | Alias, person: int | str, below: bool = False) -> SubjectRecord:
    """Collect everything about a person: their fields, faces, kept images, and searches with them as a candidate.

    `below`: also searches below the floor, which needs Scope.SCORES.

    Raises:
        PersonNotFound: the collection holds no such person.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
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
            Nearness(record, best.score, best.cosine >= record.threshold)
            for record in collection.searches.order_by("at").iterator(chunk_size=500)
            if (best := _best(caller, collection, _near(record, by_uuid), terms))
        )
        if below:
            log_look(caller, collection, "export", by_uuid)
        audit.record(caller, "person.exported", found, collection=str(collection.pk), faces=sorted(by_uuid))
    return SubjectRecord(collection, found, faces, images, searches)


def delete_person(caller: Caller, *, collection: str | Alias, person: int | str, reason: str = "") -> Receipt:
    """Erase a person with all faces, templates and kept images; the audit log keeps the reason.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.DELETE)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)  # before the faces are read: a face enrolled in between would keep its template
        found = find_person(collection, person)
        pk, faces = str(found.pk), list(found.faces.all())
        erased = erasure.erase_faces(caller, collection, faces, kind=Receipt.Kind.PERSON, subject=pk)
        collection.people.filter(pk=found.pk).delete()
        facts = {"faces": [face.uuid for face in faces], "receipt": erased.receipt.uuid, "reason": reason}
        audit.record(caller, "person.deleted", found, collection=str(collection.pk), **facts)
    erasure.search_again(collection, erased)
    return erased.receipt


def save_person(collection: Collection, details: PersonDetails, known: Person | None = None) -> Person:
    """Make a person, or change the known one; omitted fields stay unchanged.

    Raises:
        InvalidRequest: a field cannot have its value.
    """
    values = details.values
    if known is None:
        check_details(details)
        made = _new_person(collection, details)
        made.save(force_insert=True)
        return made
    check_details(replace(details, reference=""))
    for name, value in values.items():
        setattr(known, name, value)
    known.save(update_fields=list(values))
    return known


def check_details(details: PersonDetails) -> None:
    """Refuse a person's fields that cannot have their values; without a reference that is not checked.

    Raises:
        InvalidRequest: one cannot.
    """
    for field in ("external_id", "name"):
        identifiers.check_text(field, str(details.values.get(field, "")))
    if details.reference:
        identifiers.check("reference", details.reference)


def people_of(collection: Collection, wanted: Mapping[object, PersonDetails]) -> dict[object, Person]:
    """Return a person for each of these details, by the same keys: the known one, changed, or a new one, not saved."""
    keys = [identifiers.comparison_key(details.reference) for details in wanted.values() if details.reference]
    known = {person.reference_key: person for person in collection.people.filter(reference_key__in=keys)}
    people: dict[object, Person] = {}
    for key, details in wanted.items():
        named = identifiers.comparison_key(details.reference)
        found = known.get(named) or (known_person(collection, details.reference) if as_id(named) else None)
        if found and details.values.items() - {name: getattr(found, name) for name in details.values}.items():
            save_person(collection, details, found)
        people[key] = found or _new_person(collection, details)
    return people


def _new_person(collection: Collection, details: PersonDetails) -> Person:
    pk = random_id()
    whose = {"tenant": collection.tenant, "collection": collection, "reference": details.reference or str(pk)}
    return Person(id=pk, **whose, **details.values)


def with_images(collection: Collection, people: QuerySet[Person]) -> Iterator[PersonRecord]:
    """Iterate over people with their images: two queries a batch, and one for the tenant's keys."""
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


def show_images(caller: Caller, collection: Collection, person: int) -> PersonRecord | None:
    """Return a person with their images, and log who was shown them; None: the person is gone. Not an operation."""
    record = next(with_images(collection, collection.people.filter(pk=person)), None)
    if record and record.images:
        facts = {"collection": str(collection.pk), "images": len(record.images)}
        with transaction.atomic():
            audit.record(caller, "image.viewed", record.person, **facts)
    return record


def _read_kept(read: Callable[[str, str], bytes], image: str, name: str) -> bytes | None:
    """Return a kept image; None: it was erased after its row was read, or the storage lost it."""
    try:
        return read(image, name)
    except FileNotFoundError:
        logger.warning("A kept image is gone", extra={"image": image})
        return None


def _best(
    caller: Caller, collection: Collection, near: Sequence[tuple[Face, float]], terms: Disclosure
) -> Match | None:
    """Disclose and charge the best of the person's faces in a search, if any may be shown."""
    return next(iter(disclose(caller, collection, near, terms, limit=1)), None)


def _near(record: SearchRecord, faces: Mapping[str, Face]) -> list[tuple[Face, float]]:
    """Return those of these faces that a search found, with their cosines; 1 if it was made with that face."""
    if record.request_name in faces:
        return [(faces[record.request_name], 1.0)]
    return [(faces[uuid], cosine) for uuid, cosine in record.candidates if uuid in faces]

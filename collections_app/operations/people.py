"""People: find, list, match and delete somebody with all their faces."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from collections_app import erasure, identifiers, storage
from collections_app.errors import PersonNotFound
from collections_app.examine import naming
from collections_app.models import Collection, Face, Person, Receipt
from collections_app.operations.collections import Node, find, lock
from collections_app.operations.search import SearchResult, search_by_image
from recognition.pipeline.decode import DEFAULT_LIMITS, ImageLimits
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
class PersonMatch:
    """Who was recognised, and the score of their face that is most similar to the probe."""

    record: PersonRecord
    score: float


def find_person(home: Collection, person: int | str) -> Person:
    """Return a person: a number is our id, a text the caller's reference or else our id.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    found = known_person(home, person) if isinstance(person, str) else home.people.filter(pk=person).first()
    if found is None:
        raise PersonNotFound(str(person))
    return found


def known_person(home: Collection, reference: str) -> Person | None:
    """Return the person whom the caller, or else the platform, knows by this id.

    A person without an id of the caller's is told to callers by ours, so that is what may come back.
    """
    if not reference or "\0" in reference:
        return None
    named = list(home.people.filter(reference_key__in=identifiers.keys(reference)))
    found = min(named, key=lambda person: person.reference != reference, default=None)  # of two: who is spelt so
    if found is None and (ours := as_id(identifiers.comparison_key(reference))) is not None:
        found = home.people.filter(pk=ours).first()
    return found


def save_person(home: Collection, details: PersonDetails, known: Person | None = None) -> Person:
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
        return Person.everywhere.create(id=pk, tenant=home.tenant, collection=home, reference=reference, **said)
    for name, value in said.items():
        setattr(known, name, value)
    known.save(update_fields=list(said))
    return known


def list_people(caller: Caller, *, collection: str | Node) -> Iterator[PersonRecord]:
    """List everybody in a collection with their images, oldest first, read as the iteration goes."""
    caller.require(Scope.READ)
    home = find(caller, collection)
    if home.images == Collection.Images.ORIGINAL:
        with transaction.atomic():
            audit.record(caller, "image.listed", home, people=home.people.count())
    return _records(home, home.people.order_by("created_at", "pk"))


def match_person(
    caller: Caller, *, collection: str | Node, images: Sequence[bytes], limits: ImageLimits = DEFAULT_LIMITS
) -> PersonMatch | None:
    """Tell who the largest face of one or more images is, by the best match of any of them; None: nobody we know.

    Raises:
        ImageRefused: an image shows no face, or is none.
    """
    caller.require(Scope.SEARCH)
    results = [_match_one(caller, collection, place, image, limits) for place, image in enumerate(images)]
    best = max(
        (result for result in results if result.matches), key=lambda result: result.matches[0].cosine, default=None
    )
    if best is None:
        return None
    match, home = best.matches[0], best.collection
    if Scope.READ not in caller.scopes:  # to be told who it is takes less than to be shown their pictures
        return PersonMatch(PersonRecord(home, match.face.person, ()), match.score)
    record = next(_records(home, home.people.filter(pk=match.face.person_id)), None)
    if record and record.images:
        with transaction.atomic():
            audit.record(caller, "image.viewed", record.person, collection=str(home.pk), images=len(record.images))
    return PersonMatch(record, match.score) if record else None


def delete_person(caller: Caller, *, collection: str | Node, person: int | str, reason: str = "") -> Receipt:
    """Erase somebody with every face, template and kept image of theirs; the reason stands in the audit log.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.DELETE)
    home = find(caller, collection)
    with transaction.atomic():
        lock(home)  # before the faces are read: one that came afterwards would lose its person and keep its template
        found = find_person(home, person)
        pk, faces = str(found.pk), list(found.faces.all())
        erased = erasure.erase_faces(caller, home, faces, kind=Receipt.Kind.PERSON, subject=pk)
        home.people.filter(pk=found.pk).delete()
        facts = {"faces": [face.uuid for face in faces], "receipt": erased.receipt.uuid, "reason": reason}
        audit.record(caller, "person.deleted", found, collection=str(home.pk), **facts)
    erasure.search_again(home, erased)
    return erased.receipt


def _match_one(caller: Caller, collection: str | Node, place: int, image: bytes, limits: ImageLimits) -> SearchResult:
    with naming(str(place)):
        return search_by_image(caller, collection=collection, image=image, limit=1, largest=True, limits=limits)


def _records(home: Collection, people: QuerySet[Person]) -> Iterator[PersonRecord]:
    """Read people in batches: two queries a batch, and one for the keys."""
    if home.images != Collection.Images.ORIGINAL:
        for person in people.iterator(chunk_size=_BATCH):
            yield PersonRecord(home, person, ())
        return
    read = storage.reader(home.tenant)
    kept = Face.objects.of(home.tenant).filter(collection=home).exclude(stored_image="").order_by("number")
    for person in people.prefetch_related(Prefetch("faces", kept)).iterator(chunk_size=_BATCH):
        names = {face.stored_image: face.image for face in person.faces.all()}
        images = (read_kept(read, image, name) for name, image in names.items())
        yield PersonRecord(home, person, tuple(image for image in images if image is not None))


def read_kept(read: Callable[[str, str], bytes], image: str, name: str) -> bytes | None:
    """Read a kept image; None: it was erased since its row was read, or the storage lost it."""
    try:
        return read(image, name)
    except FileNotFoundError:
        logger.warning("A kept image is gone", extra={"image": image})
        return None

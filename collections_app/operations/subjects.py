"""Data subjects: one person's record, to look up, change, verify against and hand out to the person it is about."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from collections_app import storage
from collections_app.errors import ImageNotKept, PersonNotFound
from collections_app.fetch import ImageUrl, load
from collections_app.models import Collection, Face, Person, SearchRecord
from collections_app.operations.collections import Node, find, lock
from collections_app.operations.faces import find_face
from collections_app.operations.people import PersonDetails, find_person, read_kept, save_person
from collections_app.operations.probing import watch_verifications
from recognition import pipeline
from recognition.decode import DEFAULT_LIMITS, ImageLimits
from recognition.errors import NoFace
from recognition.index import store
from recognition.turns import turn
from tenants import audit
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Some people of a collection, and whether the list goes on."""

    people: tuple[Person, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class PersonVerification:
    """The face of a person that is most like the face of the image, and their cosine."""

    collection: Collection
    face: Face
    cosine: float


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """Everything that is kept about one person; `images` are the kept ones by image id."""

    collection: Collection
    person: Person
    faces: tuple[Face, ...]
    images: Mapping[str, bytes]
    searches: tuple[SearchRecord, ...]


def page_people(caller: Caller, *, collection: str | Node, limit: int, after: int = 0) -> PeoplePage:
    """Return up to `limit` people of a collection by id, from the first one after an id."""
    caller.require(Scope.READ)
    people = find(caller, collection).people.filter(pk__gt=after).order_by("pk")
    page = tuple(people[: limit + 1])
    return PeoplePage(page[:limit], more=len(page) > limit)


def get_person(caller: Caller, *, collection: str | Node, person: str) -> Person:
    """Return somebody by the caller's reference or by our id.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.READ)
    return _person(find(caller, collection), person)


def update_person(caller: Caller, *, collection: str | Node, person: str, details: PersonDetails) -> Person:
    """Note what is said of somebody now; what nothing is said of stays, and so does the reference.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.ENROL)
    home = find(caller, collection)
    with transaction.atomic():
        lock(home)
        changed = save_person(home, details, _person(home, person))
        audit.record(caller, "person.changed", changed, collection=str(home.pk), fields=sorted(details.said))
    return changed


def verify_person(
    caller: Caller,
    *,
    collection: str | Node,
    person: str,
    image: bytes | ImageUrl,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> PersonVerification:
    """Compare the largest face of the image with every face of one person; the caller decides.

    Raises:
        PersonNotFound: the collection holds no such person.
        NoFace: the image has none.
    """
    caller.require(Scope.SEARCH)
    home = find(caller, collection)
    faces = {face.pk: face for face in _person(home, person).faces.select_related("person")}
    content = load(image, max_bytes=limits.max_bytes)
    with turn(caller.tenant.pk):
        seen = pipeline.analyse(content, pack=home.pack, limits=limits, embed=1)
    if not seen.faces:
        raise NoFace
    probe = seen.faces[0].template
    cosines = {pk: float(probe @ vector) for pk, vector in store.vectors(home.gallery, list(faces)).items()}
    best = max(cosines, key=cosines.__getitem__, default=None)
    if best is None:
        raise PersonNotFound(person)  # their last face went just now
    with transaction.atomic():
        watch_verifications(caller, faces[best])
    return PersonVerification(home, faces[best], cosines[best])


def kept_image(caller: Caller, *, collection: str | Node, face: str) -> bytes:
    """Return what was kept of the image from which a face was enrolled.

    Raises:
        FaceNotFound: the collection holds no such face.
        ImageNotKept: the policy kept nothing of it.
    """
    caller.require(Scope.READ)
    home = find(caller, collection)
    found = find_face(home, face)
    if not found.stored_image:
        raise ImageNotKept
    with transaction.atomic():
        audit.record(caller, "image.viewed", found, collection=str(home.pk))
    return storage.read(caller.tenant, found.image, found.stored_image)


def export_person(caller: Caller, *, collection: str | Node, person: str) -> SubjectRecord:
    """Gather everything about somebody: their details, faces, kept images, and the searches that found them.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.ADMIN)
    home = find(caller, collection)
    found = _person(home, person)
    faces = tuple(found.faces.select_related("person").order_by("number"))
    read = storage.reader(caller.tenant)
    kept = {face.image: read_kept(read, face.image, face.stored_image) for face in faces if face.stored_image}
    images = {image: content for image, content in kept.items() if content is not None}
    uuids = {face.uuid for face in faces}
    matches = home.searches.filter(outcome=SearchRecord.Outcome.MATCH).order_by("at")
    searches = tuple(
        record
        for record in matches.iterator(chunk_size=500)
        if any(uuid in uuids and cosine >= record.threshold for uuid, cosine in record.candidates)
    )
    with transaction.atomic():
        audit.record(caller, "person.exported", found, collection=str(home.pk), faces=sorted(uuids))
    return SubjectRecord(home, found, faces, images, searches)


def _person(home: Collection, person: str) -> Person:
    found = find_person(home, person)
    if found is None:
        raise PersonNotFound(person)
    return found

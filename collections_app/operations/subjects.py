"""Data subjects: one person's record, to look up, change, verify against and hand out to the person it is about."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from django.db import transaction

from collections_app import storage
from collections_app.errors import PersonNotFound
from collections_app.fetch import ImageUrl, load
from collections_app.models import Collection, Face, Person, SearchRecord
from collections_app.operations.budget import refuse_probing, tell
from collections_app.operations.collections import Node, find, lock
from collections_app.operations.disclosure import below_floor, disclosure, log_look
from collections_app.operations.faces import FacePage
from collections_app.operations.people import PersonDetails, find_person, read_kept, save_person
from collections_app.operations.probing import watch_verifications
from recognition import pipeline
from recognition.admission import admit
from recognition.errors import NoFace
from recognition.index import store
from recognition.pipeline.decode import DEFAULT_LIMITS, ImageLimits
from recognition.similarity import Threshold
from tenants import audit
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Some people of a collection, and whether the list goes on."""

    people: tuple[Person, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class PersonVerification:
    """The face of a person that is most like the face of the image; below the floor any of theirs, and no score."""

    collection: Collection
    face: Face
    score: float | None
    match: bool
    threshold: Threshold


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


def page_people(caller: Caller, *, collection: str | Node, limit: int, after: int = 0) -> PeoplePage:
    """Return up to `limit` people of a collection by id, from the first one after an id."""
    caller.require(Scope.READ)
    people = find(caller, collection).people.filter(pk__gt=after).order_by("pk")
    page = tuple(people[: limit + 1])
    return PeoplePage(page[:limit], more=len(page) > limit)


def get_person(caller: Caller, *, collection: str | Node, person: int | str) -> Person:
    """Return somebody by the caller's reference or by our id.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.READ)
    return find_person(find(caller, collection), person)


def list_faces_of(
    caller: Caller, *, collection: str | Node, person: int | str, limit: int, before: int | None = None
) -> FacePage:
    """List somebody's faces, newest first, from before the number of the last face seen.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.READ)
    home = find(caller, collection)
    return FacePage.of(home, find_person(home, person).faces.all(), limit=limit, before=before)


def update_person(caller: Caller, *, collection: str | Node, person: int | str, details: PersonDetails) -> Person:
    """Note what is said of somebody now; what nothing is said of stays, and so does the reference.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.ENROL)
    home = find(caller, collection)
    with transaction.atomic():
        lock(home)
        changed = save_person(home, details, find_person(home, person))
        audit.record(caller, "person.changed", changed, collection=str(home.pk), fields=sorted(details.said))
    return changed


def verify_person(
    caller: Caller,
    *,
    collection: str | Node,
    person: int | str,
    image: bytes | ImageUrl,
    threshold: Threshold | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> PersonVerification:
    """Hold the largest face of the image against every face of one person, at a threshold as in a search.

    Raises:
        PersonNotFound: the collection holds no such person.
        NoFace: the image has none.
        ProbingRefused: the caller was told too much of one face.
    """
    caller.require(Scope.SEARCH)
    refuse_probing(caller)
    home = find(caller, collection)
    faces = {face.pk: face for face in find_person(home, person).faces.select_related("person")}
    content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
    with admit(caller.tenant.pk):
        seen = pipeline.analyse(content, pack=home.pack, limits=limits, embed=1)
    if not seen.faces:
        raise NoFace
    probe = seen.faces[0].template
    cosines = {pk: float(probe @ vector) for pk, vector in store.vectors(home.gallery, list(faces)).items()}
    best = max(cosines, key=cosines.__getitem__, default=None)
    if best is None:
        raise PersonNotFound(str(person))  # their last face went just now
    terms = disclosure(caller, home, threshold)
    with transaction.atomic():
        told = tell(caller, home, [(faces[best], cosines[best])], terms, picture=True)
        # Which of them is nearest is an order, so without a score it is any.
        shown, score = (faces[best], told[0].score) if told else (faces[min(cosines)], None)
        if terms.below:
            log_look(caller, home, "verify", [shown.uuid])
        watch_verifications(caller, faces[best])
    return PersonVerification(home, shown, score, terms.matches(cosines[best]), terms.applied)


def export_person(caller: Caller, *, collection: str | Node, person: int | str, below: bool = False) -> SubjectRecord:
    """Gather everything about somebody: their details, faces, kept images, and the searches that came near to them.

    `below`: those below the floor as well, which takes a scope of its own.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.ADMIN)
    home = find(caller, collection)
    found = find_person(home, person)
    faces = tuple(found.faces.select_related("person").order_by("number"))
    read = storage.reader(caller.tenant)
    kept = {face.image: read_kept(read, face.image, face.stored_image) for face in faces if face.stored_image}
    images = {image: content for image, content in kept.items() if content is not None}
    uuids = {face.uuid for face in faces}
    terms = below_floor(caller, home) if below else disclosure(caller, home)
    searches = tuple(
        Nearness(record, score, best >= record.threshold)
        for record in home.searches.order_by("at").iterator(chunk_size=500)
        if (best := _nearest(record, uuids)) is not None and (score := terms.score(best)) is not None
    )
    with transaction.atomic():
        if below:
            log_look(caller, home, "export", uuids)
        audit.record(caller, "person.exported", found, collection=str(home.pk), faces=sorted(uuids))
    return SubjectRecord(home, found, faces, images, searches)


def _nearest(record: SearchRecord, faces: Container[str]) -> float | None:
    """Return how near a search came to these faces; one made with one of them bears its name."""
    if record.request_name in faces:
        return 1.0
    return max((cosine for face, cosine in record.candidates if face in faces), default=None)

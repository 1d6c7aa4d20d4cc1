"""People who have a reference of the caller's, with or without faces: make and list them, and give them faces.

A person who was enrolled without a reference has our id as reference, and is not a named person. A named person remains
when their last face is moved away, and is deleted when it is erased.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from django.db import transaction
from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast

from collections_app import scoring
from collections_app.errors import PersonExists, PersonNotFound
from collections_app.models import Collection, Face, Person
from collections_app.operations.budget import disclose, refuse_probing
from collections_app.operations.collections import find, lock
from collections_app.operations.data_subject import PeoplePage, PersonDetails, save_person
from collections_app.operations.disclosure import Disclosure, disclosure
from collections_app.operations.do_not_enrol import refuse_barred
from collections_app.operations.references import find_person, known_person
from recognition.index import store
from recognition.similarity import Threshold
from tenants import audit
from tenants.access import Caller, Scope


@dataclass(slots=True)
class Assignment:
    """The result of assigning or taking faces: those that were moved, and the others by the reason why they were not.

    `present` are all of the faces that the collection holds; `elsewhere` are those of another named person, by UUID,
    with that person's reference; `unlike` do not match the person, with the score if it may be shown.
    """

    person: Person
    present: list[Face] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    elsewhere: dict[str, str] = field(default_factory=dict)
    unlike: dict[str, float | None] = field(default_factory=dict)
    faces_left: int = 0


def add_person(caller: Caller, *, collection: str, reference: str) -> Person:
    """Make a person without faces.

    Raises:
        PersonExists: the reference is taken.
        EnrolmentBarred: it is on the do-not-enrol list.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        refuse_barred(collection, reference)
        if known_person(collection, reference):
            raise PersonExists(reference)
        made = save_person(collection, PersonDetails(reference=reference))
        audit.record(caller, "person.changed", made, collection=str(collection.pk), fields=["reference"])
    return made


def page_named_people(caller: Caller, *, collection: str, limit: int, after: int = 0) -> PeoplePage:
    """Return up to `limit` named people in the order of their ids, beginning after the id `after`."""
    caller.require(Scope.READ)
    found = named(find(caller, collection)).filter(pk__gt=after).order_by("pk").prefetch_related("faces")
    page = tuple(found[: limit + 1])
    return PeoplePage(page[:limit], more=len(page) > limit)


def count_named_people(caller: Caller, *, collection: str) -> int:
    """Return how many named people a collection has."""
    caller.require(Scope.READ)
    return named(find(caller, collection)).count()


def release_person(caller: Caller, *, collection: str, reference: str) -> None:
    """Delete a named person; each of their faces stays, as the face of a person of its own.

    Raises:
        PersonNotFound: there is none.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        gone = _named_person(collection, reference)
        for face in gone.faces.all():
            _give(caller, collection, face, save_person(collection, PersonDetails()))
        audit.record(caller, "person.deleted", gone, collection=str(collection.pk), faces=[], reason="released")
        collection.people.filter(pk=gone.pk).delete()


def assign_faces(
    caller: Caller, *, collection: str, reference: str, faces: Sequence[str], threshold: Threshold
) -> Assignment:
    """Give faces to a named person: those that match one of the person's faces, or all if the person has none.

    The threshold is raised to the collection's floor.

    Raises:
        PersonNotFound: there is no such named person.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.ENROL)
    refuse_probing(caller)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        to = _named_person(collection, reference)
        done, terms = Assignment(to), disclosure(caller, collection, threshold)
        own = list(to.faces.select_related("person"))
        for face in _present(collection, faces, done):
            if face.person_id == to.pk:
                done.done.append(face.uuid)
            elif is_named(face.person):
                done.elsewhere[face.uuid] = face.person.reference
            elif (score := _likeness(caller, collection, face, own, terms)) is None or score < terms.applied.score:
                done.unlike[face.uuid] = score
            else:
                _give(caller, collection, face, to)
                done.done.append(face.uuid)
        done.faces_left = to.faces.count()
    return done


def take_faces(caller: Caller, *, collection: str, reference: str, faces: Sequence[str]) -> Assignment:
    """Take faces from a named person; each becomes the face of a person of its own.

    Raises:
        PersonNotFound: there is no such named person.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        done = Assignment(_named_person(collection, reference))
        for face in _present(collection, faces, done):
            if face.person_id == done.person.pk:
                _give(caller, collection, face, save_person(collection, PersonDetails()))
                done.done.append(face.uuid)
            else:
                done.elsewhere[face.uuid] = face.person.reference if is_named(face.person) else ""
        done.faces_left = done.person.faces.count()
    return done


def is_named(person: Person) -> bool:
    """Return whether the person has a reference of the caller's. Not an operation."""
    return person.reference != str(person.pk)


def named(collection: Collection) -> QuerySet[Person]:
    """Return a collection's named people. Not an operation."""
    found: QuerySet[Person] = collection.people.exclude(reference=Cast("pk", CharField()))
    return found


def _named_person(collection: Collection, reference: str) -> Person:
    person = find_person(collection, reference)
    if not is_named(person):
        raise PersonNotFound(reference)
    return person


def _present(collection: Collection, faces: Sequence[str], done: Assignment) -> list[Face]:
    """Return those of the faces that the collection holds, in their order; note the others."""
    found = {face.uuid: face for face in collection.faces.filter(uuid__in=faces).select_related("person")}
    asked = list(dict.fromkeys(faces))
    done.missing = [uuid for uuid in asked if uuid not in found]
    done.present = [found[uuid] for uuid in asked if uuid in found]
    return done.present


def _likeness(
    caller: Caller, collection: Collection, face: Face, own: Sequence[Face], terms: Disclosure
) -> float | None:
    """Disclose and charge the best score of a face with a person's own; 100 if the person has none."""
    if not own:
        return 100.0
    vectors = store.vectors(collection.gallery, [face.pk, *(one.pk for one in own)])
    others = np.stack([vectors[one.pk] for one in own])
    cosines = map(float, scoring.cosines(collection, vectors[face.pk], others, enrolled=True))
    found = sorted(zip(own, cosines, strict=True), key=lambda pair: -pair[1])
    first = next(iter(disclose(caller, collection, found, terms, probe=face, limit=1)), None)
    return first.score if first else None


def _give(caller: Caller, collection: Collection, face: Face, to: Person) -> None:
    """Move a face to a person; delete the former one if they are not named and have no other face."""
    before = face.person
    Face.objects.of(collection.tenant).filter(pk=face.pk).update(person=to)
    audit.record(caller, "face.moved", face, face=face.uuid, before=str(before.pk), after=str(to.pk), reason="")
    if not is_named(before):
        collection.people.filter(pk=before.pk, faces__isnull=True).delete()

"""People and their faces: look at one person, name them, move faces between people, merge and split people.

Templates stay where they are: only whose they are changes, and a search reads that from the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction

from collections_app.errors import FaceNotFound, PersonNotFound
from collections_app.models import Collection, Face, Person
from collections_app.operations.collections import find
from collections_app.operations.faces import find_face
from collections_app.operations.people import find_person
from recognition.index import face_index, store
from recognition.models import Gallery
from tenants import audit
from tenants.access import Caller, Scope
from tenants.scope import random_id

MOST_SHOWN = 60
MOST_COMPARED = 12


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A face, and its cosine to the one that is looked at."""

    face: Face
    cosine: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """A face of a person, and its mean cosine to the person's other faces; None for an only face.

    `outlier`: it is further from the others than the collection's threshold, so that it may be somebody else's.
    """

    face: Face
    cosine: float | None
    outlier: bool


@dataclass(frozen=True, slots=True)
class Portrait:
    """A person with the newest of their faces, newest first.

    `mutual` are the cosines of the first MOST_COMPARED of these with one another; none for an only face.
    """

    person: Person
    faces: tuple[Likeness, ...]
    total: int
    mutual: tuple[tuple[float, ...], ...]


def portrait(caller: Caller, *, collection: str, person: int) -> Portrait:
    """Return a person with their faces and how alike these are.

    Raises:
        PersonNotFound: the collection holds no such person.
    """
    caller.require(Scope.READ)
    home = find(caller, collection)
    found = _person(home, person)
    faces = list(found.faces.select_related("person").order_by("-number")[:MOST_SHOWN])
    vectors = store.vectors(home.gallery, [face.pk for face in faces])
    faces = [face for face in faces if face.pk in vectors]
    mutual: tuple[tuple[float, ...], ...] = ()
    if len(faces) < 2:  # noqa: PLR2004 -- an only face has no others
        alike: list[float | None] = [None] * len(faces)
    else:
        matrix = np.stack([vectors[face.pk] for face in faces])
        cosines = matrix @ matrix.T
        mutual = tuple(tuple(row) for row in cosines[:MOST_COMPARED, :MOST_COMPARED].tolist())
        alike = [float(mean) for mean in (cosines.sum(axis=1) - np.diag(cosines)) / (len(faces) - 1)]
    bar = home.similarity_threshold
    shown = [
        Likeness(face, cosine, cosine is not None and cosine < bar) for face, cosine in zip(faces, alike, strict=True)
    ]
    return Portrait(found, tuple(shown), found.faces.count(), mutual)


def neighbours(caller: Caller, *, collection: str, face: str, limit: int = 8) -> tuple[Neighbour, ...]:
    """Return the faces of the collection nearest to an enrolled one; no probe is looked for, so nothing is recorded."""
    caller.require(Scope.READ)
    home = find(caller, collection)
    probe = find_face(home, face)
    near = face_index().search(home.gallery, store.vector(home.gallery, probe.pk), limit=limit + 1, floor=-2.0)
    cosines = {found.face_id: found.cosine for found in near if found.face_id != probe.pk}
    faces = Face.objects.of(home.tenant).filter(pk__in=list(cosines)).select_related("person")
    ranked = sorted((Neighbour(found, cosines[found.pk]) for found in faces), key=lambda found: -found.cosine)
    return tuple(ranked[:limit])


def move_faces(
    caller: Caller, *, collection: str, faces: Sequence[str], person: int | None, name: str = "", reason: str = ""
) -> Person:
    """Give faces to a person of the collection, or with None to a new one of that name; whoever has no face left goes.

    Raises:
        FaceNotFound: one of the faces is not in the collection.
        PersonNotFound: there is no such person.
    """
    caller.require(Scope.ENROL)
    home = find(caller, collection)
    with transaction.atomic():
        _lock(home)
        named = Face.objects.of(home.tenant).filter(uuid__in=faces).select_related("person")
        moved = [face for face in named if face.collection_id == home.pk]
        missing = set(faces) - {face.uuid for face in moved}
        if missing or not moved:
            raise FaceNotFound(next(iter(missing), ""))
        target = _new_person(home, name) if person is None else _person(home, person)
        _give(caller, home, moved, target, reason)
    return target


def merge_people(caller: Caller, *, collection: str, person: int | str, other: int | str, reason: str = "") -> Person:
    """Give the other person's faces to the person; the other person goes.

    A number is our id; a text is the caller's reference, or else our id.

    Raises:
        PersonNotFound: one of them is not in the collection, or they are the same.
    """
    caller.require(Scope.ENROL)
    home = find(caller, collection)
    with transaction.atomic():
        _lock(home)
        kept, gone = _person(home, person), _person(home, other)
        if kept == gone:
            raise PersonNotFound(str(other))
        _give(caller, home, list(gone.faces.select_related("person")), kept, reason)
    return kept


def rename_person(caller: Caller, *, collection: str, person: int, name: str, note: str) -> Person:
    """Change what a person is called.

    Raises:
        PersonNotFound: there is no such person.
    """
    caller.require(Scope.ENROL)
    home = find(caller, collection)
    with transaction.atomic():
        found = _person(home, person)
        before = found.name
        found.name, found.note = name, note
        found.save(update_fields=["name", "note"])
        audit.record(caller, "person.renamed", found, changed=before != name)
    return found


def _give(caller: Caller, home: Collection, faces: list[Face], target: Person, reason: str) -> None:
    before = {face.person_id for face in faces} - {target.pk}
    Face.objects.of(home.tenant).filter(pk__in=[face.pk for face in faces]).update(person=target)
    for face in faces:
        was = str(face.person_id)
        audit.record(caller, "face.moved", face, face=face.uuid, before=was, after=str(target.pk), reason=reason)
    Person.objects.of(home.tenant).filter(pk__in=before, faces__isnull=True).delete()


def _new_person(home: Collection, name: str) -> Person:
    pk = random_id()
    return Person.everywhere.create(id=pk, tenant=home.tenant, collection=home, reference=str(pk), name=name)


def _person(home: Collection, person: int | str) -> Person:
    found = find_person(home, person) if isinstance(person, str) else home.people.filter(pk=person).first()
    if found is None:
        raise PersonNotFound(str(person))
    return found


def _lock(home: Collection) -> None:
    """Wait for whoever else changes the collection's faces."""
    Gallery.objects.of(home.tenant).select_for_update(no_key=True).get(pk=home.pk)

"""People and their faces: look at one person, name them, move faces between people, merge and split people.

Templates stay where they are: only whose they are changes, and a search reads that from the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction

from collections_app.errors import FaceNotFound, PersonNotFound
from collections_app.models import Collection, Face, Person
from collections_app.operations.collections import find, lock
from collections_app.operations.faces import find_face
from collections_app.operations.people import PersonDetails, find_person, save_person
from recognition.index import face_index, store
from tenants import audit
from tenants.access import Caller, Scope

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
    found = find_person(home, person)
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
    caller: Caller,
    *,
    collection: str,
    faces: Sequence[str],
    person: int | str | None = None,
    name: str = "",
    reason: str = "",
) -> Person:
    """Give faces to a person of the collection, or with None to a new one of that name; whoever has no face left goes.

    Raises:
        FaceNotFound: one of the faces is not in the collection.
        PersonNotFound: there is no such person.
    """
    caller.require(Scope.ENROL)
    home = find(caller, collection)
    with transaction.atomic():
        lock(home)
        named = Face.objects.of(home.tenant).filter(uuid__in=faces).select_related("person")
        moved = [face for face in named if face.collection_id == home.pk]
        missing = set(faces) - {face.uuid for face in moved}
        if missing or not moved:
            raise FaceNotFound(next(iter(missing), ""))
        target = save_person(home, PersonDetails(name=name)) if person is None else find_person(home, person)
        _give(caller, home, moved, target, reason)
    return target


def merge_people(caller: Caller, *, collection: str, person: int | str, other: int | str, reason: str = "") -> Person:
    """Give the other person's faces to the person; the other person goes.

    Raises:
        PersonNotFound: one of them is not in the collection, or they are the same.
    """
    caller.require(Scope.ENROL)
    home = find(caller, collection)
    with transaction.atomic():
        lock(home)
        kept, gone = find_person(home, person), find_person(home, other)
        if kept == gone:
            raise PersonNotFound(str(other))
        _give(caller, home, list(gone.faces.select_related("person")), kept, reason)
    return kept


def _give(caller: Caller, home: Collection, faces: list[Face], target: Person, reason: str) -> None:
    before = {face.person_id for face in faces} - {target.pk}
    Face.objects.of(home.tenant).filter(pk__in=[face.pk for face in faces]).update(person=target)
    for face in faces:
        was = str(face.person_id)
        audit.record(caller, "face.moved", face, face=face.uuid, before=was, after=str(target.pk), reason=reason)
    Person.objects.of(home.tenant).filter(pk__in=before, faces__isnull=True).delete()

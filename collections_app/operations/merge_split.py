"""One person's faces and their similarity; move faces between people, and merge and split people.

A move changes only the face's row: templates stay in the index, and searches read the person from the database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from django.db import transaction
from django.utils import timezone

from collections_app import scoring
from collections_app.errors import FaceNotFound, PersonNotFound
from collections_app.models import Collection, Face, Person
from collections_app.operations.budget import DOUBLE, disclose, disclose_pairs, refuse_probing
from collections_app.operations.collections import find, lock
from collections_app.operations.data_subject import PersonDetails, save_person
from collections_app.operations.disclosure import Disclosure, below_floor, disclosure, log_look
from collections_app.operations.faces import find_face
from collections_app.operations.references import find_person
from collections_app.operations.undo import too_late
from recognition.index import store
from tenants import audit
from tenants.access import Caller, Scope

MOST_SHOWN = 60
MOST_COMPARED = 12


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A face, its score with the face in question, and whether that reaches the threshold."""

    face: Face
    score: float
    match: bool


@dataclass(frozen=True, slots=True)
class Likeness:
    """A face of a person, and how many of the person's other faces it matches at the collection's threshold.

    `outlier`: fewer than half of them, so that it may show another person.
    """

    face: Face
    matched: int
    outlier: bool


@dataclass(frozen=True, slots=True)
class Resemblance:
    """The score of two faces of a person, None below the floor, and whether it reaches the threshold."""

    score: float | None
    match: bool


@dataclass(frozen=True, slots=True)
class Portrait:
    """A person with up to MOST_SHOWN of their faces, newest first.

    `mutual` compares each of the first MOST_COMPARED of these with each other; empty for a single face.
    """

    person: Person
    faces: tuple[Likeness, ...]
    total: int
    mutual: tuple[tuple[Resemblance, ...], ...]
    below: bool


# What it takes to undo a move, as JSON: when it was, the collection, the target, and by id the faces' former people
# and the people that were deleted.
Undo: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Move:
    """The person to whom faces were moved, and what `undo_move` needs."""

    person: Person
    undo: Undo


def portrait(caller: Caller, *, collection: str, person: int, below: bool = False) -> Portrait:
    """Return a person with their faces, compared with one another.

    `below`: also with scores below the floor, which needs Scope.SCORES.

    Raises:
        PersonNotFound: the collection holds no such person.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.READ)
    refuse_probing(caller)
    collection = find(caller, collection)
    found = find_person(collection, person)
    faces = list(found.faces.select_related("person").order_by("-number")[:MOST_SHOWN])
    vectors = store.vectors(collection.gallery, [face.pk for face in faces])
    faces = [face for face in faces if face.pk in vectors]
    terms = below_floor(caller, collection) if below else disclosure(caller, collection)
    cosines = _mutual(collection, [vectors[face.pk] for face in faces])
    with transaction.atomic():
        scores = _scores(caller, collection, faces, cosines, terms)
        if below:
            log_look(caller, collection, "person", [face.uuid for face in faces])
    reached = (cosines >= terms.threshold) & ~np.isnan(scores)  # a match that is not disclosed does not count
    others = len(faces) - 1
    counts = (int(row.sum()) - 1 for row in reached)  # each face reaches itself
    mutual = _table(scores[:MOST_COMPARED, :MOST_COMPARED], reached)
    shown = tuple(Likeness(face, count, 2 * count < others) for face, count in zip(faces, counts, strict=True))
    return Portrait(found, shown, found.faces.count(), mutual if others > 0 else (), below)


def neighbours(
    caller: Caller, *, collection: str, face: str, limit: int = 8, below: bool = False
) -> tuple[Neighbour, ...]:
    """Return the faces of the collection most similar to an enrolled one; this is not recorded as a search.

    `below`: also those below the floor, which needs Scope.SCORES.

    Raises:
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.READ)
    refuse_probing(caller)
    collection = find(caller, collection)
    probe = find_face(collection, face)
    terms = below_floor(caller, collection) if below else disclosure(caller, collection)
    template = store.vector(collection.gallery, probe.pk)
    near = (
        scoring.nearest(collection, template, limit=limit + 1, floor=terms.floor, enrolled=True)
        if below
        else scoring.reaching(collection, template, terms.floor, enrolled=True)
    )
    found = Face.objects.of(collection.tenant).select_related("person").in_bulk([one.face_id for one in near])
    others = [(found[one.face_id], one.cosine) for one in near if one.face_id in found and one.face_id != probe.pk]
    with transaction.atomic():
        shown = disclose(caller, collection, others, terms, probe=probe, limit=limit)
        if below:
            log_look(caller, collection, "neighbours", [match.face.uuid for match in shown])
    return tuple(Neighbour(match.face, match.score, terms.matches(match.cosine)) for match in shown)


def _mutual(collection: Collection, vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Return the cosines (n, n) of n templates with one another."""
    if not vectors:
        return np.zeros((0, 0))
    matrix = np.stack(vectors)
    cosines = scoring.cosines(collection, matrix, matrix, enrolled=True)
    np.fill_diagonal(cosines, 1.0)
    return cosines


def _scores(
    caller: Caller, collection: Collection, faces: Sequence[Face], cosines: np.ndarray, terms: Disclosure
) -> np.ndarray:
    """Return the scores (n, n) to show of n faces with one another, NaN for none; all pairs are charged as doubles.

    They are charged although they are one person's: a caller may have enrolled or moved a face to learn its scores.
    """
    places = list(combinations(range(len(faces)), 2))
    pairs = [(faces[one], faces[other], float(cosines[one, other])) for one, other in places]
    scores = np.full(cosines.shape, np.nan)
    np.fill_diagonal(scores, 100.0)
    for (one, other), score in zip(places, disclose_pairs(caller, collection, pairs, terms, most=DOUBLE), strict=True):
        scores[one, other] = scores[other, one] = np.nan if score is None else score
    return scores


def _table(scores: np.ndarray, reached: np.ndarray) -> tuple[tuple[Resemblance, ...], ...]:
    return tuple(
        tuple(
            Resemblance(None if np.isnan(score) else float(score), bool(match))
            for score, match in zip(row, matches, strict=False)
        )
        for row, matches in zip(scores, reached, strict=False)
    )


def move_faces(
    caller: Caller,
    *,
    collection: str,
    faces: Sequence[str],
    person: int | str | None = None,
    name: str = "",
    reason: str = "",
) -> Move:
    """Move faces to a person, or with None to a new one called `name`; a person without faces left is deleted.

    Raises:
        FaceNotFound: one of the faces is not in the collection.
        PersonNotFound: there is no such person.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        named = Face.objects.of(collection.tenant).filter(uuid__in=faces).select_related("person")
        moved = [face for face in named if face.collection_id == collection.pk]
        missing = set(faces) - {face.uuid for face in moved}
        if missing or not moved:
            raise FaceNotFound(next(iter(missing), ""))
        target = (
            save_person(collection, PersonDetails(name=name)) if person is None else find_person(collection, person)
        )
        undo = _move(caller, collection, moved, target, reason)
    return Move(target, undo)


def merge_people(caller: Caller, *, collection: str, person: int | str, other: int | str, reason: str = "") -> Move:
    """Move the faces of `other` to `person`, and delete `other`.

    Raises:
        PersonNotFound: one of them is not in the collection, or they are the same person.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, collection)
    with transaction.atomic():
        lock(collection)
        kept, gone = find_person(collection, person), find_person(collection, other)
        if kept == gone:
            raise PersonNotFound(str(other))
        undo = move_all(caller, collection, gone, kept, reason)
    return Move(kept, undo)


def move_all(caller: Caller, collection: Collection, gone: Person, kept: Person, reason: str = "") -> Undo:
    """Move all faces of a person to another, and delete the former, who may have none. Not an operation."""
    undo = _move(caller, collection, list(gone.faces.select_related("person")), kept, reason)
    Person.objects.of(collection.tenant).filter(pk=gone.pk).delete()
    return {**undo, "people": {str(gone.pk): _values(gone), **undo["people"]}}


def undo_move(caller: Caller, *, undo: Undo) -> Person | None:
    """Take a move or a merge back within UNDO_SECONDS: the faces return to their people, the deleted ones too.

    Returns one of these people; None: it is too late, or the faces were moved or erased since.
    """
    caller.require(Scope.ENROL)
    collection = find(caller, undo["collection"])
    if too_late(undo["at"]):
        return None
    with transaction.atomic():
        lock(collection)
        faces = Face.objects.of(collection.tenant).filter(pk__in=undo["faces"], person=undo["target"])
        found = {face.pk: face for face in faces.select_related("person")}
        people = Person.objects.of(collection.tenant).filter(collection=collection)
        taken = people.filter(reference__in=[values["reference"] for values in undo["people"].values()])
        if len(found) < len(undo["faces"]) or taken.exclude(pk__in=undo["people"]).exists():
            return None
        for pk, values in undo["people"].items():
            if not people.filter(pk=pk).exists():
                Person.unscoped.create(pk=int(pk), tenant=collection.tenant, collection=collection, **values)
                people.filter(pk=pk).update(created_at=values["created_at"])
        back_with: Person | None = None
        for before in sorted({*undo["faces"].values(), *map(int, undo["people"])}):
            back = [found[int(face)] for face, person in undo["faces"].items() if person == before]
            back_with = people.get(pk=before)
            _move(caller, collection, back, back_with, "undone")
    return back_with


def _values(person: Person) -> dict[str, Any]:
    """Return what a person's row holds, as JSON."""
    fields = ("reference", "external_id", "name", "age", "gender", "listing", "note")
    return {name: getattr(person, name) for name in fields} | {"created_at": person.created_at.isoformat()}


def _move(caller: Caller, collection: Collection, faces: list[Face], target: Person, reason: str) -> Undo:
    """Move the faces, delete people who lose their last one, and return what it takes to undo that."""
    losing = {face.person_id for face in faces} - {target.pk}
    Face.objects.of(collection.tenant).filter(pk__in=[face.pk for face in faces]).update(person=target)
    for face in faces:
        before = str(face.person_id)
        audit.record(caller, "face.moved", face, face=face.uuid, before=before, after=str(target.pk), reason=reason)
    gone = Person.objects.of(collection.tenant).filter(pk__in=losing, faces__isnull=True)
    deleted = {str(person.pk): _values(person) for person in gone}
    if deleted:
        gone.delete()
    return {
        "at": timezone.now().isoformat(),
        "collection": str(collection.pk),
        "target": target.pk,
        "faces": {str(face.pk): face.person_id for face in faces if face.person_id != target.pk},
        "people": deleted,
    }

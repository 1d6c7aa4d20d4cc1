"""Detect, compare and verify: what needs no gallery, or one face of it."""

from dataclasses import dataclass

import numpy as np
from django.db import transaction

from collections_app.errors import PersonNotFound
from collections_app.examine import Purpose, analyse, examine, naming
from collections_app.image_url import ImageUrl
from collections_app.models import Collection, Face
from collections_app.operations.budget import disclose, hidden_faces, refuse_probing
from collections_app.operations.collections import Alias, find
from collections_app.operations.data_subject import find_person
from collections_app.operations.disclosure import Disclosure, disclosure, log_look, of_images
from collections_app.operations.faces import find_face
from collections_app.operations.probing import watch_verifications
from recognition import packs
from recognition.errors import NoFace
from recognition.images import DEFAULT_LIMITS, ImageLimits
from recognition.index import face_index, store
from recognition.results import Analysis, DetectedFace
from recognition.similarity import Threshold
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class ComparedFace:
    """A face of the target, its score, and whether that reaches the threshold."""

    face: DetectedFace
    score: float
    match: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The largest face of the source held against every face of the target, most similar first."""

    source: Analysis
    target: Analysis
    faces: tuple[ComparedFace, ...]
    threshold: Threshold
    pack: str


@dataclass(frozen=True, slots=True)
class Verification:
    """An enrolled face held against the face of the image; `score` is None below the collection's floor."""

    collection: Collection
    face: Face
    seen: Analysis
    score: float | None
    match: bool
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class PersonVerification:
    """The face of a person that is most like the face of the image; below the floor any of theirs, and no score."""

    collection: Collection
    face: Face
    score: float | None
    match: bool
    threshold: Threshold


def detect(caller: Caller, *, image: bytes | ImageUrl, limits: ImageLimits = DEFAULT_LIMITS) -> Analysis:
    """Find the faces of an image, largest first; nothing is embedded or kept."""
    caller.require(Scope.SEARCH)
    return analyse(caller, image, embed=0, limits=limits)


def compare(
    caller: Caller,
    *,
    source: bytes | ImageUrl,
    target: bytes | ImageUrl,
    threshold: Threshold | None = None,
    pack: str = packs.DEFAULT,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Comparison:
    """Compare the largest face of one image with every face of another; nothing is kept, and there is no floor.

    Raises:
        ImageRefused: the "source" or the "target" cannot be used, and why.
        It cannot, too, where the source shows no face; a target without faces is an answer (decision H17).
    """
    caller.require(Scope.SEARCH)
    with naming("source"):
        first = analyse(caller, source, pack=pack, embed=1, limits=limits)
        if not first.faces:
            raise NoFace(first.turned)
    with naming("target"):
        second = analyse(caller, target, pack=pack, limits=limits)
    terms = of_images(pack, threshold)
    cosines = [(face, float(face.template @ first.faces[0].template)) for face in second.faces]
    faces = tuple(
        ComparedFace(face, score, terms.matches(cosine))
        for face, cosine in sorted(cosines, key=lambda pair: -pair[1])
        if (score := terms.score(cosine)) is not None
    )
    return Comparison(first, second, faces, terms.applied, pack)


def verify(
    caller: Caller,
    *,
    collection: str,
    face: str,
    image: bytes | ImageUrl,
    threshold: Threshold | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Verification:
    """Hold the largest face of the image against one enrolled face, at a threshold as in a search.

    Raises:
        NoFace: the image has none.
        ProbingRefused: the caller was told too much of one face.
    """
    caller.require(Scope.SEARCH)
    hidden_faces(caller)
    collection = find(caller, collection)
    enrolled = find_face(collection, face)
    examined = examine(caller, collection, image, purpose=Purpose.VERIFY, largest=True, limits=limits)
    terms = disclosure(caller, collection, threshold)
    score, match = verify_template(caller, collection, enrolled, examined.face.template, terms)
    return Verification(collection, enrolled, examined.analysis, score, match, terms.applied)


def verify_person(
    caller: Caller,
    *,
    collection: str | Alias,
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
    collection = find(caller, collection)
    faces = {face.pk: face for face in find_person(collection, person).faces.select_related("person")}
    probe = examine(caller, collection, image, purpose=Purpose.VERIFY, largest=True, limits=limits).face.template
    cosines = {pk: float(probe @ vector) for pk, vector in store.vectors(collection.gallery, list(faces)).items()}
    best = max(cosines, key=cosines.__getitem__, default=None)
    if best is None:
        raise PersonNotFound(str(person))  # their last face went just now
    terms = disclosure(caller, collection, threshold)
    with transaction.atomic():
        told = disclose(caller, collection, [(faces[best], cosines[best])], terms, probe="picture")
        # Which of them is nearest is an order, so without a score it is any.
        shown, score = (faces[best], told[0].score) if told else (faces[min(cosines)], None)
        if terms.below:
            log_look(caller, collection, "verify", [shown.uuid])
        watch_verifications(caller, faces[best])
    return PersonVerification(collection, shown, score, terms.matches(cosines[best]), terms.applied)


def verify_template(
    caller: Caller, collection: Collection, enrolled: Face, template: np.ndarray, terms: Disclosure
) -> tuple[float | None, bool]:
    """Hold a template against an enrolled face; return the score that is told, if any, and whether it is a match.

    Not an operation of its own: operations say their scope first, and refuse whoever was told too much.
    """
    cosine = float(template @ face_index().vector(collection.gallery, enrolled.pk))
    with transaction.atomic():
        told = disclose(caller, collection, [(enrolled, cosine)], terms, probe="picture")
        if terms.below:
            log_look(caller, collection, "verify", [enrolled.uuid])
        watch_verifications(caller, enrolled)
    return (told[0].score if told else None), bool(told) and terms.matches(cosine)

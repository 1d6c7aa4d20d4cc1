"""Detect, compare and verify: operations on images alone, or on one person's enrolled faces."""

from dataclasses import dataclass

import numpy as np
from django.db import transaction

from collections_app import scoring
from collections_app.errors import PersonNotFound
from collections_app.examine import (
    Purpose,
    analyse,
    analyse_crop,
    examine,
    naming,
    recognisable,
    refuse_unrecognisable,
    require_face,
)
from collections_app.image_url import ImageUrl
from collections_app.models import Collection, Face
from collections_app.operations.budget import disclose, hidden_faces
from collections_app.operations.collections import Alias, find
from collections_app.operations.disclosure import Disclosure, disclosure, log_look, of_images
from collections_app.operations.faces import find_face
from collections_app.operations.probing import watch_verifications
from collections_app.operations.references import find_person
from recognition import packs
from recognition.images import DEFAULT_LIMITS, ImageLimits
from recognition.index import face_index, store
from recognition.results import EVERY_FACE, Analysis, DetectedFace, Liveness, Selection
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
    """The largest face of the source compared with every face of the target, most similar first."""

    source: Analysis
    target: Analysis
    faces: tuple[ComparedFace, ...]
    threshold: Threshold
    pack: str


@dataclass(frozen=True, slots=True)
class Verification:
    """An enrolled face compared with the face of the image; `score` is None below the collection's floor."""

    collection: Collection
    face: Face
    seen: Analysis
    score: float | None
    match: bool
    threshold: Threshold


@dataclass(frozen=True, slots=True)
class PersonVerification:
    """The person's face most similar to the face of the image; below the floor any of theirs, with no score."""

    collection: Collection
    face: Face
    score: float | None
    match: bool
    threshold: Threshold


def detect(
    caller: Caller,
    *,
    image: bytes | ImageUrl,
    embed: bool = False,
    liveness: int = 0,
    selection: Selection = EVERY_FACE,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Analysis:
    """Find the faces of an image, largest first, with `embed` also their embeddings; nothing is kept.

    The `liveness` largest get a liveness score.

    Raises:
        NoFace: the selection requires a face, and there is none.
    """
    caller.require(Scope.SEARCH)
    embedded = selection.among if embed else 0
    return selection.of(analyse(caller, image, embed=embedded, liveness=liveness, limits=limits))


def assess_crop(caller: Caller, *, image: bytes | ImageUrl, limits: ImageLimits = DEFAULT_LIMITS) -> Liveness:
    """Return the liveness of the face that fills the image; nothing is detected or kept."""
    caller.require(Scope.SEARCH)
    return analyse_crop(caller, image, limits=limits)


def compare(
    caller: Caller,
    *,
    source: bytes | ImageUrl,
    target: bytes | ImageUrl,
    threshold: Threshold | None = None,
    pack: str = packs.DEFAULT,
    gate: str = "none",
    liveness: int = 0,
    one: bool = False,
    selection: Selection = EVERY_FACE,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Comparison:
    """Compare the largest face of one image with every face of another; nothing is kept, and there is no floor.

    `one`: the source may show one face only. Both images have the selected faces only, and the target none that fails
    the quality gate. The source's face and the `liveness` largest of the target get a liveness score.

    Raises:
        ImageRefused: the "source" or the "target" cannot be used, with the reason; also if the source shows no face,
            or one that fails the quality gate.
            A target without faces is no error unless the selection requires one (decision H17).
    """
    caller.require(Scope.SEARCH)
    with naming("source"):
        embed = None if selection.confidence else 1  # which face is the first is known only after detection
        found = analyse(caller, source, pack=pack, embed=embed, liveness=min(liveness, 1), limits=limits)
        first = selection.of(found)
        require_face(first, only=one)
        refuse_unrecognisable(first.faces[0], limits, gate)
    with naming("target"):
        found = analyse(caller, target, pack=pack, embed=selection.among, liveness=liveness, limits=limits)
        second = selection.of(found)
    terms = of_images(pack, threshold)
    others = [face for face in second.faces if recognisable(face, limits, gate)]
    cosines = [(face, float(face.template @ first.faces[0].template)) for face in others]
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
    liveness: int = 0,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Verification:
    """Compare the largest face of the image with one enrolled face; `threshold` and `liveness` as in a search.

    Raises:
        NoFace: the image has none.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.SEARCH)
    hidden_faces(caller, several=1)  # refuses a caller that probes; disclose() hides the faces
    collection = find(caller, collection)
    enrolled = find_face(collection, face)
    examined = examine(
        caller, collection, image, purpose=Purpose.VERIFY, largest=True, liveness=liveness, limits=limits
    )
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
    """Compare the largest face of the image with every face of one person; `threshold` as in a search.

    Raises:
        PersonNotFound: the collection holds no such person.
        NoFace: the image has none.
        ProbingRefused: the caller has reached the limit of a face (operations.budget).
    """
    caller.require(Scope.SEARCH)
    hidden_faces(caller, several=1)  # refuses a caller that probes; disclose() hides the faces
    collection = find(caller, collection)
    faces = {face.pk: face for face in find_person(collection, person).faces.select_related("person")}
    probe = examine(caller, collection, image, purpose=Purpose.VERIFY, largest=True, limits=limits).face.template
    vectors = store.vectors(collection.gallery, list(faces))
    if not vectors:
        raise PersonNotFound(str(person))  # their last face was erased just now
    scored = scoring.cosines(collection, probe, np.stack(list(vectors.values())))
    cosines = dict(zip(vectors, scored.tolist(), strict=True))
    terms = disclosure(caller, collection, threshold)
    with transaction.atomic():
        found = [(faces[pk], cosine) for pk, cosine in sorted(cosines.items(), key=lambda one: -one[1])]
        best = next(iter(disclose(caller, collection, found, terms, probe="picture", limit=1)), None)
        # Which face is nearest is an order, so without a score any face is shown.
        shown, score = (best.face, best.score) if best else (faces[min(cosines)], None)
        if terms.below:
            log_look(caller, collection, "verify", [shown.uuid])
        watch_verifications(caller, shown)
    return PersonVerification(collection, shown, score, bool(best and terms.matches(best.cosine)), terms.applied)


def verify_template(
    caller: Caller, collection: Collection, enrolled: Face, template: np.ndarray, terms: Disclosure
) -> tuple[float | None, bool]:
    """Compare a template with an enrolled face; return the score to show, if any, and whether it is a match.

    Not an operation: callers check the scope and the budget first.
    """
    (cosine,) = scoring.cosines(
        collection, template, face_index().vector(collection.gallery, enrolled.pk)[None]
    ).tolist()
    with transaction.atomic():
        matches = disclose(caller, collection, [(enrolled, cosine)], terms, probe=terms.probe)
        if terms.below:
            log_look(caller, collection, "verify", [enrolled.uuid])
        watch_verifications(caller, enrolled)
    return (matches[0].score if matches else None), bool(matches) and terms.matches(cosine)

"""Detect, compare and verify: what needs no gallery, or one face of it."""

from dataclasses import dataclass

import numpy as np
from django.db import transaction

from collections_app.errors import ImageRefused, ImageUrlRefused, ImageUrlTimeout
from collections_app.fetch import ImageUrl, load
from collections_app.models import Collection, Face
from collections_app.operations.budget import tell, withdrawn
from collections_app.operations.collections import find
from collections_app.operations.disclosure import Disclosure, disclosure, log_look, of_images
from collections_app.operations.faces import find_face
from collections_app.operations.probing import watch_verifications
from recognition import packs, pipeline
from recognition.admission import admit
from recognition.errors import Busy, ModelUnavailable, NoFace, RecognitionError, UnknownPack
from recognition.index import face_index
from recognition.pipeline.decode import DEFAULT_LIMITS, ImageLimits
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


def detect(caller: Caller, *, image: bytes | ImageUrl, limits: ImageLimits = DEFAULT_LIMITS) -> Analysis:
    """Find the faces of an image, largest first; nothing is embedded or kept."""
    caller.require(Scope.SEARCH)
    content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
    with admit(caller.tenant.pk):
        return pipeline.analyse(content, limits=limits, embed=0)


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
    first = _seen(caller, "source", source, pack=pack, limits=limits, embed=1)
    if not first.faces:
        raise ImageRefused("source", NoFace())
    second = _seen(caller, "target", target, pack=pack, limits=limits)
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
    withdrawn(caller)
    home = find(caller, collection)
    enrolled = find_face(home, face)
    content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
    with admit(caller.tenant.pk):
        seen = pipeline.analyse(content, pack=home.pack, limits=limits, embed=1)
    if not seen.faces:
        raise NoFace
    terms = disclosure(caller, home, threshold)
    score, match = verify_template(caller, home, enrolled, seen.faces[0].template, terms)
    return Verification(home, enrolled, seen, score, match, terms.applied)


def verify_template(
    caller: Caller, home: Collection, enrolled: Face, template: np.ndarray, terms: Disclosure
) -> tuple[float | None, bool]:
    """Hold a template against an enrolled face; return the score that is told, if any, and whether it is a match.

    Not an operation of its own: operations say their scope first, and refuse whoever was told too much.
    """
    cosine = float(template @ face_index().vector(home.gallery, enrolled.pk))
    with transaction.atomic():
        told = tell(caller, home, [(enrolled, cosine)], terms, picture=True)
        if terms.below:
            log_look(caller, home, "verify", [enrolled.uuid])
        watch_verifications(caller, enrolled)
    return (told[0].score if told else None), bool(told) and terms.matches(cosine)


def _seen(
    caller: Caller,
    which: str,
    image: bytes | ImageUrl,
    *,
    pack: str,
    limits: ImageLimits,
    embed: int | None = None,
) -> Analysis:
    """Look at one of two images; what is wrong with it is told with its name."""
    try:
        content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
        with admit(caller.tenant.pk):
            return pipeline.analyse(content, pack=pack, limits=limits, embed=embed)
    except (Busy, ModelUnavailable, UnknownPack):
        raise
    except (RecognitionError, ImageUrlRefused, ImageUrlTimeout) as error:
        raise ImageRefused(which, error) from error

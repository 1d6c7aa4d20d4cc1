"""Detect, compare and verify: what needs no gallery, or one face of it."""

from dataclasses import dataclass

from django.db import transaction

from collections_app.errors import ImageRefused, ImageUrlRefused, ImageUrlTimeout
from collections_app.fetch import ImageUrl, load
from collections_app.models import Collection, Face
from collections_app.operations.collections import find
from collections_app.operations.faces import find_face
from collections_app.operations.probing import watch_verifications
from recognition import packs, pipeline
from recognition.errors import Busy, ModelUnavailable, NoFace, RecognitionError, UnknownPack
from recognition.index import face_index
from recognition.pipeline.decode import DEFAULT_LIMITS, ImageLimits
from recognition.results import Analysis, DetectedFace
from recognition.turns import turn
from tenants.access import Caller, Scope


@dataclass(frozen=True, slots=True)
class Comparison:
    """The largest face of the source, and every face of the target with its cosine to it, most similar first."""

    source: Analysis
    target: Analysis
    cosines: tuple[tuple[DetectedFace, float], ...]
    pack: str


@dataclass(frozen=True, slots=True)
class Verification:
    """An enrolled face, the face of the image, and their cosine."""

    collection: Collection
    face: Face
    seen: Analysis
    cosine: float


def detect(caller: Caller, *, image: bytes | ImageUrl, limits: ImageLimits = DEFAULT_LIMITS) -> Analysis:
    """Find the faces of an image, largest first; nothing is embedded or kept."""
    caller.require(Scope.SEARCH)
    content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
    with turn(caller.tenant.pk):
        return pipeline.analyse(content, limits=limits, embed=0)


def compare(
    caller: Caller,
    *,
    source: bytes | ImageUrl,
    target: bytes | ImageUrl,
    pack: str = packs.DEFAULT,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Comparison:
    """Compare the largest face of one image with every face of another; nothing is kept.

    Raises:
        ImageRefused: the "source" or the "target" cannot be used, and why.
        NoFace: the source has none. A target without faces is an answer, not an error (decision H17).
    """
    caller.require(Scope.SEARCH)
    first = _seen(caller, "source", source, pack=pack, limits=limits, embed=1)
    if not first.faces:
        raise NoFace
    second = _seen(caller, "target", target, pack=pack, limits=limits)
    cosines = [(face, float(face.template @ first.faces[0].template)) for face in second.faces]
    return Comparison(first, second, tuple(sorted(cosines, key=lambda pair: -pair[1])), pack)


def verify(
    caller: Caller, *, collection: str, face: str, image: bytes | ImageUrl, limits: ImageLimits = DEFAULT_LIMITS
) -> Verification:
    """Compare the largest face of the image with one enrolled face; the caller decides.

    Raises:
        NoFace: the image has none.
    """
    caller.require(Scope.SEARCH)
    home = find(caller, collection)
    enrolled = find_face(home, face)
    content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
    with turn(caller.tenant.pk):
        seen = pipeline.analyse(content, pack=home.pack, limits=limits, embed=1)
    if not seen.faces:
        raise NoFace
    template = face_index().vector(home.gallery, enrolled.pk)
    with transaction.atomic():
        watch_verifications(caller, enrolled)
    return Verification(home, enrolled, seen, float(seen.faces[0].template @ template))


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
        with turn(caller.tenant.pk):
            return pipeline.analyse(content, pack=pack, limits=limits, embed=embed)
    except (Busy, ModelUnavailable, UnknownPack):
        raise
    except (RecognitionError, ImageUrlRefused, ImageUrlTimeout) as error:
        raise ImageRefused(which, error) from error

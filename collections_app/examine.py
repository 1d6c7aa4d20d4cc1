"""The first half of a request with an image: load it, wait for admission, analyse it, check it against the policy.

Pixels first, rows second: nothing here opens a transaction.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from collections_app import galleries
from collections_app.errors import ImageRefused, ImageUrlRefused, ImageUrlTimeout
from collections_app.image_url import ImageUrl, load
from collections_app.models import Collection, new_uuid
from recognition import packs, pipeline
from recognition.admission import admit
from recognition.errors import (
    Busy,
    LivenessUnsure,
    LowQuality,
    ModelUnavailable,
    NoFace,
    RecognitionError,
    SeveralFaces,
    SpoofSuspected,
    UnknownPack,
    Unrecognisable,
)
from recognition.images import DEFAULT_LIMITS, READABLE, ImageLimits
from recognition.pipeline.decode import decode
from recognition.results import (
    EVERY_FACE,
    Advice,
    Analysis,
    DetectedFace,
    Floats,
    Landmarks,
    Liveness,
    Pixels,
    QualityReason,
    Selection,
    Verdict,
)
from tenants.access import Caller

MOST_FACES = 100  # that the pipeline finds in an image
KEPT_LIMITS = ImageLimits(formats=READABLE)


class Purpose(Enum):
    """Why an image is examined, which decides the checks of the collection's policy."""

    ENROL = "enrol"  # liveness if the policy asks for it on enrolment, and the quality gate
    SEARCH = "search"  # liveness if the policy asks for it on search
    VERIFY = "verify"  # no check


@dataclass(frozen=True, slots=True)
class Examined:
    """An image that the policy accepts: its bytes, its analysis, and the requested faces, largest first.

    `id` is new; it identifies the image if anything of it is stored. `other_templates` are those of the faces by the
    packs of the collection's other galleries, if it is to be enrolled.
    """

    content: bytes
    analysis: Analysis
    faces: tuple[DetectedFace, ...]
    id: str = field(default_factory=new_uuid)
    other_templates: Mapping[str, Sequence[Floats]] = field(default_factory=dict)

    @property
    def face(self) -> DetectedFace:
        """The largest of the requested faces."""
        return self.faces[0]

    @property
    def others(self) -> tuple[DetectedFace, ...]:
        """The faces that were not asked for, or cannot be told from others, largest first."""
        return tuple(face for face in self.analysis.faces if face not in self.faces)


def examine(
    caller: Caller,
    collection: Collection,
    image: bytes | ImageUrl,
    *,
    purpose: Purpose,
    largest: bool = False,
    at_most: int | None = None,
    gate: str | None = None,
    liveness: int = 0,
    selection: Selection = EVERY_FACE,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Examined:
    """Return the one face of an image with its template, or with `largest` the largest of several.

    Only faces of the `selection` count. With `at_most`: up to that many of the largest faces, without unrecognisable
    ones (decisions R20, H33), and an image without a face is no error. `gate` is a quality gate of the request: with
    `at_most` the faces that fail it or the collection's are left out, else the one face is refused. The `liveness`
    largest faces get a liveness score, which refuses none of them unless the policy says so.

    Raises:
        NoFace, SeveralFaces: the image does not show one face.
        Unrecognisable: the one face cannot be told from others, whatever the policy.
        LowQuality: the one face is beyond the limits of faces.
        SpoofSuspected, LivenessUnsure, LowQuality: the policy refused a face.
        The errors of `analyse`.
    """
    checked = {Purpose.ENROL: collection.liveness_on_enrol, Purpose.SEARCH: collection.liveness_on_search}
    wanted = 1 if at_most is None else at_most
    content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
    must_live = checked.get(purpose, False)
    assessed = max(liveness, wanted) if must_live else liveness
    selecting = selection.confidence or selection.point  # which faces are left is known only after detection
    embed = None if selecting else wanted
    assessed = MOST_FACES if selecting and must_live else assessed
    found = analyse(caller, content, pack=collection.pack, embed=embed, liveness=assessed, limits=limits)
    found = selection.of(found)
    if at_most is None:
        require_face(found, only=not largest)
        refuse_unrecognisable(found.faces[0], limits, gate or "none")
    gates = (gate, collection.quality_gate) if gate and at_most is not None else ()
    faces = tuple(face for face in found.faces[:wanted] if recognisable(face, limits, *gates))
    for face in faces:
        _check(collection, face, purpose, must_live=must_live)
    others = _other_templates(caller, collection, found, faces) if purpose is Purpose.ENROL else {}
    return Examined(content, found, faces, other_templates=others)


def _other_templates(
    caller: Caller, collection: Collection, found: Analysis, faces: Sequence[DetectedFace]
) -> dict[str, Sequence[Floats]]:
    """Return the faces' templates by the packs of the galleries that searches do not read."""
    if not collection.changing:
        return {}
    packs_ = [one.pack for one in galleries.of_collection(collection.tenant, collection.pk)]
    points = [face.landmarks for face in faces]
    with admit(caller.tenant.pk, job=caller.job):
        return {pack: list(pipeline.embed_at(found.pixels, points, pack)) for pack in packs_ if pack != collection.pack}


def embed_kept(caller: Caller, content: bytes, points: Callable[[Pixels], Sequence[Landmarks]], pack: str) -> Floats:
    """Wait for admission and return the templates (n, d) of faces of a kept image, by another pack.

    `points` returns the faces' landmarks in the decoded image.

    Raises:
        The errors of `analyse`.
    """
    with admit(caller.tenant.pk, job=caller.job):
        pixels = decode(content, KEPT_LIMITS)
        return pipeline.embed_at(pixels, points(pixels), pack)


def analyse(
    caller: Caller,
    image: bytes | ImageUrl,
    *,
    pack: str = packs.DEFAULT,
    embed: int | None = None,
    liveness: int = 0,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Analysis:
    """Wait for admission and run the pipeline on an image, without a policy.

    Raises:
        ImageUrlRefused, ImageUrlTimeout: the image cannot be fetched.
        Busy: too many requests are waiting.
        The errors of recognition.pipeline.analyse.
    """
    content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
    with admit(caller.tenant.pk, job=caller.job):
        return pipeline.analyse(content, pack=pack, limits=limits, embed=embed, liveness=liveness)


def analyse_crop(caller: Caller, image: bytes | ImageUrl, *, limits: ImageLimits) -> Liveness:
    """Wait for admission and return the liveness of the face that fills an image.

    Raises:
        The errors of `analyse`.
    """
    content = load(image, lane=caller.tenant.pk, max_bytes=limits.max_bytes)
    with admit(caller.tenant.pk, job=caller.job):
        return pipeline.assess_crop(content, limits=limits)


@contextmanager
def naming(which: str) -> Iterator[None]:
    """Turn the refusal of one of several images into ImageRefused, which says which image it is."""
    try:
        yield
    except (Busy, ModelUnavailable, UnknownPack):
        raise
    except (RecognitionError, ImageUrlRefused, ImageUrlTimeout) as error:
        raise ImageRefused(which, error) from error


def require_face(found: Analysis, *, only: bool) -> None:
    """Refuse an image without a face, and with `only` one with several.

    Raises:
        NoFace, SeveralFaces: so it is.
    """
    if not found.faces:
        raise NoFace
    if only and len(found.faces) > 1:
        raise SeveralFaces(len(found.faces), [face.box for face in found.faces])


def recognisable(face: DetectedFace, limits: ImageLimits, *gates: str) -> bool:
    """Return whether the face can be told from others, passes the quality gates and is within the limits of faces."""
    return not (face.quality.floor_reasons or any(map(face.quality.failed, gates)) or _beyond(face, limits))


def refuse_unrecognisable(face: DetectedFace, limits: ImageLimits, gate: str = "none") -> None:
    """Refuse a face that is not recognisable.

    Raises:
        Unrecognisable: it cannot be told from others, whatever the policy.
        LowQuality: it fails the quality gate or the limits of faces.
    """
    if face.quality.floor_reasons:
        raise Unrecognisable(face.quality.floor_reasons)
    if reasons := face.quality.failed(gate):
        raise LowQuality(reasons)
    if beyond := _beyond(face, limits):
        raise LowQuality(tuple(beyond), f" ({', '.join(beyond.values())})")


def _beyond(face: DetectedFace, limits: ImageLimits) -> dict[QualityReason, str]:
    """Return the limits of faces that the face is beyond: what it has, and what is allowed."""
    turn = max(abs(face.pose.yaw), abs(face.pose.pitch))
    beyond = {}
    if face.box.side < limits.min_face:
        beyond[QualityReason.SMALL_FACE] = f"{face.box.side:.0f} pixels, at least {limits.min_face}"
    if turn > limits.max_turn:
        beyond[QualityReason.EXTREME_POSE] = f"turned by {turn:.0f} degrees, at most {limits.max_turn}"
    return beyond


def refuse_lifeless(liveness: Liveness, threshold: float) -> None:
    """Refuse a face that is not live, or of which that cannot be told."""
    verdict = liveness.verdict(threshold)
    if verdict is Verdict.UNSURE:
        raise LivenessUnsure(liveness.advice or Advice.FURTHER_AWAY)
    if verdict is Verdict.SPOOF:
        raise SpoofSuspected(liveness.score, threshold)


def _check(collection: Collection, face: DetectedFace, purpose: Purpose, *, must_live: bool) -> None:
    if must_live and face.liveness:
        refuse_lifeless(face.liveness, collection.liveness_threshold)
    if purpose is Purpose.ENROL and (reasons := face.quality.failed(collection.quality_gate)):
        raise LowQuality(reasons)

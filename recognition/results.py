"""The results of the pipeline: frozen values in pixels, degrees and cosines.

Coordinates are pixels of the upright image, x to the right and y downwards.
"""

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from recognition.errors import NoFace

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""(height, width, 3), blue-green-red."""

Floats: TypeAlias = npt.NDArray[np.float32]

Landmarks: TypeAlias = npt.NDArray[np.float32]
"""(5, 2): left eye, right eye, nose tip, left and right mouth corner, as seen in the image when the face is upright."""


_NO_DOUBT = 0.05  # liveness that no live close-up of the development data fell below (docs/accuracy.md)


class QualityReason(StrEnum):
    """Why a face is not good enough."""

    SMALL_FACE = "small_face"
    EXTREME_POSE = "extreme_pose"
    LOW_SHARPNESS = "low_sharpness"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    CUT_BY_EDGE = "cut_by_edge"
    LOW_CONFIDENCE = "low_confidence"
    UNRECOGNISABLE = "unrecognisable"
    NOT_HUMAN = "not_human"


@dataclass(frozen=True, slots=True)
class Box:
    """Where a face is. The box may extend beyond the image, as the face may."""

    x: float
    y: float
    width: float
    height: float

    @property
    def side(self) -> float:
        """The shorter side."""
        return min(self.width, self.height)


@dataclass(frozen=True, slots=True)
class Pose:
    """Head pose in degrees; all angles are 0 when the face looks into the camera.

    Positive yaw is turned to the image's right, positive pitch is up, positive roll is clockwise in the image.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Quality:
    """The measured quality of a face, and why each gate refuses it.

    Sharpness and brightness are measured on the aligned face, in the units of recognition.pipeline.quality; `face_size`
    is the shorter side of the box in pixels. `length` is that of the embedder's raw vector, None if the face was not
    embedded. `expected_miss`: how likely a good photograph of the same person fails to match (None: the pack does not
    say). `floor_reasons` say why the face cannot be told from others, whatever the gate.
    """

    sharpness: float
    brightness: float
    face_size: float
    reasons: tuple[QualityReason, ...] = ()
    strict_reasons: tuple[QualityReason, ...] = ()
    floor_reasons: tuple[QualityReason, ...] = ()
    length: float | None = None
    expected_miss: float | None = None

    def failed(self, gate: str) -> tuple[QualityReason, ...]:
        """Return why the gate "none", "standard" or "strict" refuses the face; empty if it accepts the face.

        Raises:
            KeyError: there is no such gate.
        """
        return {"none": (), "standard": self.reasons, "strict": self.strict_reasons}[gate]


class Advice(StrEnum):
    """How a person can show more of what surrounds their face."""

    TO_THE_MIDDLE = "come closer to the middle"
    FURTHER_AWAY = "move further away"


class Move(StrEnum):
    """What a liveness challenge asks a person to do: left and right are the person's own."""

    LEFT = "turn_left"
    RIGHT = "turn_right"
    CLOSER = "come_closer"


class Doubt(StrEnum):
    """Why the pictures of a liveness challenge do not show a live person who moved as asked."""

    PICTURE = "looks_like_a_picture"
    OTHER_PERSON = "not_the_same_person"
    NOT_TURNED = "did_not_turn_as_asked"
    NOT_CLOSER = "did_not_come_closer"
    FLAT = "moves_like_a_flat_picture"
    REPLAYED = "was_sent_before"


class Verdict(StrEnum):
    """What a liveness score means at a threshold."""

    LIVE = "live"
    SPOOF = "spoof"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Liveness:
    """A liveness score: 0 for a picture of a face, 1 for a live face in front of the camera.

    `advice` is there if the image shows so little around the face that a low score may be wrong; `blind`: so little
    that no score says anything.
    """

    score: float
    advice: Advice | None = None
    blind: bool = False

    def verdict(self, threshold: float) -> Verdict:
        """Return what the score means: a close-up is a spoof only if its score leaves no doubt."""
        if self.blind:
            return Verdict.UNSURE
        if self.score >= threshold:
            return Verdict.LIVE
        return Verdict.UNSURE if self.advice and self.score >= _NO_DOUBT else Verdict.SPOOF


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """One face of an image; its embedding is a float32 unit vector in the space of the requested pack.

    `points` are the landmarks from which the five come, (68, 2) in the order of recognition.pipeline.landmarks.
    `rotated`: the degrees by which the image was turned clockwise to show the face upright. Box, landmarks, points and
    pose are in the image before that.
    """

    box: Box
    landmarks: Landmarks = field(repr=False)
    confidence: float
    pose: Pose
    quality: Quality
    liveness: Liveness | None = None
    embedding: Floats | None = field(default=None, repr=False)
    rotated: int = 0
    points: Floats | None = field(default=None, repr=False)

    @property
    def template(self) -> Floats:
        """The embedding, which must be present.

        Raises:
            ValueError: the pipeline did not embed this face.
        """
        if self.embedding is None:
            raise ValueError("The face was not embedded.")
        return self.embedding


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """An image, upright by its metadata and possibly shrunk, and its faces, largest first."""

    width: int
    height: int
    faces: tuple[DetectedFace, ...]
    pixels: Pixels = field(repr=False)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which faces of an image are meant: the `limit` largest (0: all) with at least this confidence of the detector.

    `point`: only the face whose box has its centre nearest to this place, in pixels of the upright image. `required`:
    an image without such a face is refused.
    """

    limit: int = 0
    confidence: float = 0.0
    required: bool = False
    point: tuple[float, float] | None = None

    @property
    def among(self) -> int | None:
        """How many of the largest faces include the selected ones; None: all, since detection decides."""
        return None if self.confidence or self.point else self.limit or None

    def of(self, found: Analysis) -> Analysis:
        """Return the analysis with these faces only.

        Raises:
            NoFace: there is none, and one is required.
        """
        faces = tuple(face for face in found.faces if face.confidence >= self.confidence)
        if self.point:
            faces = tuple(sorted(faces, key=self._distance)[:1])
        faces = faces[: self.limit or None]
        if self.required and not faces:
            raise NoFace
        return replace(found, faces=faces)

    def _distance(self, face: DetectedFace) -> float:
        (x, y), box = self.point or (0.0, 0.0), face.box
        return math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y)


EVERY_FACE = Selection()

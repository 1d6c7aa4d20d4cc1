"""What the pipeline answers: frozen values, in pixels, degrees and cosines.

Coordinates are pixels of the upright image, x to the right and y downwards.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""(height, width, 3), blue-green-red."""

Floats: TypeAlias = npt.NDArray[np.float32]

Landmarks: TypeAlias = npt.NDArray[np.float32]
"""(5, 2): the eye at the image's left, the eye at its right, nose tip, mouth corner at its left, mouth corner at its
right."""


class QualityReason(StrEnum):
    """Why a face is not good enough."""

    SMALL_FACE = "small_face"
    EXTREME_POSE = "extreme_pose"
    LOW_SHARPNESS = "low_sharpness"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    CUT_BY_EDGE = "cut_by_edge"
    LOW_CONFIDENCE = "low_confidence"


@dataclass(frozen=True, slots=True)
class Box:
    """A face's place. It may reach beyond the image, where the face does."""

    x: float
    y: float
    width: float
    height: float

    @property
    def side(self) -> float:
        """The shorter of its sides."""
        return min(self.width, self.height)


@dataclass(frozen=True, slots=True)
class Pose:
    """Which way a face looks, in degrees, all 0 when it looks into the camera.

    Positive yaw is turned to the image's right, positive pitch is up, positive roll is clockwise in the image.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face shows, and what is wrong with it at either gate.

    Sharpness and brightness are of the aligned face, in recognition.pipeline.quality's units; `face_size` is the box's
    shorter side in pixels.
    """

    sharpness: float
    brightness: float
    face_size: float
    reasons: tuple[QualityReason, ...] = ()
    strict_reasons: tuple[QualityReason, ...] = ()

    def failed(self, gate: str) -> tuple[QualityReason, ...]:
        """Return why the gate "none", "standard" or "strict" refuses the face; empty when it does not.

        Raises:
            KeyError: there is no such gate.
        """
        return {"none": (), "standard": self.reasons, "strict": self.strict_reasons}[gate]


@dataclass(frozen=True, slots=True)
class Liveness:
    """How much a face looks like a person in front of the camera: 0 a picture of a face, 1 a live face."""

    score: float


@dataclass(frozen=True, slots=True, eq=False)
class DetectedFace:
    """One face of an image; its embedding is a float32 unit vector in the space of the pack that was asked for."""

    box: Box
    landmarks: Landmarks = field(repr=False)
    confidence: float
    pose: Pose
    quality: Quality
    liveness: Liveness | None = None
    embedding: Floats | None = field(default=None, repr=False)

    @property
    def template(self) -> Floats:
        """The embedding of a face that was to be embedded.

        Raises:
            ValueError: the pipeline was not asked to embed this face.
        """
        if self.embedding is None:
            raise ValueError("The face was not embedded.")
        return self.embedding


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """An image, upright and possibly shrunk, and its faces, largest first.

    `turned`: of an image without faces, by how many degrees, clockwise, it has to be turned to show one; 0: by none.
    """

    width: int
    height: int
    faces: tuple[DetectedFace, ...]
    pixels: Pixels = field(repr=False)
    turned: int = 0

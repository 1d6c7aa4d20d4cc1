"""How well a face shows, and what is wrong with it.

Thresholds were read from the distributions over the verification photographs: the standard gate refuses about the worst
1 % of them on each count, the strict gate about the worst 5 %.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from recognition.results import Box, Pixels, Pose, Quality, QualityReason


@dataclass(frozen=True, slots=True)
class _Gate:
    """The bounds of a gate, in the units of Quality and Pose."""

    face_size: float
    yaw: float
    pitch: float
    sharpness: float
    darkest: float
    brightest: float
    confidence: float
    inside: float


_STANDARD = _Gate(
    face_size=40, yaw=50, pitch=40, sharpness=30, darkest=0.15, brightest=0.9, confidence=0.75, inside=0.8
)
_STRICT = _Gate(face_size=80, yaw=30, pitch=25, sharpness=60, darkest=0.25, brightest=0.8, confidence=0.85, inside=0.95)


def assess(aligned: Pixels, box: Box, pose: Pose, confidence: float, image: tuple[int, int]) -> Quality:
    """Judge a face by its aligned crop (112, 112, 3), blue-green-red, its box, and the (height, width) of its image.

    Sharpness is the variance of the Laplacian of the gray crop (Pech-Pacheco et al., 2000), brightness its mean of 0
    to 1.
    """
    gray = cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY)
    sharpness = float(cv2.Laplacian(gray, cv2.CV_64F).var())
    brightness = float(np.mean(gray)) / 255
    measured = (sharpness, brightness, box.side, _inside(box, image), pose, confidence)
    return Quality(sharpness, brightness, box.side, _reasons(_STANDARD, *measured), _reasons(_STRICT, *measured))


def _inside(box: Box, image: tuple[int, int]) -> float:
    """Return the share of the box that lies in the image."""
    height, width = image
    wide = min(box.x + box.width, width) - max(box.x, 0)
    high = min(box.y + box.height, height) - max(box.y, 0)
    return max(wide, 0) * max(high, 0) / box.area


def _reasons(  # noqa: PLR0917 -- one measurement each
    gate: _Gate, sharpness: float, brightness: float, size: float, inside: float, pose: Pose, confidence: float
) -> tuple[QualityReason, ...]:
    checks = {
        QualityReason.SMALL_FACE: size < gate.face_size,
        QualityReason.EXTREME_POSE: abs(pose.yaw) > gate.yaw or abs(pose.pitch) > gate.pitch,
        QualityReason.LOW_SHARPNESS: sharpness < gate.sharpness,
        QualityReason.TOO_DARK: brightness < gate.darkest,
        QualityReason.TOO_BRIGHT: brightness > gate.brightest,
        QualityReason.CUT_BY_EDGE: inside < gate.inside,
        QualityReason.LOW_CONFIDENCE: confidence < gate.confidence,
    }
    return tuple(reason for reason, failed in checks.items() if failed)

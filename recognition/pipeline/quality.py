"""Quality of a face: the measures, and the gates that decide whether it can be recognised."""

from dataclasses import dataclass

import cv2
import numpy as np

from recognition.packs import Lengths
from recognition.results import Box, Pixels, Pose, Quality, QualityReason


@dataclass(frozen=True, slots=True)
class Gate:
    """The requirements on a face. Sizes are in pixels, angles in degrees either way, brightness is 0 to 1.

    What is left out is not required. Little detail counts only if it is as uneven as `evenness`, or more.
    """

    detail: float
    evenness: float = 1
    face_size: float = 0
    yaw: float = 180
    pitch: float = 180
    sharpness: float = 0
    darkest: float = 0
    brightest: float = 1
    shown: float = 0
    confidence: float = 0


# Size, sharpness and brightness were measured: the faces of 101 photographs were degraded step by step and compared
# with the originals. The median cosine is about .9 at the standard gate, and .95 or more at the strict gate.
# Detail separates blur, even along one direction, from darkness and noise: of 100 portraits, 99 % are above .020; with
# 25 of 250 pixels of blur in any direction, 95 % are below .008.
STANDARD = Gate(
    detail=0.008, face_size=28, yaw=45, pitch=35, sharpness=15, darkest=0.08, brightest=0.84, shown=0.8, confidence=0.75
)
STRICT = Gate(
    detail=0.015, face_size=48, yaw=25, pitch=20, sharpness=30, darkest=0.12, brightest=0.75, shown=0.9, confidence=0.85
)
FLOOR = Gate(detail=0.008, evenness=0.25)  # motion blur: strangers match; even blur lets them differ

# Width divided by height of the box of a whole face: the median of 3,811 photographs; 98 % are within .68 to .86.
_PROPORTION = 0.76
_AT_EDGE = 0.05  # a box reaches the image's edge if it is this near, as a share of its shorter side


_ANGLES = np.radians(np.arange(0, 180, 22.5))
_ALONG = np.stack((np.cos(_ANGLES) ** 2, np.sin(2 * _ANGLES), np.sin(_ANGLES) ** 2), axis=1)


def judge(
    aligned: Pixels,
    box: Box,
    confidence: float,
    pose: Pose,
    size: tuple[int, int],
    *,
    lengths: Lengths,
    length: float | None = None,
) -> Quality:
    """Measure an aligned face (112, 112, 3), blue-green-red, and compare it with the gates and the floor.

    `box` and `size`, (width, height), refer to the original image; `length` is that of the raw vector and `lengths` are
    the least that the pack requires. Sharpness is the variance of the Laplacian of
    the aligned face in gray, 0 to 255; brightness is the mean of that gray, as a share of white.
    """
    gray = cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY)
    detail, evenness = _detail(np.asarray(gray, np.uint8))
    face = _Face(
        box=box,
        pose=pose,
        confidence=confidence,
        sharpness=float(cv2.Laplacian(gray, cv2.CV_32F).var()),
        brightness=float(gray.mean() / 255),
        shown=_share_shown(box, *size),
        detail=detail,
        evenness=evenness,
        length=length,
    )
    return Quality(
        face.sharpness,
        face.brightness,
        box.side,
        reasons=face.reasons(STANDARD, lengths.standard),
        strict_reasons=face.reasons(STRICT, lengths.strict),
        floor_reasons=face.reasons(FLOOR, lengths.floor),
        length=length,
    )


@dataclass(frozen=True, slots=True)
class _Face:
    """The measures of a face."""

    box: Box
    pose: Pose
    confidence: float
    sharpness: float
    brightness: float
    shown: float
    detail: float
    evenness: float
    length: float | None

    def reasons(self, gate: Gate, length: float) -> tuple[QualityReason, ...]:
        """Return every reason why the gate, with this least length, refuses the face."""
        verdicts = {
            QualityReason.SMALL_FACE: self.box.side < gate.face_size,
            QualityReason.EXTREME_POSE: abs(self.pose.yaw) > gate.yaw or abs(self.pose.pitch) > gate.pitch,
            QualityReason.LOW_SHARPNESS: self.sharpness < gate.sharpness
            or (self.detail < gate.detail and self.evenness <= gate.evenness),
            QualityReason.TOO_DARK: self.brightness < gate.darkest,
            QualityReason.TOO_BRIGHT: self.brightness > gate.brightest,
            QualityReason.CUT_BY_EDGE: self.shown < gate.shown,
            QualityReason.LOW_CONFIDENCE: self.confidence < gate.confidence,
            QualityReason.UNRECOGNISABLE: self.length is not None and self.length < length,
        }
        return tuple(reason for reason, refused in verdicts.items() if refused)


def _detail(gray: Pixels) -> tuple[float, float]:
    """Return the detail of a face in gray, and its evenness: least and greatest detail over eight directions, divided.

    Detail is the variance of the second derivative along a direction, as a share of the variance of the gray; the least
    one counts. Motion along a line blurs in that direction only, which an average over the directions does not show.
    """
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (0, 0), 1)
    derivatives = [cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3).ravel() for order in ((2, 0), (1, 1), (0, 2))]
    covariance = np.cov(derivatives)
    variances = np.einsum("ai,ij,aj->a", _ALONG, covariance, _ALONG)
    least, greatest = float(variances.min()), max(float(variances.max()), 1.0)
    return least / max(float(gray.var()), 1.0), least / greatest


def _share_shown(box: Box, width: int, height: int) -> float:
    """Return the share of a face that is inside the image.

    The detector ends its box near the edge of the image, so a cut face shows in the proportions of the box.
    """
    near = _AT_EDGE * box.side
    shown = 1.0
    if box.x < near or box.x + box.width > width - near:
        shown = min(shown, box.width / (_PROPORTION * box.height))
    if box.y < near or box.y + box.height > height - near:
        shown = min(shown, _PROPORTION * box.height / box.width)
    return shown

"""Quality of a face: the measures, and the gates that decide whether it can be recognised."""

from dataclasses import dataclass

import cv2

from recognition.results import Box, Pixels, Pose, Quality, QualityReason


@dataclass(frozen=True, slots=True)
class Gate:
    """The requirements on a face. Sizes are in pixels, angles in degrees either way, brightness is 0 to 1."""

    face_size: float
    yaw: float
    pitch: float
    sharpness: float
    darkest: float
    brightest: float
    shown: float
    confidence: float


# Size, sharpness and brightness were measured: the faces of 101 photographs were degraded step by step and compared
# with the originals. The median cosine is about .9 at the standard gate, and .95 or more at the strict gate.
STANDARD = Gate(face_size=28, yaw=45, pitch=35, sharpness=15, darkest=0.08, brightest=0.84, shown=0.8, confidence=0.75)
STRICT = Gate(face_size=48, yaw=25, pitch=20, sharpness=30, darkest=0.12, brightest=0.75, shown=0.9, confidence=0.85)

# Width divided by height of the box of a whole face: the median of 3,811 photographs; 98 % are within .68 to .86.
_PROPORTION = 0.76
_AT_EDGE = 0.05  # a box reaches the image's edge if it is this near, as a share of its shorter side


def judge(aligned: Pixels, box: Box, confidence: float, pose: Pose, size: tuple[int, int]) -> Quality:
    """Measure an aligned face (112, 112, 3), blue-green-red, and compare it with both gates.

    `box` and `size`, (width, height), refer to the original image. Sharpness is the variance of the Laplacian of
    the aligned face in gray, 0 to 255; brightness is the mean of that gray, as a share of white.
    """
    gray = cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY)
    face = _Face(
        box=box,
        pose=pose,
        confidence=confidence,
        sharpness=float(cv2.Laplacian(gray, cv2.CV_32F).var()),
        brightness=float(gray.mean() / 255),
        shown=_share_shown(box, *size),
    )
    return Quality(face.sharpness, face.brightness, box.side, face.reasons(STANDARD), face.reasons(STRICT))


@dataclass(frozen=True, slots=True)
class _Face:
    """The measures of a face."""

    box: Box
    pose: Pose
    confidence: float
    sharpness: float
    brightness: float
    shown: float

    def reasons(self, gate: Gate) -> tuple[QualityReason, ...]:
        """Return every reason why the gate refuses the face."""
        verdicts = {
            QualityReason.SMALL_FACE: self.box.side < gate.face_size,
            QualityReason.EXTREME_POSE: abs(self.pose.yaw) > gate.yaw or abs(self.pose.pitch) > gate.pitch,
            QualityReason.LOW_SHARPNESS: self.sharpness < gate.sharpness,
            QualityReason.TOO_DARK: self.brightness < gate.darkest,
            QualityReason.TOO_BRIGHT: self.brightness > gate.brightest,
            QualityReason.CUT_BY_EDGE: self.shown < gate.shown,
            QualityReason.LOW_CONFIDENCE: self.confidence < gate.confidence,
        }
        return tuple(reason for reason, refused in verdicts.items() if refused)


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

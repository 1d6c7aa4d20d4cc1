"""How well a face shows, and whether that is enough to recognise it by."""

from dataclasses import dataclass

import cv2

from recognition.results import Box, Pixels, Pose, Quality, QualityReason


@dataclass(frozen=True, slots=True)
class Gate:
    """What a face needs. Sizes in pixels, angles in degrees either way, brightness 0 to 1."""

    face_size: float
    yaw: float
    pitch: float
    sharpness: float
    darkest: float
    brightest: float
    shown: float
    confidence: float


# Size, sharpness and brightness were measured: the faces of 101 photographs were spoiled by degrees and compared with
# themselves unspoiled. At the standard gate a median cosine of about .9 is left, at the strict gate .95 or more.
STANDARD = Gate(face_size=28, yaw=45, pitch=35, sharpness=15, darkest=0.08, brightest=0.84, shown=0.8, confidence=0.75)
STRICT = Gate(face_size=48, yaw=25, pitch=20, sharpness=30, darkest=0.12, brightest=0.75, shown=0.9, confidence=0.85)

# A whole face's box is this much as wide as high: the median of 3,811 photographs, 98 % of which lie at .68 to .86.
_PROPORTION = 0.76
_AT_EDGE = 0.05  # a box this near to the image's edge, in its own shorter sides, reaches it


def judge(aligned: Pixels, box: Box, confidence: float, pose: Pose, size: tuple[int, int]) -> Quality:
    """Measure an aligned face (112, 112, 3), blue-green-red, and hold it against both gates.

    `box` and `size`, (width, height), are of the image it was cut from. Sharpness is the variance of the Laplacian of
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
    """What was measured of a face."""

    box: Box
    pose: Pose
    confidence: float
    sharpness: float
    brightness: float
    shown: float

    def reasons(self, gate: Gate) -> tuple[QualityReason, ...]:
        """Return every reason for which the gate refuses the face."""
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
    """Return how much of a face is left where the image's edge cuts it.

    The detector ends its box about where the image ends, so that a cut shows in the box's proportions.
    """
    near = _AT_EDGE * box.side
    shown = 1.0
    if box.x < near or box.x + box.width > width - near:
        shown = min(shown, box.width / (_PROPORTION * box.height))
    if box.y < near or box.y + box.height > height - near:
        shown = min(shown, _PROPORTION * box.height / box.width)
    return shown

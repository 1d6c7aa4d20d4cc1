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
    within: float
    confidence: float


STANDARD = Gate(
    face_size=32, yaw=45, pitch=35, sharpness=20, darkest=0.12, brightest=0.92, within=0.85, confidence=0.75
)
STRICT = Gate(face_size=80, yaw=25, pitch=20, sharpness=60, darkest=0.2, brightest=0.85, within=0.98, confidence=0.85)


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
        within=_share_within(box, *size),
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
    within: float

    def reasons(self, gate: Gate) -> tuple[QualityReason, ...]:
        """Return every reason for which the gate refuses the face."""
        verdicts = {
            QualityReason.SMALL_FACE: self.box.side < gate.face_size,
            QualityReason.EXTREME_POSE: abs(self.pose.yaw) > gate.yaw or abs(self.pose.pitch) > gate.pitch,
            QualityReason.LOW_SHARPNESS: self.sharpness < gate.sharpness,
            QualityReason.TOO_DARK: self.brightness < gate.darkest,
            QualityReason.TOO_BRIGHT: self.brightness > gate.brightest,
            QualityReason.CUT_BY_EDGE: self.within < gate.within,
            QualityReason.LOW_CONFIDENCE: self.confidence < gate.confidence,
        }
        return tuple(reason for reason, refused in verdicts.items() if refused)


def _share_within(box: Box, width: int, height: int) -> float:
    """Return the share of the box's area that lies within the image."""
    across = min(box.x + box.width, width) - max(box.x, 0)
    down = min(box.y + box.height, height) - max(box.y, 0)
    return max(across, 0) * max(down, 0) / box.area

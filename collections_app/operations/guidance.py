"""What would make the next picture of a person's camera better, in the order in which it is worth saying."""

from dataclasses import dataclass
from enum import StrEnum

from recognition.results import Analysis, DetectedFace

# Shares of the picture's shorter side, between which a face is as wide as every model likes it.
_NARROW, _WIDE = 0.25, 0.42
_ASIDE = 0.14  # how far from the middle, as a share of the picture's width or height
_DARK, _BRIGHT, _YAW, _PITCH = 0.18, 0.72, 10.0, 20.0


class Hint(StrEnum):
    """What would make the next picture better."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    CLOSER = "closer"
    FURTHER = "further"
    CENTRE = "centre"
    LIGHT = "light"
    STRAIGHT = "straight"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Guidance:
    """A hint; how far the face is turned to the picture's right in degrees, and its width as a share of the picture's.

    Both are None without one face.
    """

    hint: Hint
    yaw: float | None = None
    width: float | None = None


def guidance(seen: Analysis) -> Guidance:
    """Return what stands in the way first: nobody, others, the place, the light, the pose."""
    if not seen.faces:
        return Guidance(Hint.NO_FACE)
    face, *others = seen.faces
    if others:
        return Guidance(Hint.SEVERAL_FACES)
    return Guidance(
        _hint(face, seen.width, seen.height), round(face.pose.yaw, 1), round(face.box.width / seen.width, 3)
    )


def _hint(face: DetectedFace, width: int, height: int) -> Hint:
    share = face.box.width / min(width, height)
    across = (face.box.x + face.box.width / 2) / width - 0.5
    down = (face.box.y + face.box.height / 2) / height - 0.5
    wrong = {
        Hint.CLOSER: share < _NARROW,
        Hint.FURTHER: share > _WIDE,
        Hint.CENTRE: max(abs(across), abs(down)) > _ASIDE,
        Hint.LIGHT: not _DARK <= face.quality.brightness <= _BRIGHT,
        Hint.STRAIGHT: abs(face.pose.yaw) > _YAW or abs(face.pose.pitch) > _PITCH,
    }
    return next((hint for hint, so in wrong.items() if so), Hint.READY)

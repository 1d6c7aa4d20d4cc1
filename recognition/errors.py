"""What can be wrong with an image, a face, a model or a template.

Facts only, as attributes: statuses and wording belong to the dialects.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

SizeUnit: TypeAlias = Literal[
    "bytes", "pixels", "side", "scans", "markers", "chunks", "boxes", "items", "samples in all scans", "unpacked bytes"
]


class RecognitionError(Exception):
    """Root of this app's errors."""


class ImageTooLarge(RecognitionError):
    """The image exceeds a limit: in bytes, in pixels, along its longer side, or in what it takes to read it."""

    def __init__(self, limit: int, actual: int, unit: SizeUnit) -> None:
        """Keep the limit, what was sent or how much of it was counted, and what both count."""
        super().__init__(limit, actual, unit)
        self.limit = limit
        self.actual = actual
        self.unit = unit


class ImageTooSmall(RecognitionError):
    """The image's shorter side has too few pixels."""

    def __init__(self, minimum: int, actual: int) -> None:
        """Keep the least side and the side that was sent, in pixels."""
        super().__init__(minimum, actual)
        self.minimum = minimum
        self.actual = actual


class UndecodableImage(RecognitionError):
    """The bytes are no image, or a damaged one, or one that takes too much to decode."""

    def __init__(self, reason: str) -> None:
        """Keep what is wrong with it, as a clause in English: "the file is cut off"."""
        super().__init__(reason)
        self.reason = reason


class UnsupportedFormat(RecognitionError):
    """The bytes are in a format that is known and not allowed."""

    def __init__(self, format: str, allowed: Sequence[str]) -> None:  # noqa: A002 -- the field's own word
        """Keep the format's name, as in "GIF", and those that are allowed."""
        super().__init__(format, allowed)
        self.format = format
        self.allowed = tuple(allowed)


class NoFace(RecognitionError):
    """The image shows no face."""

    def __init__(self, turned: int = 0) -> None:
        """Keep by how many degrees, clockwise, the image would have to be turned to show one; 0: none was seen."""
        super().__init__(turned)
        self.turned = turned


class SeveralFaces(RecognitionError):
    """The image shows more faces than the one that was asked for."""

    def __init__(self, count: int) -> None:
        """Keep how many it shows."""
        super().__init__(count)
        self.count = count


class LowQuality(RecognitionError):
    """The face fails a quality gate."""

    def __init__(self, reasons: Sequence[str]) -> None:
        """Keep why; each is a recognition.results.QualityReason."""
        super().__init__(*reasons)
        self.reasons = tuple(reasons)


class SpoofSuspected(RecognitionError):
    """The face looks like a picture of a face."""

    def __init__(self, score: float, threshold: float) -> None:
        """Keep the liveness score and the threshold it fell short of, both 0 to 1."""
        super().__init__(score, threshold)
        self.score = score
        self.threshold = threshold


class Busy(RecognitionError):
    """More images are waiting to be looked at than can be in good time."""

    def __init__(self, retry_after: float) -> None:
        """Keep the seconds to wait."""
        super().__init__(retry_after)
        self.retry_after = retry_after


class ModelUnavailable(RecognitionError):
    """A model is not installed, or its file is not what was installed."""

    def __init__(self, model: str, remedy: str) -> None:
        """Keep the model's file name and what the operator can do about it."""
        super().__init__(model, remedy)
        self.model = model
        self.remedy = remedy


class UnknownPack(RecognitionError):
    """No model pack has this name."""

    def __init__(self, name: str) -> None:
        """Keep the name that was asked for."""
        super().__init__(name)
        self.name = name


class TemplateNotFound(RecognitionError):
    """The gallery holds no template of this face."""

    def __init__(self, face_id: int) -> None:
        """Keep the face that was asked for."""
        super().__init__(face_id)
        self.face_id = face_id

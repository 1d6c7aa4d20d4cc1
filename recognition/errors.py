"""Errors about images, faces, models and templates.

They carry facts as attributes; statuses and wording belong to the dialects.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

SizeUnit: TypeAlias = Literal[
    "bytes", "pixels", "side", "scans", "markers", "chunks", "boxes", "items", "samples in all scans", "unpacked bytes"
]


class RecognitionError(Exception):
    """The base class of this app's errors."""


class ImageTooLarge(RecognitionError):
    """The image exceeds a limit on bytes, pixels, its longer side, or the work of reading it."""

    def __init__(self, limit: int, actual: int, unit: SizeUnit) -> None:
        """Keep the limit, the actual (possibly partial) count, and the unit of both."""
        super().__init__(limit, actual, unit)
        self.limit = limit
        self.actual = actual
        self.unit = unit


class ImageTooSmall(RecognitionError):
    """The image's shorter side has too few pixels."""

    def __init__(self, minimum: int, actual: int) -> None:
        """Keep the minimum and the actual shorter side, in pixels."""
        super().__init__(minimum, actual)
        self.minimum = minimum
        self.actual = actual


class UndecodableImage(RecognitionError):
    """The bytes are not an image, or the image is damaged or too expensive to decode."""

    def __init__(self, reason: str) -> None:
        """Keep the reason as an English clause, such as "the file is cut off"."""
        super().__init__(reason)
        self.reason = reason


class UnsupportedFormat(RecognitionError):
    """The format is known but not allowed."""

    def __init__(self, format: str, allowed: Sequence[str]) -> None:  # noqa: A002 -- the usual name
        """Keep the name of the format, such as "GIF", and the allowed formats."""
        super().__init__(format, allowed)
        self.format = format
        self.allowed = tuple(allowed)


class NoFace(RecognitionError):
    """The image shows no face."""


class SeveralFaces(RecognitionError):
    """The image shows several faces where one was expected."""

    def __init__(self, count: int, boxes: Sequence[object] = ()) -> None:
        """Keep the number of faces, and their places if they are known: recognition.results.Box, largest first."""
        super().__init__(count)
        self.count = count
        self.boxes = tuple(boxes)


class LowQuality(RecognitionError):
    """The face fails a quality gate, or a contract's limits of faces."""

    def __init__(self, reasons: Sequence[str], measured: str = "") -> None:
        """Keep the reasons, each a recognition.results.QualityReason, and what of them was measured and allowed."""
        super().__init__(*reasons)
        self.reasons = tuple(reasons)
        self.measured = measured


class Unrecognisable(RecognitionError):
    """The face cannot be told from other faces, so no policy lets it be enrolled or searched."""

    def __init__(self, reasons: Sequence[str]) -> None:
        """Keep the reasons; each is a recognition.results.QualityReason."""
        super().__init__(reasons)
        self.reasons = tuple(reasons)


class SpoofSuspected(RecognitionError):
    """The face looks like a picture of a face."""

    def __init__(self, score: float, threshold: float) -> None:
        """Keep the liveness score and the threshold above it, both 0 to 1."""
        super().__init__(score, threshold)
        self.score = score
        self.threshold = threshold


class LivenessUnsure(RecognitionError):
    """The image shows too little around the face to tell whether it is live."""

    def __init__(self, advice: str) -> None:
        """Keep what the person can do; a recognition.results.Advice."""
        super().__init__(advice)
        self.advice = advice


class Busy(RecognitionError):
    """Too many images are waiting to be processed."""

    def __init__(self, retry_after: float) -> None:
        """Keep the seconds to wait."""
        super().__init__(retry_after)
        self.retry_after = retry_after


class ModelUnavailable(RecognitionError):
    """A model is not installed, or its file differs from the manifest."""

    def __init__(self, model: str, remedy: str) -> None:
        """Keep the file name of the model and what the operator can do."""
        super().__init__(model, remedy)
        self.model = model
        self.remedy = remedy


class UnknownPack(RecognitionError):
    """No model pack has this name."""

    def __init__(self, name: str) -> None:
        """Keep the requested name."""
        super().__init__(name)
        self.name = name


class TemplateNotFound(RecognitionError):
    """The gallery holds no template of this face."""

    def __init__(self, face_id: int) -> None:
        """Keep the id of the requested face."""
        super().__init__(face_id)
        self.face_id = face_id

"""The result of a walk over an image container, before any decoder starts, and the check of its bounds.

The cost of a walk is linear in the bytes: it reads headers, skips contents, and stops at the first exceeded bound.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from recognition.errors import ImageTooLarge, SizeUnit, UndecodableImage

Part: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Container:
    """An image that passed the walk.

    `width` and `height` are the stored pixels, before any orientation; for HEIC and AVIF, those of the largest image
    inside. `parts` are the only bytes that the decoder gets, in order. `bytes_per_pixel` is the memory of the decoder
    per pixel, and `buffered` its further bytes, which do not depend on the scale of decoding. `open_ended`: the end
    marker is missing, and only the decoder can find out whether all rows are present.
    """

    format: str
    width: int
    height: int
    parts: Sequence[Part]
    bytes_per_pixel: int
    buffered: int = 0
    open_ended: bool = False


def bound(limit: int, actual: int, unit: SizeUnit) -> None:
    """Check a count against its limit.

    Raises:
        ImageTooLarge: the count exceeds the limit.
    """
    if actual > limit:
        raise ImageTooLarge(limit, actual, unit)


def cut_off() -> UndecodableImage:
    """Return the error for a file that ends before its picture."""
    return UndecodableImage("the file is cut off")


def damaged(format_name: str, what: str) -> UndecodableImage:
    """Return the error for a file that violates its format."""
    return UndecodableImage(f"the {format_name} is damaged: {what}")

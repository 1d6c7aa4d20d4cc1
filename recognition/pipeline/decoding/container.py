"""What a walk over an image's container finds out before any decoder starts, and the bounds that it holds it to.

A walk costs no more than the bytes: it reads headers, skips contents, and stops at the first bound that is crossed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from recognition.errors import ImageTooLarge, SizeUnit, UndecodableImage

Part: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Container:
    """An image that passed the walk.

    `width` and `height` are pixels as they are stored, before any orientation; of HEIC and AVIF, those of the largest
    image inside. `parts` is what the decoder is given, in order: what the picture needs, and no more. `bytes_per_pixel`
    is what the decoder holds at once, and `buffered` what it holds in bytes beside that, at whatever scale it decodes.
    `open_ended`: the end marker is missing, and only the decoder can tell whether all rows are there.
    """

    format: str
    width: int
    height: int
    parts: Sequence[Part]
    bytes_per_pixel: int
    buffered: int = 0
    open_ended: bool = False


def bound(limit: int, actual: int, unit: SizeUnit) -> None:
    """Refuse more than the limit.

    Raises:
        ImageTooLarge: it is more.
    """
    if actual > limit:
        raise ImageTooLarge(limit, actual, unit)


def cut_off() -> UndecodableImage:
    """Return the error of a file that ends before its picture does."""
    return UndecodableImage("the file is cut off")


def damaged(format_name: str, what: str) -> UndecodableImage:
    """Return the error of a file that contradicts its format."""
    return UndecodableImage(f"the {format_name} is damaged: {what}")

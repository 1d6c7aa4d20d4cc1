"""Untrusted bytes to an upright array, with limits that are checked before decoding.

A walk over the container refuses images that are too large, have too many parts or are cut off. A separate process
decodes the others within the memory budget of this host.
"""

import cv2
import numpy as np

from recognition.errors import ImageTooLarge, ImageTooSmall
from recognition.images import DEFAULT_LIMITS, ImageLimits
from recognition.metrics import stage
from recognition.pipeline.decoding import formats, memory
from recognition.pipeline.decoding.container import Container, bound
from recognition.pipeline.decoding.pool import MEMORY, PROCESS, pool
from recognition.results import Pixels

_REDUCTIONS = (1, 2, 4, 8)  # a JPEG can be decoded at these fractions of its size at no cost


@stage("decode")
def decode(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Pixels:
    """Decode an image into (height, width, 3) uint8, blue-green-red, upright.

    Gray, palette, CMYK and 16-bit images become 8-bit colour (16 bits are scaled, not clipped); transparent images get
    a white background; of an animation the first frame is used. A JPEG that would take too much memory is decoded at a
    fraction of its size and scaled back up.

    Raises:
        ImageTooLarge, ImageTooSmall: a limit was crossed; nothing was decoded.
        UnsupportedFormat: the format is known but not in `limits.formats`.
        UndecodableImage: not an image, cut off, damaged, or too expensive to decode.
        Busy: other images take the memory that this one needs.
    """
    bound(limits.max_bytes, len(data), "bytes")
    container = formats.walk(data, limits.formats, limits.max_pixels)
    size = (container.width, container.height)
    if limits.max_side is not None:
        bound(limits.max_side, max(size), "side")
    if min(size) < limits.min_side:
        raise ImageTooSmall(limits.min_side, min(size))
    reduction = _reduction(container)
    reduced = (-(-size[0] // reduction), -(-size[1] // reduction))
    with memory.reserve(_needed(container, reduction)):
        pixels = pool.decode(container, _draft(container, reduction, limits.shrink_to), reduced[0] * reduced[1] * 3)
    if limits.shrink_to is not None:
        return _shrunk(pixels, limits.shrink_to)
    return pixels if reduction == 1 else _restored(pixels, size, reduced)


def _needed(container: Container, reduction: int) -> int:
    """Return the most bytes that decoding can take with the sides divided by `reduction`."""
    pixels = -(-container.width // reduction) * -(-container.height // reduction)
    held = container.buffered + sum(map(len, container.parts))
    return PROCESS + held + pixels * (container.bytes_per_pixel + 3)


def _reduction(container: Container) -> int:
    """Return the smallest divisor of the sides at which decoding fits into memory.

    Raises:
        ImageTooLarge: no divisor is enough.
    """
    reductions = _REDUCTIONS if container.format == "JPEG" else _REDUCTIONS[:1]
    for reduction in reductions:
        if _needed(container, reduction) <= MEMORY:
            return reduction
    pixels = container.width * container.height
    raise ImageTooLarge(pixels * MEMORY // _needed(container, reductions[-1]), pixels, "pixels")


def _draft(container: Container, reduction: int, shrink_to: int | None) -> tuple[int, int]:
    """Return the smallest (width, height) to which the JPEG decoder may reduce; (0, 0) if it must not reduce."""
    size = (container.width, container.height)
    if container.format != "JPEG" or (reduction == 1 and shrink_to is None):
        return 0, 0
    width, height = _scaled(size, shrink_to or max(size))
    return max(1, min(width, size[0] // reduction)), max(1, min(height, size[1] // reduction))


def _restored(pixels: Pixels, size: tuple[int, int], reduced: tuple[int, int]) -> Pixels:
    """Scale reduced pixels back to the (width, height) of the image, so that coordinates stay valid."""
    height, width = pixels.shape[:2]
    upright = size if (width, height) == reduced else size[::-1]
    return np.asarray(cv2.resize(pixels, upright, interpolation=cv2.INTER_LINEAR), np.uint8)


def _shrunk(pixels: Pixels, longest: int | None) -> Pixels:
    height, width = pixels.shape[:2]
    if longest is None or max(height, width) <= longest:
        return pixels
    return np.asarray(cv2.resize(pixels, _scaled((width, height), longest), interpolation=cv2.INTER_AREA), np.uint8)


def _scaled(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Scale (width, height) down to a longest side, keeping at least one pixel of each."""
    ratio = min(1.0, longest / max(size))
    width, height = size
    return max(1, round(width * ratio)), max(1, round(height * ratio))

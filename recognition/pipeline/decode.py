"""Untrusted bytes to an upright array, bounded before anything is decoded.

Owns formats, limits and colour. The two decoders are constructed by name: Pillow's own dispatcher would try every
format it knows, and its decompression-bomb check is a process-wide setting.
"""

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from recognition.errors import ImageTooLarge, ImageTooSmall, UndecodableImage, UnsupportedFormat
from recognition.results import Pixels

_DECODERS: MappingProxyType[str, type[JpegImageFile | PngImageFile]] = MappingProxyType(
    {"JPEG": JpegImageFile, "PNG": PngImageFile}
)

# (offset, bytes, format): enough to tell a caller which known format it sent.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypavif", "AVIF"),
    (0, b"%PDF", "PDF"),
)

# Everything that Pillow's parsers raise on damaged input.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, struct.error, zlib.error)

_ORIENTATION_TAG = 0x0112
# EXIF 2.32, table 6: how to bring each orientation upright. 1 is upright; anything else is not valid and taken for 1.
_UPRIGHT = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may be. Sides and pixels are read from its header, before it is decoded.

    `shrink_to` is the longer side, in pixels, to which a larger image is scaled down; None keeps every size.
    """

    max_bytes: int = 10_000_000
    max_pixels: int = 50_000_000  # the largest photographs that current phones take
    min_side: int = 1
    max_side: int | None = None
    shrink_to: int | None = None
    formats: tuple[str, ...] = ("JPEG", "PNG")


DEFAULT_LIMITS = ImageLimits()


def decode(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Pixels:
    """Decode an image into (height, width, 3) uint8, blue-green-red, upright.

    Gray, palette, CMYK and 16-bit images become 8-bit colour (16 bits are scaled, not clipped); a transparent image is
    laid on white; of an animated one the first frame is taken.

    Raises:
        ImageTooLarge, ImageTooSmall: a limit was crossed; nothing was decoded.
        UnsupportedFormat: the format is known and not among `limits.formats`.
        UndecodableImage: no image, truncated, or damaged.
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(limits.max_bytes, len(data), "bytes")
    format_name = _format_of(data)
    if format_name not in limits.formats or format_name not in _DECODERS:
        raise UnsupportedFormat(format_name)
    try:
        with _DECODERS[format_name](BytesIO(data)) as image:
            _check_size(image, limits)
            _check_integrity(data, format_name)
            return _shrunk(_array(_loaded(image, limits)), limits.shrink_to)
    except _DAMAGE as error:
        reason = f"{format_name}: {error}"
        raise UndecodableImage(reason) from error


def _format_of(data: bytes) -> str:
    for offset, signature, name in _SIGNATURES:
        if data.startswith(signature, offset):
            return name
    reason = "no known image format"
    raise UndecodableImage(reason)


def _check_size(image: ImageFile, limits: ImageLimits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageTooLarge(limits.max_pixels, width * height, "pixels")
    if limits.max_side is not None and max(image.size) > limits.max_side:
        raise ImageTooLarge(limits.max_side, max(image.size), "side")
    if min(image.size) < limits.min_side:
        raise ImageTooSmall(limits.min_side, min(image.size))


def _check_integrity(data: bytes, format_name: str) -> None:
    """Check every PNG chunk's CRC: Pillow decodes image data without looking at it."""
    if format_name == "PNG":
        PngImageFile(BytesIO(data)).verify()


def _loaded(image: ImageFile, limits: ImageLimits) -> Image.Image:
    """Decode the image and turn it upright."""
    if limits.shrink_to is not None:
        # Lets a JPEG decode at 1/2, 1/4 or 1/8, no smaller than asked for. A PNG has no such mode.
        image.draft(image.mode, _scaled(image.size, limits.shrink_to))
    image.load()
    turn = _UPRIGHT.get(_orientation(image) or 1)
    return image if turn is None else image.transpose(turn)


def _orientation(image: ImageFile) -> int | None:
    try:
        return image.getexif().get(_ORIENTATION_TAG)
    except _DAMAGE:  # damaged metadata says nothing about the picture
        return None


def _array(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):  # 16-bit gray: Pillow's own conversion to 8 bits clips
        return np.asarray(cv2.cvtColor((np.asarray(image) >> 8).astype(np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)
    colour = _on_white(image.convert("RGBA")) if image.has_transparency_data else image.convert("RGB")
    return np.asarray(cv2.cvtColor(np.asarray(colour), cv2.COLOR_RGB2BGR), np.uint8)


def _on_white(image: Image.Image) -> Image.Image:
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image)
    return ground


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

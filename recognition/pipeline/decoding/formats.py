"""The format of a file, from its first bytes; its name and its declared type do not count."""

from collections.abc import Callable, Collection, Mapping

from recognition.errors import UndecodableImage, UnsupportedFormat
from recognition.pipeline.decoding import bmp, heif, jpeg, png, webp
from recognition.pipeline.decoding.container import Container

_WALKS: Mapping[str, Callable[[bytes, int], Container]] = {
    "JPEG": jpeg.walk,
    "PNG": png.walk,
    "WEBP": webp.walk,
    "AVIF": heif.walk,
    "HEIC": heif.walk,
    "BMP": bmp.walk,
}

# (offset, bytes, format). Formats that cannot be decoded are here so that the refusal can name them.
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"%PDF", "PDF"),
)


def format_of(data: bytes) -> str:
    """Return the name of the format, even if it cannot be decoded.

    Raises:
        UndecodableImage: the file is empty, or its format is unknown.
    """
    if not data:
        raise UndecodableImage("the file is empty")
    for offset, signature, name in _SIGNATURES:
        if data.startswith(signature, offset):
            return name
    found = heif.format_of(data)
    if found is None:
        raise UndecodableImage("the file is in no known image format")
    return found


def walk(data: bytes, allowed: Collection[str], max_pixels: int) -> Container:
    """Walk over an image of an allowed format.

    Raises:
        UnsupportedFormat: the format is known but not allowed.
        ImageTooLarge: it has too many pixels or too many parts.
        UndecodableImage: it is not an image, is cut off, or violates its format.
    """
    name = format_of(data)
    if name not in allowed or name not in _WALKS:
        raise UnsupportedFormat(name, tuple(allowed))
    return _WALKS[name](data, max_pixels)

"""What an image may be: formats and limits, for those who call the pipeline as well as for its decoder."""

from collections.abc import Mapping
from dataclasses import dataclass

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIC")
"""The formats that are accepted unless a contract says otherwise."""
READABLE = (*FORMATS, "BMP")
"""Every format that can be decoded."""
MEDIA_TYPES: Mapping[str, str] = {name: f"image/{name.lower()}" for name in READABLE}


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may be. Sides and pixels are read from its header, before it is decoded.

    `shrink_to` is the longer side, in pixels, to which a larger image is scaled down; None keeps every size. A face is
    found whatever its size and pose, but recognised only if the shorter side of its box has `min_face` pixels and its
    yaw and pitch are at most `max_turn` degrees.
    """

    max_bytes: int = 10_000_000
    max_pixels: int = 50_000_000  # the largest photographs that current phones take
    min_side: int = 1
    max_side: int | None = None
    shrink_to: int | None = None
    formats: tuple[str, ...] = FORMATS
    min_face: int = 0
    max_turn: int = 180


DEFAULT_LIMITS = ImageLimits()

"""Image files that cost more than their size suggests, and the largest allowed: generated, never stored."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image

_SIDE = 64
_FLOOD = 8_000_000  # bytes


def stored(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """Encode a picture."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def flat(width: int = _SIDE, height: int = _SIDE) -> Image.Image:
    """Return a picture of one colour."""
    return Image.new("RGB", (width, height), (10, 200, 30))


def segment(marker: int, body: bytes = b"") -> bytes:
    """Return a segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def scans(picture: Image.Image, more: int, **options: Any) -> bytes:
    """Return a progressive JPEG that repeats its last scan."""
    whole = stored(picture, progressive=True, **options)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * more + whole[-2:]


def png(width: int, height: int, *, depth: int = 8, colour: int = 2) -> bytes:
    """Return a PNG whose rows all need the costliest filter; colour types are the format's, 3 has transparency."""
    row = b"\4" + bytes(at % 7 for at in range(width * depth * {0: 1, 2: 3, 3: 1, 6: 4}[colour] // 8))
    packer = zlib.compressobj(1)
    pixels = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    palette = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(256)) if colour == 3 else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + palette + chunk(b"IDAT", pixels) + chunk(b"IEND")


def _in_jpeg(flood: bytes) -> bytes:
    whole = stored(flat())
    return whole[:2] + flood * (_FLOOD // len(flood)) + whole[2:]


def _in_png(flood: bytes) -> bytes:
    whole = stored(flat(), "PNG")
    return whole[:33] + flood * (_FLOOD // len(flood)) + whole[33:]


REFUSED: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "scans of 50 megapixels": ("scans", lambda: scans(flat(7000, 7100), 100_000)),
    "scans, few and large": ("samples in all scans", lambda: scans(flat(7000, 7100), 80)),
    "comments": ("markers", lambda: _in_jpeg(segment(0xFE))),
    "tables": ("markers", lambda: _in_jpeg(segment(0xDB, bytes((0, *range(1, 65)))))),
    "texts": ("chunks", lambda: _in_png(chunk(b"tEXt", b"a\0b"))),
    "empty pixels": ("chunks", lambda: _in_png(chunk(b"IDAT"))),
    "RIFF chunks": (
        "chunks",
        lambda: b"RIFF" + struct.pack("<I", _FLOOD + 4) + b"WEBP" + b"XXXX\0\0\0\0" * (_FLOOD // 8),
    ),
    "boxes": ("boxes", lambda: b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + b"\0\0\0\x08free" * (_FLOOD // 8)),
    "too much to unpack": ("unpacked bytes", lambda: png(6200, 6200, depth=16, colour=6)[:60] + bytes(20)),
}
"""By name: the unit that exceeds its limit, and how to make the file."""

READ: Mapping[str, Callable[[], bytes]] = {
    "fill bytes": lambda: stored(flat())[:2] + b"\xff" * _FLOOD + stored(flat())[2:],
    "restarts": lambda: stored(flat())[:-2] + b"\xff\xd0" * (_FLOOD // 2) + b"\xff\xd9",
    "EXIF": lambda: (
        stored(flat())[:2]
        + segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(65_000)) * 120
        + stored(flat())[2:]
    ),
    "more pixels than the header says": lambda: (
        stored(flat(), "PNG")[:33]
        + chunk(b"IDAT", zlib.compress(bytes(_SIDE * (_SIDE * 3 + 1)) + bytes(500_000_000), 1))
        + chunk(b"IEND")
    ),
}
"""Small pictures in large files: read without delay."""

LARGEST: Mapping[str, Callable[[], bytes]] = {
    "PNG of 6000 x 6000": lambda: png(6000, 6000),
    "PNG of 6000 x 6000 with alpha": lambda: png(6000, 6000, colour=6),
    "palette of 50 megapixels": lambda: png(7000, 7100, colour=3),
    "gray of 50 megapixels in 16 bits": lambda: png(7000, 7100, depth=16, colour=0),
    "JPEG of 50 megapixels": lambda: stored(flat(7000, 7100)),
    "progressive JPEG of 50 megapixels": lambda: stored(flat(7000, 7100), progressive=True, subsampling=0),
}
"""The largest pictures that contracts allow."""

"""The walk over a PNG (W3C PNG, third edition): its chunks, and the cost of unpacking them.

Pillow does not verify the checksums of image data, and makes an object of every text chunk: the walk verifies the
checksums and drops the texts.
"""

import zlib

from recognition.pipeline.decoding.container import Container, Part, bound, cut_off, damaged

_SIGNATURE = 8
_HEADER, _CHECKSUM = 8, 4
_MOST_CHUNKS = 10_000  # one for each row of the tallest picture; most writers make one of 8 KB or more
_MOST_UNPACKED = 300_000_000  # bytes: 6000 x 6000 with 16-bit alpha
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
# The pixels depend on these chunks. Others may hold the orientation; if such a chunk is damaged, it is skipped.
_PIXELS = frozenset((b"IHDR", b"PLTE", b"tRNS"))
_TEXTS = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
_HELD = {0: 2, 3: 1}  # bytes a pixel in Pillow, by colour type: gray of up to 16 bits, a palette; else four


def walk(data: bytes, max_pixels: int) -> Container:
    """Walk over a PNG.

    Raises:
        ImageTooLarge: too many pixels, more chunks than encoders write, or too much to unpack.
        UndecodableImage: it is cut off, a checksum is wrong, or it violates its format.
    """
    view = memoryview(data)
    before: dict[bytes, Part] = {}
    pixels: list[memoryview] = []
    position, count = _SIGNATURE, 0
    while position + _HEADER <= len(data):
        count += 1
        bound(_MOST_CHUNKS, count, "chunks")
        length = int.from_bytes(view[position : position + 4], "big")
        kind = data[position + 4 : position + _HEADER]
        chunk = view[position : position + _HEADER + length + _CHECKSUM]
        position += _HEADER + length + _CHECKSUM
        whole = len(chunk) == _HEADER + length + _CHECKSUM
        if kind == b"IEND":
            break
        if kind == b"IDAT":
            if whole and not _sound(chunk):
                raise damaged("PNG", "the checksum of its pixels is wrong")
            pixels.append(chunk[_HEADER : _HEADER + length])
        elif kind in _PIXELS and not pixels:
            if not whole:
                raise cut_off()
            if not _sound(chunk):
                raise damaged("PNG", f"the checksum of its {kind.decode()} is wrong")
            before[kind] = chunk
        elif whole and _tells_orientation(kind, chunk) and _sound(chunk):
            before.setdefault(kind, chunk)
    header = before.get(b"IHDR")
    if header is None or not pixels:
        raise cut_off()
    width, height, held = _read_header(bytes(header[_HEADER:-_CHECKSUM]), max_pixels)
    size = sum(len(part) for part in pixels).to_bytes(4, "big")
    ordered = [before.pop(b"IHDR"), *before.values()]
    parts = [view[:_SIGNATURE], *ordered, size + b"IDAT", *pixels, bytes(_CHECKSUM), _END]
    return Container("PNG", width, height, parts, bytes_per_pixel=held)


def _sound(chunk: memoryview) -> bool:
    """Return whether the checksum of a chunk matches its kind and contents."""
    return zlib.crc32(chunk[4:-_CHECKSUM]) == int.from_bytes(chunk[-_CHECKSUM:], "big")


def _tells_orientation(kind: bytes, chunk: memoryview) -> bool:
    """Return whether the chunk is EXIF, or a text in which programs store EXIF or XMP."""
    return kind == b"eXIf" or bytes(chunk[_HEADER : _HEADER + 32]).startswith(_TEXTS)


def _read_header(header: bytes, max_pixels: int) -> tuple[int, int, int]:
    """Return width, height and Pillow's bytes per pixel; refuse images that are too large to unpack."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    if len(header) != 13 or not width or not height or header[9] not in _CHANNELS:  # noqa: PLR2004 -- the format's own
        raise damaged("PNG", "the header makes no sense")
    bound(max_pixels, width * height, "pixels")
    row = -(-width * header[8] * _CHANNELS[header[9]] // 8) + 1
    bound(_MOST_UNPACKED, row * height, "unpacked bytes")
    return width, height, _HELD.get(header[9], 4)

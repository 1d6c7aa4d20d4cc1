"""The walk over HEIC and AVIF (ISO 23008-12): the boxes of an ISO base media file, and the largest image they declare.

The brands of a file say what it may hold. Phones and cameras write many brands; a decoder treats all brands of a family
alike.
"""

from collections.abc import Iterator

from recognition.pipeline.decoding.container import Container, bound, cut_off, damaged

_AVIF = frozenset((b"avif", b"avis", b"avio"))
_HEIC = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"))
_MOST_BOXES = 2_000
_MOST_ITEMS = 1_000  # tiles, previews and metadata: a picture of 48 megapixels has some 200 tiles
_PIXEL = 12  # planes of up to 16 bits, the converted picture, and Pillow's own
_FULL = 4  # version and flags of a "full" box


def format_of(data: bytes) -> str | None:
    """Return "AVIF" or "HEIC", "MP4" for a film, or None if this is not an ISO base media file."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4], "big"), 512)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}
    return "AVIF" if brands & _AVIF else "HEIC" if brands & _HEIC else "MP4"


def walk(data: bytes, max_pixels: int) -> Container:
    """Walk over a HEIC or AVIF.

    Raises:
        ImageTooLarge: too many pixels, boxes or items.
        UndecodableImage: it is cut off, or violates its format.
    """
    format_name = format_of(data) or ""
    width = height = 0
    for count, (kind, start) in enumerate(_boxes(data), start=1):
        bound(_MOST_BOXES, count, "boxes")
        if kind == b"iinf":
            wide = 2 if data[start] == 0 else 4
            bound(_MOST_ITEMS, int.from_bytes(data[start + _FULL : start + _FULL + wide], "big"), "items")
        elif kind == b"ispe":
            size = [int.from_bytes(data[at : at + 4], "big") for at in (start + _FULL, start + _FULL + 4)]
            bound(max_pixels, size[0] * size[1], "pixels")
            width, height = max((width, height), (size[0], size[1]), key=lambda one: one[0] * one[1])
    if not width or not height:
        raise damaged(format_name, "no picture's size is told")
    return Container(format_name, width, height, [data], bytes_per_pixel=_PIXEL)


def _boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the kind and the start of the contents of every box, down to the properties of the images."""
    waiting = [(0, len(data))]
    while waiting:
        position, limit = waiting.pop()
        while position + 8 <= limit:
            length, start = int.from_bytes(data[position : position + 4], "big"), position + 8
            if length == 1:  # the length follows in 64 bits
                length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            end = position + length if length else limit
            if end > limit:
                raise cut_off()
            if end < start:
                raise damaged("image", "a box ends before it begins")
            kind = data[position + 4 : position + 8]
            yield kind, start
            if kind in {b"meta", b"iprp", b"ipco"}:
                waiting.append((start + (_FULL if kind == b"meta" else 0), end))
            position = end

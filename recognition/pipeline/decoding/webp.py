"""The walk over a WebP (RFC 9649): its chunks and the size of its canvas."""

from recognition.pipeline.decoding.container import Container, bound, cut_off, damaged

_MOST_CHUNKS = 1_000
_RIFF, _HEADER = 12, 8
_PIXEL = 17  # two canvases of the animation decoder, the frame, its bytes, and Pillow's own pixels
_SIDE = 0x3FFF  # of the two plain kinds of frame


def walk(data: bytes, max_pixels: int) -> Container:
    """Walk over a WebP; the size of an animation is that of its canvas.

    Raises:
        ImageTooLarge: too many pixels, or more chunks than encoders write.
        UndecodableImage: it is cut off, or violates its format.
    """
    end = _HEADER + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise cut_off()
    size: tuple[int, int] | None = None
    position, count = _RIFF, 0
    while position + _HEADER <= end:
        count += 1
        bound(_MOST_CHUNKS, count, "chunks")
        kind, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + _HEADER], "little")
        size = size or _size(kind, data[position + _HEADER : position + _HEADER + 10])
        position += _HEADER + length + length % 2
    if size is None:
        raise damaged("WEBP", "there is no picture inside")
    bound(max_pixels, size[0] * size[1], "pixels")
    return Container("WEBP", *size, [memoryview(data)[:end]], bytes_per_pixel=_PIXEL)


def _size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    """Read width and height from the first chunk, which differs among the three kinds of file."""
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & _SIDE, int.from_bytes(body[8:10], "little") & _SIDE
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & _SIDE) + 1, (bits >> 14 & _SIDE) + 1
    return None

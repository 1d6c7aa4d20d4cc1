"""The walk over a BMP (Windows bitmap): its header, and whether its rows are complete.

Only plain rows of 8, 24 or 32 bits a pixel are read; run-length encoding is refused, because a few bytes of it can
stand for any number of pixels.
"""

from recognition.pipeline.decoding.container import Container, bound, cut_off, damaged

_FILE_HEADER, _LEAST_HEADER = 14, 40
_HELD = {8: 1, 24: 3, 32: 4}  # bytes a pixel in Pillow, by bits a pixel
_PLAIN, _BIT_FIELDS = 0, 3  # kinds of compression


def walk(data: bytes, max_pixels: int) -> Container:
    """Walk over a BMP.

    Raises:
        ImageTooLarge: too many pixels.
        UndecodableImage: it is cut off, compressed, or violates its format.
    """
    if len(data) < _FILE_HEADER + _LEAST_HEADER:
        raise cut_off()
    start = int.from_bytes(data[10:14], "little")
    header = int.from_bytes(data[14:18], "little")
    width = int.from_bytes(data[18:22], "little", signed=True)
    height = abs(int.from_bytes(data[22:26], "little", signed=True))  # negative: the first row is the top one
    bits, compression = int.from_bytes(data[28:30], "little"), int.from_bytes(data[30:34], "little")
    if header < _LEAST_HEADER or start < _FILE_HEADER + header or width < 1 or not height or bits not in _HELD:
        raise damaged("BMP", "the header makes no sense")
    if compression != _PLAIN and (compression, bits) != (_BIT_FIELDS, 32):
        raise damaged("BMP", "its compression is not supported")
    bound(max_pixels, width * height, "pixels")
    row = -(-width * bits // 32) * 4
    end = start + row * height
    if end > len(data):
        raise cut_off()
    return Container("BMP", width, height, [memoryview(data)[:end]], bytes_per_pixel=_HELD[bits])

"""The walk over a JPEG (ITU T.81, annex B): its markers, its scans, and the cost of decoding them.

A progressive JPEG can hold any number of scans, and each scan makes the decoder visit every block of the picture again:
8 MB of scans take hours. Encoders write about ten.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from recognition.pipeline.decoding.container import Container, Part, bound, cut_off, damaged

_MOST_MARKERS = 1_000  # 64 KB of metadata each; encoders write tens
_MOST_SCANS = 100
_MOST_WORK = 1_000_000_000  # samples visited by all scans together: 50 megapixels in colour, in the usual ten scans

# In the data of a scan, FF is followed by 00 (a literal FF), by RST0 to RST7, or by another FF (fill).
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
_EOI, _SOS = 0xD9, 0xDA
_APP0, _APP1, _APP14 = 0xE0, 0xE1, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_TABLES = frozenset((0xC4, 0xCC, 0xDB, 0xDC, 0xDD))  # Huffman, arithmetic, quantisation, lines, restarts
_METADATA = {  # the colours or the orientation of the picture depend on these
    _APP0: (b"JFIF\0",),
    _APP1: (b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"),
    _APP14: (b"Adobe",),
}
_COEFFICIENTS = 64
# A decoder reads some bytes ahead. This padding, no valid code, lets it draw the last block without an end marker.
_PADDING = b"\xff\0" * 16
_PIXEL = 4  # Pillow stores a colour pixel in four bytes


@dataclass(frozen=True, slots=True)
class _Scan:
    """The contents of a scan: ids of components, and which of their coefficients."""

    components: tuple[int, ...]
    coefficients: range


@dataclass(slots=True)
class _Frame:
    """A frame header: the samples of each component by its id, and the scans that follow."""

    width: int
    height: int
    progressive: bool
    samples: dict[int, int]
    scans: list[_Scan] = field(default_factory=list)

    @property
    def buffered(self) -> bool:
        """Whether the decoder must keep all coefficients until the last scan."""
        return self.progressive or any(len(scan.components) < len(self.samples) for scan in self.scans)

    @property
    def work(self) -> int:
        """The samples visited by all scans together."""
        return sum(self.samples[component] for scan in self.scans for component in scan.components)

    @property
    def refined_at_most(self) -> bool:
        """Whether a cut-off last scan would only lack a refinement of some coefficients."""
        received: dict[int, set[int]] = {component: set() for component in self.samples}
        for scan in self.scans[:-1]:
            for component in scan.components:
                received[component].update(scan.coefficients)
        return all(len(coefficients) == _COEFFICIENTS for coefficients in received.values())


def walk(data: bytes, max_pixels: int) -> Container:
    """Walk over a JPEG.

    Raises:
        ImageTooLarge: too many pixels, more markers or scans than encoders write, or scans that visit too many samples.
        UndecodableImage: it is cut off, or violates its format.
    """
    parts: list[Part] = [memoryview(data)[:2]]
    frame: _Frame | None = None
    marker = 0
    for marker, segment, before in _segments(data):
        if parts[-1][1] == _SOS:
            parts.append(before)
        if marker in _FRAMES:
            if frame is not None:
                raise damaged("JPEG", "a second image begins inside")
            frame = _frame(bytes(segment[4:]), progressive=marker in _PROGRESSIVE)
            bound(max_pixels, frame.width * frame.height, "pixels")
        elif marker == _SOS:
            if frame is None:
                raise damaged("JPEG", "a scan comes before the frame")
            frame.scans.append(_scan(bytes(segment[4:]), frame))
            bound(_MOST_SCANS, len(frame.scans), "scans")
        if _needed(marker, segment):
            parts.append(segment)
    if frame is None or not frame.scans:
        raise cut_off()
    bound(_MOST_WORK, frame.work, "samples in all scans")
    ended, buffered = marker == _EOI, frame.buffered
    if not ended and buffered and not frame.refined_at_most:
        raise cut_off()
    parts.append(b"\xff\xd9" if ended or buffered else _PADDING)
    return Container(
        "JPEG",
        frame.width,
        frame.height,
        parts,
        bytes_per_pixel=_PIXEL,
        buffered=2 * sum(frame.samples.values()) if buffered else 0,
        open_ended=not ended and not buffered,
    )


def _segments(data: bytes) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Yield each marker with its segment and with the data between the previous segment and it.

    The last one is the end marker, or 0 if it is missing.
    """
    view, position = memoryview(data), 2
    for count in itertools.count(1):
        bound(_MOST_MARKERS, count, "markers")
        found = _MARKER.search(data, position)
        marker = data[found.start() + 1] if found else 0
        if found is None or marker == _EOI:
            yield marker, view[:0], view[position : found.start() if found else len(view)]
            return
        segment = _segment(view, found.start())
        yield marker, segment, view[position : found.start()]
        position = found.start() + len(segment)


def _segment(view: memoryview, start: int) -> memoryview:
    """Return the marker at `start` with its contents."""
    length = int.from_bytes(view[start + 2 : start + 4], "big")
    segment = view[start : start + 2 + length]
    if len(view) < start + 4 or len(segment) < 2 + length:
        raise cut_off()
    if length < 2:  # noqa: PLR2004 -- the length counts its own two bytes
        raise damaged("JPEG", "a segment has no length")
    return segment


def _needed(marker: int, segment: memoryview) -> bool:
    """Return whether the decoder needs the segment; profiles, previews and comments are dropped."""
    if marker in _METADATA:
        return bytes(segment[4:40]).startswith(_METADATA[marker])
    return marker in _TABLES or marker in _FRAMES or marker == _SOS


def _frame(body: bytes, *, progressive: bool) -> _Frame:
    """Read a frame header: precision, height, width, and the id and sampling factors of each component."""
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    components = [body[at : at + 2] for at in range(6, len(body) - 2, 3)]
    if not height or not width or not components or len(components) != body[5]:
        raise damaged("JPEG", "the frame header makes no sense")
    factors = {component[0]: (component[1] >> 4, component[1] & 15) for component in components}
    if not all(horizontal and vertical for horizontal, vertical in factors.values()):
        raise damaged("JPEG", "a component has no samples")
    most_wide = max(horizontal for horizontal, _ in factors.values())
    most_high = max(vertical for _, vertical in factors.values())
    samples = {
        component: -(-width * horizontal // most_wide) * -(-height * vertical // most_high)
        for component, (horizontal, vertical) in factors.items()
    }
    return _Frame(width, height, progressive, samples)


def _scan(body: bytes, frame: _Frame) -> _Scan:
    """Read a scan header."""
    count = body[0] if body else 0
    components = tuple(body[1 : 1 + 2 * count : 2])
    if not components or len(body) < 4 + 2 * count or not frame.samples.keys() >= set(components):
        raise damaged("JPEG", "a scan header makes no sense")
    first, last = body[1 + 2 * count], body[2 + 2 * count]
    return _Scan(components, range(first, last + 1) if frame.progressive else range(_COEFFICIENTS))

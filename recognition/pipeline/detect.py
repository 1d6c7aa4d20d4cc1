"""Face detection at several scales, and enlarged where faces may be small; boxes of the same face are merged."""

import cv2
import numpy as np

from recognition.packs import Model
from recognition.pipeline import adapters
from recognition.results import Box, Floats, Pixels

_CONFIDENCE = 0.7
_OVERLAP = 0.3  # intersection over union; boxes that overlap more are the same face

# The longer side of the scaled image, in pixels, for each look; the last look is the first without very small faces.
_SIDES = (320, 640, 1280)
# At 320 pixels YuNet finds faces of about 10 pixels and more, and hints at smaller ones with low confidence. A hint of
# a face under 32 pixels justifies a closer look: all faces of group photographs are found, a portrait needs one look.
_HINT = 0.3
_LARGE_HINT = 0.15  # of a face as large as the others, which no look is sure of: another may be
_SMALL = 32.0
# A large image is not enlarged as a whole, but near what hints at a small face: at three times its size.
_FAINT, _AROUND, _ZOOM, _MOST_ZOOMED = 0.05, 3.6, 3, 32
# Twice its size, YuNet finds 97 % of faces of 12 pixels and all of 16 and more; at its size 84 % of 24, 21 % of 16.
_ENLARGED = 2.0


def detect(pixels: Pixels, model: Model, limit: int, *, enlarge: bool = True) -> list[tuple[Box, float]]:
    """Find up to `limit` faces, largest first, each with a confidence of 0 to 1.

    `pixels` is (height, width, 3), blue-green-red. Boxes are in its pixels and may extend beyond it. With `enlarge` a
    small image in which faces may be small is looked at twice its size, too.

    Raises:
        ModelUnavailable: the detector is not installed.
    """
    return largest_of(_looked(pixels, adapters.detector(model), enlarge=enlarge), _CONFIDENCE, limit)


def largest_of(found: Floats, least: float, limit: int) -> list[tuple[Box, float]]:
    """Return up to `limit` of the boxes (n, 5), largest first, of each face the one of most confidence."""
    found = _distinct(found, least)
    largest = found[np.argsort(-found[:, 2] * found[:, 3], kind="stable")][:limit]
    return [(Box(*map(float, box)), float(confidence)) for *box, confidence in largest]


def _looked(pixels: Pixels, detector: adapters.Detector, *, enlarge: bool) -> Floats:
    """Run the detector at growing sizes; return the confident boxes of every look, (faces, 5)."""
    longest = max(pixels.shape)
    closest = shrunk(pixels, min(1.0, _SIDES[-1] / longest))
    found = []
    for scale in _scales(longest, enlarge=enlarge):
        look = shrunk(closest, scale * longest / max(closest.shape)) if scale <= 1 else _enlarged(pixels)
        seen = detector.detect(look, _FAINT)
        found.append(seen[seen[:, 4] >= _CONFIDENCE] / (scale, scale, scale, scale, 1))
        if _suffices(seen):
            return np.concatenate(found).astype(np.float32)
    if enlarge and scale <= 1:
        found.append(_zoomed(look, seen, detector) / (scale, scale, scale, scale, 1))
    return np.concatenate(found).astype(np.float32)


def _scales(longest: int, *, enlarge: bool) -> list[float]:
    """Return the scales of the looks at an image with this longer side."""
    scales = [side / longest for side in _SIDES if side < longest]
    if len(scales) == len(_SIDES):
        return scales
    return [*scales, 1.0, *([_ENLARGED] if enlarge and _ENLARGED * longest <= _SIDES[-1] else [])]


def _enlarged(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.resize(pixels, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC), np.uint8)


def _zoomed(look: Pixels, seen: Floats, detector: adapters.Detector) -> Floats:
    """Return the confident boxes near small faint hints of a look at a large image, each seen enlarged by itself."""
    faint = _distinct(seen[(seen[:, 2:4].min(axis=1) < _SMALL) & (seen[:, 4] < _CONFIDENCE)], _FAINT)
    found = [np.empty((0, 5), np.float32)]
    for left, top, width, height, _ in faint[:_MOST_ZOOMED].tolist():
        reach = _AROUND * max(width, height) / 2
        column, row = max(0, int(left + width / 2 - reach)), max(0, int(top + height / 2 - reach))
        part = look[row : int(row + 2 * reach), column : int(column + 2 * reach)]
        if not part.size:  # in the padding of the network's input
            continue
        large = cv2.resize(part, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_CUBIC)
        near = detector.detect(np.asarray(large, np.uint8), _CONFIDENCE)
        near[:, :4] /= _ZOOM
        near[:, :2] += (column, row)
        found.append(near)
    return np.concatenate(found)


def _suffices(seen: Floats) -> bool:
    """Return whether no closer look could show smaller faces, or one as large as those of which this look is sure."""
    seen = seen[seen[:, 4] >= _LARGE_HINT]
    confident = seen[:, 4] >= _CONFIDENCE
    if not confident.any() or seen[seen[:, 4] >= _HINT, 2:4].min() < _SMALL:
        return False
    sizes = seen[:, 2] * seen[:, 3]
    unsure = seen[~confident & (sizes >= sizes[confident].max() / 2)]
    distinct = _distinct(np.concatenate((seen[confident], unsure)), _LARGE_HINT)
    return bool((distinct[:, 4] >= _CONFIDENCE).all())


def _distinct(found: Floats, least: float) -> Floats:
    """Keep the most confident of the boxes that are the same face."""
    kept = cv2.dnn.NMSBoxes(found[:, :4].tolist(), found[:, 4].tolist(), least, _OVERLAP)
    return found[np.asarray(kept, dtype=np.intp)]


def shrunk(pixels: Pixels, scale: float) -> Pixels:
    """Scale an image down: first by averaging whole pixels, which is fast, then by interpolation."""
    if scale >= 1:
        return pixels
    height, width = pixels.shape[:2]
    whole = min(int(1 / scale), height, width)
    rows, columns = height // whole, width // whole
    averaged = cv2.resize(pixels[: rows * whole, : columns * whole], (columns, rows), interpolation=cv2.INTER_AREA)
    size = [max(1, round(side * whole * scale)) for side in (columns, rows)]
    return np.asarray(cv2.resize(averaged, size), np.uint8)

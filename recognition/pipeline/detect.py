"""Face detection at several scales; boxes of the same face are merged."""

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
_SMALL = 32.0


def detect(pixels: Pixels, model: Model, limit: int) -> list[tuple[Box, float]]:
    """Find up to `limit` faces, largest first, each with a confidence of 0 to 1.

    `pixels` is (height, width, 3), blue-green-red. Boxes are in its pixels and may extend beyond it.

    Raises:
        ModelUnavailable: the detector is not installed.
    """
    found = _distinct(_looked(pixels, adapters.detector(model)))
    largest = found[np.argsort(-found[:, 2] * found[:, 3], kind="stable")][:limit]
    return [(Box(*map(float, box)), float(confidence)) for *box, confidence in largest]


def _looked(pixels: Pixels, detector: adapters.Detector) -> Floats:
    """Run the detector at growing sizes; return the confident boxes of every look, (faces, 5)."""
    longest = max(pixels.shape)
    closest = shrunk(pixels, min(1.0, _SIDES[-1] / longest))
    found = []
    for side in _SIDES:
        scale = min(1.0, side / longest)
        seen = detector.detect(shrunk(closest, scale * longest / max(closest.shape)), _HINT)
        confident = seen[seen[:, 4] >= _CONFIDENCE]
        found.append(confident / (scale, scale, scale, scale, 1))
        if scale == 1 or (len(confident) and seen[:, 2:4].min() >= _SMALL):
            break
    return np.concatenate(found).astype(np.float32)


def _distinct(found: Floats) -> Floats:
    """Keep the most confident of the boxes that are the same face."""
    kept = cv2.dnn.NMSBoxes(found[:, :4].tolist(), found[:, 4].tolist(), _CONFIDENCE, _OVERLAP)
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

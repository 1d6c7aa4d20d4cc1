"""The landmarks of a face: 68 points, and the five of them that alignment stands on.

They place a face more exactly than the detector's own five: with them the true accept rate at a false match rate of
1e-5 rises from .916 to .951.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from recognition import sessions
from recognition.packs import Model
from recognition.results import Box, Floats, Landmarks, Pixels

_SIDE = 64
_RANGE = 256.0
_POINTS = 68


def locate(pixels: Pixels, boxes: Sequence[Box], model: Model) -> Floats:
    """Return (faces, 68, 2) points in the image's pixels, in the order of the iBUG 300-W annotation.

    `pixels` is (height, width, 3), blue-green-red.

    Raises:
        ModelUnavailable: the landmark model is not installed.
    """
    if not boxes:
        return np.zeros((0, _POINTS, 2), np.float32)
    places = [_clipped(box, pixels) for box in boxes]
    batch = np.stack([_gray(pixels[top:bottom, left:right]) for left, top, right, bottom in places])
    points = sessions.run(model, batch[:, None] / _RANGE)[0].reshape(-1, _POINTS, 2)
    edges = np.array(places, np.float32)
    corner, size = edges[:, None, :2], (edges[:, 2:] - edges[:, :2])[:, None]
    return np.asarray(points * size + corner, np.float32)


def five(points: Floats) -> Landmarks:
    """Reduce one face's 68 points to eye centres, nose tip and mouth corners, (5, 2)."""
    return np.stack((points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]))


def _clipped(box: Box, pixels: Pixels) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the part of the box that lies in the image, at least one pixel."""
    height, width = pixels.shape[:2]
    left, top = min(max(0, round(box.x)), width - 1), min(max(0, round(box.y)), height - 1)
    right, bottom = min(width, round(box.x + box.width)), min(height, round(box.y + box.height))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _gray(crop: Pixels) -> Floats:
    return cv2.cvtColor(cv2.resize(crop, (_SIDE, _SIDE)), cv2.COLOR_BGR2GRAY).astype(np.float32)

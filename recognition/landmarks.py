"""68 landmarks of each face, by fr_landmark, and the five of them that alignment uses.

They place a face more exactly than the detector's own five points do, which decides more about recognition than the
choice of embedder. Order: iBUG 300-W (Sagonas et al., 2013).
"""

from collections.abc import Sequence

import cv2
import numpy as np

from recognition import sessions
from recognition.packs import Model
from recognition.results import Box, Floats, Landmarks, Pixels

_SIDE = 64
_BATCH = 16  # faces a run: more gain nothing, and take memory while they run

_LEFT_EYE = slice(36, 42)
_RIGHT_EYE = slice(42, 48)
_NOSE_TIP = 30
_MOUTH_LEFT = 48
_MOUTH_RIGHT = 54


def locate(pixels: Pixels, boxes: Sequence[Box], model: Model) -> Floats:
    """Return (faces, 68, 2): x and y of each landmark, in pixels of the image.

    `pixels` is (height, width, 3), blue-green-red. A box counts as far as it lies within the image.

    Raises:
        ModelUnavailable: the landmark model is not installed.
    """
    if not boxes:
        return np.empty((0, 68, 2), np.float32)
    corners = np.array([_clipped(box, pixels) for box in boxes])
    faces = np.stack([_face(pixels, *corner) for corner in corners])
    runs = [sessions.run(model, faces[at : at + _BATCH, None])[0] for at in range(0, len(faces), _BATCH)]
    points = np.concatenate(runs).reshape(-1, 68, 2)
    origin, size = corners[:, None, :2], corners[:, None, 2:] - corners[:, None, :2]
    return np.asarray(origin + points * size, np.float32)


def five(points: Floats) -> Landmarks:
    """Return the five points (5, 2) that alignment uses, of a face's 68."""
    eyes = points[_LEFT_EYE].mean(axis=0), points[_RIGHT_EYE].mean(axis=0)
    return np.stack((*eyes, points[_NOSE_TIP], points[_MOUTH_LEFT], points[_MOUTH_RIGHT]))


def _clipped(box: Box, pixels: Pixels) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the part within the image, at least one pixel of it."""
    height, width = pixels.shape[:2]
    left, top = (int(np.clip(at, 0, side - 1)) for at, side in ((box.x, width), (box.y, height)))
    right = int(np.clip(box.x + box.width, left + 1, width))
    bottom = int(np.clip(box.y + box.height, top + 1, height))
    return left, top, right, bottom


def _face(pixels: Pixels, left: int, top: int, right: int, bottom: int) -> Floats:
    """Return the face as the model takes it: (64, 64) gray, 0 to 1."""
    face = cv2.resize(pixels[top:bottom, left:right], (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), np.float32) / np.float32(256)

"""fr_landmark: 68 landmarks within the box of a face."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recognition.packs import Model, sessions
from recognition.results import Box, Floats, Pixels

_SIDE = 64
_BATCH = 16  # faces per run: more gain nothing and take memory


@dataclass(frozen=True, slots=True)
class Fr68:
    """Takes the box of a face as (64, 64) gray, 0 to 1; outputs are relative to the box."""

    model: Model

    def locate(self, pixels: Pixels, boxes: Sequence[Box]) -> Floats:
        """Return (faces, 68, 2): x and y of each landmark, in pixels of the image.

        `pixels` is (height, width, 3), blue-green-red. Boxes are clipped to the image.

        Raises:
            ModelUnavailable: the model is not installed.
        """
        corners = np.array([_clipped(box, pixels) for box in boxes])
        faces = np.stack([_face(pixels, *corner) for corner in corners])
        runs = [sessions.run(self.model, faces[at : at + _BATCH, None])[0] for at in range(0, len(faces), _BATCH)]
        points = np.concatenate(runs).reshape(-1, 68, 2)
        origin, size = corners[:, None, :2], corners[:, None, 2:] - corners[:, None, :2]
        return np.asarray(origin + points * size, np.float32)


def _clipped(box: Box, pixels: Pixels) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the box clipped to the image, at least one pixel."""
    height, width = pixels.shape[:2]
    left, top = (int(np.clip(at, 0, side - 1)) for at, side in ((box.x, width), (box.y, height)))
    right = int(np.clip(box.x + box.width, left + 1, width))
    bottom = int(np.clip(box.y + box.height, top + 1, height))
    return left, top, right, bottom


def _face(pixels: Pixels, left: int, top: int, right: int, bottom: int) -> Floats:
    """Return the model input: (64, 64) gray, 0 to 1."""
    face = cv2.resize(pixels[top:bottom, left:right], (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), np.float32) / np.float32(256)

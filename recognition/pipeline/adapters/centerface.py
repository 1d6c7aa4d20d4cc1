"""The face detector CenterFace, asked about one face, or where to find any.

Source: Xu, Yan, Lin, et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019; decoding as in
github.com/Star-Clouds/CenterFace.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from recognition.packs import Model, sessions
from recognition.results import Floats, Landmarks, Pixels

_STRIDE = 4  # pixels of the image per place of the maps
_PADDING = 32


@dataclass(frozen=True, slots=True)
class CenterFace:
    """Takes red-green-blue, 0 to 255, whose sides are multiples of 32 pixels: of one face, a square of `side`."""

    model: Model
    side: int = 128

    def look(self, square: Pixels) -> tuple[float, Landmarks]:
        """Return the highest confidence in the middle half of the square, and the five landmarks that go with it.

        Raises:
            ModelUnavailable: the model is not installed.
        """
        heat, extent, offset, points = self._maps(square)
        edge = self.side // _STRIDE // 4
        middle = heat[edge:-edge, edge:-edge]
        at = tuple(np.array(np.unravel_index(middle.argmax(), middle.shape)) + edge)
        size, centre = _box(extent, offset, *at)
        places = points[:, *at].reshape(5, 2)[:, ::-1] * size + centre - size / 2
        return float(heat[at]), places.astype(np.float32)

    def detect(self, pixels: Pixels, least: float) -> Floats:
        """Return (faces, 5): left, top, width, height in pixels, and a confidence of at least `least`.

        A face may be returned several times.

        Raises:
            ModelUnavailable: the model is not installed.
        """
        down, right = (-side % _PADDING for side in pixels.shape[:2])
        padded = cv2.copyMakeBorder(pixels, 0, down, 0, right, cv2.BORDER_CONSTANT)
        heat, extent, offset, _ = self._maps(np.asarray(padded, np.uint8))
        found = [np.empty((0, 5), np.float32)]
        for at in np.argwhere(heat >= least):
            size, centre = _box(extent, offset, *at)
            found.append(np.array([[*(centre - size / 2), *size, heat[tuple(at)]]], np.float32))
        return np.concatenate(found)

    def _maps(self, pixels: Pixels) -> tuple[Floats, Floats, Floats, Floats]:
        """Return heat (h, w), sizes (2, h, w), offsets (2, h, w) and landmarks (10, h, w), a value each 4 pixels."""
        image = np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1)[None], np.float32)
        heat, extent, offset, points = (output[0] for output in sessions.run(self.model, image))
        return heat[0], extent, offset, points


def _box(extent: Floats, offset: Floats, row: int, column: int) -> tuple[Floats, Floats]:
    """Return width and height, and the centre, of the face at a place of the maps."""
    size = np.exp(extent[::-1, row, column]) * _STRIDE
    centre = (np.array((column, row)) + offset[::-1, row, column] + 0.5) * _STRIDE
    return size, centre

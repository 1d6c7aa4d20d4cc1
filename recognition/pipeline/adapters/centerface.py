"""The face detector CenterFace, asked about one face.

Source: Xu, Yan, Lin, et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019; decoding as in
github.com/Star-Clouds/CenterFace.
"""

from dataclasses import dataclass

import numpy as np

from recognition.packs import Model, sessions
from recognition.results import Landmarks, Pixels

_STRIDE = 4  # pixels of the image per place of the maps


@dataclass(frozen=True, slots=True)
class CenterFace:
    """Takes a square red-green-blue, 0 to 255, whose `side` is a multiple of 32 pixels."""

    model: Model
    side: int = 128

    def look(self, square: Pixels) -> tuple[float, Landmarks]:
        """Return the highest confidence in the middle half of the square, and the five landmarks that go with it.

        Raises:
            ModelUnavailable: the model is not installed.
        """
        image = np.ascontiguousarray(square[:, :, ::-1].transpose(2, 0, 1)[None], np.float32)
        heat, extent, offset, points = (output[0] for output in sessions.run(self.model, image))
        edge = self.side // _STRIDE // 4
        middle = heat[0, edge:-edge, edge:-edge]
        row, column = np.array(np.unravel_index(middle.argmax(), middle.shape)) + edge
        size = np.exp(extent[::-1, row, column]) * _STRIDE  # width, height
        centre = (np.array((column, row)) + offset[::-1, row, column] + 0.5) * _STRIDE
        places = points[:, row, column].reshape(5, 2)[:, ::-1] * size + centre - size / 2
        return float(heat[0, row, column]), places.astype(np.float32)

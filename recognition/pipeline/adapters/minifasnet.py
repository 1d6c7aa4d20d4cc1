"""MiniFASNet and similar models: liveness from a face and its surroundings.

The edge of a sheet or screen reveals a picture of a face. Source of the crop: Minivision, Silent-Face-Anti-Spoofing,
2020, `generate_patches.py`.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from recognition.packs import Model, sessions
from recognition.results import Box, Floats, Pixels


@dataclass(frozen=True, slots=True)
class MiniFASNet:
    """Takes crops of `side` pixels, one for each scale in `crops` of the box; `live` is the index of the live class."""

    model: Model
    side: int
    crops: tuple[float, ...]
    live: int

    def score(self, pixels: Pixels, box: Box) -> float:
        """Return the lowest probability of "live" among the crops.

        A picture of a face fails at one of the scales; a live face passes at all of them.

        Raises:
            ModelUnavailable: the model is not installed.
        """
        squares = np.stack([crop(pixels, box, scale, self.side) for scale in self.crops])
        logits = sessions.run(self.model, squares.transpose(0, 3, 1, 2).astype(np.float32))[0]
        return float(_softmax(logits)[:, self.live].min())


def crop(pixels: Pixels, box: Box, scale: float, side: int) -> Pixels:
    """Return (side, side, 3): the box scaled about its centre, then shrunk and shifted to fit into the image."""
    height, width = pixels.shape[:2]
    scale = min((height - 1) / box.height, (width - 1) / box.width, scale)
    left = _shifted(box.x + box.width / 2, box.width * scale, width)
    top = _shifted(box.y + box.height / 2, box.height * scale, height)
    right, bottom = left + box.width * scale, top + box.height * scale
    cut = pixels[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
    return np.asarray(cv2.resize(cut, (side, side)), np.uint8)


def _shifted(centre: float, extent: float, side: int) -> float:
    """Return the start of an interval of this extent, as near to its centre as the image allows."""
    return min(max(centre - extent / 2, 0.0), max(side - 1 - extent, 0.0))


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

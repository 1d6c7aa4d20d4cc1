"""MiniFASNet and similar models: liveness from a face and its surroundings.

The edge of a sheet or screen reveals a picture of a face. Source of the crop: Minivision, Silent-Face-Anti-Spoofing,
2020, `generate_patches.py`.
"""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from recognition.packs import Model, sessions
from recognition.results import Box, Floats, Pixels

_Look: TypeAlias = tuple[float, int | None]  # a scale, and OpenCV's way to pad; None: shifted into the image
_EVEN_FROM, _EVEN_TO = 0.4, 0.7  # padded shares between which black edges come to count as much as repeated ones


@dataclass(frozen=True, slots=True)
class MiniFASNet:
    """Takes crops of `side` pixels, one for each scale in `crops` of the box; `live` is the index of the live class."""

    model: Model
    side: int
    crops: tuple[float, ...]
    live: int

    def log_odds(self, pixels: Pixels, box: Box, close: float) -> Floats:
        """Return (crops,): the logarithm of the odds that each crop shows a live face.

        `close` is 0 for crops that are shifted into the image, 1 for crops that are padded outside of it, and weighs
        both between. Padded by black, faces look like pictures of faces, and padded by repeated pixels, pictures look
        live: a crop of which most is padded is judged both ways, and the mean counts.

        Raises:
            ModelUnavailable: the model is not installed.
        """
        looks = [self._weighed(pixels, box, scale, close) for scale in self.crops]
        wanted = list(dict.fromkeys(look for weights in looks for look in weights))  # several scales may fit as one
        squares = np.stack([_crop(pixels, box, look, self.side) for look in wanted])
        logits = sessions.run(self.model, squares.transpose(0, 3, 1, 2).astype(np.float32))[0]
        odds = dict(zip(wanted, _log_odds(logits, self.live), strict=True))
        return np.array([sum(weight * odds[look] for look, weight in weights.items()) for weights in looks], np.float32)

    def _weighed(self, pixels: Pixels, box: Box, scale: float, close: float) -> dict[_Look, float]:
        """Return the crops that judge the face at this scale, with their weights in the log odds."""
        share = outside(pixels, box, scale)
        black = close * 0.5 * float(np.clip((share - _EVEN_FROM) / (_EVEN_TO - _EVEN_FROM), 0, 1))
        looks = {
            (_largest(pixels, box, scale), None): 1 - close,
            (scale, cv2.BORDER_REPLICATE): close - black,
            (scale, cv2.BORDER_CONSTANT): black,
        }
        return {look: weight for look, weight in looks.items() if weight}


def _crop(pixels: Pixels, box: Box, look: _Look, side: int) -> Pixels:
    scale, border = look
    return fitted(pixels, box, scale, side) if border is None else padded(pixels, box, scale, side, border)


def _largest(pixels: Pixels, box: Box, scale: float) -> float:
    """Return the scale, or the largest one with which the scaled box fits into the image."""
    height, width = pixels.shape[:2]
    return float(min((height - 1) / box.height, (width - 1) / box.width, scale))


def fitted(pixels: Pixels, box: Box, scale: float, side: int) -> Pixels:
    """Return (side, side, 3): the box scaled about its centre, then shrunk and shifted to fit into the image."""
    height, width = pixels.shape[:2]
    scale = _largest(pixels, box, scale)
    left = _shifted(box.x + box.width / 2, box.width * scale, width)
    top = _shifted(box.y + box.height / 2, box.height * scale, height)
    right, bottom = left + box.width * scale, top + box.height * scale
    cut = pixels[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
    return np.asarray(cv2.resize(cut, (side, side)), np.uint8)


def padded(pixels: Pixels, box: Box, scale: float, side: int, border: int) -> Pixels:
    """Return (side, side, 3): the box scaled about its centre; `border` is OpenCV's way to pad outside of the image."""
    left, top = box.x + box.width * (1 - scale) / 2, box.y + box.height * (1 - scale) / 2
    across, down = box.width * scale / side, box.height * scale / side  # pixels of the image in a pixel of the crop
    matrix = np.array([[across, 0, left + across / 2 - 0.5], [0, down, top + down / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(pixels, matrix, (side, side), flags=flags, borderMode=border), np.uint8)


def outside(pixels: Pixels, box: Box, scale: float) -> float:
    """Return which share of the scaled box lies outside of the image."""
    inside = 1.0
    for start, extent, length in ((box.x, box.width, pixels.shape[1]), (box.y, box.height, pixels.shape[0])):
        low, high = start + extent * (1 - scale) / 2, start + extent * (1 + scale) / 2
        inside *= max(0.0, min(high, length) - max(low, 0.0)) / (high - low)
    return 1 - inside


def _shifted(centre: float, extent: float, side: int) -> float:
    """Return the start of an interval of this extent, as near to its centre as the image allows."""
    return min(max(centre - extent / 2, 0.0), max(side - 1 - extent, 0.0))


def _log_odds(logits: Floats, live: int) -> Floats:
    others = np.delete(logits, live, axis=1)
    most = others.max(axis=1, keepdims=True)
    return np.asarray(logits[:, live] - most[:, 0] - np.log(np.exp(others - most).sum(axis=1)), np.float32)

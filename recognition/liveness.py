"""Whether a face is a person in front of the camera or a picture of one.

Each model looks at the face with some of what surrounds it, since a sheet's or a screen's edge gives it away. Source of
the crop: Minivision, Silent-Face-Anti-Spoofing, 2020, `generate_patches.py`.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from recognition import sessions
from recognition.packs import Model, Pack
from recognition.results import Box, Floats, Liveness, Pixels


def assess(pixels: Pixels, boxes: Sequence[Box], pack: Pack) -> list[Liveness]:
    """Return the liveness of each face; the pack's experts all have to believe in it.

    `pixels` is (height, width, 3), blue-green-red.

    Raises:
        ModelUnavailable: a liveness model that is not optional is not installed.
    """
    experts = [models for expert in pack.liveness if (models := sessions.available(expert))]
    scores = [[np.mean([_score(pixels, box, model) for model in expert]) for expert in experts] for box in boxes]
    return [Liveness(float(min(score))) for score in scores]


def _score(pixels: Pixels, box: Box, model: Model) -> float:
    """Return the lowest probability of "live" over the model's crops.

    A picture of a face is caught at one scale or another; a live face passes at all of them.
    """
    crops = np.stack([crop(pixels, box, scale, model.side) for scale in model.crops])
    logits = sessions.run(model, crops.transpose(0, 3, 1, 2).astype(np.float32))[0]
    return float(_softmax(logits)[:, model.live].min())


def crop(pixels: Pixels, box: Box, scale: float, side: int) -> Pixels:
    """Return (side, side, 3): the box scaled about its centre, shrunk and shifted until it lies within the image."""
    height, width = pixels.shape[:2]
    scale = min((height - 1) / box.height, (width - 1) / box.width, scale)
    left = _shifted(box.x + box.width / 2, box.width * scale, width)
    top = _shifted(box.y + box.height / 2, box.height * scale, height)
    right, bottom = left + box.width * scale, top + box.height * scale
    cut = pixels[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
    return np.asarray(cv2.resize(cut, (side, side)), np.uint8)


def _shifted(centre: float, extent: float, side: int) -> float:
    """Return where a stretch of this extent begins, as near to its centre as the image's side allows."""
    return min(max(centre - extent / 2, 0.0), max(side - 1 - extent, 0.0))


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)

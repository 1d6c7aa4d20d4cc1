"""Is this a person in front of the camera, or a picture of one?

Presentation attack detection from one image, by the MiniFASNet family (minivision, "Silent-Face-Anti-Spoofing", 2020).
fr_liveness alone lets a third of the replays on a phone pass; the minimum over three crops lets 5 % pass. Where the
MiniFASNet pair is installed its mean joins the minimum, and none of them did.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from recognition import sessions
from recognition.packs import Model
from recognition.results import Box, Floats, Liveness, Pixels

# By model: the scales of its crops around the face, its input's side in pixels, and which of its classes is "live".
_MODELS = {
    "fr_liveness": ((2.0, 2.7, 3.5), 128, 0),
    "minifasnet_v2": ((2.7,), 80, 1),
    "minifasnet_v1se": ((4.0,), 80, 1),
}


def assess(pixels: Pixels, boxes: Sequence[Box], models: Sequence[Model]) -> list[Liveness]:
    """Score each face; `pixels` is (height, width, 3), blue-green-red.

    Raises:
        ModelUnavailable: the liveness model is not installed.
    """
    if not boxes:
        return []
    first, *pair = [_scores(pixels, boxes, model) for model in sessions.available(models)]
    lowest = first.min(1)
    if pair:
        lowest = np.minimum(lowest, np.mean([scores[:, 0] for scores in pair], 0))
    return [Liveness(float(score)) for score in lowest]


def _scores(pixels: Pixels, boxes: Sequence[Box], model: Model) -> Floats:
    """Return (faces, scales) probabilities of "live"."""
    scales, side, live = _MODELS[model.name]
    crops = [_crop(pixels, box, scale, side) for box in boxes for scale in scales]
    logits: npt.NDArray[np.float32] = sessions.run(model, np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32))[0]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray((powers / powers.sum(1, keepdims=True))[:, live].reshape(len(boxes), len(scales)), np.float32)


def _crop(pixels: Pixels, box: Box, scale: float, side: int) -> Pixels:
    """Cut the box, scaled about its centre and shifted back into the image where it leaves it, to (side, side, 3)."""
    height, width = pixels.shape[:2]
    scale = min(scale, (height - 1) / box.height, (width - 1) / box.width)
    wide, high = box.width * scale, box.height * scale
    left = min(max(box.x + (box.width - wide) / 2, 0.0), width - 1 - wide)
    top = min(max(box.y + (box.height - high) / 2, 0.0), height - 1 - high)
    cut = pixels[int(top) : int(top + high) + 1, int(left) : int(left + wide) + 1]
    return np.asarray(cv2.resize(cut, (side, side)), np.uint8)

"""A second model's opinion about a face of which the detector is not sure: whether it is a human one.

The detector is less than _SURE of nearly every animal, drawing or doll, and of one portrait in ten. The second model
also finds faces that light has burnt to white, of which the detector loses half.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from recognition.metrics import stage
from recognition.packs import Model
from recognition.pipeline import adapters
from recognition.pipeline.detect import largest_of, shrunk
from recognition.results import Box, Landmarks, Pixels

_SURE = 0.9
_WHITE, _BURNT = 250, 0.25  # the level of green from which a pixel is white, and the share of an image that is burnt
_FOUND, _LONGEST = 0.5, 320  # confidence; pixels along the longer side of what the model is shown
_CONTEXT = 2.5  # the side of the square that is looked at, in sides of the box


@dataclass(frozen=True, slots=True)
class Opinion:
    """Confidence, 0 to 1, and disagreement: the mean distance to our landmarks, over that between the eyes."""

    confidence: float
    disagreement: float


def opinion(pixels: Pixels, box: Box, confidence: float, landmarks: Landmarks, model: Model | None) -> Opinion | None:
    """Return the opinion about a face if the detector is not sure of it and the pack has such a model.

    Raises:
        The errors of `ask`.
    """
    return ask(pixels, box, landmarks, model) if model and confidence < _SURE else None


@stage("detect")
def ask(pixels: Pixels, box: Box, landmarks: Landmarks, model: Model) -> Opinion:
    """Return the opinion about a face. `pixels` is (height, width, 3), blue-green-red.

    Raises:
        ModelUnavailable: the model is not installed.
    """
    looking = adapters.second_opinion(model)
    half = _CONTEXT * max(box.width, box.height) / 2
    centre = np.array((box.x + box.width / 2, box.y + box.height / 2))
    left, top = np.maximum(centre - half, 0).astype(int)
    right, bottom = np.ceil(centre + half).astype(int)
    part = pixels[top:bottom, left:right]
    scale = looking.side / (2 * half)
    small = shrunk(part, min(1.0, 2 * scale))  # the warp would skip pixels
    to_small = np.array(small.shape[1::-1]) / part.shape[1::-1]
    corner = (np.array((left, top)) - centre + half) * scale
    matrix = np.column_stack((np.diag(scale / to_small), corner))
    confidence, places = looking.look(np.asarray(cv2.warpAffine(small, matrix, (looking.side, looking.side)), np.uint8))
    there = places / scale + centre - half
    eyes = max(float(np.linalg.norm(landmarks[0] - landmarks[1])), 1.0)
    return Opinion(confidence, float(np.linalg.norm(there - landmarks, axis=1).mean() / eyes))


def find_burnt(pixels: Pixels, model: Model, limit: int) -> list[tuple[Box, float]]:
    """Find up to `limit` faces, as `detect` does, if much of the image is white.

    Raises:
        ModelUnavailable: the model is not installed.
    """
    if (pixels[:, :, 1] >= _WHITE).mean() < _BURNT:
        return []
    scale = min(1.0, _LONGEST / max(pixels.shape))
    found = adapters.second_opinion(model).detect(shrunk(pixels, scale), _FOUND)
    found[:, :4] /= scale
    return largest_of(found, _FOUND, limit)

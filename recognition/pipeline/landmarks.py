"""68 landmarks per face, and the five points that alignment uses.

They locate a face more exactly than the five points of the detector, and this matters more for recognition than the
choice of the embedder. Order: iBUG 300-W (Sagonas et al., 2013).
"""

from collections.abc import Sequence

import numpy as np

from recognition.metrics import stage
from recognition.packs import Model
from recognition.pipeline import adapters
from recognition.results import Box, Floats, Landmarks, Pixels

_LEFT_EYE = slice(36, 42)
_RIGHT_EYE = slice(42, 48)
_NOSE_TIP = 30
_MOUTH_LEFT = 48
_MOUTH_RIGHT = 54


@stage("landmarks")
def locate(pixels: Pixels, boxes: Sequence[Box], model: Model) -> Floats:
    """Return (faces, 68, 2): x and y of each landmark, in pixels of the image.

    `pixels` is (height, width, 3), blue-green-red. Boxes are clipped to the image.

    Raises:
        ModelUnavailable: the landmark model is not installed.
    """
    if not boxes:
        return np.empty((0, 68, 2), np.float32)
    return adapters.landmark_model(model).locate(pixels, boxes)


def five(points: Floats) -> Landmarks:
    """Return the five points (5, 2) that alignment uses, from the 68 landmarks of a face."""
    eyes = points[_LEFT_EYE].mean(axis=0), points[_RIGHT_EYE].mean(axis=0)
    return np.stack((*eyes, points[_NOSE_TIP], points[_MOUTH_LEFT], points[_MOUTH_RIGHT]))

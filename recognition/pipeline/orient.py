"""Which way is up: if no face is surely upright, the image is turned to the angle that shows one best.

The confidence of the detector decides. Of 150 LFW portraits turned in steps of 15 degrees, 99 % of the upright ones
reach SURE and .05 % of those that are turned by 90 to 270 degrees, while the landmarks of both look equally plausible.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from recognition.metrics import stage
from recognition.packs import Model
from recognition.pipeline.detect import detect, shrunk
from recognition.pipeline.second_opinion import find_burnt
from recognition.results import Box, DetectedFace, Floats, Pixels

SURE = 0.9
_LEAST = 0.85  # confidence that a turned face needs: seven more looks must not find more faces where there are none
_QUARTERS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_TURNS = (*_QUARTERS, 45, 135, 225, 315)  # degrees clockwise; the detector finds faces within 22.5 degrees of upright
_LOOK = 640  # pixels along the longer side of the image for the turned looks
_FEW_LEVELS = 128  # of green; of 38 portraits at .06 of their light 18 % match as they are, and all with levels spread
_DIAGONAL = 1280  # the same for an image that is turned by less than a quarter, which takes up to twice its memory

_Doubles: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An image as it is analysed: turned clockwise by `degrees`, with its faces, largest first, and confidences.

    `clear` is what is looked at: the same image, with its levels spread if it is dark or pale. `back` is the (2, 3)
    matrix from places in it to places in the image before.
    """

    pixels: Pixels
    clear: Pixels
    found: list[tuple[Box, float]]
    degrees: int = 0
    back: Floats | None = None

    @property
    def best(self) -> float:
        """The highest confidence; 0 without a face."""
        return max((confidence for _, confidence in self.found), default=0.0)

    def restored(self, face: DetectedFace) -> DetectedFace:
        """Return a face of this view with its box, landmarks and roll as they are in the image before."""
        if self.back is None:
            return face
        matrix, offset = self.back[:, :2], self.back[:, 2]
        half = np.array((face.box.width, face.box.height)) / 2
        centre = matrix @ (half + np.array((face.box.x, face.box.y))) + offset
        half = np.sqrt(matrix**2 @ half**2)  # the bounds of the ellipse in the box; after a quarter turn, of the box
        roll = (face.pose.roll - self.degrees + 180) % 360 - 180
        return replace(
            face,
            box=Box(*map(float, (*centre - half, *2 * half))),
            landmarks=(face.landmarks @ matrix.T + offset).astype(np.float32),
            points=None if face.points is None else (face.points @ matrix.T + offset).astype(np.float32),
            pose=replace(face.pose, roll=roll),
            rotated=self.degrees,
        )


@stage("detect")
def view(pixels: Pixels, model: Model, limit: int, *, turn: bool = True, second: Model | None = None) -> View:
    """Detect up to `limit` faces, in the image turned upright if it shows no sure face as it is and `turn` is on.

    `pixels` is (height, width, 3), blue-green-red. In an image without a face the `second` model looks for burnt ones.

    Raises:
        ModelUnavailable: the detector is not installed.
    """
    upright = View(pixels, pixels, detect(pixels, model, limit))
    if upright.best >= SURE:
        return upright
    clear = spread(pixels)
    if clear is not pixels:
        brighter = View(pixels, clear, detect(clear, model, limit))
        upright = brighter if brighter.best > upright.best else upright
    if upright.best >= SURE or not turn:
        return upright
    degrees = _best_turn(clear, model, limit, max(_LEAST, upright.best))
    if not degrees:
        burnt = find_burnt(pixels, second, limit) if second and not upright.found else []
        return View(pixels, pixels, burnt) if burnt else upright
    turned, back = _turned(clear, degrees)
    plain = turned if clear is pixels else _turned(pixels, degrees)[0]
    return View(plain, turned, detect(turned, model, limit), degrees, back)


def spread(pixels: Pixels) -> Pixels:
    """Return an image that uses less than half of the levels with all but its outermost hundredths spread over all."""
    levels = np.cumsum(cv2.calcHist([pixels], [1], None, [256], [0, 256]))
    least, most = np.searchsorted(levels, (0.01 * levels[-1], 0.99 * levels[-1]))
    if most - least >= _FEW_LEVELS or most == least:
        return pixels
    table = np.clip((np.arange(256) - least) * (255 / (most - least)), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table), np.uint8)


def _best_turn(pixels: Pixels, model: Model, limit: int, least: float) -> int:
    """Return the degrees of the turn with the most confident face, of at least `least`; 0 if there is none."""
    small = shrunk(pixels, min(1.0, _LOOK / max(pixels.shape)))
    best = 0
    for degrees in _TURNS:
        turned = _turned(small, degrees)[0]
        confidence = View(turned, turned, detect(turned, model, limit, enlarge=False)).best
        if confidence > least:
            best, least = degrees, confidence
        if least >= SURE:
            break
    return best


def _turned(pixels: Pixels, degrees: int) -> tuple[Pixels, Floats]:
    """Return the whole image turned clockwise, black in its corners, and the (2, 3) matrix back."""
    quarter = _QUARTERS.get(degrees)
    scale = 1.0 if quarter is not None else min(1.0, _DIAGONAL / max(pixels.shape))
    size = np.array(pixels.shape[1::-1])
    forward, canvas = rotation(pixels, degrees, scale)
    back = np.asarray(cv2.invertAffineTransform(forward), np.float32)
    if quarter is not None:
        return np.asarray(cv2.rotate(pixels, quarter), np.uint8), back
    small = shrunk(pixels, scale)
    enlarging = forward @ np.diag((*(size / small.shape[1::-1]), 1))
    return np.asarray(cv2.warpAffine(small, enlarging, np.ceil(canvas).astype(int).tolist()), np.uint8), back


def rotation(pixels: Pixels, degrees: int, scale: float = 1.0) -> tuple[_Doubles, _Doubles]:
    """Return the (2, 3) matrix that turns an image clockwise, and the width and height of the whole turned image."""
    size = np.array(pixels.shape[1::-1])
    matrix = np.asarray(cv2.getRotationMatrix2D((size / 2).tolist(), -degrees, scale), np.float64)
    canvas = np.abs(matrix[:, :2]) @ size
    matrix[:, 2] += (canvas - size) / 2
    return matrix, canvas

"""The face detector YuNet.

Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023; decoding as in OpenCV's FaceDetectorYN.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognition.packs import Model, sessions
from recognition.results import Floats, Pixels

_STRIDES = (8, 16, 32)
_PADDING = 32  # both sides of the network's input are multiples of this


@dataclass(frozen=True, slots=True)
class YuNet:
    """Takes the image blue-green-red, 0 to 255, padded to multiples of 32 pixels."""

    model: Model

    def detect(self, pixels: Pixels, least: float) -> Floats:
        """Return (faces, 5): left, top, width, height and a confidence of at least `least`.

        Raises:
            ModelUnavailable: the model is not installed.
        """
        height, width = pixels.shape[:2]
        padded = np.zeros((3, _padded(height), _padded(width)), np.float32)
        padded[:, :height, :width] = pixels.transpose(2, 0, 1)
        outputs = [output[0] for output in sessions.run(self.model, padded[None])]
        found = []
        for stride, classes, objects, boxes in zip(_STRIDES, outputs[0:3], outputs[3:6], outputs[6:9], strict=True):
            confidence = np.sqrt(classes[:, 0] * objects[:, 0])
            chosen = np.flatnonzero(confidence >= least)
            decoded = _boxes(chosen, boxes[chosen], padded.shape[2] // stride, stride)
            found.append(np.concatenate((decoded, confidence[chosen, None]), axis=1))
        return np.concatenate(found).astype(np.float32)


def _boxes(anchors: npt.NDArray[np.intp], outputs: Floats, columns: int, stride: int) -> Floats:
    """Decode the outputs (n, 4) at these anchors of a level into left, top, width, height."""
    cells = np.stack((anchors % columns, anchors // columns), axis=1)
    centre = (cells + outputs[:, :2]) * stride
    size = np.exp(outputs[:, 2:]) * stride
    return np.asarray(np.concatenate((centre - size / 2, size), axis=1), np.float32)


def _padded(side: int) -> int:
    return -(-side // _PADDING) * _PADDING

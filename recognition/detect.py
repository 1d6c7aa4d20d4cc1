"""Faces in an image, by YuNet.

Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023; decoding as in OpenCV's FaceDetectorYN.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from recognition import sessions
from recognition.packs import Model
from recognition.results import Box, Floats, Pixels

_STRIDES = (8, 16, 32)
_CONFIDENCE = 0.7
_OVERLAP = 0.3  # intersection over union from which two boxes are one face

# The longer sides, in pixels, at which an image is looked at. Each finds faces from about a thirtieth of its size up.
_SIZES = (320, 640, 1280)
_SMALL = 40.0  # a face this small, in a pass's own pixels, says that there may be smaller ones it cannot see


def detect(pixels: Pixels, model: Model, limit: int) -> list[tuple[Box, float]]:
    """Find up to `limit` faces, the largest first, each with its confidence of 0 to 1.

    `pixels` is (height, width, 3), blue-green-red. Boxes are in its pixels and may reach beyond it.

    Raises:
        ModelUnavailable: the detector is not installed.
    """
    found = np.concatenate([_pass(image, scale, model) for image, scale in _passes(pixels, model)])
    return found


def _pass(pixels: Pixels, model: Model) -> Floats:
    """Look at an image at its own size; return (faces, 5): x, y, width, height, confidence."""
    height, width = pixels.shape[:2]
    padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
    padded[:height, :width] = pixels
    outputs = sessions.run(model, padded.transpose(2, 0, 1)[None])
    columns = padded.shape[1]
    return np.concatenate(
        [_decoded(*(output[0] for output in outputs[level::3][:3]), columns // stride, stride) for level, stride in enumerate(_STRIDES)]
    )


def _decoded(classes: Floats, objects: Floats, boxes: Floats, columns: int, stride: int) -> Floats:
    """Decode one level's outputs, (anchors, 1), (anchors, 1) and (anchors, 4), where it is confident."""
    confidence = np.sqrt(classes[:, 0] * objects[:, 0])
    chosen = np.flatnonzero(confidence >= _CONFIDENCE)
    centre = (np.stack((chosen % columns, chosen // columns), 1) + boxes[chosen, :2]) * stride
    size = np.exp(boxes[chosen, 2:]) * stride
    return np.concatenate((centre - size / 2, size, confidence[chosen, None]), 1).astype(np.float32)

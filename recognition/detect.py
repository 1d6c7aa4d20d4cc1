"""Faces in an image, by YuNet.

Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023; decoding as in OpenCV's FaceDetectorYN.

An image is looked at small first, and larger only when that may show more: a large face costs 9 ms instead of 35.
"""

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
    longest = max(pixels.shape[:2])
    found = np.zeros((0, 5), np.float32)
    for size in _SIZES:
        scale = min(1.0, size / longest)
        seen = _look(pixels, scale, model)
        found = _distinct(np.concatenate((found, seen)))
        clear = len(seen) and seen[:, 2:4].min() * scale >= _SMALL
        if clear or scale == 1.0:
            break
    found = found[np.argsort(-found[:, 2] * found[:, 3], kind="stable")][:limit]
    return [(Box(*map(float, row[:4])), float(row[4])) for row in found]


def _look(pixels: Pixels, scale: float, model: Model) -> Floats:
    """Look at an image scaled down; return (faces, 5): x, y, width, height in its own pixels, and confidence."""
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    padded = np.zeros((_multiple(height), _multiple(width), 3), np.uint8)
    small = pixels if scale == 1.0 else cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    padded[:height, :width] = small
    outputs = [output[0] for output in sessions.run(model, np.asarray(cv2.dnn.blobFromImage(padded), np.float32))]
    columns = padded.shape[1]
    levels = [
        _decoded(outputs[level], outputs[level + 3], outputs[level + 6], columns // stride, stride)
        for level, stride in enumerate(_STRIDES)
    ]
    faces = np.concatenate(levels)
    faces[:, :4] /= scale
    return faces


def _multiple(side: int) -> int:
    """Return the next multiple of the coarsest stride."""
    return -(-side // _STRIDES[-1]) * _STRIDES[-1]


def _decoded(classes: Floats, objects: Floats, boxes: Floats, columns: int, stride: int) -> Floats:
    """Decode one level's outputs, (anchors, 1), (anchors, 1) and (anchors, 4), where it is confident."""
    confidence = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
    chosen = np.flatnonzero(confidence >= _CONFIDENCE)
    centre = (np.stack((chosen % columns, chosen // columns), 1) + boxes[chosen, :2]) * stride
    size = np.exp(boxes[chosen, 2:]) * stride
    return np.concatenate((centre - size / 2, size, confidence[chosen, None]), 1).astype(np.float32)


def _distinct(faces: Floats) -> Floats:
    """Keep the most confident of boxes that overlap."""
    kept: npt.NDArray[np.int32] = np.asarray(
        cv2.dnn.NMSBoxes(faces[:, :4].tolist(), faces[:, 4].tolist(), _CONFIDENCE, _OVERLAP), np.int32
    )
    return faces[kept.ravel()]

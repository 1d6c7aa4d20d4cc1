"""Alignment: a face turned and scaled onto the template that the embedders were trained with."""

import cv2
import numpy as np

from recognition.results import Landmarks, Pixels

SIDE = 112
# The five points of the ArcFace template, in pixels of 112 x 112 (Deng et al., 2019).
_TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float64
)


def align(pixels: Pixels, landmarks: Landmarks) -> Pixels:
    """Return the aligned face, (112, 112, 3), in the colour order of `pixels`; what lies outside the image is black."""
    matrix = similarity_transform(landmarks.astype(np.float64), _TEMPLATE)
    return np.asarray(cv2.warpAffine(pixels, matrix, (SIDE, SIDE)), np.uint8)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the (2, 3) rotation, scale and shift that brings `source` (n, 2) closest to `target` (n, 2).

    Least squares. Source: Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    1991; in the plane it is one complex division, and no reflection can come out.
    """
    centre, goal = source.mean(0), target.mean(0)
    from_centre, from_goal = (points @ (1, 1j) for points in (source - centre, target - goal))
    spread = max(float((abs(from_centre) ** 2).sum()), np.finfo(np.float64).tiny)
    turn = complex((from_goal * from_centre.conj()).sum()) / spread
    rotation = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack((rotation, goal - rotation @ centre))

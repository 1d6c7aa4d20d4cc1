"""Alignment: a face turned upright and scaled to the template that the embedders expect.

Source: the 112x112 template of Deng et al., "ArcFace", 2019; least-squares similarity after Umeyama, 1991, which in
two dimensions is one complex factor and one offset.
"""

import cv2
import numpy as np

from recognition.results import Floats, Landmarks, Pixels

SIDE = 112  # of the template; quality is judged at this size

_TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float32
)


def align(pixels: Pixels, points: Landmarks, side: int = SIDE) -> Pixels:
    """Return the face as (side, side, 3), blue-green-red like `pixels`; black outside the image."""
    template = _TEMPLATE * np.float32(side / SIDE)
    near, shrunk = _near(pixels, points, float(np.ptp(template, axis=0).max()))
    upright = cv2.warpAffine(near, similarity_transform(shrunk, template), (side, side), flags=cv2.INTER_LINEAR)
    return np.asarray(upright, np.uint8)


def _near(pixels: Pixels, points: Landmarks, template_extent: float) -> tuple[Pixels, Landmarks]:
    """Crop and average a face larger than twice the template, because the warp would skip pixels."""
    extent = float(np.ptp(points, axis=0).max())
    factor = int(extent / (2 * template_extent))
    if factor <= 1:
        return pixels, points
    centre, reach = points.mean(axis=0), 3 * extent  # the template shows less than 3 times the points' extent
    left, top = np.maximum(centre - reach, 0).astype(int)
    right, bottom = (centre + reach).astype(int)
    part = pixels[top:bottom, left:right]
    size = max(1, part.shape[1] // factor), max(1, part.shape[0] // factor)
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    ratio = np.array(size) / (part.shape[1], part.shape[0])
    return small, ((points - (left, top)) * ratio).astype(np.float32)


def similarity_transform(source: Floats, target: Floats) -> Floats:
    """Return the (2, 3) matrix that turns, scales and shifts `source` onto `target`, both (n, 2), by least squares."""
    origin, destination = source.mean(axis=0), target.mean(axis=0)
    before, after = ((source - origin) @ (1, 1j), (target - destination) @ (1, 1j))
    factor = np.vdot(before, after) / max(np.vdot(before, before).real, np.finfo(np.float32).tiny)
    turn = np.array([(factor.real, -factor.imag), (factor.imag, factor.real)])
    return np.column_stack((turn, destination - turn @ origin)).astype(np.float32)

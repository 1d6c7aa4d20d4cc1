"""Frames of a moving head, made of one portrait: as a person turns, and as a flat picture of them does.

A person is rendered from a depth that is guessed from the landmarks: an ellipsoid with a nose. That is no head, but it
moves as one does: what is nearer moves further.
"""

import io

import cv2
import numpy as np
from PIL import Image

from recognition import pipeline
from recognition.results import Pixels
from tests.make import encoded, portrait

_AWAY = 6.0  # from the camera to the face, in widths of the face


def straight(name: str, side: int = 480) -> Pixels:
    """Return a portrait as (H, W, 3) RGB, with room around the face."""
    picture = Image.open(io.BytesIO(portrait(name))).convert("RGB")
    return np.asarray(picture.resize((side * picture.width // picture.height, side)))


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """Return the picture with the head turned to the image's right by these degrees."""
    face = pipeline.analyse(encoded(pixels, "PNG"), embed=0).faces[0]
    assert face.points is not None
    points = face.points.astype(np.float64)
    width = np.ptp(points[:17, 0])
    centre = points[[27, 30, 36, 45, 48, 54]].mean(axis=0)
    height, wide = pixels.shape[:2]
    x, y = np.meshgrid(np.arange(wide, dtype=np.float64), np.arange(height, dtype=np.float64))
    target = np.stack((x, y))
    source = target.copy()
    for _ in range(8):  # where does the pixel that lands here come from?
        source = target - _moved(source, points, centre, width, degrees)
    made = cv2.remap(pixels, source[0].astype(np.float32), source[1].astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(made, np.uint8)


def rotated_print(pixels: Pixels, degrees: float) -> Pixels:
    """Return a print of the picture that is rotated about its upright axis, in perspective, on a plain background."""
    height, width = pixels.shape[:2]
    corners = np.array([(x, y) for y in (-height / 2, height / 2) for x in (-width / 2, width / 2)])
    angle, away = np.radians(degrees), 2.5 * width
    depth = away + corners[:, 0] * np.sin(angle)
    seen = np.stack((corners[:, 0] * np.cos(angle), corners[:, 1]), axis=1) * (away / depth)[:, None]
    middle = np.array((width / 2, height / 2))
    matrix = cv2.getPerspectiveTransform((corners + middle).astype(np.float32), (seen + middle).astype(np.float32))
    return np.asarray(cv2.warpPerspective(pixels, matrix, (width, height), borderValue=(120, 120, 120)), np.uint8)


def nearer(pixels: Pixels, by: float) -> Pixels:
    """Return the picture as if it were taken from nearer by this factor."""
    height, width = pixels.shape[:2]
    left, top = int(width * (1 - 1 / by) / 2), int(height * (1 - 1 / by) / 2)
    part = pixels[top : height - top, left : width - left]
    return np.asarray(cv2.resize(part, (width, height)), np.uint8)


def _moved(places: np.ndarray, points: np.ndarray, centre: np.ndarray, width: float, degrees: float) -> np.ndarray:
    """Return by how much what is at these places (2, H, W) of the upright picture moves when the head turns."""
    across, down = (places[0] - centre[0]) / width, (places[1] - centre[1]) / width
    head = np.sqrt(np.maximum(0, 1 - (across / 0.75) ** 2 - (down / 1.0) ** 2)) * 0.55
    tip = (points[30] - centre) / width
    nose = 0.22 * np.exp(-(((across - tip[0]) / 0.1) ** 2 + ((down - tip[1] + 0.05) / 0.16) ** 2))
    inside = np.clip(head * 8, 0, 1)
    near = head - 0.45 + nose
    angle = np.radians(degrees)
    x = across * np.cos(angle) + near * np.sin(angle)
    z = near * np.cos(angle) - across * np.sin(angle)
    scale = _AWAY / (_AWAY - z)
    return np.stack(((x * scale - across) * inside * width, (down * scale - down) * inside * width))

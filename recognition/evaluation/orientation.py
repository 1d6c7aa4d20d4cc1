"""Turned pictures: whether the face of a portrait is found and recognised at every angle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recognition import packs, pipeline
from recognition.evaluation.pictures import each, pictures, sample, seen
from recognition.pipeline.orient import rotation
from recognition.results import DetectedFace, Pixels
from recognition.similarity import DEFAULT

ANGLES = tuple(range(0, 360, 15))


@dataclass(frozen=True, slots=True)
class Turned:
    """Of the portraits at an angle: the shares found and matched, and the boxes elsewhere than the face, per portrait.

    A face is matched if it reaches the default threshold against itself upright.
    """

    angle: int
    found: float
    matched: float
    elsewhere: float


def turn_all(folder: Path, pack: str, most: int) -> tuple[list[Turned], int]:
    """Turn up to `most` portraits, evenly chosen from the folder, clockwise by each angle; return also how many.

    Pictures that show no face upright, or several, are left out.
    """
    rows = [row for row in each(sample(pictures(folder), most), lambda file: _look(file, pack)) if row]
    table = np.array(rows, np.float64).mean(axis=0)
    return [Turned(angle, *row) for angle, row in zip(ANGLES, table.tolist(), strict=True)], len(rows)


def _look(file: Path, pack: str) -> list[tuple[bool, bool, int]]:
    """Return found, matched and boxes elsewhere at each angle; nothing for what is no portrait."""
    upright = seen(file, pack)
    if upright is None or len(upright.faces) != 1 or upright.faces[0].rotated:
        return []
    return [_compare(upright.pixels, upright.faces[0], angle, pack) for angle in ANGLES]


def _compare(pixels: Pixels, face: DetectedFace, angle: int, pack: str) -> tuple[bool, bool, int]:
    turned, centre = _turned(pixels, face, angle)
    faces = pipeline.analyse(cv2.imencode(".png", turned)[1].tobytes(), pack=pack).faces
    there = [one for one in faces if _near(one, centre, face.box.side / 2)]
    threshold = DEFAULT.on(packs.get(pack).similarity)
    matched = any(float(one.template @ face.template) >= threshold for one in there)
    return bool(there), matched, len(faces) - len(there)


def _turned(pixels: Pixels, face: DetectedFace, angle: int) -> tuple[Pixels, Sequence[float]]:
    """Return the picture turned clockwise, black in its corners, and where the face's centre is in it."""
    matrix, canvas = rotation(pixels, angle)
    centre = matrix @ (face.box.x + face.box.width / 2, face.box.y + face.box.height / 2, 1)
    return np.asarray(cv2.warpAffine(pixels, matrix, np.rint(canvas).astype(int).tolist()), np.uint8), centre.tolist()


def _near(face: DetectedFace, centre: Sequence[float], most: float) -> bool:
    box = face.box
    return bool(np.hypot(box.x + box.width / 2 - centre[0], box.y + box.height / 2 - centre[1]) < most)

"""Whether a face moved between two pictures as a head moves, and as it was asked to.

A picture of a face can be rotated or brought nearer: then its landmarks stay in one plane, so that a homography maps
them, and the face does not turn. On a head what is nearer moves further.
"""

import cv2
import numpy as np

from recognition.results import DetectedFace, Doubt, Floats, Move
from recognition.similarity import Threshold

SAME_PERSON = Threshold(85)
_TURN = 9.0  # degrees of yaw: prints rotated by up to 55 degrees appear to turn by less than 6 (tests/motion.py)
_DEEP = 0.014  # distance of the landmarks from any plane, in distances of the eyes: the same prints reach .013
_NEARER = 1.2
_RIGID = (*range(17, 48), 48, 54, 8)  # landmarks that neither the mouth nor the outline of the cheeks moves


def doubts(move: Move, before: DetectedFace, after: DetectedFace, same: float) -> list[Doubt]:
    """Return why two pictures do not show one person who moved as asked; `same` is the least cosine of one person.

    Both faces have landmarks and an embedding.
    """
    found = [] if float(before.template @ after.template) >= same else [Doubt.OTHER_PERSON]
    if move is Move.CLOSER:
        return found if after.box.width >= _NEARER * before.box.width else [*found, Doubt.NOT_CLOSER]
    turn = after.pose.yaw - before.pose.yaw
    if (turn if move is Move.LEFT else -turn) < _TURN:
        found.append(Doubt.NOT_TURNED)
    if before.points is None or after.points is None or depth(before.points, after.points) < _DEEP:
        found.append(Doubt.FLAT)
    return found


def depth(before: Floats, after: Floats) -> float:
    """Return how far the landmarks (68, 2) of two pictures are from those of a plane, in distances of the eyes."""
    one, other = (points[list(_RIGID)].astype(np.float64) for points in (before, after))
    plane, _ = cv2.findHomography(one, other, 0)
    if plane is None:
        return 0.0
    away = cv2.perspectiveTransform(one[None], plane)[0] - other
    return float(np.sqrt((away**2).sum(axis=1).mean()) / np.linalg.norm(before[36] - before[45]))

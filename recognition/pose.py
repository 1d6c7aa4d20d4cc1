"""Which way a face looks, from its landmarks."""

import cv2
import numpy as np

from recognition.results import Floats, Pose

# Six of the 68 landmarks and where they lie on a mean face: x to the image's right, y down, z away from the camera, in
# arbitrary units. Source: the anthropometric model used in OpenCV's head pose samples.
_LANDMARKS = [30, 8, 36, 45, 48, 54]  # nose tip, chin, outer eye corners, mouth corners
_MODEL = np.array(
    [(0, 0, 0), (0, 330, 65), (-225, -170, 135), (225, -170, 135), (-150, 150, 125), (150, 150, 125)], np.float64
)
_DISTANCE = 6.0  # of the virtual camera, in widths of the face: far enough for perspective not to matter


def pose(points: Floats) -> Pose:
    """Return the pose, in degrees, of a face with these (68, 2) landmarks.

    The camera is put in front of the face itself, so that a face at the image's edge is judged like one in its middle.
    """
    shown = points[_LANDMARKS].astype(np.float64)
    centre = shown.mean(0)
    focal = _DISTANCE * max(float(np.ptp(points[:, 0])), 1.0)
    camera = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
    _, turned, _ = cv2.solvePnP(_MODEL, shown, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    rotation = cv2.Rodrigues(turned)[0]
    ahead = -rotation[:, 2]  # where the nose points
    return Pose(
        yaw=float(np.degrees(np.arctan2(ahead[0], -ahead[2]))),
        pitch=float(np.degrees(np.arcsin(np.clip(-ahead[1], -1, 1)))),
        roll=float(np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))),
    )

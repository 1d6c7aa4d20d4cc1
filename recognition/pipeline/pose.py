"""Head pose from the landmarks.

Fits a generic head to the landmarks under scaled orthographic projection, by least squares. Source of the head:
the anthropometric model of ISR, University of Coimbra (glAnthropometric3DModel).
"""

import numpy as np

from recognition.results import Floats, Pose

# Landmarks that expressions hardly move: brows, eye corners, nose wings, mouth corners, chin (iBUG 300-W numbers).
_POINTS = (17, 21, 22, 26, 36, 39, 42, 45, 31, 35, 48, 54, 8)
# Their positions on the head in centimetres: right in the image, down, and away from the camera.
_HEAD = np.array(
    [
        (-6.825897, -6.760612, -4.402142),
        (-1.330353, -7.122144, -6.903745),
        (1.330353, -7.122144, -6.903745),
        (6.825897, -6.760612, -4.402142),
        (-5.311432, -5.485328, -3.987654),
        (-1.789930, -5.393625, -4.413414),
        (1.789930, -5.393625, -4.413414),
        (5.311432, -5.485328, -3.987654),
        (-2.005628, -1.409845, -6.165652),
        (2.005628, -1.409845, -6.165652),
        (-2.774015, 2.080775, -5.048531),
        (2.774015, 2.080775, -5.048531),
        (0.0, 7.415691, -4.070434),
    ]
)
# Degrees. The head above looks up by this much: with it, the median pitch of 3,811 press photographs is level.
_LEVEL = 8.0
_FIT = np.linalg.pinv(_HEAD - _HEAD.mean(axis=0))


def estimate(points: Floats) -> Pose:
    """Return the pose of a face from its 68 landmarks, (68, 2) in pixels."""
    seen = points[list(_POINTS)].astype(np.float64)
    projection = (_FIT @ (seen - seen.mean(axis=0))).T
    # The closest pair of orthonormal rows; the third follows from them.
    left, _, right = np.linalg.svd(projection, full_matrices=False)
    across, down = left @ right
    away = np.cross(across, down)
    yaw = np.arcsin(np.clip(away[0], -1, 1))
    pitch = np.radians(_LEVEL) - np.arctan2(away[1], away[2])
    roll = np.arctan2(down[0], across[0])
    return Pose(*(float(angle) for angle in np.degrees((yaw, pitch, roll))))

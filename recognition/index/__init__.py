"""Nearest neighbours among the templates of one gallery."""

from recognition.index.exact import ExactIndex
from recognition.index.protocol import FaceIndex, Neighbour

__all__ = ["FaceIndex", "Neighbour", "face_index"]

_EXACT = ExactIndex()


def face_index() -> FaceIndex:
    """Return the engine that the settings name."""
    return _EXACT

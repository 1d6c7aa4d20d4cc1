"""Adapters prepare the input and read the output of each kind of model. There is one module per kind.

To add a model of a known kind, add an entry to packs.toml. To add a kind, add a module with a class that takes the
model and its `input` values, and a line in one of the tables below.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

from recognition.packs import Model
from recognition.pipeline.adapters.arcface import ArcFace
from recognition.pipeline.adapters.centerface import CenterFace
from recognition.pipeline.adapters.fr68 import Fr68
from recognition.pipeline.adapters.minifasnet import MiniFASNet
from recognition.pipeline.adapters.yunet import YuNet
from recognition.results import Box, Floats, Landmarks, Pixels


class Detector(Protocol):
    """Finds faces in an image at its own size."""

    def detect(self, pixels: Pixels, least: float) -> Floats:
        """Return (faces, 5): left, top, width, height in pixels, and confidence of 0 to 1, at least `least`."""


class SecondOpinion(Protocol):
    """Says whether the square around a face shows a human one, and finds faces that the detector does not."""

    @property
    def side(self) -> int:
        """The side, in pixels, of the square that the model takes; the face has the middle of it."""

    def look(self, square: Pixels) -> tuple[float, Landmarks]:
        """Return the confidence, 0 to 1, and the five landmarks, in pixels of the square."""

    def detect(self, pixels: Pixels, least: float) -> Floats:
        """Return (faces, 5) as a Detector does; a face may be among them several times."""


class LandmarkModel(Protocol):
    """Places the 68 landmarks of iBUG 300-W."""

    def locate(self, pixels: Pixels, boxes: Sequence[Box]) -> Floats:
        """Return (faces, 68, 2): x and y of each landmark, in pixels of the image."""


class Embedder(Protocol):
    """Turns aligned faces into vectors."""

    @property
    def side(self) -> int:
        """The side, in pixels, of the aligned square that the model takes."""

    def embed(self, faces: Pixels) -> Floats:
        """Return vectors (faces, dimension), not normalised, for (faces, side, side, 3), blue-green-red."""


class LivenessModel(Protocol):
    """Tells a live face from a picture of one."""

    def log_odds(self, pixels: Pixels, box: Box, close: float) -> Floats:
        """Return (looks,): the logarithms of the odds that the face is live, each by another look at it.

        `close`, 0 to 1: how far the face is judged as a close-up, whose looks are padded outside of the image.
        """


_DETECTORS: Mapping[str, Any] = {"yunet": YuNet}
_OPINIONS: Mapping[str, Any] = {"centerface": CenterFace}
_LANDMARKS: Mapping[str, Any] = {"fr68": Fr68}
_EMBEDDERS: Mapping[str, Any] = {"arcface": ArcFace}
_LIVENESS: Mapping[str, Any] = {"minifasnet": MiniFASNet}


@cache
def detector(model: Model) -> Detector:
    """Return the adapter of a detector."""
    made: Detector = _DETECTORS[model.adapter](model, **model.input)
    return made


@cache
def second_opinion(model: Model) -> SecondOpinion:
    """Return the adapter of a model for second opinions."""
    made: SecondOpinion = _OPINIONS[model.adapter](model, **model.input)
    return made


@cache
def landmark_model(model: Model) -> LandmarkModel:
    """Return the adapter of a landmark model."""
    made: LandmarkModel = _LANDMARKS[model.adapter](model, **model.input)
    return made


@cache
def embedder(model: Model) -> Embedder:
    """Return the adapter of an embedder."""
    made: Embedder = _EMBEDDERS[model.adapter](model, **model.input)
    return made


@cache
def liveness_model(model: Model) -> LivenessModel:
    """Return the adapter of a liveness model."""
    made: LivenessModel = _LIVENESS[model.adapter](model, **model.input)
    return made

"""Passive liveness: whether a face is a person in front of the camera or a picture of one."""

from collections.abc import Sequence

import numpy as np

from recognition.metrics import stage
from recognition.packs import Pack, sessions
from recognition.pipeline import adapters
from recognition.results import Box, Liveness, Pixels


@stage("liveness")
def assess(pixels: Pixels, boxes: Sequence[Box], pack: Pack) -> list[Liveness]:
    """Return the liveness of each face: the lowest score among the experts of the pack.

    `pixels` is (height, width, 3), blue-green-red.

    Raises:
        ModelUnavailable: a liveness model that is not optional is not installed.
    """
    available = [present for expert in pack.liveness if (present := sessions.available(expert))]
    experts = [[adapters.liveness_model(model) for model in expert] for expert in available]
    scores = [[np.mean([model.score(pixels, box) for model in expert]) for expert in experts] for box in boxes]
    return [Liveness(float(min(score))) for score in scores]

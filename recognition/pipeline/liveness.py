"""Passive liveness: whether a face is a person in front of the camera or a picture of one."""

from collections.abc import Sequence

import numpy as np

from recognition.metrics import stage
from recognition.packs import Pack, sessions
from recognition.pipeline import adapters
from recognition.pipeline.adapters.minifasnet import outside
from recognition.results import Advice, Box, Floats, Liveness, Pixels

_VIEW = 2.0  # of the box: the least surroundings that the experts look at
_CLOSE_FROM, _CLOSE_TO = 0.2, 0.4  # shares of the view outside of the image: not yet, and wholly, judged as a close-up


@stage("liveness")
def assess(pixels: Pixels, boxes: Sequence[Box], pack: Pack, *, whole: bool = False) -> list[Liveness]:
    """Return the liveness of each face, fused from the experts of the pack (recognition.calibration.fusion).

    `pixels` is (height, width, 3), blue-green-red. `whole`: the boxes are images of faces with their surroundings, so
    that none is a close-up. Only the pack's first expert is calibrated for close-ups; the others judge the rest.

    Raises:
        ModelUnavailable: a liveness model that is not optional is not installed.
    """
    return [_assessed(pixels, box, pack, whole=whole) for box in boxes]


def odds_of(pixels: Pixels, box: Box, pack: Pack, *, whole: bool = False) -> tuple[list[list[Floats]], float]:
    """Return log odds by expert, model and look, and which share of the face's surroundings the image lacks.

    Raises:
        ModelUnavailable: a liveness model that is not optional is not installed.
    """
    missing = 0.0 if whole else outside(pixels, box, _VIEW)
    close = float(np.clip((missing - _CLOSE_FROM) / (_CLOSE_TO - _CLOSE_FROM), 0, 1))
    experts = [present for expert in pack.liveness if (present := sessions.available(expert))]
    asked = experts[:1] if close else experts
    odds = [[adapters.liveness_model(model).log_odds(pixels, box, close) for model in expert] for expert in asked]
    return odds, missing


def _assessed(pixels: Pixels, box: Box, pack: Pack, *, whole: bool) -> Liveness:
    odds, missing = odds_of(pixels, box, pack, whole=whole)
    return Liveness(
        pack.fusion.score(odds, missing),
        advice=_advice(pixels, box) if missing >= _CLOSE_TO else None,
        blind=missing > pack.fusion.to_share,
    )


def _advice(pixels: Pixels, box: Box) -> Advice:
    """Return what would show more of a face's surroundings."""
    for start, extent, length in ((box.x, box.width, pixels.shape[1]), (box.y, box.height, pixels.shape[0])):
        before, after = start - extent * (_VIEW - 1) / 2, start + extent * (_VIEW + 1) / 2
        if before < 0 and after > length:
            return Advice.FURTHER_AWAY
    return Advice.TO_THE_MIDDLE

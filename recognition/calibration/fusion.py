"""The score of liveness: what several looks at a face and several experts say, as one calibrated number.

`manage.py evaluate fusion DIR` learns the numbers (recognition/evaluation/fusion.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recognition.results import Floats

WEAKEST = 0.5
"""The weight of the lowest look beside the mean of all. It is chosen, not learnt: which look reveals an attack differs
by the attack, and the attacks on which to learn it were printed photographs only. The rest is learnt."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """Turns log odds into a score from 0 to 1.

    `offsets` are added to the log odds of each expert, so that its zero is where it refuses 1 % of the living. The log
    odds of a close-up are lowered by `drop` for each share of its crop that is padded beyond `from_share`, then
    multiplied by `slope`. Up to `to_share` a close-up can be judged.
    """

    offsets: tuple[float, ...]
    slope: float
    drop: float
    from_share: float
    to_share: float

    def score(self, experts: Sequence[Sequence[Floats]], padded: float) -> float:
        """Return the score from the log odds by expert, model and look."""
        each = zip(experts, self.offsets, strict=False)  # not every expert is installed, or judges close-ups
        odds = weakest_and_mean([of_expert(expert) + offset for expert, offset in each])
        return float(1 / (1 + np.exp(-self.slope * (odds - self.drop * max(0.0, padded - self.from_share)))))


def of_expert(models: Sequence[Floats]) -> float:
    """Return an expert's log odds from those of its models' looks."""
    return float(np.mean([weakest_and_mean(looks) for looks in models]))


def weakest_and_mean(odds: Sequence[float] | Floats) -> float:
    """Return the lowest of these log odds, and their mean, weighed."""
    return float(WEAKEST * np.min(odds) + (1 - WEAKEST) * np.mean(odds))

"""How often the strangers of a collection reach a score: the tail of their own comparisons.

Above a high quantile, scores follow a generalised Pareto distribution (Pickands, 1975). Its scale is fitted by the mean
excess. Its shape is that of millions of comparisons (_SHAPE): a collection has too few scores to estimate it. Intervals
are from resampling people, since pairs cluster by people (bootstrap percentiles).

Two people whose faces reach the highest anchor are probably one person under two names. Such pairs are left out, and
so are all pairs of two groups of people who are alike on the whole, so that duplicates do not poison the tail.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from recognition.results import Floats

_SHAPE = -0.1  # both packs' on LFW from 1e-2 to 1e-4; with it 1e-4 is within x2 in .84 of splits, estimated in .68
_ABOVE = 0.98  # the quantile from which the tail is fitted
_FEWEST = 20  # scores above it
_RESAMPLED = 200
_SURE = (2.5, 97.5)
_BLOCK = 250

Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tail:
    """A fitted tail: the share of pairs of strangers above a cosine, and the distribution's scale and shape there.

    `resampled` are the same three of other draws of the people. `pairs` counts the comparisons of so many `people`.
    """

    above: float
    fitted: tuple[float, float, float]
    resampled: tuple[tuple[float, float, float], ...]
    people: int
    pairs: int

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self | None:
        """Read what `plain` wrote; None: nothing is known."""
        if not values:
            return None
        draws = tuple((share, scale, shape) for share, scale, shape in values["resampled"])
        share, scale, shape = values["fitted"]
        return cls(values["above"], (share, scale, shape), draws, values["people"], values["pairs"])

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "above": self.above,
            "fitted": self.fitted,
            "resampled": self.resampled,
            "people": self.people,
            "pairs": self.pairs,
        }

    @property
    def least(self) -> float:
        """The smallest rate that is told: that of one of the comparisons."""
        return 1 / self.pairs

    def rate(self, cosine: float) -> float:
        """Return the share of the collection's strangers who reach a cosine; below the tail, the share of the tail."""
        return max(_beyond(self.fitted, cosine - self.above), self.least)

    def interval(self, cosine: float) -> tuple[float, float]:
        """Return the 95 % interval of the rate."""
        low, high = np.percentile([_beyond(draw, cosine - self.above) for draw in self.resampled], _SURE).tolist()
        return max(low, 0.0), max(high, self.least)

    def cosine(self, rate: float) -> float | None:
        """Return the cosine that this share of strangers reaches; None: too few were compared to say."""
        share, scale, shape = self.fitted
        if not self.least <= rate <= share:
            return None
        ratio = rate / share
        return self.above + float(scale / shape * (ratio**-shape - 1))


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The comparisons between strangers: scores (n,), and the numbers of the two people of each (n,), among `names`."""

    scores: Doubles
    first: Ids
    second: Ids
    names: int
    people: int


def compared(
    templates: Floats, people: Ids, compare: Callable[[Floats, Floats], Doubles], *, same: float, alike: float
) -> Compared:
    """Compare the different people of a collection.

    `templates` (n, d) are of `people` (n,); `compare` returns the cosines (m, k) of rows (m, d) with others (k, d).
    People are one if a cosine reaches `same` and their mean cosine reaches `alike`; no pair at `same` counts.
    """
    cosines = np.concatenate(
        [compare(templates[at : at + _BLOCK], templates) for at in range(0, len(templates), _BLOCK)]
    )
    names, person = np.unique(people, return_inverse=True)
    person = _joined(cosines, person, same=same, alike=alike)
    first, second = np.nonzero(np.triu(person[:, None] != person[None, :], k=1) & (cosines < same))
    return Compared(cosines[first, second], person[first], person[second], len(names), len(np.unique(person)))


def fit(found: Compared) -> Tail | None:
    """Fit the tail of the comparisons between different people; None: they are too few."""
    scores = found.scores
    if not len(scores):
        return None
    above = float(np.quantile(scores, _ABOVE))
    tail = scores > above
    if tail.sum() < _FEWEST:
        return None
    size = found.names
    drawn = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), _RESAMPLED).astype(np.float64)
    pairs_of = np.zeros((size, size))
    np.add.at(pairs_of, (found.first, found.second), 1.0)
    totals = ((drawn @ pairs_of) * drawn).sum(axis=1)
    weights = drawn[:, found.first[tail]] * drawn[:, found.second[tail]]
    draws = (
        _fitted(scores[tail] - above, weight, total)
        for weight, total in zip(weights, totals, strict=True)
        if weight.any()
    )
    fitted = _fitted(scores[tail] - above, np.ones(int(tail.sum())), float(len(scores)))
    return Tail(above, fitted, tuple(draws), found.people, len(scores))


def _joined(cosines: Doubles, person: Ids, *, same: float, alike: float) -> Ids:
    """Return the people (n,), with those joined who are probably one, the most similar first."""
    joined = person.astype(np.int64)
    first, second = np.nonzero(np.triu((cosines >= same) & (person[:, None] != person[None, :]), k=1))
    for pair in np.argsort(-cosines[first, second]):
        one, other = joined[first[pair]], joined[second[pair]]
        if one != other and cosines[np.ix_(joined == one, joined == other)].mean() >= alike:
            joined[joined == other] = one
    return joined


def _fitted(excesses: Doubles, weights: Doubles, total: float) -> tuple[float, float, float]:
    """Return share, scale and shape for excesses (n,) above the cosine, each counted `weights` (n,) times."""
    number = weights.sum()
    return float(number / total), float((weights @ excesses) / number * (1 - _SHAPE)), _SHAPE


def _beyond(fitted: tuple[float, float, float], excess: float) -> float:
    share, scale, shape = fitted
    if excess <= 0:
        return share
    return float(share * max(1 + shape * excess / scale, 0.0) ** (-1 / shape))

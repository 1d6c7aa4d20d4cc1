"""A collection's calibration: what its scores are measured against, and how often its own strangers reach a score.

People whom the models saw rarely lie close together, so one cosine is rare among one population and common among
another. So the cosine c of two faces is normalised: c' = c - WEIGHT/2 (level of one + level of the other). The level of
a face is its cosine with the mean of the collection's strangers, or of the pack's if that is higher (form "mean" of
recognition.calibration.normalisation, where it was chosen among three).

c' has anchors of its own, so it is brought back onto the pack's scale: where strangers of the pack's population reach
c' as often as a cosine, the one becomes the other. Thresholds keep their numbers, and identical faces a cosine of 1.
The lower of that and the plain cosine counts, and one mean says little about a wide group. So what is left is measured:
if more than one in a hundred comparisons of the collection's own people still reach the pack's cosine of that rate, all
cosines are lowered by what is too much (`own`; a policy can ask for the smaller rates too, where they are measured).

A score is lowered, never raised, so that no population is worse off than without, a made-up picture far from everybody
gains nothing, and no face is found that lies below the cosine asked for.

Takes arrays and returns values; knows neither Django nor tenants nor names.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from recognition.calibration.normalisation import FORMS
from recognition.calibration.tail import Doubles, Ids, compared
from recognition.results import Floats
from recognition.similarity import DEFAULT, FALSE_MATCH_RATES, SCORES

FEWEST = 30  # strangers; with fewer the pack's constants stand
WEIGHT = FORMS["mean"].weight
_IDENTICAL = 1 - 1e-6  # the cosine of a picture with itself is slightly below 1
_FIRST = 1  # of FALSE_MATCH_RATES: the largest that is measured in a collection
_PAIRS = 10  # the pairs that reach a smaller rate's cosine, to measure it
_LEAST_ROOM = 0.1  # between the last anchor and identical faces, however near they are to everybody

Cosines: TypeAlias = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class PackNormal:
    """A pack's part: the mean of its population's people (d,), its cosines and its c' at FALSE_MATCH_RATES."""

    mean: Floats
    cosines: tuple[float, ...]
    anchors: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Normalisation:
    """A version of a collection's calibration, for use: the mean of so many strangers (d,), the pack's part.

    `own` are the normalised cosines that the collection's people reach as often as the pack's reach `pack.cosines`, at
    FALSE_MATCH_RATES from 1e-2 on, as far as they were measured and are used.
    """

    version: int
    mean: Floats
    strangers: int
    pack: PackNormal
    own: tuple[float, ...] = ()

    @classmethod
    def of(cls, strangers: Floats, pack: PackNormal, version: int = 0) -> Self:
        """Make one from one template of each stranger (n, d), of which there are at least FEWEST."""
        return cls(version, strangers.mean(axis=0), len(strangers), pack)

    def cosines(self, probes: Floats, faces: Floats, *, enrolled: bool = False) -> Doubles:
        """Return the normalised cosines of probes (d,) or (m, d) with faces of the collection (n, d): (n,) or (m, n).

        All are unit vectors. A level leaves out the persons compared: the face's counts once in the mean, and if the
        probes are `enrolled` too, theirs as well.
        """
        means = np.stack([self.mean, self.pack.mean]).astype(np.float64)
        rows, ones = np.asarray(faces, dtype=np.float64), np.asarray(probes, dtype=np.float64)
        plain = np.minimum(ones @ rows.T, 1.0)
        own, packs = means @ ones if ones.ndim == 1 else (means @ ones.T)[:, :, None]
        others, theirs = means @ rows.T
        own = (self.strangers * own - enrolled - plain) / (self.strangers - 1 - enrolled)
        others = (self.strangers * others - 1 - enrolled * plain) / (self.strangers - 1 - enrolled)
        levels = WEIGHT / 2 * (np.maximum(own, packs) + np.maximum(others, theirs))
        return self.lowered(on_scale(plain, levels, self.pack))

    def lowered(self, cosines: Cosines) -> Doubles:
        """Return normalised cosines, lowered so that those of `own` become the pack's; identical faces stay."""
        if not self.own:
            return np.asarray(cosines, dtype=np.float64)
        known, last = np.array(self.pack.cosines[_FIRST:]), len(self.own) - 1
        points = known.copy()
        points[: last + 1] = np.maximum(self.own, known[: last + 1])
        points[last + 1 :] += points[last] - known[last]
        within = np.interp(cosines, (*points, 1.0), (*known, 1.0))
        found = np.where(cosines < points[0], cosines - points[0] + known[0], within)
        return np.where(cosines >= _IDENTICAL, cosines, found)

    def at_one_rate(self) -> "Normalisation":
        """Return it with cosines lowered by as much as at the largest of the measured rates, at every rate."""
        return replace(self, own=self.own[:1])


def learn(templates: Floats, people: Ids, rows: Ids, pack: PackNormal) -> Normalisation | None:
    """Learn from templates (n, d) of people (n,) of a collection, whose strangers are those `rows`.

    None: they are fewer than FEWEST.
    """
    if len(rows) < FEWEST:
        return None
    learnt, alike = Normalisation.of(templates[rows], pack), float(np.interp(DEFAULT.score, SCORES, pack.cosines))
    compare = partial(learnt.cosines, enrolled=True)
    scores = compared(templates, people, compare, same=pack.cosines[-1], alike=alike).scores
    first, *others = FALSE_MATCH_RATES[_FIRST:]
    rates = np.array([first, *(rate for rate in others if len(scores) * rate >= _PAIRS)])
    return replace(learnt, own=tuple(np.quantile(scores, 1 - rates).tolist()))


def on_scale(plain: Cosines, levels: Cosines, pack: PackNormal) -> Doubles:
    """Return normalised cosines on the pack's scale: c' = plain - levels, as above; never more than plain.

    Above the last anchor they rise linearly, up to identical faces.
    """
    anchors, cosines = np.array(pack.anchors), np.array(pack.cosines)
    scored = plain - levels
    room = np.maximum(1 - levels - anchors[-1], _LEAST_ROOM)
    above = cosines[-1] + (scored - anchors[-1]) * (1 - cosines[-1]) / room
    below = cosines[0] + scored - anchors[0]
    within = np.interp(scored, anchors, cosines)
    found = np.where(scored > anchors[-1], above, np.where(scored < anchors[0], below, within))
    return np.where(plain >= _IDENTICAL, plain, np.minimum(found, plain))


def choose_strangers(templates: Floats, people: Ids, line: float) -> Ids:
    """Return the rows of one template of each stranger: those of `templates` (n, d) that come first.

    Faces of one of the `people` (n,) are no strangers of each other, nor are faces whose cosine reaches `line`: a
    contract may make each face a person.
    """
    first = np.sort(np.unique(people, return_index=True)[1])
    chosen = templates[first]
    near = chosen @ chosen.T >= line
    taken = np.zeros(len(first), dtype=bool)
    for row in range(len(first)):
        taken[row] = not near[row, taken].any()
    return first[taken]

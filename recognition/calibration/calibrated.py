"""A collection's calibration: what its scores are measured against, and how often its own strangers reach a score.

People whom the models saw rarely lie close together, so one cosine is rare among one population and common among
another. So the cosine c of two faces is normalised: c' = c - WEIGHT/2 (level of one + level of the other). The level of
a face is its cosine with the mean of the collection's strangers, or of the pack's if that is higher (form "mean" of
recognition.calibration.normalisation, where it was chosen among three).

c' has anchors of its own, so it is brought back onto the pack's scale: where strangers of the pack's population reach
c' as often as a cosine, the one becomes the other. Thresholds keep their numbers, and identical faces a cosine of 1.
The lower of that and the plain cosine counts: a score is lowered, never raised, so that no population is worse off than
without, a made-up picture far from everybody gains nothing, and no face is found that lies below the cosine asked for.

Takes arrays and returns values; knows neither Django nor tenants nor names.
"""

from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from recognition.calibration.normalisation import FORMS
from recognition.results import Floats

FEWEST = 30  # strangers; with fewer the pack's constants stand
WEIGHT = FORMS["mean"].weight
_IDENTICAL = 1 - 1e-6  # the cosine of a picture with itself is slightly below 1
_LEAST_ROOM = 0.1  # between the last anchor and identical faces, however near they are to everybody

Doubles: TypeAlias = npt.NDArray[np.float64]
Cosines: TypeAlias = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class PackNormal:
    """A pack's part: the mean of its population's people (d,), its cosines and its c' at FALSE_MATCH_RATES."""

    mean: Floats
    cosines: tuple[float, ...]
    anchors: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Normalisation:
    """A version of a collection's calibration, for use: the mean of so many strangers (d,), the pack's part."""

    version: int
    mean: Floats
    strangers: int
    pack: PackNormal

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
        return on_scale(plain, WEIGHT / 2 * (np.maximum(own, packs) + np.maximum(others, theirs)), self.pack)


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


def choose_strangers(templates: Floats, people: npt.NDArray[np.int64], line: float) -> npt.NDArray[np.int64]:
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

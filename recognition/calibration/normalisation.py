"""Normalised similarity: the cosine of two faces, less how near each is to strangers.

People whom the models saw rarely lie close together, so a cosine that is rare among one population is common among
another. The level of a face says how near it is to the strangers of its collection, and c' = c - weight/2 (level of one
face + level of the other). Three forms of the level are compared here:

- mean: the cosine with the mean of the collection's people;
- nearest: the mean of the k highest cosines with the collection's people (adaptive score normalisation, as in speaker
  verification: Matejka et al., Interspeech 2017);
- neighbours: the highest cosine with the mean of a neighbourhood, which is a person of the collection with those near
  it; for minorities in a large collection.

Takes arrays and returns values; knows neither Django nor tenants nor names.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognition.results import Floats

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_NONE = -1.0  # of a face for which no stranger is left: below every level
_NEAREST = 5
_NEAR, _NEIGHBOURS = 0.25, 5  # the cosine, without the pack's mean, of neighbours; the fewest that count


@dataclass(frozen=True, slots=True)
class References:
    """The cosines of faces (n,) with one template of each person of a collection (g,).

    `own` (n,) is the column of the face's own person, and `columns` (p,) are those of the people whom the faces are
    compared with; -1: the person is not in the collection. Both persons of a comparison are left out of its levels.
    """

    cosines: Floats
    own: Ids
    columns: Ids
    near: Mask


def references(faces: Floats, own: Ids, columns: Ids, gallery: Floats, mean: Floats) -> References:
    """Compare faces (n, d) with the collection's people (g, d), all unit vectors; `mean` (d,) is the pack's.

    Neighbours are near each other once the mean is subtracted. With the collection's own mean instead, a group would
    count as near only while it is a small part of the collection.
    """
    centred = gallery - mean
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return References(faces @ gallery.T, own, columns, centred @ centred.T >= _NEAR)


def mean_level(found: References) -> Floats:
    """Return the level (n, p) of each face in a comparison with each person: the mean cosine with the others."""
    mine, alone = _own(found)
    total, count = found.cosines.sum(axis=1) - mine, found.cosines.shape[1] - alone
    levels = []
    for column in found.columns:
        theirs, counted = _other(found, column)
        levels.append(np.where(count > counted, (total - theirs) / np.maximum(count - counted, 1), _NONE))
    return np.stack(levels, axis=1).astype(np.float32)


def nearest_level(found: References) -> Floats:
    """Return the level (n, p): the mean of the k highest cosines with the others; k is 5, or fewer if there are."""
    k = min(_NEAREST, found.cosines.shape[1] - 2)
    if k < 1:
        return np.full((len(found.cosines), len(found.columns)), _NONE, dtype=np.float32)
    cosines = found.cosines.copy()
    rows = np.flatnonzero(found.own >= 0)
    cosines[rows, found.own[rows]] = -np.inf
    top = -np.sort(-cosines, axis=1)[:, : k + 1]
    total, levels = top[:, :k].sum(axis=1), []
    for column in found.columns:
        theirs = cosines[:, column] if column >= 0 else np.full(len(cosines), -np.inf)
        among = theirs >= top[:, k - 1]
        levels.append((total - np.where(among, theirs, 0) + np.where(among, top[:, k], 0)) / k)
    return np.stack(levels, axis=1).astype(np.float32)


def neighbours_level(found: References) -> Floats:
    """Return the level (n, p): the highest mean cosine with a neighbourhood of at least five others."""
    near = found.near.astype(np.float32)
    if not len(near):
        return np.full((len(found.cosines), len(found.columns)), _NONE, dtype=np.float32)
    mine, alone = _own(found)
    beside = near[found.own] * alone[:, None]  # the neighbourhoods (n, g) that the face's own person is in
    total, count = found.cosines @ near - beside * mine[:, None], near.sum(axis=0) - beside
    levels = []
    for column in found.columns:
        theirs, counted = _other(found, column)
        within = near[column] * counted[:, None]
        left = count - within
        means = (total - within * theirs[:, None]) / np.maximum(left, 1)
        levels.append(np.where(left >= _NEIGHBOURS, means, _NONE).max(axis=1))
    return np.stack(levels, axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Form:
    """A form of normalisation: how its level is computed, and its weight.

    With `fixed` the level is at least the cosine with the pack's mean, and the anchors are measured once for the pack.
    Otherwise they depend on the collection, and are measured in it.
    """

    level: Callable[[References], Floats]
    weight: float
    fixed: bool


FORMS = {
    "mean": Form(mean_level, 0.75, fixed=True),
    "neighbours": Form(lambda found: np.maximum(mean_level(found), neighbours_level(found)), 0.75, fixed=True),
    "nearest": Form(nearest_level, 1.0, fixed=False),
}


def normalised(cosines: Floats, levels: Floats, people: Ids, weight: float) -> Floats:
    """Return c' of all pairs of faces: cosines (n, n), levels (n, p) and the faces' people (n,) in 0..p."""
    against = levels[:, people]
    return cosines - weight / 2 * (against + against.T)


def _own(found: References) -> tuple[Floats, Mask]:
    """Return each face's cosine with its own person, 0 if that is not in the collection, and whether it is."""
    there = found.own >= 0
    if not found.cosines.shape[1]:
        return np.zeros(len(there), dtype=np.float32), there
    return np.where(there, found.cosines[np.arange(len(there)), found.own], 0), there


def _other(found: References, column: int) -> tuple[Floats, Mask]:
    """Return each face's cosine with a person, 0 if that is its own or not in the collection, and whether it counts."""
    counted = (found.own != column) & (column >= 0)
    return np.where(counted, found.cosines[:, column], 0) if column >= 0 else np.zeros(
        len(counted), np.float32
    ), counted

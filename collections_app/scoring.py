"""The cosines of a collection's faces as decisions use them: normalised by its calibration, if it has one.

Every comparison with an enrolled face goes through here. Comparisons of two images know no collection: they are on the
pack's fixed scale.
"""

import numpy as np

from collections_app.models import Collection
from recognition import index, packs
from recognition.calibration.calibrated import Normalisation
from recognition.calibration.tail import Doubles, Tail
from recognition.index import Neighbour, calibrations, face_index
from recognition.results import Floats
from recognition.similarity import LOWEST, SCORES, Threshold


def normalisation(collection: Collection) -> Normalisation | None:
    """Return what normalises the collection's cosines; None: they stay plain, as its policy says, or for now."""
    found = calibrations.normalisation(collection.gallery)
    return found and used(collection, found)


def used(collection: Collection, found: Normalisation) -> Normalisation | None:
    """Return how the collection's policy uses what was learnt; None: not at all."""
    if collection.scale == Collection.Scale.PLAIN:
        return None
    return found if collection.scale == Collection.Scale.MEASURED else found.at_one_rate()


def tail(collection: Collection) -> Tail | None:
    """Return how often the collection's own strangers reach a cosine; None: too few were compared."""
    return calibrations.tail(collection.gallery) if collection.gallery.calibrated else None


def threshold_at(collection: Collection, rate: float) -> Threshold:
    """Return the lowest threshold that at most this share of strangers reach: of the collection's own, if measured.

    Until then of the pack's worst cohort; where even the highest measured score is reached more often, it is that.
    """
    pack, own = packs.get(collection.pack), tail(collection)
    cosine = own.cosine(rate) if own else None
    if cosine is not None:
        return Threshold(min(max(pack.similarity.score(cosine), LOWEST.score), 100.0))
    scores = (Threshold(float(score)) for score in range(int(LOWEST.score), int(SCORES[-1])))
    kept = (score for score in scores if pack.worst_cohort(score).rate(score) <= rate)
    return next(kept, Threshold(SCORES[-1]))


def nearest(
    collection: Collection, probe: Floats, *, limit: int, floor: float, enrolled: bool = False, as_read: bool = False
) -> list[Neighbour]:
    """Return up to `limit` faces of at least `floor`, best first; `enrolled`: the probe is a face of the collection.

    `as_read`: see FaceIndex.search.
    """
    gallery, scale = collection.gallery, normalisation(collection)
    if scale is None:
        return face_index().search(gallery, probe, limit=limit, floor=floor, as_read=as_read)
    near = face_index().search(gallery, probe, limit=limit + calibrations.MORE, floor=floor, as_read=as_read)
    return calibrations.rescored(near, probe, scale, floor=floor, enrolled=enrolled)[:limit]


def reaching(collection: Collection, probe: Floats, floor: float, *, enrolled: bool = False) -> list[Neighbour]:
    """Return all faces of at least `floor`, best first."""
    scale, near = normalisation(collection), index.reaching(collection.gallery, probe, floor)
    return near if scale is None else calibrations.rescored(near, probe, scale, floor=floor, enrolled=enrolled)


def cosines(collection: Collection, probes: Floats, faces: Floats, *, enrolled: bool = False) -> Doubles:
    """Return the cosines of probes (d,) or (m, d) with templates of the collection (n, d): (n,) or (m, n)."""
    scale = normalisation(collection)
    if scale is None:
        return np.asarray(probes @ faces.T, dtype=np.float64)
    return scale.cosines(probes, faces, enrolled=enrolled)

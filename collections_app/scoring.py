"""The cosines of a collection's faces as decisions use them: normalised by its calibration, if it has one.

Every comparison with an enrolled face goes through here. Comparisons of two images know no collection: they are on the
pack's fixed scale.
"""

import numpy as np

from collections_app.models import Collection
from recognition import index
from recognition.calibration.calibrated import Doubles, Normalisation
from recognition.index import Neighbour, calibrations, face_index
from recognition.results import Floats


def normalisation(collection: Collection) -> Normalisation | None:
    """Return what normalises the collection's cosines; None: they stay plain, as its policy says, or for now."""
    if collection.scale == Collection.Scale.PLAIN:
        return None
    return calibrations.normalisation(collection.gallery)


def nearest(
    collection: Collection, probe: Floats, *, limit: int, floor: float, enrolled: bool = False, as_read: bool = False
) -> list[Neighbour]:
    """Return up to `limit` faces of at least `floor`, best first; `enrolled`: the probe is a face of the collection.

    `as_read`: see FaceIndex.search.
    """
    gallery, scale = collection.gallery, normalisation(collection)
    if scale is None:
        return face_index().search(gallery, probe, limit=limit, floor=floor, as_read=as_read)
    wanted, lowest = calibrations.candidates(scale, probe, limit=limit, floor=floor)
    near = face_index().search(gallery, probe, limit=wanted, floor=lowest, as_read=as_read)
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

"""From aligned faces to unit vectors, with the embedders of a pack."""

from collections.abc import Mapping, Sequence

import numpy as np

from recognition.metrics import stage
from recognition.packs import Pack
from recognition.pipeline import adapters
from recognition.results import Floats, Pixels


def sides(pack: Pack) -> set[int]:
    """Return the sides, in pixels, of the aligned squares that the embedders of the pack take."""
    return {adapters.embedder(model).side for model, _ in pack.embedders}


@stage("embed")
def embed(aligned: Mapping[int, Sequence[Pixels]], pack: Pack) -> tuple[Floats, Floats]:
    """Return (faces, pack.dimension) float32, each row of unit length, and the lengths (faces,) of the raw vectors.

    `aligned` holds the same faces at each side that the pack needs, (side, side, 3), blue-green-red. The unit vectors
    of several embedders are concatenated, each multiplied by the root of its weight, so that the dot product of two
    embeddings is the weighted mean of the cosines. The lengths are weighted means, too: the less an embedder recognises
    in a face, the shorter its vector.

    Raises:
        ModelUnavailable: an embedder of the pack is not installed.
    """
    if not any(aligned.values()):
        return np.empty((0, pack.dimension), np.float32), np.empty(0, np.float32)
    parts, lengths = [], np.zeros(1, np.float32)
    for model, weight in pack.embedders:
        embedder = adapters.embedder(model)
        vectors = embedder.embed(np.stack(aligned[embedder.side]))
        length = np.linalg.norm(vectors, axis=1)
        parts.append(np.sqrt(np.float32(weight)) * (vectors / length[:, None]).astype(np.float32))
        lengths = lengths + np.float32(weight) * length
    return np.concatenate(parts, axis=1), lengths

"""From aligned faces to unit vectors, with the embedders of a pack."""

from collections.abc import Mapping, Sequence

import numpy as np

from recognition.packs import Pack
from recognition.pipeline import adapters
from recognition.results import Floats, Pixels


def sides(pack: Pack) -> set[int]:
    """Return the sides, in pixels, of the aligned squares that the embedders of the pack take."""
    return {adapters.embedder(model).side for model, _ in pack.embedders}


def embed(aligned: Mapping[int, Sequence[Pixels]], pack: Pack) -> Floats:
    """Return (faces, pack.dimension) float32, each row of unit length.

    `aligned` holds the same faces at each side that the pack needs, (side, side, 3), blue-green-red. The unit vectors
    of several embedders are concatenated, each multiplied by the root of its weight, so that the dot product of two
    embeddings is the weighted mean of the cosines.

    Raises:
        ModelUnavailable: an embedder of the pack is not installed.
    """
    if not any(aligned.values()):
        return np.empty((0, pack.dimension), np.float32)
    parts = [
        np.sqrt(np.float32(weight)) * _unit_vectors(aligned, adapters.embedder(model))
        for model, weight in pack.embedders
    ]
    return np.concatenate(parts, axis=1)


def _unit_vectors(aligned: Mapping[int, Sequence[Pixels]], embedder: adapters.Embedder) -> Floats:
    vectors = embedder.embed(np.stack(aligned[embedder.side]))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

"""Baselines for the index benchmark: NumPy, and Faiss and hnswlib where they are installed (both are optional).

Each baseline takes the templates (n, d), float32 unit vectors, and returns a search for the ids of the nearest ten on
one core, ids counted from 1. The graphs have 16 links, 128 candidates while building and 256 while searching, as above
INDEX_GRAPH_ROWS.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Search = Callable[[np.ndarray], Sequence[int]]
_TOP = 10
_LINKS, _BUILDING, _SEARCHING = 16, 128, 256
_GRAPH_ROWS = 200_000  # a graph of a million takes ten minutes to build


def numpy_(vectors: np.ndarray) -> Search:
    """Search with one matrix product."""

    def search(probe: np.ndarray) -> Sequence[int]:
        cosines = vectors @ probe
        near = np.argpartition(-cosines, _TOP)[:_TOP]
        ids: list[int] = (near[np.argsort(-cosines[near])] + 1).tolist()
        return ids

    return search


def installed(size: int) -> dict[str, Callable[[np.ndarray], Search]]:
    """Return the other baselines that are installed and fast enough at this size, by name."""
    found: dict[str, Callable[[np.ndarray], Search]] = {}
    if importlib.util.find_spec("faiss"):
        found |= {"Faiss flat": _faiss_flat, "Faiss bytes": _faiss_bytes}
        if size <= _GRAPH_ROWS:
            found["Faiss HNSW"] = _faiss_graph
    if importlib.util.find_spec("hnswlib") and size <= _GRAPH_ROWS:
        found["hnswlib"] = _hnswlib_graph
    return found


def _faiss_flat(vectors: np.ndarray) -> Search:
    faiss = _faiss()
    return _filled(faiss.IndexFlatIP(vectors.shape[1]), vectors)


def _faiss_bytes(vectors: np.ndarray) -> Search:
    faiss = _faiss()
    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_8bit_uniform, faiss.METRIC_INNER_PRODUCT
    )
    index.train(vectors)
    return _filled(index, vectors)


def _faiss_graph(vectors: np.ndarray) -> Search:
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(vectors.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = _BUILDING, _SEARCHING
    return _filled(index, vectors)


def _faiss() -> Any:  # noqa: ANN401 -- it has no types
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    return faiss


def _filled(index: Any, vectors: np.ndarray) -> Search:  # noqa: ANN401 -- it has no types
    index.add(vectors)
    return lambda probe: (index.search(probe[None], _TOP)[1][0] + 1).tolist()


def _hnswlib_graph(vectors: np.ndarray) -> Search:
    index = importlib.import_module("hnswlib").Index("ip", vectors.shape[1])
    index.init_index(len(vectors), M=_LINKS, ef_construction=_BUILDING)
    index.set_num_threads(1)
    index.add_items(vectors)
    index.set_ef(_SEARCHING)
    return lambda probe: (index.knn_query(probe, _TOP)[0][0] + 1).astype(int).tolist()

"""The recall test: a segment that does not find what exact search finds is not published.

The probes are the gallery's own templates plus noise, so that a probe is as far from its template as another picture of
the same person would be. Searching for an unchanged template would prove nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recognition.index.scan import EXAMINED
from recognition.index.segments import EXPANSIONS, OpenSegment
from recognition.models import IndexSegment

RANK_1, RECALL_10 = 0.995, 0.95
RANK_1_AIM = 0.999
_PROBES, _FLAT_PROBES = 500, 20
_TOP = 10
_BLOCK = 16_384
_COSINE = 0.6
_TIE = 1e-6
_NONE_REMOVED = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Gate:
    """How often the segment finds what exact search ranks first (rank1), and the share of its first ten (recall)."""

    rank1: float
    recall: float

    @property
    def passed(self) -> bool:
        """Whether the segment may be published."""
        return self.rank1 >= RANK_1 and self.recall >= RECALL_10


def examine(part: OpenSegment, ids: np.ndarray, vectors: np.ndarray, progress: Callable[[int], None]) -> Gate:
    """Compare a segment with exact search over ids (n,) and vectors (n, d); raise its expansion until it passes."""
    flat = part.segment.kind == IndexSegment.Kind.FLAT
    probes = noisy(vectors, _FLAT_PROBES if flat else _PROBES)
    nearest = vectors[exact_nearest(probes, vectors, min(_TOP, len(ids)))]
    order = np.argsort(ids)

    def found(probe: np.ndarray) -> np.ndarray:
        near = part.search(probe, EXAMINED, -2.0, _NONE_REMOVED).ids
        return vectors[order[np.searchsorted(ids, near, sorter=order)]]

    for expansion in EXPANSIONS[part.segment.kind]:
        part.expansion = expansion
        gate = judge(probes, nearest, found, progress)
        if gate.rank1 >= RANK_1_AIM and gate.passed:
            break
    return gate


def judge(
    probes: np.ndarray,
    nearest: np.ndarray,
    found: Callable[[np.ndarray], np.ndarray],
    progress: Callable[[int], object] = int,
) -> Gate:
    """Compare what `found` returns for each probe, templates (m, d), with its exact nearest (n, k, d), best first.

    The order of candidates does not matter: they are scored exactly afterwards. Cosines are compared, not faces: if one
    picture is enrolled a hundred times, each of the hundred equal answers is right.
    """
    first = shared = 0
    for number, (probe, best) in enumerate(zip(probes, nearest, strict=True)):
        expected, cosines = best @ probe, found(probe) @ probe
        first += int(cosines.max(initial=-2.0) >= expected.max() - _TIE)
        shared += min(len(best), int((cosines >= expected.min() - _TIE).sum()))
        progress(number + 1)
    return Gate(first / len(probes), shared / (len(probes) * nearest.shape[1]))


def noisy(vectors: np.ndarray, count: int) -> np.ndarray:
    """Return `count` unit vectors, each at a cosine of about 0.6 to a different row."""
    random = np.random.default_rng(len(vectors))
    rows = np.sort(random.choice(len(vectors), min(count, len(vectors)), replace=False))
    noise = random.standard_normal((len(rows), vectors.shape[1]))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    probes = _COSINE * vectors[rows] + np.sqrt(1 - _COSINE**2) * noise
    unit: np.ndarray = (probes / np.linalg.norm(probes, axis=1, keepdims=True)).astype(np.float32)
    return unit


def exact_nearest(probes: np.ndarray, vectors: np.ndarray, top: int) -> np.ndarray:
    """Return for each probe the rows of its `top` highest cosines, best first."""
    cosines = np.zeros((len(probes), 0), dtype=np.float32)
    rows = np.zeros((len(probes), 0), dtype=np.int64)
    for start in range(0, len(vectors), _BLOCK):
        block = probes @ vectors[start : start + _BLOCK].T
        near = np.argpartition(-block, min(top, block.shape[1]) - 1, axis=1)[:, :top]
        cosines = np.hstack([cosines, np.take_along_axis(block, near, axis=1)])
        rows = np.hstack([rows, near + start])
        order = np.argsort(-cosines, axis=1)[:, :top]
        cosines, rows = np.take_along_axis(cosines, order, axis=1), np.take_along_axis(rows, order, axis=1)
    return rows

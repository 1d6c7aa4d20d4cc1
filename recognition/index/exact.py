"""Exact search in memory: the matrix of a gallery's delta, or of a whole gallery without segments."""

from dataclasses import dataclass

import numpy as np

from recognition.index import store

_REMOVED = 0  # no face has this id
_REMOVED_SHARE = 0.2  # above which removed rows are cut out
NEVER = -3.0  # below every cosine and every floor
_ROWS_AT_FIRST = 64


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates: face ids, cosines, and templates (None: they are not in memory and have to be read)."""

    ids: np.ndarray
    cosines: np.ndarray
    vectors: np.ndarray | None


def best(cosines: np.ndarray, limit: int, floor: float) -> np.ndarray:
    """Return the positions of the highest `limit` cosines of at least `floor`, unordered."""
    if len(cosines) > limit:
        nearest = np.argpartition(cosines, -limit)[-limit:]
        return nearest[cosines[nearest] >= floor]
    return np.flatnonzero(cosines >= floor)


class Matrix:
    """Templates of one gallery in memory.

    Rows are only appended, and removing a row only clears its id. So a search can go on with the arrays of `snapshot`
    while another thread changes the matrix.
    """

    def __init__(self, dimension: int) -> None:
        """Begin empty."""
        self._count = 0
        self._removed = 0
        self._ids = np.zeros(0, dtype=np.int64)
        self._sequences = np.zeros(0, dtype=np.int64)
        self._vectors = np.zeros((0, dimension), dtype=np.float32)

    @property
    def bytes(self) -> int:
        """The memory it takes."""
        return self._vectors.nbytes + self._ids.nbytes + self._sequences.nbytes

    def snapshot(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the current ids and vectors."""
        return self._ids[: self._count], self._vectors[: self._count]

    def append(self, rows: store.Rows) -> None:
        """Add rows after the others."""
        count, new = self._count, len(rows.ids)
        if count + new > len(self._ids):
            spare = max(new, count // 2, _ROWS_AT_FIRST)
            self._ids = np.concatenate([self._ids[:count], np.zeros(spare, dtype=np.int64)])
            self._sequences = np.concatenate([self._sequences[:count], np.zeros(spare, dtype=np.int64)])
            empty = np.zeros((spare, self._vectors.shape[1]), dtype=np.float32)
            self._vectors = np.concatenate([self._vectors[:count], empty])
        self._vectors[count : count + new] = rows.vectors
        self._sequences[count : count + new] = rows.sequences
        self._ids[count : count + new] = rows.ids
        self._count += new

    def remove(self, ids: np.ndarray) -> None:
        """Remove the rows of these faces."""
        gone = np.isin(self._ids[: self._count], ids)
        self._ids[: self._count][gone] = _REMOVED
        self._removed += int(gone.sum())
        if self._removed > _REMOVED_SHARE * self._count:
            self._keep(self._ids[: self._count] != _REMOVED)

    def cut(self, base: int) -> None:
        """Drop every row numbered up to `base`: the segments hold it now."""
        self._keep((self._sequences[: self._count] > base) & (self._ids[: self._count] != _REMOVED))

    def _keep(self, rows: np.ndarray) -> None:
        count = self._count
        self._ids, self._sequences = self._ids[:count][rows], self._sequences[:count][rows]
        self._vectors = self._vectors[:count][rows]
        self._count, self._removed = len(self._ids), 0


def search(rows: tuple[np.ndarray, np.ndarray], probe: np.ndarray, limit: int, floor: float) -> Found:
    """Return the nearest rows of a `Matrix.snapshot`. A float64 probe would copy the whole matrix to float64."""
    ids, vectors = rows
    cosines = vectors @ probe
    cosines[ids == _REMOVED] = NEVER
    nearest = best(cosines, limit, floor)
    return Found(ids[nearest], cosines[nearest], vectors[nearest])

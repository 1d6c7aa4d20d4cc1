"""Exact search over templates in memory: a matrix that grows, and its nearest rows."""

from dataclasses import dataclass

import numpy as np

from recognition.index import store

_DEAD = 0  # no face has this id
_DEAD_SHARE = 0.2
NEVER = -3.0  # under every cosine and every floor
_ROWS_AT_FIRST = 64


@dataclass(frozen=True, slots=True)
class Found:
    """Candidates: face ids and cosines, and the templates where they are at hand (None: the store has to be asked)."""

    ids: np.ndarray
    cosines: np.ndarray
    vectors: np.ndarray | None


def best(cosines: np.ndarray, limit: int, floor: float) -> np.ndarray:
    """Return the positions of the highest `limit` cosines of at least `floor`, in no order."""
    if len(cosines) > limit:
        nearest = np.argpartition(cosines, -limit)[-limit:]
        return nearest[cosines[nearest] >= floor]
    return np.flatnonzero(cosines >= floor)


class Matrix:
    """Templates of one gallery in memory.

    Rows are only appended, and a removed row only loses its id, so a search may go on with the arrays it took while
    another thread changes the matrix.
    """

    def __init__(self, dimension: int) -> None:
        """Begin empty."""
        self._count = 0
        self._dead = 0
        self._ids = np.zeros(0, dtype=np.int64)
        self._sequences = np.zeros(0, dtype=np.int64)
        self._vectors = np.zeros((0, dimension), dtype=np.float32)

    @property
    def bytes(self) -> int:
        """The memory it takes."""
        return self._vectors.nbytes + self._ids.nbytes + self._sequences.nbytes

    def taken(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids and vectors as they are now."""
        return self._ids[: self._count], self._vectors[: self._count]

    def append(self, rows: store.Rows) -> None:
        """Add rows behind the others."""
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
        self._ids[: self._count][gone] = _DEAD
        self._dead += int(gone.sum())
        if self._dead > _DEAD_SHARE * self._count:
            self._keep(self._ids[: self._count] != _DEAD)

    def cut(self, base: int) -> None:
        """Let go of every row numbered up to `base`."""
        self._keep((self._sequences[: self._count] > base) & (self._ids[: self._count] != _DEAD))

    def _keep(self, rows: np.ndarray) -> None:
        count = self._count
        self._ids, self._sequences = self._ids[:count][rows], self._sequences[:count][rows]
        self._vectors = self._vectors[:count][rows]
        self._count, self._dead = len(self._ids), 0


def search(taken: tuple[np.ndarray, np.ndarray], probe: np.ndarray, limit: int, floor: float) -> Found:
    """Return the nearest rows of what `Matrix.taken` gave. A float64 probe would copy the whole matrix to float64."""
    ids, vectors = taken
    cosines = vectors @ probe
    cosines[ids == _DEAD] = NEVER
    rows = best(cosines, limit, floor)
    return Found(ids[rows], cosines[rows], vectors[rows])

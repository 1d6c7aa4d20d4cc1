"""Exact search: every template of a gallery in one float32 matrix a process, kept fresh by sequence number.

A search reads the gallery's head, fetches the changes it has not seen, and multiplies. There is no message to miss and
no time to wait for: the head is read from the database by every search.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping

import numpy as np
from django.conf import settings

from recognition.index import store
from recognition.index.protocol import Neighbour
from recognition.models import Gallery

_DEAD = 0  # no face has this id
_DEAD_SHARE = 0.2


class _Held:
    """A gallery's templates in memory.

    Rows are only appended, and a removed row only loses its id, so a search may go on with the arrays it took
    while another thread refreshes.
    """

    def __init__(self, dimension: int) -> None:
        """Begin empty."""
        self.lock = threading.Lock()
        self.seen = 0
        self.count = 0
        self.dead = 0
        self.ids = np.zeros(0, dtype=np.int64)
        self.matrix = np.zeros((0, dimension), dtype=np.float32)

    @property
    def bytes(self) -> int:
        """The memory it takes."""
        return self.matrix.nbytes + self.ids.nbytes

    def rows(self, gallery: Gallery) -> tuple[np.ndarray, np.ndarray]:
        """Return ids (n,) and vectors (n, dimension) that hold every change up to the gallery's head."""
        head = store.head(gallery)
        with self.lock:
            while head > self.seen:
                self._apply(store.changes(gallery, self.seen, head))
                self.seen = head
                head = store.head(gallery)  # what was replaced while we read is in neither half: read on
            return self.ids[: self.count], self.matrix[: self.count]

    def _apply(self, changes: store.Changes) -> None:
        gone = np.isin(self.ids[: self.count], changes.gone)
        self.ids[: self.count][gone] = _DEAD
        self.dead += int(gone.sum())
        if self.dead > _DEAD_SHARE * self.count:
            alive = self.ids[: self.count] != _DEAD
            self.ids, self.matrix = self.ids[: self.count][alive], self.matrix[: self.count][alive]
            self.count, self.dead = len(self.ids), 0
        came = len(changes.ids)
        if self.count + came > len(self.ids):
            spare = max(came, self.count // 2, 64)
            self.ids = np.concatenate([self.ids[: self.count], np.zeros(spare, dtype=np.int64)])
            empty = np.zeros((spare, self.matrix.shape[1]), dtype=np.float32)
            self.matrix = np.concatenate([self.matrix[: self.count], empty])
        self.matrix[self.count : self.count + came] = changes.vectors
        self.ids[self.count : self.count + came] = changes.ids
        self.count += came


class ExactIndex:
    """The engine for galleries up to about 100,000 faces; above, it is right but slow."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._lock = threading.Lock()
        self._held: OrderedDict[int, _Held] = OrderedDict()

    def add(self, gallery: Gallery, vectors: Mapping[int, np.ndarray]) -> int:
        """See FaceIndex."""
        return store.add(gallery, vectors)

    def remove(self, gallery: Gallery, face_ids: Collection[int]) -> int:
        """See FaceIndex."""
        return store.remove(gallery, face_ids)

    def vector(self, gallery: Gallery, face_id: int) -> np.ndarray:
        """See FaceIndex."""
        return store.vector(gallery, face_id)

    def search(self, gallery: Gallery, probe: np.ndarray, *, limit: int, floor: float) -> list[Neighbour]:
        """See FaceIndex."""
        ids, matrix = self._hold(gallery, len(probe)).rows(gallery)
        self._shrink(gallery.pk)
        cosines = matrix @ probe.astype(np.float32)  # a float64 probe would copy the whole matrix to float64
        cosines[ids == _DEAD] = -2
        found = np.flatnonzero(cosines >= floor)
        if len(found) > limit:
            found = found[np.argpartition(-cosines[found], limit - 1)[:limit]]
        best = found[np.argsort(-cosines[found], kind="stable")]
        return [Neighbour(int(ids[row]), float(cosines[row])) for row in best]

    def _hold(self, gallery: Gallery, dimension: int) -> _Held:
        with self._lock:
            held = self._held.setdefault(gallery.pk, _Held(dimension))
            self._held.move_to_end(gallery.pk)
            return held

    def _shrink(self, keep: int) -> None:
        """Let go of the galleries searched longest ago until the rest fits."""
        with self._lock:
            total = sum(held.bytes for held in self._held.values())
            for key in list(self._held):
                if total <= settings.INDEX_MEMORY_BYTES:
                    return
                if key != keep:
                    total -= self._held.pop(key).bytes

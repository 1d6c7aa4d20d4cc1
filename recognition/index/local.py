"""The engine of one host: segments up to the gallery's base, a matrix for what came after, tombstones for what left.

Each process keeps what it has read of a gallery and asks the database, at every search, whether there is more: there
is no message to miss and no time to wait for. A segment that cannot be opened is answered for from the database,
exactly, until the worker has made it again.
"""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from django.conf import settings

from recognition.index import exact, files, store
from recognition.index.exact import Found, Matrix
from recognition.index.protocol import Neighbour
from recognition.index.scan import MARGIN
from recognition.index.scores import scored
from recognition.index.segments import OpenSegment
from recognition.models import Gallery, IndexSegment
from tenants.vault import Vault

logger = logging.getLogger("faceplane.index")
_RETRY_SECONDS = 30
_TIES = 6  # candidates beyond those asked for whose float32 cosines may stand in another order than the float64 ones
_OPEN_SEGMENTS = 256  # a process; each holds one file open
_SLACK = 0.05  # by which a candidate's cosine may be off


@dataclass(frozen=True, slots=True)
class _View:
    """A gallery at one moment, for one search: the matrix, and each segment with its dead rows."""

    taken: tuple[np.ndarray, np.ndarray]
    parts: tuple[tuple[OpenSegment, np.ndarray], ...]


class _Held:
    """What a process holds of a gallery."""

    def __init__(self, dimension: int, *, segmented: bool) -> None:
        """Begin with nothing; without `segmented`, everything is held in the matrix."""
        self.lock = threading.Lock()
        self._segmented = segmented
        self._dimension = dimension
        self._version: int | None = None
        self._seen = 0
        self._matrix = Matrix(dimension)
        self._parts: tuple[tuple[OpenSegment, np.ndarray], ...] = ()
        self._whole = False
        self._retry_at: float | None = None

    @property
    def bytes(self) -> int:
        """The memory it takes of this process alone."""
        return self._matrix.bytes + sum(part.private_bytes + dead.nbytes for part, dead in self._parts)

    @property
    def segments(self) -> int:
        """How many segments are open."""
        return len(self._parts)

    def view(self, gallery: Gallery) -> _View:
        """Return the gallery with every change up to its head.

        A publication drops tombstones, so what was read while the version changed is read again.
        """
        with self.lock:
            state = store.state(gallery)
            while state.head != self._seen or state.version != self._version or self._is_time_to_retry():
                if state.version != self._version or self._is_time_to_retry():
                    state = self._adopt(gallery)
                batches = list(store.rows(gallery, self._seen, state.head))
                tombstones = store.tombstones(gallery, self._seen, state.head)
                now = store.state(gallery)
                if now.version == state.version:
                    self._bury(tombstones)
                    for rows in batches:
                        self._matrix.append(rows)
                    self._seen = state.head
                state = now  # what was replaced while we read is in neither half: read on
            return _View(self._matrix.taken(), self._parts)

    def _is_time_to_retry(self) -> bool:
        return self._retry_at is not None and time.monotonic() > self._retry_at

    def _adopt(self, gallery: Gallery) -> store.State:
        """Take over a newly published set of segments, or do without when one cannot be opened."""
        state, segments = store.layout(gallery)
        self._retry_at = None
        opened = self._opened(gallery, state, segments) if self._segmented else None
        if opened is not None:
            names = {part.segment.name for part in opened}
            for part, _ in self._parts:
                if part.segment.name not in names:
                    files.discard(part.segment)  # whoever still maps the copy keeps it until it lets go
            files.sweep_opened()
            if not state.base:  # the segments went without successors (pgvector's tidy), and word of who left with them
                self._matrix, self._seen = Matrix(self._dimension), 0
            tombstones = store.tombstones(gallery, 0, state.head, base=state.base)
            self._parts = tuple((part, part.places(tombstones.ids, tombstones.added_seq)) for part in opened)
            self._matrix.cut(state.base)
            self._seen, self._whole = max(self._seen, state.base), state.base == 0
        elif state.version != self._version or not self._whole:
            self._parts, self._matrix, self._seen, self._whole = (), Matrix(self._dimension), 0, True
        self._version = state.version
        return state

    def _opened(self, gallery: Gallery, state: store.State, segments: list[IndexSegment]) -> list[OpenSegment] | None:
        """Open the segments, keeping those that are open; None: one of them cannot be opened."""
        known = {part.segment.name: part for part, _ in self._parts}
        try:
            return [known.get(segment.name) or open_segment(segment, gallery) for segment in segments]
        except files.NoRoom:
            logger.warning("No room to open a segment: searching from the database.", extra={"gallery": gallery.pk})
        except files.SegmentUnreadable as error:
            if store.state(gallery).version != state.version:
                return None  # a publication replaced it: the caller sees the version and adopts again
            _report(gallery, error)
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        return None

    def _bury(self, tombstones: store.Graves) -> None:
        if not len(tombstones.ids):
            return
        self._matrix.remove(tombstones.ids)
        self._parts = tuple(
            (part, np.union1d(dead, part.places(tombstones.ids, tombstones.added_seq))) for part, dead in self._parts
        )


def open_segment(segment: IndexSegment, gallery: Gallery) -> OpenSegment:
    """Open a segment; a bad opened copy is made again once from the sealed file.

    Raises:
        SegmentUnreadable: the sealed file itself is missing, damaged or of another pack.
        NoRoom: there is no place to open it.
    """
    if segment.pack != gallery.pack:
        raise files.SegmentUnreadable(segment, IndexSegment.Condition.OUTDATED)
    for attempt in range(2):
        path = files.opened(segment, lambda: Vault.of(gallery.tenant))
        try:
            return OpenSegment(segment, path, store.dimension(gallery))
        except files.SegmentUnreadable:
            files.discard(segment)
            if attempt:
                raise
        except FileNotFoundError:
            if attempt:
                raise files.SegmentUnreadable(segment, IndexSegment.Condition.MISSING) from None
    raise AssertionError


def _report(gallery: Gallery, error: files.SegmentUnreadable) -> None:
    """Raise the alert: in the log, and as a state that operations show and that the worker's schedule acts on."""
    logger.error(
        "A segment cannot be used: searching from the database until it is rebuilt.",
        extra={"segment": error.segment.name, "condition": error.condition, "gallery": gallery.pk},
    )
    sound = IndexSegment.objects.of(gallery.tenant).filter(pk=error.segment.pk, condition=IndexSegment.Condition.SOUND)
    sound.update(condition=error.condition)


class LocalIndex:
    """The engine over segments; without `segmented`, over a matrix alone: quick up to 100,000 faces."""

    def __init__(self, *, segmented: bool) -> None:
        """Hold nothing yet; a forked child begins anew, so that no lock is held by a thread it does not have."""
        self._segmented = segmented
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Let go of everything."""
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
        probe = np.ascontiguousarray(probe, dtype=np.float32)  # a float64 probe would copy whole matrices to float64
        view = self._hold(gallery, len(probe)).view(gallery)
        self._shrink(gallery.pk)
        exactly = all(part.segment.kind == IndexSegment.Kind.FLAT for part, _ in view.parts)
        wanted = limit + (_TIES if exactly else MARGIN)
        while True:
            ids, vectors = _candidates(view, probe, wanted, floor)
            nearest = scored(gallery, ids, vectors, probe, floor)
            if len(nearest) >= limit or len(ids) < wanted:
                return nearest[:limit]
            wanted *= 4  # some left while we searched: look further

    def _hold(self, gallery: Gallery, dimension: int) -> _Held:
        with self._lock:
            if gallery.pk not in self._held:
                self._held[gallery.pk] = _Held(dimension, segmented=self._segmented)
            self._held.move_to_end(gallery.pk)
            return self._held[gallery.pk]

    def _shrink(self, keep: int) -> None:
        """Let go of the galleries searched longest ago until the rest fits."""
        with self._lock:
            total = sum(held.bytes for held in self._held.values())
            opened = sum(held.segments for held in self._held.values())
            for key in list(self._held):
                if total <= settings.INDEX_MEMORY_BYTES and opened <= _OPEN_SEGMENTS:
                    return
                if key != keep:
                    held = self._held.pop(key)
                    total, opened = total - held.bytes, opened - held.segments


def _candidates(
    view: _View, probe: np.ndarray, wanted: int, floor: float
) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Return the best ids of matrix and segments, fewer than wanted only if there are no more, and their templates."""
    found: list[Found] = [exact.search(view.taken, probe, wanted, floor - _SLACK)]
    found += [part.search(probe, wanted, floor - _SLACK, dead) for part, dead in view.parts]
    ids = np.concatenate([one.ids for one in found])
    cosines = np.concatenate([one.cosines for one in found])
    order = exact.best(cosines, wanted, floor - _SLACK)
    vectors: list[np.ndarray | None] = []
    for one in found:
        vectors += [None] * len(one.ids) if one.vectors is None else list(one.vectors)
    return ids[order], [vectors[row] for row in order]

"""The engine for one host: segments, a matrix for the delta, and tombstones.

Sequence numbers order all changes of a gallery. Segments hold the templates numbered up to `base`; the matrix holds
those after it (the delta); tombstones say which templates of the segments were removed. Each process keeps what it has
read of a gallery. Every search first asks the database for `head` and `version`, and reads what is new: a higher head
means more templates or tombstones, another version means another set of segments. So no process depends on a message
or a timeout to see a change.

If a segment cannot be opened, the whole gallery is read into the matrix and searched exactly until a worker has rebuilt
the segment.
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
from recognition.metrics import stage
from recognition.models import Gallery, IndexSegment
from tenants.vault import Vault

logger = logging.getLogger("faceplane.index")
_RETRY_SECONDS = 30
_TIES = 6  # candidates beyond those asked for: float32 may order equal cosines otherwise than float64
_OPEN_SEGMENTS = 256  # per process; each holds one file open
_SLACK = 0.05  # the most by which a candidate's cosine may be wrong


@dataclass(frozen=True, slots=True)
class _View:
    """A gallery at one moment, for one search: the matrix's rows, and each segment with its removed rows."""

    delta: tuple[np.ndarray, np.ndarray]
    parts: tuple[tuple[OpenSegment, np.ndarray], ...]


class _CachedGallery:
    """What a process has read of a gallery.

    `_seen` is the sequence number up to which changes were read; `_whole`: the matrix starts at the first template.
    """

    def __init__(self, dimension: int, *, segmented: bool) -> None:
        """Start empty; without `segmented`, everything is kept in the matrix."""
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
        """The memory it takes in this process alone."""
        return self._matrix.bytes + sum(part.private_bytes + removed.nbytes for part, removed in self._parts)

    @property
    def segments(self) -> int:
        """The number of open segments."""
        return len(self._parts)

    def view(self, gallery: Gallery, *, as_read: bool) -> _View:
        """Return the gallery with every change up to its head; with `as_read`, the head of the row at hand.

        Publishing deletes tombstones, so whatever was read while the version changed is read again.
        """
        with self.lock:
            current = gallery.head <= self._seen and gallery.version == self._version
            if as_read and current and not self._is_time_to_retry():
                return _View(self._matrix.snapshot(), self._parts)
            state = store.state(gallery)
            while state.head != self._seen or state.version != self._version or self._is_time_to_retry():
                if state.version != self._version or self._is_time_to_retry():
                    state = self._adopt(gallery)
                batches = list(store.rows(gallery, self._seen, state.head))
                tombstones = store.tombstones(gallery, self._seen, state.head)
                now = store.state(gallery)
                if now.version == state.version:
                    self._apply(tombstones)
                    for rows in batches:
                        self._matrix.append(rows)
                    self._seen = state.head
                state = now
            return _View(self._matrix.snapshot(), self._parts)

    def _is_time_to_retry(self) -> bool:
        return self._retry_at is not None and time.monotonic() > self._retry_at

    def _adopt(self, gallery: Gallery) -> store.State:
        """Switch to the published set of segments, or to the matrix alone if one of them cannot be opened."""
        state, segments = store.layout(gallery)
        self._retry_at = None
        opened = self._opened(gallery, state, segments) if self._segmented else None
        if opened is not None:
            names = {part.segment.name for part in opened}
            for part, _ in self._parts:
                if part.segment.name not in names:
                    files.discard(part.segment)  # a process that has it mapped keeps it until it unmaps it
            files.sweep_opened()
            if not state.base:  # the segments and tombstones were deleted, not replaced (pgvector.tidy): read all again
                self._matrix, self._seen = Matrix(self._dimension), 0
            tombstones = store.tombstones(gallery, 0, state.head, base=state.base)
            self._parts = tuple((part, part.rows_of(tombstones.ids, tombstones.added_seq)) for part in opened)
            self._matrix.cut(state.base)
            self._seen, self._whole = max(self._seen, state.base), state.base == 0
        elif state.version != self._version or not self._whole:
            self._parts, self._matrix, self._seen, self._whole = (), Matrix(self._dimension), 0, True
        self._version = state.version
        return state

    def _opened(self, gallery: Gallery, state: store.State, segments: list[IndexSegment]) -> list[OpenSegment] | None:
        """Open the segments that are not open yet, and return all; None: one of them cannot be opened."""
        known = {part.segment.name: part for part, _ in self._parts}
        try:
            return [known.get(segment.name) or open_segment(segment, gallery) for segment in segments]
        except files.NoRoom:
            logger.warning("No room to open a segment: searching from the database.", extra={"gallery": gallery.pk})
        except files.SegmentUnreadable as error:
            if store.state(gallery).version != state.version:
                return None  # it was replaced meanwhile: the caller sees the new version and adopts again
            _report(gallery, error)
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        return None

    def _apply(self, tombstones: store.Tombstones) -> None:
        """Remove the templates of new tombstones, from the matrix and from the segments."""
        if not len(tombstones.ids):
            return
        self._matrix.remove(tombstones.ids)
        self._parts = tuple(
            (part, np.union1d(removed, part.rows_of(tombstones.ids, tombstones.added_seq)))
            for part, removed in self._parts
        )


def open_segment(segment: IndexSegment, gallery: Gallery) -> OpenSegment:
    """Open a segment; an opened copy that is damaged is made again once from the sealed file.

    Raises:
        SegmentUnreadable: the sealed file itself is missing, damaged or of another pack.
        NoRoom: the folder of opened segments is full.
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
    """Log the fault and store the segment's condition, which operations show and the schedule repairs."""
    logger.error(
        "A segment cannot be used: searching from the database until it is rebuilt.",
        extra={"segment": error.segment.name, "condition": error.condition, "gallery": gallery.pk},
    )
    sound = IndexSegment.objects.of(gallery.tenant).filter(pk=error.segment.pk, condition=IndexSegment.Condition.SOUND)
    sound.update(condition=error.condition)


class LocalIndex:
    """The engine over segments; without `segmented`, over a matrix alone, which is fast up to 100,000 faces."""

    def __init__(self, *, segmented: bool) -> None:
        """Start empty, and again in a forked child: there a lock could be held by a thread that does not exist."""
        self._segmented = segmented
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Drop everything that was read."""
        self._lock = threading.Lock()
        self._cached: OrderedDict[int, _CachedGallery] = OrderedDict()

    def add(self, gallery: Gallery, vectors: Mapping[int, np.ndarray]) -> int:
        """See FaceIndex."""
        return store.add(gallery, vectors)

    def remove(self, gallery: Gallery, face_ids: Collection[int]) -> int:
        """See FaceIndex."""
        return store.remove(gallery, face_ids)

    def vector(self, gallery: Gallery, face_id: int) -> np.ndarray:
        """See FaceIndex."""
        return store.vector(gallery, face_id)

    @stage("index")
    def search(
        self, gallery: Gallery, probe: np.ndarray, *, limit: int, floor: float, as_read: bool = False
    ) -> list[Neighbour]:
        """See FaceIndex."""
        probe = np.ascontiguousarray(probe, dtype=np.float32)  # a float64 probe would copy whole matrices to float64
        view = self._cache(gallery, len(probe)).view(gallery, as_read=as_read)
        self._shrink(gallery.pk)
        exactly = all(part.segment.kind == IndexSegment.Kind.FLAT for part, _ in view.parts)
        wanted = limit + (_TIES if exactly else MARGIN)
        while True:
            ids, vectors = _candidates(view, probe, wanted, floor)
            nearest = scored(gallery, ids, vectors, probe, floor)
            if len(nearest) >= limit or len(ids) < wanted:
                return nearest[:limit]
            wanted *= 4  # some were removed during the search: look further

    def _cache(self, gallery: Gallery, dimension: int) -> _CachedGallery:
        with self._lock:
            if gallery.pk not in self._cached:
                self._cached[gallery.pk] = _CachedGallery(dimension, segmented=self._segmented)
            self._cached.move_to_end(gallery.pk)
            return self._cached[gallery.pk]

    def _shrink(self, keep: int) -> None:
        """Drop the least recently searched galleries until the rest fits; never `keep`."""
        with self._lock:
            total = sum(cached.bytes for cached in self._cached.values())
            opened = sum(cached.segments for cached in self._cached.values())
            for key in list(self._cached):
                if total <= settings.INDEX_MEMORY_BYTES and opened <= _OPEN_SEGMENTS:
                    return
                if key != keep:
                    dropped = self._cached.pop(key)
                    total, opened = total - dropped.bytes, opened - dropped.segments


def _candidates(
    view: _View, probe: np.ndarray, wanted: int, floor: float
) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Return the best ids of matrix and segments, fewer than wanted only if there are no more, and their templates."""
    found: list[Found] = [exact.search(view.delta, probe, wanted, floor - _SLACK)]
    found += [part.search(probe, wanted, floor - _SLACK, removed) for part, removed in view.parts]
    ids = np.concatenate([one.ids for one in found])
    cosines = np.concatenate([one.cosines for one in found])
    order = exact.best(cosines, wanted, floor - _SLACK)
    vectors: list[np.ndarray | None] = []
    for one in found:
        vectors += [None] * len(one.ids) if one.vectors is None else list(one.vectors)
    return ids[order], [vectors[row] for row in order]

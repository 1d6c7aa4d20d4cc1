"""One segment: how its file is laid out, and its search. The only module that imports usearch.

A file is the face ids (int64), the order that sorts them (uint32) and what is searched, by kind:

- flat: the templates themselves, float32. Exact.
- scan: one byte a dimension, all read by every search. A quarter of the memory, about twice as fast, and so near to
  exact that the few hundred best hold the best ten.
- graph: an HNSW graph over float16. Fast in large galleries whose data suits it, and it says nothing when it misses:
  hence the self-test before any of them is published (recognition.index.compaction).

Whatever the kind finds, scan and graph are candidates only: their scores are computed again from the stored
templates.
"""

import mmap
from collections.abc import Callable
from pathlib import Path

import numkong
import numpy as np
import onnxruntime  # noqa: F401 -- loaded after usearch it crashes the process (seen with 1.31.1 and 2.26.6)
from usearch.index import Index

from recognition.index import exact, files
from recognition.index.exact import Found
from recognition.models import IndexSegment

_ID, _ORDER, _ALIGNED = 8, 4, 64
_BLOCK = 65_536
_BYTE = 127
_NEVER = -3.0  # under every cosine
_GRAPH_BATCH = 10_000
_CONNECTIVITY, _EXPANSION_ADD = 16, 128
_GRAPH_BYTES_A_ROW = 24  # private to a process that views a graph
_OPEN_BYTES = 65_536
MARGIN = 54  # candidates beyond those asked for: approximate scores put the right ones in nearly the right order
EXPANSIONS = (128, 256, 512, 1024)
_NO_ROWS = np.zeros(0, dtype=np.int64)


def _start(rows: int) -> int:
    """Return where the searched part begins."""
    return -(-rows * (_ID + _ORDER) // _ALIGNED) * _ALIGNED


def write(
    kind: str, ids: np.ndarray, vectors: np.ndarray, target: Path, *, scratch: Path, progress: Callable[[int], None]
) -> None:
    """Lay a segment's file out: ids (n,), unit vectors (n, d) float32, which may be mapped from a larger file."""
    with target.open("wb") as file:
        file.write(ids.astype("<i8").tobytes())
        file.write(np.argsort(ids).astype("<u4").tobytes())
        file.write(bytes(_start(len(ids)) - file.tell()))
        if kind == IndexSegment.Kind.GRAPH:
            _build_graph(vectors, scratch, progress)
            with scratch.open("rb") as graph:
                while chunk := graph.read(_BLOCK * 64):
                    file.write(chunk)
            return
        scale = _BYTE / max(float(np.abs(vectors).max(initial=0.0)), 1e-6)
        for row in range(0, len(ids), _BLOCK):
            block = vectors[row : row + _BLOCK]
            part = block if kind == IndexSegment.Kind.FLAT else np.rint(block * scale).astype(np.int8)
            file.write(part.tobytes())
            progress(row + len(block))
        if kind == IndexSegment.Kind.SCAN:
            file.write(np.array([1 / scale], dtype="<f8").tobytes())


def _build_graph(vectors: np.ndarray, target: Path, progress: Callable[[int], None]) -> None:
    graph = Index(
        ndim=vectors.shape[1],
        metric="ip",
        dtype="f16",
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD,
        enable_key_lookups=False,
    )
    for row in range(0, len(vectors), _GRAPH_BATCH):
        block = vectors[row : row + _GRAPH_BATCH]
        graph.add(np.arange(row, row + len(block), dtype=np.uint64), block, threads=1, copy=True)
        progress(row + len(block))
    graph.save(target)


class OpenSegment:
    """A segment, mapped for search. What it costs a process of its own is `private_bytes`."""

    def __init__(self, segment: IndexSegment, path: Path, dimension: int) -> None:
        """Map the opened copy.

        Raises:
            SegmentUnreadable: it is not the file that was published.
        """
        self.segment = segment
        self.expansion = segment.expansion
        rows, start = segment.rows, _start(segment.rows)
        with path.open("rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.private_bytes = _OPEN_BYTES
        self._mapped = mapped
        self._ids = np.frombuffer(mapped, dtype="<i8", count=rows)
        self._order = np.frombuffer(mapped, dtype="<u4", count=rows, offset=rows * _ID)
        self._dimension = dimension
        if segment.kind == IndexSegment.Kind.GRAPH:
            files.check_digest(segment, mapped)  # usearch crashes on a damaged file
            self._graph = Index(ndim=dimension, metric="ip", dtype="f16", enable_key_lookups=False)
            self._graph.view(mapped[start:])
            self.private_bytes += _GRAPH_BYTES_A_ROW * rows
            return
        scan = segment.kind == IndexSegment.Kind.SCAN
        width = rows * dimension
        try:
            self._rows = np.frombuffer(mapped, "<i1" if scan else "<f4", width, start).reshape(rows, dimension)
            self._step = float(np.frombuffer(mapped, "<f8", 1, start + width)[0]) if scan else 1.0
        except ValueError as error:
            raise files.SegmentUnreadable(segment, IndexSegment.Condition.DAMAGED) from error

    def places(self, ids: np.ndarray, came: np.ndarray) -> np.ndarray:
        """Return the rows, if any, of faces that left with these sequence numbers."""
        mine = ids[(came > self.segment.low) & (came <= self.segment.high)]
        if not len(mine) or not len(self._ids):
            return _NO_ROWS
        at = np.searchsorted(self._ids, mine, sorter=self._order)
        rows = self._order[np.minimum(at, len(self._order) - 1)].astype(np.int64)
        held: np.ndarray = rows[self._ids[rows] == mine]
        return held

    def search(self, probe: np.ndarray, limit: int, floor: float, dead: np.ndarray) -> Found:
        """Return at least the `limit` nearest rows that are not among the dead, if the segment has so many."""
        if self.segment.kind == IndexSegment.Kind.FLAT:
            cosines = self._rows @ probe
            cosines[dead] = _NEVER
            rows = exact.best(cosines, limit, floor)
            return Found(self._ids[rows], cosines[rows], self._rows[rows])
        if self.segment.kind == IndexSegment.Kind.SCAN:
            rows, cosines = self._scan(probe, limit, dead)
        else:
            rows, cosines = self._walk(probe, limit + len(dead), dead)
        return Found(self._ids[rows], cosines, None)

    def _scan(self, probe: np.ndarray, limit: int, dead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read every row; a row is kept while it is among the best `limit` so far."""
        step = max(float(np.abs(probe).max()), 1e-6) / _BYTE
        query = np.rint(probe / step).astype(np.int8)[None]
        rows, cosines, bar = _NO_ROWS, np.zeros(0), _NEVER
        for start in range(0, len(self._rows), _BLOCK):
            block = self._rows[start : start + _BLOCK]
            found = np.asarray(numkong.cdist(query, block, metric="dot"))[0] * (step * self._step)
            found[dead[(dead >= start) & (dead < start + len(block))] - start] = _NEVER
            near = np.flatnonzero(found > bar)
            rows, cosines = np.concatenate([rows, near + start]), np.concatenate([cosines, found[near]])
            if len(rows) > limit:
                keep = np.argpartition(-cosines, limit - 1)[:limit]
                rows, cosines = rows[keep], cosines[keep]
                bar = float(cosines.min())
        alive = cosines > _NEVER
        return rows[alive], cosines[alive]

    def _walk(self, probe: np.ndarray, limit: int, dead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Walk the graph; the dead are found with the others, so room for them is asked for."""
        self._graph.expansion_search = max(self.expansion, limit)  # type: ignore[misc]  # it has a setter
        found = self._graph.search(probe, min(limit, self.segment.rows), threads=1)
        rows = found.keys.astype(np.int64)
        alive = np.isin(rows, dead, invert=True) if len(dead) else np.ones(len(rows), dtype=bool)
        return rows[alive], 1.0 - found.distances[alive].astype(np.float64)

"""One segment: the layout of its file, and its search. The only module that imports usearch.

A file consists of the face ids (int64), the order that sorts them (uint32), and a searched part, by kind:

- flat: the templates themselves, float32. Exact.
- scan: one byte per dimension. A quarter of the memory and a fifth of the time of float32.
- graph: an HNSW graph over float16. Fast in large galleries whose data suits it. It misses faces without any sign of
  it, hence the self-test before any segment is published (recognition.index.compaction).

Scan and graph return candidates only: their cosines are computed again from the stored templates.
"""

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime  # noqa: F401 -- before usearch: loaded after it, ONNX Runtime 1.31 crashes the process (SIGSEGV)
from usearch.index import Index

from recognition.index import files
from recognition.index.exact import Found
from recognition.index.scan import Candidates, Flat, Scan
from recognition.models import IndexSegment

_ID, _ORDER, _ALIGNED = 8, 4, 64
_CHUNK = 4_000_000
_GRAPH_BATCH = 10_000
_CONNECTIVITY, _EXPANSION_ADD = 16, 128
_GRAPH_BYTES_A_ROW = 24  # private to a process that views a graph
_OPEN_BYTES = 65_536
EXPANSIONS: dict[str, tuple[int, ...]] = {
    IndexSegment.Kind.FLAT: (0,),
    IndexSegment.Kind.SCAN: (8, 16, 32, 48, 64, 96, 128, 192, 256),  # of 1024 rows, how many are read whole
    IndexSegment.Kind.GRAPH: (128, 256, 512, 1024),  # USearch's expansion_search
}
_NO_ROWS = np.zeros(0, dtype=np.int64)


def _start(rows: int) -> int:
    """Return the offset of the searched part."""
    return -(-rows * (_ID + _ORDER) // _ALIGNED) * _ALIGNED


def write(
    kind: str, ids: np.ndarray, vectors: np.ndarray, target: Path, *, scratch: Path, progress: Callable[[int], None]
) -> None:
    """Write a segment's file: ids (n,), unit vectors (n, d) float32, which may be mapped from a larger file."""
    with target.open("wb") as file:
        file.write(ids.astype("<i8").tobytes())
        file.write(np.argsort(ids).astype("<u4").tobytes())
        file.write(bytes(_start(len(ids)) - file.tell()))
        for part in _parts(kind, vectors, scratch, progress):
            file.write(part)


def _parts(kind: str, vectors: np.ndarray, scratch: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    if kind != IndexSegment.Kind.GRAPH:
        yield from (Flat if kind == IndexSegment.Kind.FLAT else Scan).parts(vectors, progress)
        return
    _build_graph(vectors, scratch, progress)
    with scratch.open("rb") as graph:
        while chunk := graph.read(_CHUNK):
            yield chunk


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
    """A segment, mapped for search. `private_bytes` is the memory that is not shared with other processes."""

    def __init__(self, segment: IndexSegment, path: Path, dimension: int) -> None:
        """Map the opened copy.

        Raises:
            SegmentUnreadable: it differs from the file that was published.
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
        self._flat: Flat | None = None
        self._scan: Scan | None = None
        try:
            if segment.kind == IndexSegment.Kind.FLAT:
                self._flat = Flat(mapped[start:], rows, dimension)
            elif segment.kind == IndexSegment.Kind.SCAN:
                self._scan = Scan(mapped[start:], rows, dimension)
                self.private_bytes += self._scan.private_bytes
            else:
                files.check_digest(segment, mapped)  # usearch crashes on a damaged file
                self._graph = Index(ndim=dimension, metric="ip", dtype="f16", enable_key_lookups=False)
                self._graph.view(mapped[start:])
                self.private_bytes += _GRAPH_BYTES_A_ROW * rows
        except ValueError as error:
            raise files.SegmentUnreadable(segment, IndexSegment.Condition.DAMAGED) from error

    def rows_of(self, ids: np.ndarray, added_seq: np.ndarray) -> np.ndarray:
        """Return the rows of those of the faces, added with these sequence numbers, that this segment holds."""
        mine = ids[(added_seq > self.segment.low) & (added_seq <= self.segment.high)]
        if not len(mine) or not len(self._ids):
            return _NO_ROWS
        at = np.searchsorted(self._ids, mine, sorter=self._order)
        rows = self._order[np.minimum(at, len(self._order) - 1)].astype(np.int64)
        held: np.ndarray = rows[self._ids[rows] == mine]
        return held

    def search(self, probe: np.ndarray, limit: int, floor: float, removed: np.ndarray) -> Found:
        """Return at least the `limit` nearest rows that are not removed, if the segment has that many."""
        if self._flat:
            rows, cosines = self._flat.search(probe, limit, floor, removed)
            return Found(self._ids[rows], cosines, self._flat.rows[rows])
        if self._scan:
            rows, cosines = self._scan.search(probe, limit, self.expansion, removed)
        else:
            rows, cosines = self._walk(probe, limit + len(removed), removed)
        return Found(self._ids[rows], cosines, None)

    def _walk(self, probe: np.ndarray, limit: int, removed: np.ndarray) -> Candidates:
        """Search the graph; it returns removed rows too, so the limit includes them."""
        self._graph.expansion_search = max(self.expansion, limit)  # type: ignore[misc]  # it has a setter
        found = self._graph.search(probe, min(limit, self.segment.rows), threads=1)
        rows = found.keys.astype(np.int64)
        alive = np.isin(rows, removed, invert=True) if len(removed) else np.ones(len(rows), dtype=bool)
        return rows[alive], 1.0 - found.distances[alive].astype(np.float64)

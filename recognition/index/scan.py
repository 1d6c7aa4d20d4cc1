"""The two kinds of segment that read every row, a byte a dimension first: flat, which is exact, and scan.

Both round the templates to one byte a dimension. What rounding takes away is bounded, so flat can tell by the bytes
which templates cannot be among the nearest and compares only the rest in float32: the answer is that of a full
comparison, in less than half the time. Scan keeps the bytes alone, turned onto the principal axes of the templates, so
that the first three eighths of each row tell most; it reads those of all rows, and the whole of the rows that they put
in front. How many, the self-test decides.
"""

from collections.abc import Callable, Iterator

import numpy as np
import onnxruntime  # noqa: F401 -- as in segments.py

import numkong  # isort: skip

from recognition.index import exact

_BYTE = 127
_BLOCK = 65_536
_NOWHERE = int(np.iinfo(np.int32).min)  # under every product of bytes
_AXES_FROM = 65_536
_LANE = 16  # NumKong's packed kernel takes widths of so many bytes five times as fast as others
_HEAD_SHARE = 3 / 8
_SAMPLE = 16_384
MARGIN = 10  # candidates beyond those asked for: approximate scores put the right ones in nearly the right order
EXAMINED = 10 + MARGIN  # the candidates among which the self-test looks for the nearest ten
_ROUND = 1e-3  # by which a template's norm may be off (recognition.index.store), and more than float32 loses
_FLOAT, _REAL = 4, 8
_FEW = 1 / 8  # of the rows; more are compared in place
# These kernels pad a packed row to two cache lines: twice the memory and time of the simpler ones at our widths.
_PADDING = {"alder", "sierra", "icelake", "genoa", "turin", "sapphire", "sapphireamx", "graniteamx", "diamond"}
for _kernels in _PADDING & numkong.get_capabilities().keys():
    numkong.disable_capability(_kernels)

Candidates = tuple[np.ndarray, np.ndarray]


class Flat:
    """float32 rows, and the same rounded to bytes."""

    def __init__(self, mapped: memoryview, rows: int, dimension: int) -> None:
        """Map what `parts` wrote; ValueError: it is too short."""
        width = rows * dimension
        self.rows = np.frombuffer(mapped, "<f4", width).reshape(rows, dimension)
        self._bytes = np.frombuffer(mapped, "<i1", width, width * _FLOAT).reshape(rows, dimension)
        self._scale, self._lost = np.frombuffer(mapped, "<f8", 2, width * (_FLOAT + 1)).tolist()

    @staticmethod
    def parts(vectors: np.ndarray, progress: Callable[[int], object]) -> Iterator[bytes]:
        """Yield the file: the rows, their bytes, the scale, and the most that rounding took from a row (norm)."""
        for block in _blocks(vectors, progress):
            yield block.tobytes()
        scale, lost = _scale(vectors), 0.0
        for block in _blocks(vectors, progress):
            whole = _to_bytes(block, scale)
            lost = max(lost, float(np.linalg.norm(block - whole / scale, axis=1).max()))
            yield whole.tobytes()
        yield np.array([scale, lost], dtype="<f8").tobytes()

    def search(self, probe: np.ndarray, limit: int, floor: float, dead: np.ndarray) -> Candidates:
        """Return the nearest `limit` rows of at least `floor`, exactly.

        A product of bytes, scaled, is off by at most `slack` (Cauchy-Schwarz, for what rounding took from the row and
        from the probe): a row is out if its product is more than twice that under the product in place `limit`.
        """
        scale = _scale(probe)
        query = _to_bytes(probe, scale)
        products = np.asarray(numkong.cdist(query[None], self._bytes, metric="dot"))[0]
        products[dead] = _NOWHERE
        unit = scale * self._scale
        slack = self._lost * float(np.linalg.norm(probe)) + _ROUND
        slack += float(np.linalg.norm(probe - query / scale)) * (1 + _ROUND + self._lost)
        cutoff = (floor - slack) * unit
        if limit < len(products):
            cutoff = max(cutoff, float(np.partition(products, -limit)[-limit]) - 2 * slack * unit)
        near = np.flatnonzero(products >= max(cutoff, _NOWHERE + 1))
        if len(near) > _FEW * len(products):
            cosines = self.rows @ probe
            cosines[dead] = exact.NEVER
            best = exact.best(cosines, limit, floor)
            return best, cosines[best]
        cosines = self.rows.take(near, axis=0) @ probe
        best = exact.best(cosines, limit, floor)
        return near[best], cosines[best]


class Scan:
    """Bytes of templates on their principal axes; the heads of the rows are held by each process, packed."""

    def __init__(self, mapped: memoryview, rows: int, dimension: int) -> None:
        """Map what `parts` wrote; ValueError: it is too short."""
        width, axes = rows * dimension, min(dimension, -(-int(dimension * _HEAD_SHARE) // _LANE) * _LANE)
        self._bytes = np.frombuffer(mapped, "<i1", width).reshape(rows, dimension)
        self._scale = float(np.frombuffer(mapped, "<f8", 1, width)[0])
        self._turn = np.frombuffer(mapped, "<f4", dimension**2, width + _REAL).reshape(dimension, dimension)
        self._axes = axes
        self._heads = numkong.dots_pack(np.ascontiguousarray(self._bytes[:, :axes]))
        self.private_bytes: int = self._heads.nbytes

    @staticmethod
    def parts(vectors: np.ndarray, progress: Callable[[int], object]) -> Iterator[bytes]:
        """Yield the file: the bytes, their scale, and the rotation (d, d)."""
        sample = np.asarray(vectors[:: -(-len(vectors) // _AXES_FROM)])
        turn = np.linalg.eigh(sample.T @ sample)[1][:, ::-1].astype("<f4")
        scale = _scale(sample @ turn)
        for block in _blocks(vectors, progress):
            yield _to_bytes(block @ turn, scale).tobytes()
        yield np.array([scale], dtype="<f8").tobytes()
        yield turn.tobytes()

    def search(self, probe: np.ndarray, limit: int, expansion: int, dead: np.ndarray) -> Candidates:
        """Return the nearest `limit` rows, about; `expansion` rows in 1024 are read whole, of a larger limit more."""
        turned = probe @ self._turn
        scale = _scale(turned)
        query = _to_bytes(turned, scale)[None]
        heads = np.asarray(numkong.dots_packed(query[:, : self._axes].copy(), self._heads))[0]
        heads[dead] = _NOWHERE
        read = int(expansion / 1024 * len(heads) * max(1.0, limit / EXAMINED))
        near = _highest(heads, max(limit, min(read, len(heads))), limit)
        if not len(near):
            return near, np.zeros(0)
        products = np.asarray(numkong.cdist(query, self._bytes.take(near, axis=0), metric="dot"))[0]
        cosines = products / (scale * self._scale)
        best = exact.best(cosines, limit, exact.NEVER)
        return near[best], cosines[best]


def _highest(products: np.ndarray, about: int, least: int) -> np.ndarray:
    """Return the positions of about so many of the highest, by a bar taken from a sample; at least `least` living."""
    sample = products[:: -(-len(products) // _SAMPLE)]
    share = min(len(sample), 1 + len(sample) * about // len(products))
    cutoff = int(np.partition(sample, -share)[-share])
    near = np.flatnonzero(products >= max(cutoff, _NOWHERE + 1))
    if len(near) >= least or cutoff == _NOWHERE:
        return near
    return exact.best(products, least, _NOWHERE + 1)


def _blocks(vectors: np.ndarray, progress: Callable[[int], object]) -> Iterator[np.ndarray]:
    for row in range(0, len(vectors), _BLOCK):
        yield vectors[row : row + _BLOCK]
        progress(min(row + _BLOCK, len(vectors)))


def _scale(vectors: np.ndarray) -> float:
    """Return what a component is multiplied by, so that the largest becomes 127."""
    return _BYTE / max(float(np.abs(vectors).max(initial=0.0)), 1e-6)


def _to_bytes(vectors: np.ndarray, scale: float) -> np.ndarray:
    whole: np.ndarray = np.clip(np.rint(vectors * scale), -_BYTE, _BYTE).astype(np.int8)
    return whole

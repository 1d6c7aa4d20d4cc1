"""The two kinds of segment that read every row: flat, which is exact, and scan.

Both round the templates to one byte per dimension. The rounding error is bounded, so flat can exclude by the bytes the
templates that cannot be among the nearest, and compares only the rest in float32: the result equals that of a full
comparison, in less than half the time. Scan keeps only the bytes, rotated onto the principal axes of the templates, so
that the first three eighths of a row (its head) carry most of the information. It reads the heads of all rows, and then
the whole rows whose heads are nearest. The self-test decides how many.
"""

from collections.abc import Callable, Iterator

import numpy as np
import onnxruntime  # noqa: F401 -- as in segments.py

import numkong  # isort: skip

from recognition.index import exact

_BYTE = 127
_BLOCK = 65_536
_NOWHERE = int(np.iinfo(np.int32).min)  # below every product of bytes
_AXES_FROM = 65_536
_LANE = 16  # NumKong's packed kernel is five times as fast at widths that are multiples of this
_HEAD_SHARE = 3 / 8
_SAMPLE = 16_384
MARGIN = 10  # candidates beyond those asked for: approximate scores are nearly, not exactly, in the right order
EXAMINED = 10 + MARGIN  # the candidates among which the self-test looks for the nearest ten
_ROUND = 1e-3  # the most by which a template's norm may differ from 1 (recognition.index.store); covers float32 errors
_FLOAT, _REAL = 4, 8
_FEW = 1 / 8  # of the rows; above it all rows are compared in place
# These kernels pad a packed row to two cache lines: at our widths twice the memory and time of the simpler ones.
_PADDING = {"alder", "sierra", "icelake", "genoa", "turin", "sapphire", "sapphireamx", "graniteamx", "diamond"}
for _kernels in _PADDING & numkong.get_capabilities().keys():
    numkong.disable_capability(_kernels)

Candidates = tuple[np.ndarray, np.ndarray]


class Flat:
    """float32 rows, and the same rows rounded to bytes."""

    def __init__(self, mapped: memoryview, rows: int, dimension: int) -> None:
        """Map what `parts` wrote; ValueError: it is too short."""
        width = rows * dimension
        self.rows = np.frombuffer(mapped, "<f4", width).reshape(rows, dimension)
        self._bytes = np.frombuffer(mapped, "<i1", width, width * _FLOAT).reshape(rows, dimension)
        self._scale, self._lost = np.frombuffer(mapped, "<f8", 2, width * (_FLOAT + 1)).tolist()

    @staticmethod
    def parts(vectors: np.ndarray, progress: Callable[[int], object]) -> Iterator[bytes]:
        """Yield the file: the rows, their bytes, the scale, and the largest rounding error of a row (norm)."""
        for block in _blocks(vectors, progress):
            yield block.tobytes()
        scale, lost = _scale(vectors), 0.0
        for block in _blocks(vectors, progress):
            whole = _to_bytes(block, scale)
            lost = max(lost, float(np.linalg.norm(block - whole / scale, axis=1).max()))
            yield whole.tobytes()
        yield np.array([scale, lost], dtype="<f8").tobytes()

    def search(self, probe: np.ndarray, limit: int, floor: float, removed: np.ndarray) -> Candidates:
        """Return the nearest `limit` rows of at least `floor`, exactly.

        A scaled product of bytes differs from the cosine by at most `slack` (Cauchy-Schwarz on the rounding errors of
        the row and of the probe). So a row is excluded if its product is more than twice `slack` below the product at
        rank `limit`.
        """
        scale = _scale(probe)
        query = _to_bytes(probe, scale)
        products = np.asarray(numkong.cdist(query[None], self._bytes, metric="dot"))[0]
        products[removed] = _NOWHERE
        unit = scale * self._scale
        slack = self._lost * float(np.linalg.norm(probe)) + _ROUND
        slack += float(np.linalg.norm(probe - query / scale)) * (1 + _ROUND + self._lost)
        cutoff = (floor - slack) * unit
        if limit < len(products):
            cutoff = max(cutoff, float(np.partition(products, -limit)[-limit]) - 2 * slack * unit)
        near = np.flatnonzero(products >= max(cutoff, _NOWHERE + 1))
        if len(near) > _FEW * len(products):
            cosines = self.rows @ probe
            cosines[removed] = exact.NEVER
            best = exact.best(cosines, limit, floor)
            return best, cosines[best]
        cosines = self.rows.take(near, axis=0) @ probe
        best = exact.best(cosines, limit, floor)
        return near[best], cosines[best]


class Scan:
    """Bytes of templates on their principal axes; each process keeps the heads of the rows, packed."""

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

    def search(self, probe: np.ndarray, limit: int, expansion: int, removed: np.ndarray) -> Candidates:
        """Return approximately the nearest `limit` rows.

        `expansion` of 1024 rows are read whole, and more for a limit above EXAMINED.
        """
        turned = probe @ self._turn
        scale = _scale(turned)
        query = _to_bytes(turned, scale)[None]
        heads = np.asarray(numkong.dots_packed(query[:, : self._axes].copy(), self._heads))[0]
        heads[removed] = _NOWHERE
        read = int(expansion / 1024 * len(heads) * max(1.0, limit / EXAMINED))
        near = _highest(heads, max(limit, min(read, len(heads))), limit)
        if not len(near):
            return near, np.zeros(0)
        products = np.asarray(numkong.cdist(query, self._bytes.take(near, axis=0), metric="dot"))[0]
        cosines = products / (scale * self._scale)
        best = exact.best(cosines, limit, exact.NEVER)
        return near[best], cosines[best]


def _highest(products: np.ndarray, about: int, least: int) -> np.ndarray:
    """Return the positions of about that many of the highest, above a cutoff from a sample; at least `least`."""
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
    """Return the factor that makes the largest component 127."""
    return _BYTE / max(float(np.abs(vectors).max(initial=0.0)), 1e-6)


def _to_bytes(vectors: np.ndarray, scale: float) -> np.ndarray:
    whole: np.ndarray = np.clip(np.rint(vectors * scale), -_BYTE, _BYTE).astype(np.int8)
    return whole

"""How well a gallery's people are told apart: every template against every other, in blocks.

Arrays in, values out. Knows no Django, no tenant and no names.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognition.results import Floats

LOW, HIGH, BINS = -0.4, 1.0, 280
_BLOCK = 1000

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two faces by id, and their cosine."""

    first: int
    second: int
    cosine: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What the comparison found.

    `genuine` and `impostor` count the pairs of the same person and of two people in BINS equal bins from LOW to HIGH
    (cosines beyond are in the outermost). `duplicates` are the likest faces of two people, one pair for two people,
    likest first; `mixed` the unlikest faces of one person, one pair a person, unlikest first. `duplicates_found` and
    `mixed_found` say how many such pairs there are, those that these lists have no room for included.
    """

    faces: int
    people: int
    genuine: tuple[int, ...]
    impostor: tuple[int, ...]
    duplicates: tuple[Pair, ...]
    mixed: tuple[Pair, ...]
    duplicates_found: int
    mixed_found: int


class _Best:
    """The most telling pair for each key, of those on the wrong side of a bar."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pairs: dict[tuple[int, int], Pair] = {}

    def __len__(self) -> int:
        return len(self._pairs)

    def offer(self, key: tuple[int, int], pair: Pair, *, likest: bool) -> None:
        known = self._pairs.get(key)
        if known is None or (pair.cosine > known.cosine) == likest:
            self._pairs[key] = pair

    def ranked(self, *, likest: bool) -> tuple[Pair, ...]:
        return tuple(sorted(self._pairs.values(), key=lambda pair: pair.cosine, reverse=likest)[: self._most])


def separate(
    faces: Ids,
    people: Ids,
    vectors: Floats,
    *,
    duplicate_from: float,
    mixed_below: float,
    most: int = 50,
    progress: Callable[[float], None] = lambda _share: None,
) -> Findings:
    """Compare all pairs of faces; `faces` (n,) and `people` (n,) name the rows of `vectors` (n, dimension).

    Faces of two people from `duplicate_from` on are likely one person; faces of one person below `mixed_below` are
    likely two.
    """
    edges = np.linspace(LOW, HIGH, BINS + 1)
    genuine, impostor = np.zeros(BINS, dtype=np.int64), np.zeros(BINS, dtype=np.int64)
    duplicates, mixed = _Best(most), _Best(most)
    for start in range(0, len(faces), _BLOCK):
        rows = slice(start, start + _BLOCK)
        cosines = vectors[rows] @ vectors[start:].T
        # Each pair once: above the diagonal.
        once = np.triu(np.ones(cosines.shape, dtype=bool), k=1)
        same = people[rows, None] == people[None, start:]
        clipped = np.clip(cosines, LOW, HIGH)
        genuine += np.histogram(clipped[once & same], edges)[0]
        impostor += np.histogram(clipped[once & ~same], edges)[0]
        for row, column in np.argwhere(once & ~same & (cosines >= duplicate_from)):
            a, b = start + int(row), start + int(column)
            key = (min(int(people[a]), int(people[b])), max(int(people[a]), int(people[b])))
            duplicates.offer(key, Pair(int(faces[a]), int(faces[b]), float(cosines[row, column])), likest=True)
        for row, column in np.argwhere(once & same & (cosines < mixed_below)):
            a, b = start + int(row), start + int(column)
            pair = Pair(int(faces[a]), int(faces[b]), float(cosines[row, column]))
            mixed.offer((int(people[a]), int(people[a])), pair, likest=False)
        progress(min(1.0, (start + _BLOCK) / len(faces)))
    return Findings(
        faces=len(faces),
        people=len(np.unique(people)),
        genuine=tuple(genuine.tolist()),
        impostor=tuple(impostor.tolist()),
        duplicates=duplicates.ranked(likest=True),
        mixed=mixed.ranked(likest=False),
        duplicates_found=len(duplicates),
        mixed_found=len(mixed),
    )

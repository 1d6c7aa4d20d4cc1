"""How well a gallery's people are separated: every template is compared with every other, in blocks.

Takes arrays and returns values; knows neither Django nor tenants nor names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from recognition.results import Floats

LOW, HIGH, BINS = -0.4, 1.0, 280
_BLOCK = 250

Ids = npt.NDArray[np.int64]
Scores: TypeAlias = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two faces by id, and their cosine."""

    first: int
    second: int
    cosine: float


@dataclass(frozen=True, slots=True)
class Findings:
    """The result of the comparison.

    `genuine` and `impostor` count the pairs of one person and of two people in BINS equal bins from LOW to HIGH; the
    outermost count what lies outside. `duplicates` are similar faces of two people: for each two people the first pair
    in the order of the rows, and the list is in that order. `mixed` are the least similar faces of one person, one pair
    for each person, least similar first. `duplicates_found` and `mixed_found` count all such pairs, also those that the
    lists leave out.
    """

    faces: int
    people: int
    genuine: tuple[int, ...]
    impostor: tuple[int, ...]
    duplicates: tuple[Pair, ...]
    mixed: tuple[Pair, ...]
    duplicates_found: int
    mixed_found: int


def separate(
    faces: Ids,
    people: Ids,
    vectors: Floats,
    *,
    duplicate_from: float,
    mixed_below: float,
    compare: Callable[[Floats, Floats], Scores] = lambda one, other: one @ other.T,
    most: int = 50,
    progress: Callable[[float], None] = lambda _share: None,
) -> Findings:
    """Compare all pairs of faces; `faces` (n,) and `people` (n,) are the ids of the rows of `vectors` (n, dimension).

    Faces of two people at a cosine of `duplicate_from` and above are probably one person; faces of one person below
    `mixed_below` are probably two. `compare` returns the cosines (m, n) of rows (m, d) with others (n, d).
    More than 40 lines, because one pass over the blocks of pairs finds all of it.
    """
    edges = np.linspace(LOW, HIGH, BINS + 1)
    genuine, impostor = np.zeros(BINS, dtype=np.int64), np.zeros(BINS, dtype=np.int64)
    duplicates: dict[tuple[int, int], Pair] = {}
    mixed: dict[int, Pair] = {}
    for start in range(0, len(faces), _BLOCK):
        rows = slice(start, start + _BLOCK)
        cosines = compare(vectors[rows], vectors[start:])
        # Above the diagonal: each pair once.
        once = np.triu(np.ones(cosines.shape, dtype=bool), k=1)
        same = people[rows, None] == people[None, start:]
        clipped = np.clip(cosines, LOW, HIGH)
        genuine += np.histogram(clipped[once & same], edges)[0]
        impostor += np.histogram(clipped[once & ~same], edges)[0]
        for row, column in np.argwhere(once & ~same & (cosines >= duplicate_from)):
            a, b = start + int(row), start + int(column)
            key = (min(int(people[a]), int(people[b])), max(int(people[a]), int(people[b])))
            duplicates.setdefault(key, Pair(int(faces[a]), int(faces[b]), float(cosines[row, column])))
        for row, column in np.argwhere(once & same & (cosines < mixed_below)):
            a, b = start + int(row), start + int(column)
            pair = Pair(int(faces[a]), int(faces[b]), float(cosines[row, column]))
            mixed[int(people[a])] = min(pair, mixed.get(int(people[a]), pair), key=lambda one: one.cosine)
        progress(min(1.0, (start + _BLOCK) / len(faces)))
    return Findings(
        faces=len(faces),
        people=len(np.unique(people)),
        genuine=tuple(genuine.tolist()),
        impostor=tuple(impostor.tolist()),
        duplicates=tuple(duplicates.values())[:most],
        mixed=tuple(sorted(mixed.values(), key=lambda pair: pair.cosine)[:most]),
        duplicates_found=len(duplicates),
        mixed_found=len(mixed),
    )

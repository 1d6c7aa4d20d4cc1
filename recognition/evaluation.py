"""Accuracy on labelled photographs, in the terms of ISO/IEC 19795-1 (verification) and 30107-3 (presentation attacks).

Owns protocols and figures; the command prints them.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from recognition import pipeline
from recognition.results import Analysis, DetectedFace, Floats

Scores = npt.NDArray[np.float32]
Made = TypeVar("Made")
_MISSED = -1.0  # the cosine of a comparison in which no face was found
_BLOCK = 500
_ENDINGS = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Cosines of all comparisons between photographs: of one person, and of two; and of the protocol's pairs.

    `pairs` is (folds, 2, pairs a fold): of one person first, of two second. `missed` photographs showed no face.
    """

    genuine: Scores
    impostor: Scores
    pairs: Scores
    photographs: int
    missed: int


def compare_all(folder: Path, pack: str) -> Comparisons:
    """Compare every photograph of a folder in the layout of Labeled Faces in the Wild with every other.

    The folder holds `pairs.txt` and `images/NAME/NAME_0001.jpg`; the person is the face nearest to the middle.
    """
    files = sorted((folder / "images").glob("*/*.jpg"))
    found = _each(files, lambda file: _central(pipeline.analyse(file.read_bytes(), pack=pack)))
    templates = {file.stem: face.template for file, face in zip(files, found, strict=True) if face is not None}
    names = list(templates)
    people = np.array([name.rsplit("_", 1)[0] for name in names])
    genuine, impostor = _cosines(np.stack(list(templates.values())), np.unique(people, return_inverse=True)[1])
    pairs = _protocol(folder / "pairs.txt", templates)
    return Comparisons(genuine, impostor, pairs, len(files), len(files) - len(names))


def accuracy(pairs: Scores) -> tuple[float, float]:
    """Return mean and deviation, over the folds, of the accuracy at the threshold that suits the other folds best."""
    correct = []
    for fold in range(len(pairs)):
        rest = np.delete(pairs, fold, axis=0)
        genuine, impostor = np.sort(rest[:, 0].ravel()), np.sort(rest[:, 1].ravel())
        candidates = np.concatenate((genuine, impostor))
        right = (len(genuine) - np.searchsorted(genuine, candidates)) + np.searchsorted(impostor, candidates)
        threshold = candidates[right.argmax()]
        correct.append(np.concatenate((pairs[fold, 0] >= threshold, pairs[fold, 1] < threshold)).mean())
    return float(np.mean(correct)), float(np.std(correct))


def thresholds(impostor: Scores, rates: Sequence[float]) -> list[float]:
    """Return, for each false match rate, the lowest score that no more than this share of strangers exceeds."""
    ascending = np.sort(impostor)
    return [float(ascending[len(ascending) - 1 - int(rate * len(ascending))]) for rate in rates]


def true_accept_rates(genuine: Scores, impostor: Scores, rates: Sequence[float]) -> list[float]:
    """Return the share of genuine comparisons above the threshold of each false match rate."""
    return [float((genuine > threshold).mean()) for threshold in thresholds(impostor, rates)]


def area_under_curve(positive: Scores, negative: Scores) -> float:
    """Return the chance that a positive's score is higher than a negative's; a draw counts half."""
    ascending = np.sort(negative)
    below = np.searchsorted(ascending, positive, "left").astype(np.float64)
    upto = np.searchsorted(ascending, positive, "right")
    return float((below + upto).mean() / 2 / len(ascending))


def equal_error_rate(positive: Scores, negative: Scores) -> float:
    """Return the error rate at the threshold where as many positives are refused as negatives pass."""
    high, low = np.sort(positive), np.sort(negative)
    candidates = np.unique(np.concatenate((high, low)))
    refused = np.searchsorted(high, candidates) / len(high)
    passed = 1 - np.searchsorted(low, candidates) / len(low)
    nearest = np.abs(refused - passed).argmin()
    return float((refused[nearest] + passed[nearest]) / 2)


@dataclass(frozen=True, slots=True)
class Presentations:
    """Liveness scores: of bona fide presentations, and of attacks by species. `missed` pictures showed no face."""

    live: Scores
    attacks: dict[str, Scores]
    missed: int


def present_all(folder: Path, pack: str) -> Presentations:
    """Score the pictures of `real/` and `spoof/`; a folder within `spoof/` is a species of attack."""
    species: dict[str, list[Path]] = {}
    for file in _pictures(folder / "spoof"):
        species.setdefault(file.parent.name, []).append(file)
    live = _liveness(_pictures(folder / "real"), pack)
    attacks = {name: _liveness(files, pack) for name, files in species.items()}
    missed = sum(int(np.isnan(scores).sum()) for scores in (live, *attacks.values()))
    kept = {name: scores[~np.isnan(scores)] for name, scores in attacks.items()}
    return Presentations(live[~np.isnan(live)], kept, missed)


def find_all(folder: Path) -> tuple[int, int, int]:
    """Detect in the pictures of `annotations.json`; return noses that lie in a face, noses, and faces found."""
    noses = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))["noses_xy"]
    seen = _each([folder / name for name in noses], lambda file: pipeline.analyse(file.read_bytes(), embed=0))
    hits = 0
    for marks, image in zip(noses.values(), seen, strict=True):
        hits += sum(any(_holds(face, x, y) for face in image.faces) for x, y in marks)
    return hits, sum(map(len, noses.values())), sum(len(image.faces) for image in seen)


def _holds(face: DetectedFace, x: float, y: float) -> bool:
    box = face.box
    return box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height


def _each(files: Sequence[Path], make: Callable[[Path], Made]) -> list[Made]:
    """Apply a function to every file, on all processors, with a progress bar."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(tqdm(pool.map(make, files), total=len(files), unit="img"))


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in _ENDINGS)


def _central(image: Analysis) -> DetectedFace | None:
    """Return the face nearest to the middle of the image."""

    def distance(face: DetectedFace) -> float:
        box = face.box
        return float(np.hypot(box.x + box.width / 2 - image.width / 2, box.y + box.height / 2 - image.height / 2))

    return min(image.faces, key=distance, default=None)


def _liveness(files: Sequence[Path], pack: str) -> Scores:
    """Return the score of the largest face of each picture, NaN where there is none."""
    seen = _each(files, lambda file: pipeline.analyse(file.read_bytes(), pack=pack, embed=1, liveness=True))
    faces = [image.faces[0] if image.faces else None for image in seen]
    return np.array([face.liveness.score if face and face.liveness else np.nan for face in faces], np.float32)


def _cosines(templates: Floats, people: npt.NDArray[np.intp]) -> tuple[Scores, Scores]:
    """Compare each with each once; return the cosines of one person and of two."""
    genuine, impostor = [], []
    for start in range(0, len(templates), _BLOCK):
        block = slice(start, start + _BLOCK)
        cosines = templates[block] @ templates.T
        once = np.arange(len(templates))[None, :] > np.arange(len(templates))[block, None]
        same = people[block, None] == people[None, :]
        genuine.append(cosines[once & same])
        impostor.append(cosines[once & ~same])
    return np.concatenate(genuine), np.concatenate(impostor)


def _protocol(file: Path, templates: dict[str, Floats]) -> Scores:
    lines = file.read_text(encoding="utf-8").splitlines()
    folds, size = map(int, lines[0].split())
    cosines = [_pair(line.split(), templates) for line in lines[1:] if line.strip()]
    return np.array(cosines, np.float32).reshape(folds, 2, size)


def _pair(words: Sequence[str], templates: dict[str, Floats]) -> float:
    first, second = _photographs(words)
    if first not in templates or second not in templates:
        return _MISSED
    return float(templates[first] @ templates[second])


def _photographs(words: Sequence[str]) -> Iterator[str]:
    """Name the two photographs of a line: one person and two numbers, or twice a person and a number."""
    people = words[0::2] if len(words) == 4 else (words[0], words[0])  # noqa: PLR2004 -- the protocol's own format
    numbers = words[1::2] if len(words) == 4 else words[1:]  # noqa: PLR2004
    return (f"{person}_{int(number):04}" for person, number in zip(people, numbers, strict=True))

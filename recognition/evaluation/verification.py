"""Verification on labelled photographs, in the protocol of Labeled Faces in the Wild."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognition import pipeline
from recognition.evaluation.metrics import Scores
from recognition.evaluation.pictures import each
from recognition.results import Analysis, DetectedFace, Floats

_MISSED = -1.0  # the cosine of a comparison in which no face was found
_BLOCK = 500


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Cosines of all comparisons between photographs, genuine and impostor, and of the protocol's pairs.

    `pairs` is (folds, 2, pairs per fold): genuine pairs first. `missed` photographs showed no face.
    """

    genuine: Scores
    impostor: Scores
    pairs: Scores
    photographs: int
    missed: int


def compare_all(folder: Path, pack: str) -> Comparisons:
    """Compare every photograph of a folder in the layout of Labeled Faces in the Wild with every other.

    The folder holds `pairs.txt` and `images/NAME/NAME_0001.jpg`; the face nearest to the middle is the person's.
    """
    files = sorted((folder / "images").glob("*/*.jpg"))
    found = each(files, lambda file: central(pipeline.analyse(file.read_bytes(), pack=pack)))
    templates = {file.stem: face.template for file, face in zip(files, found, strict=True) if face is not None}
    names = list(templates)
    people = np.array([name.rsplit("_", 1)[0] for name in names])
    genuine, impostor = _cosines(np.stack(list(templates.values())), np.unique(people, return_inverse=True)[1])
    pairs = _protocol(folder / "pairs.txt", templates)
    return Comparisons(genuine, impostor, pairs, len(files), len(files) - len(names))


def accuracy(pairs: Scores) -> tuple[float, float]:
    """Return mean and deviation, over the folds, of the accuracy at the threshold that is best on the other folds."""
    correct = []
    for fold in range(len(pairs)):
        rest = np.delete(pairs, fold, axis=0)
        genuine, impostor = np.sort(rest[:, 0].ravel()), np.sort(rest[:, 1].ravel())
        candidates = np.concatenate((genuine, impostor))
        right = (len(genuine) - np.searchsorted(genuine, candidates)) + np.searchsorted(impostor, candidates)
        threshold = candidates[right.argmax()]
        correct.append(np.concatenate((pairs[fold, 0] >= threshold, pairs[fold, 1] < threshold)).mean())
    return float(np.mean(correct)), float(np.std(correct))


def central(image: Analysis) -> DetectedFace | None:
    """Return the face nearest to the middle of the image."""

    def distance(face: DetectedFace) -> float:
        box = face.box
        return float(np.hypot(box.x + box.width / 2 - image.width / 2, box.y + box.height / 2 - image.height / 2))

    return min(image.faces, key=distance, default=None)


def _cosines(templates: Floats, people: npt.NDArray[np.intp]) -> tuple[Scores, Scores]:
    """Compare all pairs once; return the genuine and the impostor cosines."""
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
    """Return the two photographs of a line: a person and two numbers, or two persons with a number each."""
    people = words[0::2] if len(words) == 4 else (words[0], words[0])  # noqa: PLR2004 -- the protocol's own format
    numbers = words[1::2] if len(words) == 4 else words[1:]  # noqa: PLR2004
    return (f"{person}_{int(number):04}" for person, number in zip(people, numbers, strict=True))

"""Quality: what the gates refuse, what the faces that pass are worth, and how errors fall with what is discarded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from recognition import packs, pipeline
from recognition.evaluation.pictures import each, pictures, sample, seen
from recognition.evaluation.quality_learning import blurred, compressed, motion, smaller
from recognition.results import Analysis, Box, DetectedFace, Pixels
from recognition.similarity import DEFAULT

DISCARDED = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
_Spoil: TypeAlias = Callable[[Pixels, Box], Pixels]


@dataclass(frozen=True, slots=True)
class Spoiled:
    """Pictures that were spoiled in one way. All values are shares.

    `found`: of the pictures, show a face. `floor`, `standard`, `strict`: of these faces, refused. `matched`: of the
    pictures, reach the default threshold against another photograph of the person, or the original if there is none.
    `missed`: of the faces that the standard gate accepts, do not. `expected`: the mean of what was expected of those.
    `strangers`: of the pairs of faces above the floor,
    which are all of different people, reach that threshold.
    """

    found: float
    floor: float
    standard: float
    strict: float
    matched: float
    missed: float
    expected: float
    strangers: float


@dataclass(frozen=True, slots=True)
class Report:
    """`discard`: false non-match rate among the usable ways of spoiling, by the share discarded, by each measure."""

    pictures: int
    ways: Mapping[str, Spoiled]
    discard: Mapping[str, tuple[float, ...]]


def _motion(degrees: float, length: float) -> _Spoil:
    return lambda pixels, _: motion(pixels, length, degrees)


def _blur(sigma: float) -> _Spoil:
    return lambda pixels, _: blurred(pixels, sigma)


def _small(side: float) -> _Spoil:
    return lambda pixels, box: smaller(pixels, side / box.side)


def _half(*, lower: bool) -> _Spoil:
    def cut(pixels: Pixels, box: Box) -> Pixels:
        middle = max(1, int(box.y + box.height / 2))
        return pixels[middle:] if lower else pixels[:middle]

    return cut


# Nobody can tell apart what the first leave; the second are usable, and make up the curve.
_USELESS: Mapping[str, _Spoil] = MappingProxyType(
    {
        "motion 25 px, level": _motion(0, 25),
        "motion 25 px, slanting": _motion(45, 25),
        "motion 25 px, upright": _motion(90, 25),
        "upside down, not turned": lambda pixels, _: np.ascontiguousarray(pixels[::-1, ::-1]),
        "left half": lambda pixels, box: pixels[:, : max(1, int(box.x + box.width / 2))],
        "upper half": _half(lower=False),
        "lower half": _half(lower=True),
    }
)
_USABLE: Mapping[str, _Spoil] = MappingProxyType(
    {
        "as it is": lambda pixels, _: pixels,
        "blur 2 px": _blur(2),
        "blur 4 px": _blur(4),
        "motion 15 px": _motion(0, 15),
        "face of 24 px": _small(24),
        "a seventh of the light": lambda pixels, _: pixels // 7,
        "JPEG at 8": lambda pixels, _: compressed(pixels, 8),
    }
)
# Hard to find, and no part of the curve.
_HARD: Mapping[str, _Spoil] = MappingProxyType(
    {
        "face of 16 px": _small(16),
        "a sixteenth of the light": lambda pixels, _: pixels // 16,
        "three times the light": lambda pixels, _: np.clip(pixels * 3.0, 0, 255).astype(np.uint8),
    }
)
_WAYS: Mapping[str, _Spoil] = MappingProxyType({**_USELESS, **_USABLE, **_HARD})


def spoil_all(folder: Path, pack: str, most: int) -> Report:
    """Spoil up to `most` portraits, evenly chosen and one of each folder, and measure the results.

    The results are not turned upright. Pictures that show no face, or several, are left out.
    """
    people: dict[Path, list[Path]] = {}
    for file in pictures(folder):
        people.setdefault(file.parent if file.parent != folder else file, []).append(file)
    rows = [row for row in each(sample(list(people.values()), most), lambda files: _spoil(files, pack)) if row]
    threshold = DEFAULT.on(packs.get(pack).similarity)
    ways = {name: _measure([(mate, faces[name]) for mate, faces in rows], threshold) for name in _WAYS}
    probes = [(mate, face) for mate, faces in rows for name in _USABLE if (face := faces[name])]
    missed = np.array([float(face.template @ mate.template) < threshold for mate, face in probes])
    measures = {
        "expected": [-(face.quality.expected_miss or 0) for _, face in probes],
        "length": [face.quality.length for _, face in probes],
        "sharpness": [face.quality.sharpness for _, face in probes],
        "confidence": [face.confidence for _, face in probes],
    }
    return Report(len(rows), ways, {name: _curve(missed, np.array(values)) for name, values in measures.items()})


def _spoil(files: Sequence[Path], pack: str) -> tuple[DetectedFace, dict[str, DetectedFace | None]] | None:
    """Return the face to compare with, and the face of the first portrait after each way of spoiling; None without one.

    The face to compare with is that of the second portrait, or the first one's own.
    """
    portraits = [portrait for file in files[:2] if (portrait := _portrait(file, pack))]
    if not portraits:
        return None
    own, mate = portraits[0], portraits[-1].faces[0]
    box = own.faces[0].box
    return mate, {name: _largest(spoil(own.pixels, box), pack) for name, spoil in _WAYS.items()}


def _portrait(file: Path, pack: str) -> Analysis | None:
    image = seen(file, pack)
    return image if image and len(image.faces) == 1 else None


def _largest(pixels: Pixels, pack: str) -> DetectedFace | None:
    faces = pipeline.analyse(cv2.imencode(".png", pixels)[1].tobytes(), pack=pack, embed=1, turn=False).faces
    return faces[0] if faces else None


def _measure(pairs: Sequence[tuple[DetectedFace, DetectedFace | None]], threshold: float) -> Spoiled:
    found = [(own, face) for own, face in pairs if face]
    above = [face.template for _, face in found if not face.quality.floor_reasons]
    cosines = np.stack(above) @ np.stack(above).T if above else np.zeros((0, 0))
    passed = [
        (float(face.template @ own.template) < threshold, face) for own, face in found if not face.quality.reasons
    ]
    strangers = cosines[np.triu_indices(len(above), 1)] >= threshold
    return Spoiled(
        found=len(found) / len(pairs),
        floor=_share(bool(face.quality.floor_reasons) for _, face in found),
        standard=_share(bool(face.quality.reasons) for _, face in found),
        strict=_share(bool(face.quality.strict_reasons) for _, face in found),
        matched=_share(face is not None and float(face.template @ own.template) >= threshold for own, face in pairs),
        missed=_share(missed for missed, _ in passed),
        expected=float(np.mean([face.quality.expected_miss or 0 for _, face in passed])) if passed else 0.0,
        strangers=_share(strangers.tolist()),
    )


def _share(verdicts: Iterable[bool]) -> float:
    """Return the share of True; 0 of nothing."""
    counted = list(verdicts)
    return sum(counted) / len(counted) if counted else 0.0


def _curve(missed: npt.NDArray[np.bool_], quality: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Return the share missed after each share of DISCARDED, the lowest quality first."""
    ordered = missed[np.argsort(quality, kind="stable")]
    return tuple(float(ordered[round(share * len(ordered)) :].mean()) for share in DISCARDED)

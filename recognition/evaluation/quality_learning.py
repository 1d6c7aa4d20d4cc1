"""Learn how likely a face is missed: spoil photographs in many ways and degrees, and fit a logistic regression.

A face is missed if it does not reach the default threshold against the best other photograph of the same person. What
is not human is always missed.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recognition import packs
from recognition.evaluation.pictures import each, pictures
from recognition.packs import Pack
from recognition.pipeline.align import SIDE, align
from recognition.pipeline.decode import decode
from recognition.pipeline.detect import detect
from recognition.pipeline.embed import embed
from recognition.pipeline.landmarks import five, locate
from recognition.pipeline.pose import estimate
from recognition.pipeline.quality import Seen, see
from recognition.pipeline.second_opinion import opinion
from recognition.results import Box, Floats, Pixels
from recognition.similarity import DEFAULT

_SPOILED = 3  # times that each photograph is spoiled
_OF_EACH = 3  # photographs of a person
_GOOD = 0.85  # a photograph is good if its vector is so long, as a share of the typical length
_NOT_HUMAN = 0.1  # weight of all that is not human, as a share of the rest
_RIDGE, _STEPS = 0.002, 4000
_Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """The largest face of an image that was not turned."""

    seen: Seen
    length: float
    template: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What `recognition.packs.ExpectedMiss` holds, and the faces and people that it was learnt from."""

    length: float
    embedded: tuple[float, ...]
    seen: tuple[float, ...]
    faces: int
    people: int
    others: int


def look(pixels: Pixels, pack: Pack) -> Looked | None:
    """Measure the largest face of an image, (height, width, 3), blue-green-red, as it is; None if there is none."""
    found = detect(pixels, pack.detector, 1)
    if not found:
        return None
    ((box, confidence),) = found
    (points,) = locate(pixels, [box], pack.landmarks)
    aligned = align(pixels, five(points))
    asked = opinion(pixels, box, confidence, five(points), pack.second_opinion)
    seen = see(aligned, box, confidence, estimate(points), pixels.shape[1::-1], asked)
    vectors, lengths = embed({SIDE: [aligned]}, pack)
    return Looked(seen, float(lengths[0]), vectors[0])


def learn(folder: Path, others: Path | None, pack: str, most: int) -> Learnt:
    """Learn from up to `most` people with several photographs (`folder/NAME/*`), and from what is not human.

    Every second person is left to measure with. The person's name is the seed of how their photographs are spoiled.
    """
    models = packs.get(pack)
    people = [person for person in sorted({file.parent for file in pictures(folder)}) if len(pictures(person)) > 1][::2]
    chosen = np.random.default_rng(1).permutation(len(people))[:most]
    rows = each([people[at] for at in chosen], lambda person: _person(person, models))
    typical = float(np.median([face.length for row in rows for face, *_ in row]))
    threshold = DEFAULT.on(models.similarity)
    samples = [sample for row in rows for sample in _mated(row, _GOOD * typical, threshold)]
    alien = [
        face for row in each(pictures(others) if others else [], lambda file: _other(file, models)) for face in row
    ]
    faces = [face for face, _ in samples] + alien
    missed = np.array([missed for _, missed in samples] + [True] * len(alien), np.float64)
    weights = np.array([1.0] * len(samples) + [_NOT_HUMAN * len(samples) / max(1, len(alien))] * len(alien))
    full = np.array([astuple(face.seen.measures(1 - face.length / typical)) for face in faces])
    return Learnt(
        length=typical,
        embedded=_fit(full, missed, weights),
        seen=(*_fit(full[:, :-1], missed, weights), 0.0),
        faces=len(samples),
        people=sum(map(bool, rows)),
        others=len(alien),
    )


def _person(folder: Path, pack: Pack) -> list[tuple[Looked, Path, bool]]:
    """Return the faces of a person's photographs, plain and spoiled: face, photograph, and whether it is plain."""
    random = np.random.default_rng(zlib.crc32(folder.name.encode()))
    rows = []
    for file in pictures(folder)[:_OF_EACH]:
        pixels = decode(file.read_bytes())
        own = look(pixels, pack)
        if own is None:
            continue
        rows.append((own, file, True))
        spoilt = (look(spoil(pixels, own.seen.box, random), pack) for _ in range(_SPOILED))
        rows += [(face, file, False) for face in spoilt if face]
    return rows


def _other(file: Path, pack: Pack) -> list[Looked]:
    """Return the faces in a picture of what is not human: as it is, mirrored, and smaller."""
    pixels = decode(file.read_bytes())
    seen = (look(np.ascontiguousarray(view), pack) for view in (pixels, pixels[:, ::-1], smaller(pixels, 0.7)))
    return [face for face in seen if face]


def _mated(row: Sequence[tuple[Looked, Path, bool]], least: float, threshold: float) -> Iterable[tuple[Looked, bool]]:
    """Yield each face of a person with a good other photograph, and whether that photograph misses it."""
    for face, file, _ in row:
        mates = [other for other, its, plain in row if plain and its != file and other.length >= least]
        if mates:
            best = max(mates, key=lambda other: other.length)
            yield face, float(best.template @ face.template) < threshold


def spoil(pixels: Pixels, box: Box, random: np.random.Generator) -> Pixels:
    """Spoil a photograph in a random way and degree; three in twenty are spoiled twice."""
    ways = [_blur, _move, _shrink, _darken, _brighten, _flatten, _compress, _roughen, _cut, _turn, _cover]
    out = ways[random.integers(len(ways))](pixels, box, random)
    twice = [_blur, _darken, _compress, _roughen]
    same = out.shape == pixels.shape and random.random() < 0.15  # noqa: PLR2004
    return np.ascontiguousarray(twice[random.integers(len(twice))](out, box, random) if same else out)


def motion(pixels: Pixels, length: float, degrees: float) -> Pixels:
    """Return the image blurred along a line of so many pixels."""
    size = max(1, round(length))
    kernel = np.zeros((size, size), np.float32)
    kernel[size // 2] = 1
    kernel = cv2.warpAffine(kernel, cv2.getRotationMatrix2D((size // 2, size // 2), degrees, 1.0), (size, size))
    return np.asarray(cv2.filter2D(pixels, -1, kernel / kernel.sum()), np.uint8)


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    """Return the image with Gaussian blur of so many pixels."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def smaller(pixels: Pixels, scale: float) -> Pixels:
    """Return the image scaled down, or as it is if the scale is 1 or more."""
    scale = min(1.0, scale)
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def compressed(pixels: Pixels, level: int) -> Pixels:
    """Return the image as a JPEG of this quality, 0 to 100, shows it."""
    coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, level])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _blur(pixels: Pixels, box: Box, random: np.random.Generator) -> Pixels:
    return blurred(pixels, box.side * random.uniform(0.01, 0.1))


def _move(pixels: Pixels, box: Box, random: np.random.Generator) -> Pixels:
    return motion(pixels, box.side * random.uniform(0.05, 0.4), random.uniform(0, 180))


def _shrink(pixels: Pixels, box: Box, random: np.random.Generator) -> Pixels:
    return smaller(pixels, float(np.exp(random.uniform(np.log(9), np.log(60)))) / box.side)


def _darken(pixels: Pixels, _: Box, random: np.random.Generator) -> Pixels:
    return np.asarray((pixels / np.exp(random.uniform(np.log(2), np.log(40)))), np.uint8)


def _brighten(pixels: Pixels, _: Box, random: np.random.Generator) -> Pixels:
    return np.asarray(np.clip(pixels * random.uniform(1.3, 5), 0, 255), np.uint8)


def _flatten(pixels: Pixels, _: Box, random: np.random.Generator) -> Pixels:
    return np.asarray(
        np.clip((pixels - 128.0) * random.uniform(0.03, 0.43) + random.uniform(60, 200), 0, 255), np.uint8
    )


def _compress(pixels: Pixels, _: Box, random: np.random.Generator) -> Pixels:
    return compressed(pixels, int(random.integers(2, 30)))


def _roughen(pixels: Pixels, _: Box, random: np.random.Generator) -> Pixels:
    return np.asarray(np.clip(pixels + random.normal(0, random.uniform(5, 70), pixels.shape), 0, 255), np.uint8)


def _cut(pixels: Pixels, box: Box, random: np.random.Generator) -> Pixels:
    """Cut a tenth to six tenths of the face off, at any side."""
    share, turns = random.uniform(0.1, 0.6), int(random.integers(4))
    ends = (box.x + share * box.width, box.y + share * box.height)
    match turns:
        case 0:
            return pixels[:, max(0, int(ends[0])) :]
        case 1:
            return pixels[:, : max(1, int(box.x + (1 - share) * box.width))]
        case 2:
            return pixels[max(0, int(ends[1])) :]
    return pixels[: max(1, int(box.y + (1 - share) * box.height))]


def _turn(pixels: Pixels, _: Box, random: np.random.Generator) -> Pixels:
    return np.asarray(np.rot90(pixels, int(random.integers(1, 4))), np.uint8)


def _cover(pixels: Pixels, box: Box, random: np.random.Generator) -> Pixels:
    """Cover mouth and nose, the eyes, or a side of the face with one colour."""
    low, part = random.uniform(0.5, 0.65), random.uniform(0.2, 0.6)
    left, top, right, bottom = [(0, low, 1, 1.1), (0, 0.25, 1, 0.48), (0, 0, part, 1)][random.integers(3)]
    rows = slice(max(0, int(box.y + top * box.height)), max(0, int(box.y + bottom * box.height)))
    columns = slice(max(0, int(box.x + left * box.width)), max(0, int(box.x + right * box.width)))
    out = pixels.copy()
    out[rows, columns] = random.integers(0, 200, 3)
    return out


def _fit(measures: _Numbers, missed: _Numbers, weights: _Numbers) -> tuple[float, ...]:
    """Return intercept and weights, which are 0 or more: nothing that is worse may make a face better.

    Logistic regression with a small ridge, by projected gradients with Nesterov's momentum.
    """
    rows = np.column_stack((np.ones(len(measures)), measures))
    share = weights / weights.sum()
    step = 1 / (np.linalg.eigvalsh((rows * share[:, None]).T @ rows).max() / 4 + _RIDGE)
    found = ahead = np.zeros(rows.shape[1])
    pace = 1.0
    for _ in range(_STEPS):
        wrong = 1 / (1 + np.exp(-rows @ ahead)) - missed
        following = ahead - step * (rows.T @ (share * wrong) + _RIDGE * np.r_[0, ahead[1:]])
        following[1:] = np.maximum(following[1:], 0)
        faster = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead, found, pace = following + (pace - 1) / faster * (following - found), following, faster
    return tuple(round(float(value), 2) for value in found)

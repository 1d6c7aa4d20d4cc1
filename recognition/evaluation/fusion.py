"""Learn the fusion of liveness (recognition.calibration.fusion) from labelled presentations, close-ups among them.

Every picture is judged whole and cut down to margins around its face. A logistic regression without an intercept (the
experts' own zero stays the zero where nothing is padded) learns the slope and how much the padded share takes off. What
it says of people on whom it was not learnt is measured by leaving one person out at a time; a person is what stands
before the first underscore of a file's name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognition import packs
from recognition.calibration.fusion import Fusion, of_expert, weakest_and_mean
from recognition.evaluation.liveness import cut, species_of
from recognition.evaluation.metrics import share_shown
from recognition.evaluation.pictures import each
from recognition.pipeline import decode, liveness
from recognition.pipeline.orient import view

MARGINS = (None, 0.5, 0.25, 0.17, 0.1, 0.05)  # of the face's box, on each side; None: the whole picture
_FROM_SHARE = 0.6
_RIDGE = 0.02
_STEPS = 100
_BPCER = 0.01  # of each expert, which names its zero
_MOST_BPCER, _MOST_APCER = 0.02, 0.05  # up to the padded share where these hold, close-ups can be judged

_Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Presentations: log odds by expert (n, experts), padded share, margin, person and species.

    An expert that was not asked has NaN; a whole picture has the margin NaN, and a bona fide one the species "".
    """

    experts: _Doubles
    shares: _Doubles
    margins: _Doubles
    people: npt.NDArray[np.str_]
    species: npt.NDArray[np.str_]


def look(folder: Path, pack: str) -> Looks:
    """Judge the pictures in `real/` and `spoof/` at every margin. Pictures without a face are left out."""
    files = species_of(folder)
    labelled = [(file, name) for name, group in files.items() for file in group]
    names = dict(labelled)

    def of(file: Path) -> list[tuple[list[float], float, float, str, str]]:
        return [(*found, file.name.split("_")[0], names[file]) for found in _each_margin(file, packs.get(pack))]

    rows = [row for found in each([file for file, _ in labelled], of) for row in found]
    experts, shares, margins, people, species = zip(*rows, strict=True)
    return Looks(np.array(experts), np.array(shares), np.array(margins), np.array(people), np.array(species))


def learn(looks: Looks) -> Fusion:
    """Return the fusion that tells bona fide presentations from attacks."""
    features = _features(looks)
    slope, lowering = _fit(features, looks.species == "")
    logit = features @ (slope, lowering)
    able = [0.0]
    for margin in np.unique(looks.margins[~np.isnan(looks.margins)]):
        here = looks.margins == margin
        judged = _wrong(logit[here], looks.species[here])
        if all(count / of <= (_MOST_APCER if species else _MOST_BPCER) for species, (count, of) in judged.items()):
            able.append(float(looks.shares[here].max()))
    return Fusion(_offsets(looks), slope, lowering / slope, _FROM_SHARE, max(able))


def left_out(looks: Looks) -> _Doubles:
    """Return the logit of each presentation by a fusion that was learnt without its person."""
    features, logit = _features(looks), np.zeros(len(looks.shares))
    for person in np.unique(looks.people):
        own = looks.people == person
        logit[own] = features[own] @ _fit(features[~own], looks.species[~own] == "")
    return logit


def lines(looks: Looks) -> Iterator[str]:
    """Yield the learnt numbers, and BPCER and APCER at score .5, each person judged without themselves."""
    found = learn(looks)
    offsets = ", ".join(f"{offset:.1f}" for offset in found.offsets)
    yield (
        f"fusion = {{ offsets = [{offsets}], slope = {found.slope:.2f}, drop = {found.drop:.1f}, "
        f"from_share = {found.from_share}, to_share = {found.to_share:.2f} }}"
    )
    logit = left_out(looks)
    for margin in MARGINS:
        here = np.isnan(looks.margins) if margin is None else looks.margins == margin
        name = "whole pictures" if margin is None else f"margin {margin}"
        for species, (count, of) in _wrong(logit[here], looks.species[here]).items():
            rate = f"APCER {species}" if species else "BPCER"
            yield f"{name:15}  {rate} {share_shown(count, of)} ({of})"


def _each_margin(file: Path, pack: packs.Pack) -> Iterator[tuple[list[float], float, float]]:
    pixels = decode.decode(file.read_bytes())
    found = view(pixels, pack.detector, 1).found
    for margin in MARGINS if found else ():
        part = pixels if margin is None else cut(pixels, found[0][0], margin)
        seen = view(part, pack.detector, 1)
        if seen.found:
            odds, share = liveness.odds_of(seen.pixels, seen.found[0][0], pack)
            absent = [np.nan] * (len(pack.liveness) - len(odds))
            yield [*map(of_expert, odds), *absent], share, np.nan if margin is None else margin


def _offsets(looks: Looks) -> tuple[float, ...]:
    """Return what each expert lacks to refuse no more than 1 % of the living in whole pictures."""
    live = looks.experts[np.isnan(looks.margins) & (looks.species == "")]
    judged = [column[~np.isnan(column)] for column in live.T]
    return tuple(max(0.0, -float(np.quantile(column, _BPCER))) if len(column) else 0.0 for column in judged)


def _features(looks: Looks) -> _Doubles:
    offset = looks.experts + _offsets(looks)
    odds = [weakest_and_mean(row[~np.isnan(row)]) for row in offset]
    return np.stack((odds, -np.maximum(0, looks.shares - _FROM_SHARE)), axis=1)


def _fit(features: _Doubles, live: npt.NDArray[np.bool_]) -> _Doubles:
    """Return the coefficients of a logistic regression, by Newton's method."""
    scale = np.array((1.0, 0.1))  # both features of about one size, so that the ridge treats them alike
    scaled, weights = features / scale, np.array((1.0, 0.0))
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-scaled @ weights))
        gradient = scaled.T @ (likely - live) + _RIDGE * weights
        curvature = (scaled * (likely * (1 - likely))[:, None]).T @ scaled + _RIDGE * np.eye(2)
        weights = weights - np.clip(np.linalg.solve(curvature, gradient), -1, 1)
    return np.asarray(weights / scale)


def _wrong(logit: _Doubles, species: npt.NDArray[np.str_]) -> dict[str, tuple[int, int]]:
    """Return by species ("": bona fide) how many presentations are judged wrongly at score .5, and of how many."""
    wrong = (logit >= 0) != (species == "")
    return {str(kind): (int(wrong[species == kind].sum()), int((species == kind).sum())) for kind in np.unique(species)}

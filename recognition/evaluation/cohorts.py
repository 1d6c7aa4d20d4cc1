"""False match rates by cohort: plain, and normalised against the strangers of a collection.

A cohort is a set of people with a name. Pairs of faces are not independent, since they cluster by people: intervals are
from resampling people, and what is learnt on some people is measured on others. Whole matrices of pairs are held in
memory, 4 bytes a pair, which suits some 10,000 faces.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from recognition import packs, pipeline
from recognition.calibration.calibrated import WEIGHT, choose_strangers, learn, on_scale
from recognition.calibration.normalisation import FORMS, Form, Ids, Mask, mean_level, normalised, references
from recognition.calibration.tail import compared, fit
from recognition.evaluation.metrics import thresholds
from recognition.evaluation.pictures import each, pictures
from recognition.evaluation.verification import central
from recognition.packs import earlier
from recognition.results import Floats
from recognition.similarity import DEFAULT, FALSE_MATCH_RATES, Threshold

_RESAMPLED, _SPLITS, _HALVES = 500, 70, 30
_FEWEST = 3  # pairs of strangers that reach a rate's threshold; with fewer there is none
_LABELS = 8  # values at most of what makes cohorts
_SURE = (2.5, 97.5)
_SAME = 1 - 1e-4  # the cosine of one picture with itself
_Read: TypeAlias = tuple[npt.NDArray[Any], Floats, dict[str, Ids]]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Faces of some people: templates (n, d), unit vectors, and for each the number of its person, from 0 on (n,)."""

    name: str
    people: Ids
    templates: Floats

    @property
    def strangers(self) -> Mask:
        """The pairs (n, n) of two people, each once."""
        return np.triu(self.people[:, None] != self.people[None, :], k=1)

    @property
    def mates(self) -> Mask:
        """The pairs (n, n) of one person, each once."""
        return np.triu(self.people[:, None] == self.people[None, :], k=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """A measured false match rate, with its 95 % interval."""

    rate: float
    low: float
    high: float


def read(source: Path, pack: str, names: Sequence[Path] = ()) -> Iterator[Cohort]:
    """Yield the cohorts of a folder of pictures, with a folder for each person, or of a file of templates.

    A file is .npz: `template` (n, d), optionally `person` (n,), and labels (n,) with few values, of which each
    combination is a cohort. Templates may have the pack's earlier width; other wider ones begin with the pack's.
    `names` are text files with a person a line, each of which is a cohort, instead of everybody.
    """
    people, templates, labels = (_templates if source.suffix == ".npz" else _pictures)(source, pack)
    known = packs.get(pack)
    if templates.shape[1] in earlier.widths(known):
        templates = earlier.narrowed(known, templates)
    templates = templates[:, : known.dimension].astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    chosen = {file.stem: np.isin(people, file.read_text(encoding="utf-8").split()) for file in names}
    if not chosen and labels:
        chosen = _combined(labels)
    for name, rows in (chosen or {source.stem: np.ones(len(people), dtype=bool)}).items():
        yield Cohort(name, np.unique(people[rows], return_inverse=True)[1].astype(np.int64), templates[rows])


def rates(cohort: Cohort, scores: Floats, anchors: Sequence[float]) -> list[Rate]:
    """Return the share of pairs of strangers whose scores (n, n) reach each anchor; intervals by resampling people."""
    people, size = cohort.people, int(cohort.people.max()) + 1
    drawn = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), _RESAMPLED).astype(np.float64)
    counts = np.bincount(people).astype(np.float64)
    pairs = (drawn @ counts) ** 2 - drawn**2 @ counts**2
    pairs_of_people = size * (size - 1) / 2
    found, strangers = [], cohort.strangers
    for anchor in anchors:
        first, second = np.nonzero(strangers & (scores >= anchor))
        hits = np.zeros((size, size))
        np.add.at(hits, (people[first], people[second]), 1.0)
        hits += hits.T
        resampled = ((drawn @ hits) * drawn).sum(axis=1) / np.maximum(pairs, 1)
        low, high = np.percentile(resampled, _SURE).tolist()
        rate = len(first) / max(1, int(strangers.sum()))
        found.append(Rate(rate, low, high if len(first) else 3 / pairs_of_people))  # none seen: the rule of three
    return found


def accepted(cohort: Cohort, scores: Floats, rate: float) -> float | None:
    """Return the true accept rate at the cohort's own false match rate; None: too few pairs to say."""
    impostor, genuine = scores[cohort.strangers], scores[cohort.mates]
    if len(impostor) * rate < _FEWEST or not len(genuine):
        return None
    return float((genuine > thresholds(impostor, [rate])[0]).mean())


def halves(cohort: Cohort, scores: Floats, rate: float) -> list[float]:
    """Return, for each split of the people, the false match rate of one half over `rate`.

    The threshold is that of `rate` in the other half. All splits of up to eight people, otherwise 70 that are drawn.
    """
    size, ratios = int(cohort.people.max()) + 1, []
    strangers = cohort.strangers
    for half in _splits(size):
        inside = np.isin(cohort.people, half)
        learnt = scores[np.ix_(inside, inside)][strangers[np.ix_(inside, inside)]]
        measured = scores[np.ix_(~inside, ~inside)][strangers[np.ix_(~inside, ~inside)]]
        if min(len(learnt), len(measured)) * rate < _FEWEST:
            continue
        ratios.append(float((measured > thresholds(learnt, [rate])[0]).mean() / rate))
    return ratios


def calibrated_on_half(cohort: Cohort, pack: str, wanted: Sequence[float]) -> dict[str, dict[float, list[float]]]:
    """Return the ratios of the measured false match rate to each one asked for, in collections of half of the people.

    A collection is calibrated as the product does it, and the other half's faces are the probes. Thresholds are set as
    "at most" a rate, or are the scores that promise it, on both scales. Splits of which too little can be told are left
    out.
    """
    known, ratios = packs.get(pack), dict[str, dict[float, list[float]]]()
    same, line = known.similarity.cosines[-1], DEFAULT.on(known.similarity)
    for half in islice(_splits(int(cohort.people.max()) + 1), _HALVES):
        inside = np.isin(cohort.people, half)
        faces, people, probes = cohort.templates[inside], cohort.people[inside], cohort.templates[~inside]
        measured = known.normal and learn(faces, people, choose_strangers(faces, people, line), known.normal)
        if not measured:
            continue
        learnt = measured.at_one_rate()
        tail = fit(compared(faces, people, partial(learnt.cosines, enrolled=True), same=same, alike=line))
        scores, told = learnt.cosines(probes, faces), measured.cosines(probes, faces)
        for rate in wanted:
            promised = Threshold.of_rate(rate).on(known.similarity)
            least = tail.cosine(rate) if tail else None
            ways = {"at most": (scores, least), "normalised": (scores, promised), "measured": (told, promised)}
            for way, (cosines, threshold) in ways.items():
                if threshold is not None and cosines.size * rate >= _FEWEST:
                    found = float((cosines >= threshold).mean() / rate)
                    ratios.setdefault(way, {}).setdefault(rate, []).append(found)
    return ratios


@dataclass(frozen=True, slots=True)
class Collection:
    """One template of each of its people (g, d); the columns, or -1, of a cohort's people (p,) and of a reference's."""

    templates: Floats
    cohort: Ids
    reference: Ids


def collection_of(cohort: Cohort, own: int) -> Collection:
    """Return a collection of so many of the cohort's people."""
    mine = _first(np.ones(int(cohort.people.max()) + 1, dtype=bool), own)
    return Collection(_one_each(cohort)[mine >= 0], mine, _NOBODY)


def delivered(cohort: Cohort, collection: Collection, pack: str) -> Floats | None:
    """Return the cosines (n, n) of a cohort's faces in a collection, as the product has them; None: not calibrated.

    The persons of a comparison are left out of its levels exactly, whether they are in the collection or not.
    """
    known = packs.get(pack)
    everybody = np.arange(len(collection.templates))
    rows = choose_strangers(collection.templates, everybody, DEFAULT.on(known.similarity))
    learnt = known.normal and learn(collection.templates, everybody, rows, known.normal)
    if not learnt or known.normal is None:
        return None
    column = np.full(len(everybody) + 1, -1)  # the last is that of people who are not in the collection
    column[rows] = np.arange(len(rows))
    columns, mean = column[collection.cohort], known.normal.mean
    found = references(cohort.templates, columns[cohort.people], columns, collection.templates[rows], mean)
    levels = np.maximum(mean_level(found), (cohort.templates @ mean)[:, None])
    plain, against = cohort.templates @ cohort.templates.T, levels[:, cohort.people]
    found = on_scale(plain, WEIGHT / 2 * (against + against.T), known.normal)
    return learnt.at_one_rate().lowered(found).astype(np.float32)


class Reference:
    """The population that the pack's anchors are measured on, with the mean of its people."""

    def __init__(self, cohort: Cohort) -> None:
        """Compute each face's cosine with the mean of the others."""
        self.cohort = cohort
        self.people = _one_each(cohort)
        self.mean = self.people.mean(axis=0)
        alone = Collection(self.people, _NOBODY, np.arange(len(self.people)))
        self._level = self._levels(FORMS["mean"], alone)
        self._cosines = cohort.templates @ cohort.templates.T
        self.strangers, self.mates = cohort.strangers, cohort.mates
        self._fixed: dict[float, list[float]] = {}

    def plain_anchors(self) -> list[float]:
        """Return the cosines at FALSE_MATCH_RATES."""
        return thresholds(self._cosines[self.strangers], FALSE_MATCH_RATES)

    def anchors(self, form: Form, collection: Collection | None = None) -> list[float]:
        """Return c' at FALSE_MATCH_RATES: of the pack, where the form is fixed, otherwise in this collection."""
        if not form.fixed and collection:
            scores = self._scores(form, self._levels(form, collection))
            return thresholds(scores[self.strangers], FALSE_MATCH_RATES)
        if form.weight not in self._fixed:
            scores = self._scores(form, self._level)
            self._fixed[form.weight] = thresholds(scores[self.strangers], FALSE_MATCH_RATES)
        return self._fixed[form.weight]

    def scores(self, form: Form, collection: Collection) -> Floats:
        """Return c' (n, n) of the reference's own faces in a collection."""
        level = self._levels(form, collection)
        return self._scores(form, np.maximum(level, self._level) if form.fixed else level)

    def normalise(self, form: Form, collection: Collection, cohort: Cohort) -> Floats:
        """Return c' (n, n) of a cohort's faces in a collection."""
        own = collection.cohort[cohort.people]
        levels = form.level(references(cohort.templates, own, collection.cohort, collection.templates, self.mean))
        if form.fixed:
            levels = np.maximum(levels, (cohort.templates @ self.mean)[:, None])
        return normalised(cohort.templates @ cohort.templates.T, levels, cohort.people, form.weight)

    def collection(self, cohort: Cohort, own: int, others: int) -> Collection:
        """Return a collection of so many of the cohort's people, and so many others of the reference."""
        strange = (self.people @ cohort.templates.T).max(axis=1) < _SAME
        mine = _first(np.ones(int(cohort.people.max()) + 1, dtype=bool), own)
        theirs = _first(strange, others)
        templates = np.concatenate([_one_each(cohort)[mine >= 0], self.people[theirs >= 0]])
        return Collection(templates, mine, np.where(theirs >= 0, theirs + (mine >= 0).sum(), -1))

    def _levels(self, form: Form, collection: Collection) -> Floats:
        """Return the faces' levels (n,): only their own persons are left out, since the others are many."""
        own = collection.reference[self.cohort.people]
        return form.level(references(self.cohort.templates, own, _NOBODY, collection.templates, self.mean))[:, 0]

    def _scores(self, form: Form, level: Floats) -> Floats:
        return self._cosines - form.weight / 2 * (level[:, None] + level[None, :])


_NOBODY = np.array([-1])


def _one_each(cohort: Cohort) -> Floats:
    """Return the first template of each person (p, d)."""
    first: Floats = cohort.templates[np.unique(cohort.people, return_index=True)[1]]
    return first


def _first(people: Mask, count: int) -> Ids:
    """Number `count` of the people, drawn, from 0 on in their order; -1 for the others."""
    chosen = np.zeros(len(people), dtype=bool)
    chosen[np.random.default_rng(0).permutation(np.flatnonzero(people))[:count]] = True
    return np.where(chosen, np.cumsum(chosen) - 1, -1)


def _splits(size: int) -> Iterator[Ids]:
    if size <= _LABELS:
        yield from (np.array(half) for half in combinations(range(size), size // 2))
        return
    random = np.random.default_rng(0)
    yield from (random.permutation(size)[: size // 2] for _ in range(_SPLITS))


def _templates(file: Path, pack: str) -> _Read:
    with np.load(file) as stored:
        found = dict(stored)
    templates = found.pop("template")
    people = found.pop("person", np.arange(len(templates)))
    return people, templates, {name: one for name, one in found.items() if len(np.unique(one)) <= _LABELS}


def _pictures(folder: Path, pack: str) -> _Read:
    files = pictures(folder)
    faces = each(files, lambda file: central(pipeline.analyse(file.read_bytes(), pack=pack)))
    found = [(file.parent.name, face.template) for file, face in zip(files, faces, strict=True) if face is not None]
    return np.array([name for name, _ in found]), np.stack([template for _, template in found]), {}


def _combined(labels: dict[str, Ids]) -> dict[str, Mask]:
    """Return the rows of each combination of labels that occurs, by its name."""
    values = np.stack(list(labels.values()), axis=1)
    return {
        ", ".join(f"{name} {value}" for name, value in zip(labels, row, strict=True)): (values == row).all(axis=1)
        for row in np.unique(values, axis=0)
    }

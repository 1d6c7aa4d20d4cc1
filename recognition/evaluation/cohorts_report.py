"""What `manage.py evaluate cohorts` prints."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from django.core.management.base import CommandError

from recognition import packs
from recognition.calibration.calibrated import FEWEST
from recognition.calibration.normalisation import FORMS
from recognition.evaluation import cohorts
from recognition.evaluation.cohorts import Cohort, Reference
from recognition.results import Floats
from recognition.similarity import FALSE_MATCH_RATES, SCORES

_OWN = (1e-2, 1e-3)
_AT_MOST = (1e-2, 1e-3, 1e-4)
_WITHIN = 2
_BEST, _NEAR = 10, 60  # faces: so many are asked for, and so many found by cosine are scored again
_COSTS = (3, 4)  # of FALSE_MATCH_RATES, those at which the reference is measured in the collection


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of `evaluate cohorts`."""
    parser.add_argument(
        "--names", type=Path, nargs="+", default=[], help="text files, each with the people of a cohort"
    )
    parser.add_argument(
        "--reference",
        type=Path,
        help="pictures or templates of the people on whom the pack's anchors were measured",
    )
    parser.add_argument("--forms", action="store_true", help="compare forms of normalisation; needs --reference")
    parser.add_argument(
        "--collection",
        nargs="+",
        default=["all+0"],
        help="the people that scores are normalised against: how many of the cohort, or all, + of the reference",
    )


def lines(
    source: Path,
    pack: str,
    names: Sequence[Path],
    reference: Path | None,
    collections: Sequence[str],
    *,
    forms: bool,
) -> Iterator[str]:
    """Measure every cohort of a folder or file, and yield the lines of the report."""
    against = Reference(next(cohorts.read(reference, pack))) if reference else None
    for cohort in cohorts.read(source, pack, names):
        size, strangers = int(cohort.people.max()) + 1, int(cohort.strangers.sum())
        faces = len(cohort.people)
        yield f"\n{cohort.name}, pack {pack}: {size:,} people, {faces:,} faces, {strangers:,} stranger pairs"
        yield "".join(
            f"{title:>30}" for title in ("", *(f"score {score:.0f}: {rate:.0e}" for score, rate in _anchors()))
        )
        plain = cohort.templates @ cohort.templates.T
        yield from _measured("plain", cohort, plain, packs.get(pack).similarity.cosines)
        yield from _delivered(cohort, pack, against, collections)
        if against and forms:
            yield from _normalised(cohort, against, collections)


def _delivered(cohort: Cohort, pack: str, against: Reference | None, collections: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the product's scores in each collection, and of thresholds that are measured on half."""
    for text in collections:
        own, others = _people(text, int(cohort.people.max()) + 1)
        if others and not against:
            message = f"{text} needs --reference."
            raise CommandError(message)
        made = against.collection(cohort, own, others) if against else cohorts.collection_of(cohort, own)
        scores = cohorts.delivered(cohort, made, pack)
        if scores is None:
            yield f"{f'delivered, {text}':>30}  as plain: fewer than {FEWEST} strangers"
        else:
            yield from _measured(f"delivered, {text}", cohort, scores, packs.get(pack).similarity.cosines)
            if len(scores) > _NEAR:
                plain = cohort.templates @ cohort.templates.T
                yield f"{'':>30}  of the {_BEST} best, {_among(scores, plain):.4f} are among the {_NEAR} best by cosine"
    for way, found in cohorts.calibrated_on_half(cohort, pack, _AT_MOST).items():
        for rate, ratios in found.items():
            yield f"{f'{way} {rate:.0e}':>30}  in collections of half of the people: {_spread(ratios)}"


def _among(scores: Floats, cosines: Floats) -> float:
    """Return the share of each face's _BEST others by score that are among its _NEAR best by cosine."""
    shares = []
    for row, (told, plain) in enumerate(zip(scores, cosines, strict=True)):
        best, near = ([one for one in np.argsort(-values)[: _NEAR + 1] if one != row] for values in (told, plain))
        shares.append(np.isin(best[:_BEST], near[:_NEAR]).mean())
    return float(np.mean(shares))


def _normalised(cohort: Cohort, against: Reference, collections: Sequence[str]) -> Iterator[str]:
    """Yield the lines of each form of normalisation in each collection, with what it costs the reference."""
    for text in collections:
        collection = against.collection(cohort, *_people(text, int(cohort.people.max()) + 1))
        for name, form in FORMS.items():
            anchors = against.anchors(form, collection)
            yield from _measured(f"{name}, {text}", cohort, against.normalise(form, collection, cohort), anchors)
            scores = against.scores(form, collection)
            genuine, impostor = scores[against.mates], scores[against.strangers]
            costs = ", ".join(
                f"at {FALSE_MATCH_RATES[at]:.0e} FMR {(impostor > anchors[at]).mean():.1e}, "
                f"TAR {(genuine > anchors[at]).mean():.4f}"
                for at in _COSTS
            )
            yield f"{'':>30}  the reference in this collection: {costs}"


def _anchors() -> Iterator[tuple[float, float]]:
    return zip(SCORES, FALSE_MATCH_RATES, strict=True)


def _people(text: str, size: int) -> tuple[int, int]:
    """Read "8+500", or "all+0".

    Raises:
        CommandError: it is neither.
    """
    found = re.fullmatch(r"(all|\d+)\+(\d+)", text)
    if not found:
        message = f"a collection is written like 8+500 or all+0, not {text}"
        raise CommandError(message)
    return size if found[1] == "all" else int(found[1]), int(found[2])


def _measured(name: str, cohort: Cohort, scores: Floats, anchors: Sequence[float]) -> Iterator[str]:
    rates = cohorts.rates(cohort, scores, anchors)
    yield f"{name:>30}" + "".join(f"{f'{one.rate:.1e} ({one.low:.1e} to {one.high:.1e})':>30}" for one in rates)
    for rate in _OWN:
        share, ratios = cohorts.accepted(cohort, scores, rate), cohorts.halves(cohort, scores, rate)
        told = [] if share is None else [f"TAR {share:.3f}"]
        if ratios:
            told.append(f"calibrated on half of the people, measured on the others: {_spread(ratios)}")
        if told:
            yield f"{'':>30}  at its own {rate:.0e}: {', '.join(told)}"


def _spread(ratios: Sequence[float]) -> str:
    """Write the median and the spread of measured rates over those that were asked for."""
    within = np.mean([1 / _WITHIN <= one <= _WITHIN for one in ratios])
    low, half, high = np.percentile(ratios, (5, 50, 95))
    return f"x{half:.2f} ({low:.2f} to {high:.2f}; {within:.0%} of {len(ratios)} splits within x{_WITHIN})"

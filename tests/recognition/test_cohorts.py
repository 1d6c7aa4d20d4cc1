"""False match rates by cohort, on generated templates: plain, normalised, and learnt on half of the people."""

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from recognition.calibration.normalisation import FORMS, Form, Ids, neighbours_level, references
from recognition.evaluation import cohorts
from recognition.evaluation.cohorts import Cohort, Reference
from recognition.results import Floats


def faces(people: int, each: int, *, shared: float, seed: int, width: int = 128) -> Cohort:
    """Return a cohort of generated faces; `shared` is what all of its people have in common, as a cosine."""
    random = np.random.default_rng(seed)
    centres = np.sqrt(shared) * unit(random, 1, width) + np.sqrt(1 - shared) * unit(random, people, width)
    rows = np.repeat(np.arange(people), each)
    templates = np.sqrt(0.7) * centres[rows] + np.sqrt(0.3) * unit(random, len(rows), width)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    return Cohort("generated", rows, templates.astype(np.float32))


def unit(random: np.random.Generator, count: int, width: int) -> np.ndarray:
    drawn = random.standard_normal((count, width))
    scaled: np.ndarray = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return scaled


def expected_level(form: str, cosines: Floats, left: Ids) -> float:
    """Return a face's level against those people of the collection who are left."""
    if form == "mean":
        return float(cosines[left].mean())
    return float(np.sort(cosines[left])[-5:].mean())


@pytest.mark.parametrize("form", ["mean", "nearest"])
def test_a_level_leaves_out_both_persons_of_a_comparison(form: str) -> None:
    cohort, gallery = faces(9, 2, shared=0.1, seed=1), faces(12, 1, shared=0.1, seed=2).templates
    columns = np.array([3, 0, 7, -1, 11, 5, 2, -1, 8])
    found = references(cohort.templates, columns[cohort.people], columns, gallery, NO_MEAN)
    levels = FORMS[form].level(found)
    for face, own in enumerate(columns[cohort.people]):
        for person, other in enumerate(columns):
            left = np.setdiff1d(np.arange(12), [own, other])
            assert levels[face, person] == pytest.approx(expected_level(form, found.cosines[face], left), abs=1e-5)


def test_a_neighbourhood_counts_from_five_others_on() -> None:
    minority, others = faces(8, 1, shared=0.5, seed=3), faces(40, 1, shared=0.0, seed=4).templates
    columns = np.arange(8)
    found = references(
        minority.templates, columns[minority.people], columns, np.concatenate([minority.templates, others]), NO_MEAN
    )
    left = [np.setdiff1d(np.flatnonzero(near), [0, 1]) for near in found.near]
    expected = max(found.cosines[0, some].mean() for some in left if len(some) >= 5)
    assert neighbours_level(found)[0, 1] == pytest.approx(expected, abs=1e-5)
    few = references(
        minority.templates[:5], columns[:5], columns[:5], np.concatenate([minority.templates[:5], others]), NO_MEAN
    )
    assert neighbours_level(few).max() < 0.2


def test_people_of_whom_the_models_know_little_come_nearer_to_the_promise() -> None:
    reference, cohort = Reference(faces(300, 2, shared=0.02, seed=5)), faces(40, 2, shared=0.4, seed=6)
    collection = reference.collection(cohort, own=40, others=0)
    plain = cohorts.rates(cohort, cohort.templates @ cohort.templates.T, reference.anchors(PLAIN, collection))
    form = FORMS["mean"]
    anchors = reference.anchors(form, collection)
    after = cohorts.rates(cohort, reference.normalise(form, collection, cohort), anchors)
    assert plain[1].rate > 0.5
    assert after[1].rate < plain[1].rate / 5
    accepted = reference.scores(form, collection)[reference.mates] > anchors[3]
    assert accepted.mean() > 0.9


NO_MEAN = np.zeros(128, dtype=np.float32)
PLAIN = Form(FORMS["mean"].level, 0.0, fixed=True)


def test_a_rate_is_counted_over_pairs_of_strangers_and_its_interval_over_people() -> None:
    cohort = Cohort("three", np.array([0, 0, 1, 2]), np.eye(4, dtype=np.float32))
    scores = np.zeros((4, 4), dtype=np.float32)
    scores[0, 2] = scores[2, 0] = scores[0, 1] = 1.0  # the last is of one person
    hit, none = cohorts.rates(cohort, scores, [0.5, 2.0])
    assert hit.rate == pytest.approx(1 / 5)
    assert hit.low <= hit.rate <= hit.high
    assert (none.rate, none.low, none.high) == (0, 0, 1)  # three by three pairs of people


def test_halves_take_every_split_of_eight_people_and_are_honest_about_similar_ones() -> None:
    cohort = faces(8, 20, shared=0.1, seed=7)
    ratios = cohorts.halves(cohort, cohort.templates @ cohort.templates.T, 1e-2)
    assert len(ratios) == 70
    assert 0.2 < float(np.median(ratios)) < 5
    assert cohorts.halves(cohort, cohort.templates @ cohort.templates.T, 1e-6) == []


def report(*arguments: object) -> str:
    disclosed = StringIO()
    call_command("evaluate", "cohorts", *map(str, arguments), stdout=disclosed)
    return disclosed.getvalue()


def test_the_command_measures_each_cohort_of_a_file_alike_each_time(tmp_path: Path) -> None:
    many = faces(40, 1, shared=0.1, seed=8)
    np.savez(tmp_path / "labelled.npz", template=many.templates, sex=many.people % 2, age=many.people)
    reference = faces(60, 2, shared=0.0, seed=9)
    np.savez(tmp_path / "reference.npz", template=reference.templates, person=reference.people)
    options = ["--reference", tmp_path / "reference.npz", "--collection", "all+0", "8+20", "--forms"]
    first = report(tmp_path / "labelled.npz", *options)
    assert first == report(tmp_path / "labelled.npz", *options)
    assert first.count("20 people, 20 faces, 190 stranger pairs") == 2
    for name in ("sex 0, pack light", "sex 1, pack light", "plain", "mean, all+0", "neighbours, 8+20", "nearest, 8+20"):
        assert name in first
    assert first.count("delivered, all+0  as plain: fewer than 30 strangers") == 2


def test_the_command_measures_the_product_in_collections_of_a_cohort(tmp_path: Path) -> None:
    """With its own normalisation and, as at most a rate, with its own threshold of half of the people."""
    cohort = faces(140, 2, shared=0.3, seed=12)
    np.savez(tmp_path / "some.npz", template=cohort.templates, person=cohort.people)
    told = report(tmp_path / "some.npz", "--collection", "8+0", "all+0")
    assert "delivered, 8+0  as plain: fewer than 30 strangers" in told
    plain, normal = (
        next(line for line in told.splitlines() if name in line) for name in ("plain  ", "delivered, all+0")
    )
    rates = [float(line.split()[-4].strip("()")) for line in (plain, normal)]
    assert rates[1] <= rates[0]
    (ratios,) = (line for line in told.splitlines() if "at most 1e-02" in line)
    assert 0.5 < float(ratios.split(": x")[1].split()[0]) < 2
    with pytest.raises(CommandError, match="needs --reference"):
        report(tmp_path / "some.npz", "--collection", "8+20")


def test_a_cohort_can_be_named_person_by_person(tmp_path: Path) -> None:
    known = faces(6, 2, shared=0.0, seed=10, width=640)
    names = np.array(["Ada", "Bo", "Cy", "Di", "Ed", "Flo"])[known.people]
    np.savez(tmp_path / "all.npz", template=known.templates, person=names)
    (tmp_path / "some.txt").write_text("Ada\nCy\nnobody\n")
    (cohort,) = cohorts.read(tmp_path / "all.npz", "light", [tmp_path / "some.txt"])
    assert (cohort.name, cohort.people.tolist()) == ("some", [0, 0, 1, 1])
    assert cohort.templates.shape == (4, 128)
    assert np.linalg.norm(cohort.templates, axis=1) == pytest.approx(1, abs=1e-6)


def test_a_collection_that_is_not_one_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", template=faces(6, 2, shared=0.0, seed=11).templates)
    with pytest.raises(CommandError, match="8 and 50"):
        report(tmp_path / "some.npz", "--reference", tmp_path / "some.npz", "--collection", "8 and 50")

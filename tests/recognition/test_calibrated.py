"""Normalised cosines (recognition.calibration.calibrated): what they leave out, keep, and where their anchors lie."""

from dataclasses import replace

import numpy as np
import pytest

from recognition import packs
from recognition.calibration.calibrated import WEIGHT, Normalisation, PackNormal, choose_strangers, learn, on_scale
from recognition.calibration.normalisation import mean_level, references
from tests.collections_app.calibrated import close_people, other_picture

GALLERY = close_people(40)
NORMAL = packs.get("light").normal or PackNormal(np.zeros(0, dtype=np.float32), (), ())
FLAT = PackNormal(np.zeros(128, dtype=np.float32), NORMAL.cosines, NORMAL.anchors)


def test_the_levels_are_those_of_the_form_that_was_chosen() -> None:
    """The persons compared are left out, as where the form was measured (recognition.calibration.normalisation)."""
    learnt, probes = Normalisation.of(GALLERY, FLAT), close_people(3, seed=5)
    columns = np.arange(40)
    outside = mean_level(references(probes, np.full(3, -1), columns, GALLERY, FLAT.mean))
    inside = mean_level(references(GALLERY, columns, columns, GALLERY, FLAT.mean))
    expected = on_scale(probes @ GALLERY.T, WEIGHT / 2 * (outside + np.diag(inside)), FLAT)
    assert learnt.cosines(probes, GALLERY) == pytest.approx(expected, abs=1e-5)
    assert np.stack([learnt.cosines(probe, GALLERY) for probe in probes]) == pytest.approx(expected, abs=1e-5)
    both = on_scale(GALLERY[0] @ GALLERY[1:].T, WEIGHT / 2 * (inside[0, 1:] + inside[1:, 0]), FLAT)
    assert learnt.cosines(GALLERY[0], GALLERY[1:], enrolled=True) == pytest.approx(both, abs=1e-5)


@pytest.mark.parametrize("pack", packs.names())
def test_an_anchor_of_the_normalised_scores_is_one_of_the_packs_scale(pack: str) -> None:
    normal = packs.get(pack).normal
    assert normal is not None
    assert normal.mean.shape == (packs.get(pack).dimension,)
    assert normal.cosines == packs.get(pack).similarity.cosines
    assert (np.diff((-1.0, *normal.anchors, 1.0)) > 0).all()


@pytest.mark.parametrize("own", [(), (0.5,), (0.4, 0.45, 0.5)])
def test_a_normalised_cosine_rises_with_the_cosine_up_to_identical_faces(own: tuple[float, ...]) -> None:
    learnt, face = replace(Normalisation.of(GALLERY, NORMAL), own=own), GALLERY[:1]
    aside = GALLERY[1] - (GALLERY[1] @ face[0]) * face[0]
    aside /= np.linalg.norm(aside)
    angles = np.linspace(np.pi / 2, 0, 200)
    found = [float(learnt.cosines(np.cos(a) * face[0] + np.sin(a) * aside, face)[0]) for a in angles]
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(1, abs=1e-6)
    assert packs.get("light").similarity.whole(found[-1]) == 100


def test_a_score_is_lowered_and_never_raised() -> None:
    """So no population is worse off, and a search for cosines from a floor on misses no face that reaches it."""
    learnt = measured(GALLERY)
    away = -learnt.mean / np.linalg.norm(learnt.mean)
    for probe in (*close_people(20, seed=6), *other_picture(GALLERY[:20]), away):
        assert (learnt.cosines(probe, GALLERY) <= GALLERY @ probe + 1e-6).all()


def measured(templates: np.ndarray) -> Normalisation:
    found = learn(templates, np.arange(len(templates)), np.arange(len(templates)), NORMAL)
    assert found is not None
    return found


def apart(count: int, spread: int, seed: int = 1) -> np.ndarray:
    """Return templates (count, 128) of people who differ along few directions: alike, whatever their mean."""
    found = np.zeros((count, 128), dtype=np.float32)
    found[:, :spread] = np.random.default_rng(seed).standard_normal((count, spread))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def test_what_the_mean_leaves_is_measured_among_the_collections_people() -> None:
    others, gallery = apart(400, 30, seed=2), apart(60, 30)
    learnt = measured(gallery)
    lowered, unlowered = (one.cosines(others, gallery) for one in (learnt.at_one_rate(), replace(learnt, own=())))
    assert (unlowered >= NORMAL.cosines[1]).mean() > 3e-2
    assert (lowered >= NORMAL.cosines[1]).mean() == pytest.approx(1e-2, rel=0.5)
    assert (lowered >= NORMAL.cosines[3]).mean() < 0.35 * (unlowered >= NORMAL.cosines[3]).mean()
    assert (lowered <= unlowered).all()


@pytest.mark.parametrize(("rate", "place"), [(1e-2, 1), (1e-3, 2), (1e-4, 3)])
def test_a_measured_score_means_its_rate_as_far_as_there_are_people_enough(rate: float, place: int) -> None:
    learnt, others = measured(apart(600, 60)), apart(2000, 60, seed=2)
    assert len(learnt.own) == 3  # 1e-5 of 179,700 comparisons are two
    told = learnt.cosines(others, apart(600, 60))
    assert (told >= NORMAL.cosines[place]).mean() == pytest.approx(rate, rel=0.5)
    assert len(measured(apart(40, 60)).own) == 1


def test_people_far_apart_keep_their_scores() -> None:
    gallery = apart(60, 128)
    probes = other_picture(gallery[:20])
    learnt = measured(gallery)
    plain = probes @ gallery.T
    assert learnt.at_one_rate().cosines(probes, gallery) == pytest.approx(plain, abs=1e-5)
    assert learnt.cosines(probes, gallery) == pytest.approx(plain, abs=1e-5)


def test_people_under_several_names_lower_nothing() -> None:
    """A contract may make each face a person: pictures of one person are no strangers."""
    gallery = apart(60, 128)
    several = np.concatenate([gallery, *(other_picture(gallery, 0.8, seed) for seed in (3, 4))])
    rows = choose_strangers(several, np.arange(len(several)), NORMAL.cosines[3])
    learnt = learn(several, np.arange(len(several)), rows, NORMAL)
    assert learnt is not None
    probes = other_picture(gallery[:20])
    assert learnt.cosines(probes, gallery) == pytest.approx(probes @ gallery.T, abs=0.02)


def test_strangers_are_one_face_a_person_and_nobody_who_looks_like_another() -> None:
    people = np.array([4, 4, 7, 9, 9])
    templates = np.eye(128, dtype=np.float32)[:5]
    templates[2] = templates[0]  # person 7 looks like person 4
    assert choose_strangers(templates, people, 0.4).tolist() == [0, 3]
    assert choose_strangers(templates[:0], people[:0], 0.4).tolist() == []

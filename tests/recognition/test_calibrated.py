"""Normalised cosines (recognition.calibration.calibrated): what they leave out, keep, and where their anchors lie."""

import numpy as np
import pytest

from recognition import packs
from recognition.calibration.calibrated import WEIGHT, Normalisation, PackNormal, choose_strangers, on_scale
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


def test_a_normalised_cosine_rises_with_the_cosine_up_to_identical_faces() -> None:
    learnt, face = Normalisation.of(GALLERY, NORMAL), GALLERY[:1]
    aside = GALLERY[1] - (GALLERY[1] @ face[0]) * face[0]
    aside /= np.linalg.norm(aside)
    angles = np.linspace(np.pi / 2, 0, 200)
    found = [float(learnt.cosines(np.cos(a) * face[0] + np.sin(a) * aside, face)[0]) for a in angles]
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(1, abs=1e-6)
    assert packs.get("light").similarity.whole(found[-1]) == 100


def test_a_score_is_lowered_and_never_raised() -> None:
    """So no population is worse off, and a search for cosines from a floor on misses no face that reaches it."""
    learnt = Normalisation.of(GALLERY, NORMAL)
    away = -learnt.mean / np.linalg.norm(learnt.mean)
    for probe in (*close_people(20, seed=6), *other_picture(GALLERY[:20]), away):
        assert (learnt.cosines(probe, GALLERY) <= GALLERY @ probe + 1e-6).all()


def test_strangers_are_one_face_a_person_and_nobody_who_looks_like_another() -> None:
    people = np.array([4, 4, 7, 9, 9])
    templates = np.eye(128, dtype=np.float32)[:5]
    templates[2] = templates[0]  # person 7 looks like person 4
    assert choose_strangers(templates, people, 0.4).tolist() == [0, 3]
    assert choose_strangers(templates[:0], people[:0], 0.4).tolist() == []

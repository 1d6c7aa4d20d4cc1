"""Liveness: close-ups are judged by what they show, and never called spoofs for what they do not show."""

from itertools import product

import cv2
import numpy as np
import pytest

from recognition import packs
from recognition.calibration.fusion import Fusion
from recognition.evaluation import fusion
from recognition.evaluation.liveness import cut
from recognition.evaluation.metrics import share_interval
from recognition.pipeline import analyse
from recognition.pipeline.adapters.minifasnet import fitted, outside, padded
from recognition.pipeline.decode import decode
from recognition.results import Advice, Box, Liveness, Pixels, Verdict
from tests.make import portrait


def liveness(pixels: Pixels) -> Liveness:
    """The liveness of the largest face."""
    found = analyse(cv2.imencode(".png", pixels)[1].tobytes(), embed=0, liveness=1).faces[0].liveness
    assert found is not None
    return found


@pytest.fixture(scope="module")
def obama() -> tuple[Pixels, Box]:
    """A live person and the box of their face."""
    pixels = decode(portrait("obama"))
    return pixels, analyse(portrait("obama"), embed=0).faces[0].box


def test_a_live_close_up_is_live(obama: tuple[Pixels, Box]) -> None:
    whole, quarter, tenth = (liveness(cut(*obama, margin)) for margin in (1, 0.25, 0.1))
    assert [one.verdict(0.5) for one in (whole, quarter, tenth)] == [Verdict.LIVE] * 3
    assert (whole.advice, quarter.advice, tenth.advice) == (None, Advice.FURTHER_AWAY, Advice.FURTHER_AWAY)


def test_a_face_that_fills_the_image_is_not_judged(obama: tuple[Pixels, Box]) -> None:
    filling = liveness(cut(*obama, 0))
    assert filling.blind
    assert {filling.verdict(threshold) for threshold in (0, 0.5, 1)} == {Verdict.UNSURE}


def test_a_face_at_the_edge_is_asked_to_the_middle(obama: tuple[Pixels, Box]) -> None:
    pixels, box = obama
    corner = pixels[int(box.y) :, int(box.x) :]
    assert liveness(corner).advice == Advice.TO_THE_MIDDLE


@pytest.mark.parametrize(
    ("score", "advice", "verdict"),
    [
        (0.6, None, Verdict.LIVE),
        (0.4, None, Verdict.SPOOF),
        (0.6, Advice.FURTHER_AWAY, Verdict.LIVE),
        (0.4, Advice.FURTHER_AWAY, Verdict.UNSURE),
        (0.01, Advice.FURTHER_AWAY, Verdict.SPOOF),
    ],
)
def test_a_close_up_is_a_spoof_only_without_doubt(score: float, advice: Advice | None, verdict: Verdict) -> None:
    assert Liveness(score, advice).verdict(0.5) is verdict


def test_crops_are_padded_where_they_leave_the_image() -> None:
    pixels = np.full((100, 100, 3), 200, np.uint8)
    box = Box(25, 25, 50, 50)
    assert outside(pixels, box, 2.0) == 0
    assert outside(pixels, box, 4.0) == pytest.approx(0.75)
    assert (padded(pixels, box, 4.0, 80, cv2.BORDER_REPLICATE) == 200).all()
    black = padded(pixels, box, 4.0, 80, cv2.BORDER_CONSTANT)
    assert (black[22:58, 22:58] == 200).all()
    assert not black[:18].any()
    assert not black[:, 62:].any()


def test_a_padded_crop_inside_the_image_shows_what_a_fitted_one_shows() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    pixels = np.asarray(cv2.GaussianBlur(noise, (0, 0), 5), np.uint8)
    box = Box(70, 60, 50, 70)
    either = (padded(pixels, box, 2.0, 100, cv2.BORDER_CONSTANT), fitted(pixels, box, 2.0, 100))
    assert np.abs(np.subtract(*either, dtype=int)).max() <= 8


def test_the_weakest_look_counts_most_and_padding_takes_off() -> None:
    plain = Fusion(offsets=(0.0, 3.0), slope=1.0, drop=10.0, from_share=0.6, to_share=0.7)
    looks = np.array([4.0, 4.0, -8.0], np.float32)
    assert plain.score([[looks]], 0) < 0.5 < plain.score([[np.full(3, 1.0, np.float32)]], 0)
    assert plain.score([[looks + 9]], 0.8) < plain.score([[looks + 9]], 0.6) == plain.score([[looks + 9]], 0)


def test_a_fusion_is_learnt_from_looks() -> None:
    """Where most is padded, prints look live by one in log odds: more is taken off there. Only one expert judges it."""
    people, shares = [f"{number:04}" for number in range(8)], (0.0, 0.5, 0.68)
    rows = [
        (
            [3.0 * live + (4 if share > 0.6 else 0), np.nan if share > 0.6 else 3.0 * live - 4],
            share,
            0.1 if share > 0.6 else np.nan,
            person,
            kind,
        )
        for person, share, (live, kind) in product(people, shares, ((1, ""), (-1, "print")))
    ]
    experts, padding, margins, names, species = map(np.array, zip(*rows, strict=True))
    looks = fusion.Looks(experts, padding, margins, names, species)
    learnt = fusion.learn(looks)
    assert learnt.offsets == pytest.approx((0, 1))
    assert learnt.slope > 0
    assert learnt.drop > 1 / 0.08
    assert learnt.to_share == pytest.approx(0.68)
    assert ((fusion.left_out(looks) >= 0) == (species == "")).all()
    assert any("APCER print 0.0000" in line for line in fusion.lines(looks))


def test_the_manifest_s_fusion_judges_close_ups() -> None:
    for name in packs.names():
        found = packs.get(name).fusion
        assert (found.slope > 0, found.drop >= 0, 0.6 < found.to_share < 0.75) == (True, True, True)


def test_an_interval_of_a_share_holds_it() -> None:
    low, high = share_interval(0, 150)
    assert (low, round(high, 3)) == (0.0, 0.025)
    low, high = share_interval(7, 150)
    assert low < 7 / 150 < high
    assert share_interval(0, 0) == (0.0, 1.0)

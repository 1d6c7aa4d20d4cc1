"""The scale of similarity."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition import packs
from recognition.similarity import FALSE_MATCH_RATES, SCORES, SimilarityScale, Threshold

SCALES = [packs.get(name).similarity for name in packs.names()]
COSINES = st.floats(-1, 1)
WHOLE = st.integers(0, 100)


@pytest.mark.parametrize("scale", SCALES)
@given(one=COSINES, other=COSINES)
def test_a_nearer_face_never_scores_lower(scale: SimilarityScale, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert scale.score(low) <= scale.score(high)
    assert scale.whole(low) <= scale.whole(high)
    assert scale.threshold(low).false_match_rate >= scale.threshold(high).false_match_rate


@pytest.mark.parametrize("scale", SCALES)
@given(cosine=COSINES)
def test_a_score_leads_back_to_its_cosine(scale: SimilarityScale, cosine: float) -> None:
    assert scale.cosine(scale.score(cosine)) == pytest.approx(cosine, abs=1.1e-6)
    assert scale.threshold(cosine).on(scale) == pytest.approx(cosine, abs=1.1e-6)


@pytest.mark.parametrize("scale", SCALES)
@given(cosine=COSINES)
def test_a_visible_score_is_in_whole_points_rounded_down(scale: SimilarityScale, cosine: float) -> None:
    disclosed = scale.whole(cosine)
    assert disclosed == math.floor(disclosed)
    if disclosed < 100:
        assert 0 <= scale.score(cosine) - disclosed + 1e-9 < 1 + 1e-9
    else:
        assert cosine >= 1 - 1e-6


@pytest.mark.parametrize("scale", SCALES)
@given(score=WHOLE, other=COSINES)
def test_a_decision_at_whole_points_reveals_no_more_than_the_score(
    scale: SimilarityScale, score: int, other: float
) -> None:
    """A cosine reaches a threshold of whole points if and only if its visible score does."""
    threshold = Threshold(score).on(scale)
    assert scale.whole(threshold) == score
    if abs(other - threshold) > 1e-9:
        assert (other >= threshold) == (scale.whole(other) >= score)


@pytest.mark.parametrize("scale", SCALES)
@given(short=st.floats(0, 1e-6))
def test_a_face_compared_with_itself_reaches_100(scale: SimilarityScale, short: float) -> None:
    """In any arithmetic: the cosine is slightly below or above 1."""
    for cosine in (1 - short, 1 + short):
        assert cosine >= Threshold(100).on(scale)
        assert scale.whole(cosine) == 100
    assert scale.whole(1 - 1e-4) == 99


@pytest.mark.parametrize("scale", SCALES)
def test_the_anchors_have_their_false_match_rates(scale: SimilarityScale) -> None:
    for rate, score in zip(FALSE_MATCH_RATES, SCORES, strict=True):
        assert Threshold.of_rate(rate).score == score
        assert Threshold(score).false_match_rate == pytest.approx(rate)
        assert scale.score(Threshold.of_rate(rate).on(scale)) == pytest.approx(score)
    assert [float(scale.score(end)) for end in (-1, 1)] == [0, 100]


@pytest.mark.parametrize("scale", SCALES)
def test_arrays_are_answered_like_their_numbers(scale: SimilarityScale) -> None:
    cosines = np.linspace(-1, 1, 9)
    assert scale.score(cosines).tolist() == [scale.score(cosine) for cosine in cosines]


@given(score=WHOLE)
def test_the_scales_of_the_contracts_meet_in_one_place(score: int) -> None:
    assert Threshold.of_share(score / 100).rounded_up() == Threshold(score)
    assert Threshold.of_rate(Threshold(score).false_match_rate).score == pytest.approx(min(score, 95))


@given(score=st.floats(0, 100))
def test_a_threshold_is_rounded_up_to_whole_points(score: float) -> None:
    up = Threshold(score).rounded_up().score
    assert up == math.ceil(up)
    assert score - 1e-9 <= up < score + 1


@pytest.mark.parametrize("rate", [0, 1e-7, 1.1])
def test_a_rate_that_was_never_measured_has_no_threshold(rate: float) -> None:
    with pytest.raises(ValueError, match="false match rate"):
        Threshold.of_rate(rate)


@pytest.mark.parametrize("cosines", [(), (0.1,) * 6, (0.6, 0.5, 0.4, 0.3, 0.2, 0.1), (0.1, 0.2, 0.3, 0.4, 0.5, 1.0)])
def test_anchors_that_do_not_ascend_are_refused(cosines: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        SimilarityScale(cosines)

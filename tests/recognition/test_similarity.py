"""The scale of similarity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition import packs
from recognition.similarity import FALSE_MATCH_RATES, SCORES, SimilarityScale

SCALES = [packs.get(name).similarity for name in packs.names()]
COSINES = st.floats(-1, 1)


@pytest.mark.parametrize("scale", SCALES)
@given(one=COSINES, other=COSINES)
def test_a_nearer_face_never_scores_lower(scale: SimilarityScale, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert scale.score(low) <= scale.score(high)
    assert scale.false_match_rate(low) >= scale.false_match_rate(high)


@pytest.mark.parametrize("scale", SCALES)
@given(cosine=COSINES)
def test_a_score_leads_back_to_its_cosine(scale: SimilarityScale, cosine: float) -> None:
    assert scale.cosine(scale.score(cosine)) == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_the_anchors_mean_their_false_match_rates(scale: SimilarityScale) -> None:
    for rate, score in zip(FALSE_MATCH_RATES, SCORES, strict=True):
        assert scale.score(scale.threshold_for(rate)) == pytest.approx(score)
        assert scale.false_match_rate(scale.threshold_for(rate)) == pytest.approx(rate)
    assert [float(scale.score(end)) for end in (-1, 1)] == [0, 100]


@pytest.mark.parametrize("scale", SCALES)
def test_arrays_are_answered_like_their_numbers(scale: SimilarityScale) -> None:
    cosines = np.linspace(-1, 1, 9)
    assert scale.score(cosines).tolist() == [scale.score(cosine) for cosine in cosines]


@pytest.mark.parametrize("rate", [0, 1e-7, 1.1])
def test_a_rate_that_was_never_measured_has_no_threshold(rate: float) -> None:
    with pytest.raises(ValueError, match="false match rate"):
        SCALES[0].threshold_for(rate)


@pytest.mark.parametrize("cosines", [(), (0.1,) * 6, (0.6, 0.5, 0.4, 0.3, 0.2, 0.1), (0.1, 0.2, 0.3, 0.4, 0.5, 1.0)])
def test_a_scale_that_runs_backwards_is_refused(cosines: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        SimilarityScale(cosines)

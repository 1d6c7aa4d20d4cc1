"""The false match rates that packs publish by cohort, and what a threshold's explanation makes of them."""

import pytest

from collections_app.operations.thresholds import explain_threshold
from recognition import packs
from recognition.similarity import FALSE_MATCH_RATES, SCORES, Threshold
from tests.conftest import Customer
from tests.console.conftest import member, page_url, signed_in


@pytest.mark.parametrize("pack", packs.names())
def test_a_published_rate_lies_in_its_interval_and_falls_with_the_score(pack: str) -> None:
    for cohort in packs.get(pack).cohorts:
        assert len(cohort.rates) == len(cohort.intervals) == len(SCORES)
        assert list(cohort.rates) == sorted(cohort.rates, reverse=True)
        assert all(low <= rate <= high for rate, (low, high) in zip(cohort.rates, cohort.intervals, strict=True))


@pytest.mark.parametrize("pack", packs.names())
def test_the_scale_keeps_its_promise_on_the_first_cohort(pack: str) -> None:
    population = packs.get(pack).cohorts[0]
    for score, promised in zip(SCORES[:-1], FALSE_MATCH_RATES, strict=False):
        assert population.rate(Threshold(score)) == pytest.approx(promised, rel=0.2)


@pytest.mark.parametrize("pack", packs.names())
def test_the_worst_cohort_is_never_better_than_another(pack: str) -> None:
    for score in range(40, 101, 5):
        threshold = Threshold(score)
        worst = packs.get(pack).worst_cohort(threshold).rate(threshold)
        assert all(cohort.rate(threshold) <= worst for cohort in packs.get(pack).cohorts)


@pytest.mark.django_db
def test_an_explanation_names_the_population_and_expects_strangers_of_the_worst_cohort(acme: Customer) -> None:
    meaning = explain_threshold(acme.caller, threshold=Threshold(85), faces=1000, pack="accurate")
    assert meaning.false_match_rate == pytest.approx(1e-4)
    assert meaning.population == packs.get("accurate").cohorts[0]
    assert meaning.worst_cohort.name == "Korean women"
    assert meaning.strangers == pytest.approx(1000 * meaning.worst_rate)
    assert meaning.worst_rate > 100 * meaning.false_match_rate


@pytest.mark.django_db
def test_the_console_prints_no_rate_without_its_population(acme: Customer) -> None:
    admin, pack = signed_in(member(acme, "admin")), packs.get(acme.people.pack)
    worst = pack.worst_cohort(acme.people.threshold)
    for page in (page_url("collections"), page_url("collection", alias=acme.people.alias)):
        shown = admin.get(page).content.decode()
        assert f"Measured on: {worst.name} ({worst.people} people)" in shown
        assert f"On {pack.cohorts[0].name}: 1 in 10,000." in shown

"""The tail of a collection's own comparisons: the fit, its interval, and what must not poison it."""

import numpy as np
import pytest

from recognition.calibration.tail import Doubles, Tail, compared, fit
from recognition.results import Floats
from tests.collections_app.calibrated import other_picture
from tests.index.gallery import unit

SAME, ALIKE = 0.6, 0.45


def plain(some: Floats, others: Floats) -> Doubles:
    return np.asarray(some @ others.T, dtype=np.float64)


def strangers(count: int, seed: int) -> Floats:
    return unit(np.random.default_rng(seed).standard_normal((count, 64)))


def tail(templates: Floats, people: np.ndarray) -> Tail | None:
    return fit(compared(templates, people, plain, same=SAME, alike=ALIKE))


def learnt(templates: Floats, people: np.ndarray | None = None) -> Tail:
    found = tail(templates, np.arange(len(templates)) if people is None else people)
    assert found is not None
    return found


@pytest.mark.parametrize("rate", [1e-2, 1e-3, 1e-4])
def test_a_rate_that_is_measured_among_some_people_holds_among_others(rate: float) -> None:
    others = plain(strangers(2000, 1), strangers(2000, 2))
    ratios = []
    for seed in range(3, 13):
        cosine = learnt(strangers(300, seed)).cosine(rate)
        assert cosine is not None
        ratios.append(float((others >= cosine).mean() / rate))
    assert 0.7 < np.median(ratios) < 1.5
    assert min(ratios) > 0.4
    assert max(ratios) < 2.5


def test_an_interval_holds_the_true_rate_as_often_as_it_says() -> None:
    others = plain(strangers(2000, 1), strangers(2000, 2))
    cosine = float(np.quantile(others, 1 - 1e-3))
    held = [low <= 1e-3 <= high for low, high in (learnt(strangers(150, s)).interval(cosine) for s in range(3, 33))]
    assert np.mean(held) > 0.8


def test_people_under_two_names_do_not_poison_the_tail() -> None:
    people = strangers(200, 3)
    pure = learnt(people)
    doubles = np.concatenate([other_picture(people[:80], 0.75, seed) for seed in (5, 6, 7)])
    mixed = learnt(np.concatenate([people, doubles]))
    pure_at, mixed_at = pure.cosine(1e-3), mixed.cosine(1e-3)
    assert pure_at is not None
    assert mixed_at == pytest.approx(pure_at, abs=0.03)
    raw = plain(np.concatenate([people, doubles]), np.concatenate([people, doubles]))
    assert np.quantile(raw[np.triu_indices(len(raw), 1)], 1 - 1e-3) > pure_at + 0.15


def test_pairs_of_one_person_are_none_of_strangers() -> None:
    people = strangers(100, 3)
    twice = learnt(np.concatenate([people, other_picture(people, 0.8)]), np.tile(np.arange(100), 2))
    assert twice.pairs == 200 * 199 // 2 - 100
    assert twice.people == 100


def test_a_tail_is_kept_as_json_and_rates_fall() -> None:
    found = learnt(strangers(200, 3))
    assert Tail.of(found.plain()) == found
    assert Tail.of({}) is None
    rates = [found.rate(cosine) for cosine in np.linspace(-1, 1, 100)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(1 / found.pairs)
    assert found.cosine(1e-6) is None  # fewer pairs than that were compared
    for rate in (1e-2, 1e-3):
        cosine = found.cosine(rate)
        assert cosine is not None
        assert found.rate(cosine) == pytest.approx(rate)


def test_too_few_people_have_no_tail() -> None:
    assert tail(strangers(20, 3), np.arange(20)) is None
    assert tail(strangers(5, 3), np.zeros(5, dtype=np.int64)) is None

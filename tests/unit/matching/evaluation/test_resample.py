from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread.matching.evaluation.resample import Resampling, percentiles, resampled_sums


def test_the_same_seed_gives_the_same_draws_and_another_seed_others() -> None:
    columns = {"a": [float(n % 7) for n in range(50)], "b": [1.0] * 50}
    plan = Resampling(resamples=20, seed=3)
    first = list(resampled_sums(columns, plan))
    assert first == list(resampled_sums(columns, plan))
    assert len(first) == 20
    assert first != list(resampled_sums(columns, Resampling(resamples=20, seed=4)))
    assert len({sums["a"] for sums in first}) > 5


def test_draws_do_not_depend_on_which_columns_there_are() -> None:
    plan = Resampling(resamples=5, seed=1, units=10)
    values = [float(n) for n in range(30)]
    alone = [sums["a"] for sums in resampled_sums({"a": values}, plan)]
    beside = [sums["a"] for sums in resampled_sums({"b": [1.0] * 30, "a": values}, plan)]
    assert alone == beside


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 20))
def test_every_draw_takes_as_many_units_as_there_are(persons: int, units: int) -> None:
    for sums in resampled_sums({"n": [1.0] * persons}, Resampling(resamples=5, units=units)):
        if persons <= units:
            assert sums["n"] == persons
        else:
            # Groups differ by one person at most.
            assert units * (persons // units) <= sums["n"] <= units * -(-persons // units)


def test_nobody_is_drawn_from_nobody() -> None:
    assert list(resampled_sums({"n": []}, Resampling())) == []


def test_the_interval_of_a_mean_is_about_what_theory_says() -> None:
    values = [float(n % 2) for n in range(400)]
    for units in (400, 100):
        plan = Resampling(resamples=2000, seed=5, units=units)
        low, high = percentiles([sums["v"] / 400 for sums in resampled_sums({"v": values}, plan)], 0.95)
        # 1.96 standard errors of a proportion of one half of 400 are 0.049.
        assert low == pytest.approx(0.451, abs=0.012)
        assert high == pytest.approx(0.549, abs=0.012)


def test_percentiles_by_hand() -> None:
    assert percentiles([4.0, 1.0, 3.0, 2.0, 0.0], 0.5) == (1.0, 3.0)
    assert percentiles([0.0, 1.0], 0.9) == pytest.approx((0.05, 0.95))
    assert percentiles([7.0], 0.95) == (7.0, 7.0)
    with pytest.raises(ValueError, match="no values"):
        percentiles([], 0.95)

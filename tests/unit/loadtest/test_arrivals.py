"""Callers keep their schedule: calls are due by the clock, so slow answers make no pauses."""

from __future__ import annotations

from itertools import islice, pairwise
from random import Random
from statistics import fmean, pvariance

import pytest
from loadtest.locust.arrivals import arrivals


def test_gaps_are_exponential_with_the_mean_of_the_rate() -> None:
    moments = list(islice(arrivals(rate=4.0, start=100.0, draw=Random(1)), 20_000))
    gaps = [late - early for early, late in pairwise([100.0, *moments])]
    assert fmean(gaps) == pytest.approx(0.25, rel=0.03)
    # Of exponential gaps the variance is the square of the mean.
    assert pvariance(gaps) == pytest.approx(0.25**2, rel=0.06)
    assert min(gaps) > 0


def test_the_schedule_does_not_ask_what_became_of_earlier_calls() -> None:
    schedule = arrivals(rate=1.0, start=0.0, draw=Random(7))
    expected = list(islice(arrivals(rate=1.0, start=0.0, draw=Random(7)), 50))
    clock = 0.0
    due = []
    for _ in range(50):
        due.append(next(schedule))
        clock = max(clock, due[-1]) + 30.0  # every answer takes half a minute
    assert due == expected
    assert clock > 1_000 > due[-1]


def test_many_callers_are_one_stream_of_their_summed_rate() -> None:
    counts = [0] * 50
    for caller in range(200):
        for moment in arrivals(rate=1.0, start=0.0, draw=Random(caller)):
            if moment >= 50:
                break
            counts[int(moment)] += 1
    assert fmean(counts) == pytest.approx(200, rel=0.03)
    # In a Poisson process the number per second has its mean as variance.
    assert 100 < pvariance(counts) < 350


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        next(arrivals(rate=0.0, start=0.0, draw=Random(1)))

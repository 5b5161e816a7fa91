"""What is told of a run by the speed of the machine."""

from __future__ import annotations

import threading
import time

import pytest
from loadtest.locust.pace import pace, quarters


def test_seconds_are_parted_by_what_the_work_cost_in_them() -> None:
    # Eight seconds of which every other one is slow, each with an outlier that its median leaves out.
    samples = [(second + part / 5, 1.0 + second / 100 + second % 2) for second in range(8) for part in range(4)]
    samples += [(second + 0.9, 50.0) for second in range(8)]
    values = [(second + 0.5, float(second)) for second in range(8)] + [(99.0, 1_000.0)]
    found = quarters(samples, values)
    assert [part.values for part in found] == [[0.0, 2.0], [4.0, 6.0], [1.0, 3.0], [5.0, 7.0]]
    assert [(part.least, part.most) for part in found] == [
        pytest.approx(one) for one in [(1.0, 1.02), (1.02, 1.06), (1.06, 2.03), (2.03, 2.07)]
    ]
    assert found[-1].at(1.0) == 7.0


def test_a_run_too_short_for_quarters_tells_none() -> None:
    assert quarters([(0.1, 1.0), (1.1, 1.0), (2.1, 1.0)], [(0.5, 1.0)]) == []


def test_the_work_is_timed_again_and_again() -> None:
    with pace() as samples:
        until = time.monotonic() + 10
        while len(samples) < 2 and time.monotonic() < until:
            time.sleep(0.05)
    assert len(samples) >= 2
    assert all(cost > 0 for _, cost in samples)
    assert [at for at, _ in samples] == sorted(at for at, _ in samples)
    # The thread has ended with the block.
    assert all(thread.name != "pace" for thread in threading.enumerate())

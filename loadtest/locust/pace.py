"""How fast the machine is, moment by moment: on one whose processors others use as well, the same work takes half as long again a minute later.

It is measured beside the run, which uses the same processors and their caches: what the run itself does to them is in it.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from loadtest.beside import every
from loadtest.locust.calls import percentile

__all__ = ["Quarter", "Sample", "pace", "quarters"]

_EVERY_SECONDS = 0.2
_ROUNDS = 20_000
_SLOTS = 4


Sample: TypeAlias = tuple[float, float]
"""A moment, and what was measured then."""


@contextmanager
def pace() -> Iterator[list[Sample]]:
    """Measures, five times a second beside the block, what a fixed piece of work costs of a processor: about a millisecond, waits for one not counted.

    Gives the samples, which grow: seconds since the epoch, and milliseconds.
    """
    samples: list[Sample] = []
    with every(_EVERY_SECONDS, lambda: samples.append((time.time(), _cost())), name="pace"):
        yield samples


def _cost() -> float:
    before = time.thread_time()
    _work()
    return (time.thread_time() - before) * 1000


def _work() -> int:
    total = 0
    for number in range(_ROUNDS):
        total ^= number * number
    return total


@dataclass(frozen=True, slots=True)
class Quarter:
    """A quarter of a run's seconds: in which the work cost so many milliseconds (the median of a second's), and values of what was due in them, ascending."""

    least: float
    most: float
    values: Sequence[float] = field(repr=False)

    def at(self, share: float) -> float:
        """A percentile of the values."""
        return percentile(self.values, share)


def quarters(samples: Iterable[Sample], values: Iterable[Sample]) -> list[Quarter]:
    """The seconds of a run in four equal parts, the machine's fastest first, with the `values` (second, value) of each; none of a very short run."""
    by_second: dict[int, list[float]] = {}
    for second, cost in samples:
        by_second.setdefault(int(second), []).append(cost)
    costs = {second: percentile(sorted(found), 0.5) for second, found in by_second.items()}
    if len(costs) < _SLOTS:
        return []
    ordered = sorted(costs.values())
    bounds = [ordered[(place + 1) * len(ordered) // _SLOTS - 1] for place in range(_SLOTS)]
    parts: list[list[float]] = [[] for _ in bounds]
    for moment, value in values:
        if int(moment) in costs:
            parts[bisect_left(bounds, costs[int(moment)])].append(value)
    lows = [ordered[0], *bounds]
    return [Quarter(low, high, sorted(part)) for low, high, part in zip(lows, bounds, parts, strict=False)]

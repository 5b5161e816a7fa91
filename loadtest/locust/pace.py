"""How fast the machine is, moment by moment: on one whose processors others use as well, the same work takes half as long again a minute later."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from loadtest.locust.calls import percentile

__all__ = ["Pace", "Quarter", "quarters"]

_EVERY_SECONDS = 0.2
_ROUNDS = 20_000
_SLOTS = 4


@dataclass(slots=True)
class Pace:
    """Measures, five times a second beside the block, what a fixed piece of work costs of a processor: about a millisecond, waits for one not counted.

    `samples` give seconds since the epoch and milliseconds.
    """

    samples: list[tuple[float, float]] = field(default_factory=list)
    _leave: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="pace", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave.set()
        if self._thread is not None:
            self._thread.join()

    def since(self, zero: float) -> list[tuple[float, float]]:
        """The samples by seconds of a run that began then."""
        return [(at - zero, cost) for at, cost in self.samples if at >= zero]

    def _run(self) -> None:
        while not self._leave.wait(_EVERY_SECONDS):
            before = time.thread_time()
            _work()
            self.samples.append((time.time(), (time.thread_time() - before) * 1000))


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


def quarters(samples: Iterable[tuple[float, float]], values: Iterable[tuple[float, float]]) -> list[Quarter]:
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

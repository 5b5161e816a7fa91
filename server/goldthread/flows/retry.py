"""Bounded retries with jitter and a metric, for whole units of work that are safe to repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TypeVar

from goldthread.domain.errors import TransientError
from goldthread.telemetry.metrics import Metrics

__all__ = ["Retry"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Tries again on `TransientError`: at most `attempts` times in all, after up to `base_seconds` × 2^n each, full jitter.

    `uniform` draws from [0, 1), `sleep` takes seconds.
    """

    metrics: Metrics
    uniform: Callable[[], float]
    sleep: Callable[[float], None]
    attempts: int = 5
    base_seconds: float = 0.02

    def call(self, operation: str, work: Callable[[], T], *, seconds_left: Callable[[], float] = lambda: inf) -> T:
        """Result of `work`, or its last `TransientError`. Does not try again once `seconds_left` is used up."""
        for attempt in range(1, self.attempts):
            try:
                return work()
            except TransientError:
                if seconds_left() <= 0:
                    raise
                self.metrics.retries.labels(operation).inc()
                self.sleep(self.base_seconds * 2**attempt * self.uniform())
        return work()

"""Runs the relay until told to stop."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from goldthread.domain.errors import SettingsError, TransientError
from goldthread.telemetry.logs import get_logger
from goldthread.telemetry.metrics import Metrics

__all__ = ["RelaySettings", "RelayStep", "RelayWorker"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """Waits of the relay's loop in milliseconds: between empty steps (doubling from min to max), and after failures (likewise, with jitter).

    A step that finds fewer than `full_rows` is followed by the next one `pace_ms` after it began, so that a stream of changes shares what a step costs
    whatever it finds. While only Kafka is down, cards still flow, once per step: so the longest wait is about how far they trail then.
    """

    idle_min_ms: int = 5
    idle_max_ms: int = 25
    retry_min_ms: int = 50
    retry_max_ms: int = 1_000
    pace_ms: int = 40
    full_rows: int = 200

    def __post_init__(self) -> None:
        for low, high in (("idle_min_ms", "idle_max_ms"), ("retry_min_ms", "retry_max_ms")):
            if not 1 <= getattr(self, low) <= getattr(self, high):
                raise SettingsError(f"relay.{low}", f"must be from 1 to relay.{high}")


class RelayStep(Protocol):
    """What the worker repeats: `flows.RelayFlow`."""

    def step(self) -> int:
        """Rows relayed; raises `TransientError` if trying again may help."""
        ...


class RelayWorker:
    """Repeats the relay's step. A transient failure is retried for as long as the worker runs, ever more slowly; any other ends it.

    `wait(event, seconds)` returns early once the event is set; `draw` gives numbers from 0 to below 1, `clock` seconds that only grow. After
    an empty step it waits at least as long as that took, so that looking for nothing costs half of one core at most.
    """

    def __init__(
        self,
        flow: RelayStep,
        metrics: Metrics,
        settings: RelaySettings,
        *,
        wait: Callable[[Event, float], bool] = Event.wait,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._flow = flow
        self._retries = metrics.retries.labels("relay")
        self._settings = settings
        self._wait = wait
        self._draw = draw

    def run(self, stop: Event) -> None:
        """Blocks until `stop` is set; a step in progress is finished first."""
        idle = failures = 0
        while not stop.is_set():
            started = self._clock()
            try:
                rows = self._flow.step()
            except TransientError as error:
                failures += 1
                self._retries.inc()
                _log.warning("relay_retry", reason=error.reason, failures=failures)
                self._wait(stop, self._retry_seconds(failures))
                continue
            failures = 0
            idle = 0 if rows else idle + 1
            if idle:
                self._wait(stop, max(self._idle_seconds(idle), self._clock() - started))
            elif rows < self._settings.full_rows:
                self._wait(stop, max(0.0, started + self._settings.pace_ms / 1000 - self._clock()))

    def _idle_seconds(self, idle: int) -> float:
        settings = self._settings
        return _doubled(settings.idle_min_ms, settings.idle_max_ms, idle) / 1000

    def _retry_seconds(self, failures: int) -> float:
        settings = self._settings
        full = _doubled(settings.retry_min_ms, settings.retry_max_ms, failures)
        return full * (0.5 + 0.5 * self._draw()) / 1000


def _doubled(low: int, high: int, times: int) -> int:
    """`low` for the first time, then doubled each time, at most `high`."""
    return min(high, low << min(times - 1, 20))

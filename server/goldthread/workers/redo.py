"""Works redo marks off beside a server, so that what a Resolve left is looked at where no consumer runs."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from goldthread.domain.errors import SettingsError, TransientError
from goldthread.telemetry.logs import get_logger
from goldthread.telemetry.metrics import Metrics

__all__ = ["RedoSettings", "RedoStep", "RedoWorker"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedoSettings:
    """Marks at once, the wait between rounds in milliseconds, and the longest wait after failures in a row."""

    limit: int = 100
    every_ms: int = 1_000
    retry_max_ms: int = 60_000

    def __post_init__(self) -> None:
        """Raises `SettingsError` naming the first setting that cannot work."""
        if self.limit < 1:
            raise SettingsError("redo.limit", "at least 1")
        if not 1 <= self.every_ms <= self.retry_max_ms:
            raise SettingsError("redo.every_ms", "must be from 1 to redo.retry_max_ms")


class RedoStep(Protocol):
    """What the worker repeats: `flows.Looker`."""

    def redo(self, limit: int) -> int:
        """Works off up to `limit` marks that are due and says how many."""
        ...


class RedoWorker:
    """Redoes until told to stop. Any number may run; `draw` gives numbers from 0 to below 1, `wait(event, seconds)` returns early once it is set."""

    def __init__(
        self,
        looker: RedoStep,
        metrics: Metrics,
        settings: RedoSettings,
        *,
        wait: Callable[[Event, float], bool] = Event.wait,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._looker = looker
        self._retries = metrics.retries.labels("redo")
        self._settings = settings
        self._wait = wait
        self._draw = draw

    def run(self, stop: Event) -> None:
        """Blocks until `stop` is set; a round in progress is finished first."""
        settings = self._settings
        failures = 0
        while not stop.is_set():
            try:
                done = self._looker.redo(settings.limit)
                failures = 0
            except TransientError as error:
                done = 0
                failures += 1
                self._retries.inc()
                _log.warning("redo_retry", reason=error.reason, failures=failures)
            if not done:
                pause = min(settings.retry_max_ms, settings.every_ms << min(failures, 20))
                self._wait(stop, pause * (0.5 + 0.5 * self._draw()) / 1000)

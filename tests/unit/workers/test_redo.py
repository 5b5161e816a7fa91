"""Redo beside a server: rounds, waits, failures."""

from __future__ import annotations

from threading import Event

import pytest

from goldthread.domain.errors import LedgerUnavailableError, ModelFileError, SettingsError
from goldthread.telemetry.metrics import Metrics
from goldthread.workers.redo import RedoSettings, RedoWorker


class _Looker:
    """Plays a script of results; stops the worker with the last one."""

    def __init__(self, stop: Event, *script: int | Exception) -> None:
        self.stop = stop
        self.script = list(script)
        self.limits: list[int] = []

    def redo(self, limit: int) -> int:
        self.limits.append(limit)
        step = self.script.pop(0)
        if not self.script:
            self.stop.set()
        if isinstance(step, Exception):
            raise step
        return step


def _run(*script: int | Exception) -> tuple[list[float], _Looker, Metrics]:
    stop, metrics, waits = Event(), Metrics(), list[float]()
    looker = _Looker(stop, *script)
    settings = RedoSettings(limit=7, every_ms=1_000, retry_max_ms=3_000)

    def wait(_: Event, seconds: float) -> bool:
        waits.append(seconds)
        return False

    RedoWorker(looker, metrics, settings, wait=wait, draw=lambda: 1.0).run(stop)
    return waits, looker, metrics


def test_it_goes_on_at_once_while_there_is_work_and_waits_when_there_is_none() -> None:
    waits, looker, _ = _run(3, 2, 0, 0)
    assert waits == [1.0, 1.0]
    assert looker.limits == [7] * 4


def test_failures_make_the_wait_longer_up_to_its_limit_and_count() -> None:
    gone = LedgerUnavailableError("gone")
    waits, _, metrics = _run(gone, gone, gone, 0)
    assert waits == [2.0, 3.0, 3.0, 1.0]
    assert metrics.registry.get_sample_value("goldthread_retries_total", {"operation": "redo"}) == 3


def test_what_forbids_to_go_on_ends_it() -> None:
    with pytest.raises(ModelFileError):
        _run(ModelFileError("another model"), 0)


@pytest.mark.parametrize("broken", [{"limit": 0}, {"every_ms": 0}, {"every_ms": 10, "retry_max_ms": 9}])
def test_settings_that_cannot_work_are_named(broken: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="redo"):
        RedoSettings(**broken)

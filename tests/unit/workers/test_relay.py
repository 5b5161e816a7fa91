from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest

from goldthread.domain.errors import CacheUnavailableError, SchemaVersionError, SettingsError
from goldthread.telemetry.metrics import Metrics
from goldthread.workers.relay import RelaySettings, RelayWorker

SETTINGS = RelaySettings()


class Steps:
    """Plays results one after the other and then stops the worker; notes the waits between."""

    def __init__(self, *results: int | Exception) -> None:
        self.results = list(results)
        self.waits: list[float] = []
        self.stop = Event()

    def step(self) -> int:
        result = self.results.pop(0)
        if not self.results:
            self.stop.set()
        if isinstance(result, Exception):
            raise result
        return result

    def wait(self, stop: Event, seconds: float) -> bool:
        self.waits.append(round(seconds * 1000))
        return stop.is_set()

    def run(
        self, metrics: Metrics, draw: Callable[[], float] = lambda: 1.0, clock: Callable[[], float] = lambda: 0.0
    ) -> list[float]:
        RelayWorker(self, metrics, SETTINGS, wait=self.wait, draw=draw, clock=clock).run(self.stop)
        return self.waits


def test_full_steps_follow_each_other_without_waiting_and_empty_ones_ever_more_slowly() -> None:
    assert Steps(1000, 500, 0, 0, 0, 0, 0, 600, 0, 500).run(Metrics()) == [5, 10, 20, 25, 25, 5]


def test_small_steps_begin_apart_and_wait_no_longer_than_that() -> None:
    times = iter((0.0, 0.015, 1.0, 1.05, 2.0))
    assert Steps(199, 1, 200).run(Metrics(), clock=lambda: next(times)) == [25, 0]


def test_an_empty_step_that_took_long_is_followed_by_a_wait_as_long() -> None:
    times = iter((0.0, 0.3, 1.0, 2.0, 2.002))
    assert Steps(0, 700, 0).run(Metrics(), clock=lambda: next(times)) == [300, 5]


def test_transient_failures_are_retried_ever_more_slowly_and_counted() -> None:
    metrics = Metrics()
    failures = [CacheUnavailableError("down")] * 9
    assert Steps(*failures, 500).run(metrics) == [50, 100, 200, 400, 800, 1000, 1000, 1000, 1000]
    assert metrics.registry.get_sample_value("goldthread_retries_total", {"operation": "relay"}) == 9


def test_jitter_at_most_halves_a_wait_and_success_starts_over() -> None:
    error = CacheUnavailableError("down")
    assert Steps(error, error, 500, error, 500).run(Metrics(), draw=lambda: 0.0) == [25, 50, 25]


def test_other_errors_end_the_worker() -> None:
    with pytest.raises(SchemaVersionError):
        Steps(SchemaVersionError("old"), 1).run(Metrics())


def test_a_set_stop_ends_it_before_the_first_step() -> None:
    steps = Steps(1)
    steps.stop.set()
    assert steps.run(Metrics()) == []
    assert steps.results == [1]


@pytest.mark.parametrize("change", [{"idle_min_ms": 0}, {"idle_min_ms": 200}, {"retry_max_ms": 1}])
def test_settings_refuse_impossible_waits(change: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="relay"):
        RelaySettings(**change)

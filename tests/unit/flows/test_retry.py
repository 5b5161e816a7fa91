"""Retries are bounded, jittered and counted."""

from __future__ import annotations

import pytest

from goldthread.domain.errors import LedgerUnavailableError, OffsetFencedError
from goldthread.flows.retry import Retry
from goldthread.telemetry.metrics import Metrics


class Work:
    """Fails so many times, then gives its number of calls."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.calls = 0
        self._failures = failures
        self._error = error or LedgerUnavailableError("down")

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self._failures:
            raise self._error
        return self.calls


def retry(sleeps: list[float], metrics: Metrics, *, draw: float = 1.0) -> Retry:
    return Retry(metrics=metrics, uniform=lambda: draw, sleep=sleeps.append)


def counted(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("goldthread_retries_total", {"operation": "test"}) or 0.0


def test_success_waits_for_nothing() -> None:
    sleeps: list[float] = []
    metrics = Metrics()
    assert retry(sleeps, metrics).call("test", Work(0)) == 1
    assert (sleeps, counted(metrics)) == ([], 0)


def test_each_wait_is_longer_and_counted() -> None:
    sleeps: list[float] = []
    metrics = Metrics()
    assert retry(sleeps, metrics).call("test", Work(4)) == 5
    assert sleeps == [0.04, 0.08, 0.16, 0.32]
    assert counted(metrics) == 4


def test_waits_have_full_jitter() -> None:
    sleeps: list[float] = []
    retry(sleeps, Metrics(), draw=0.0).call("test", Work(3))
    assert sleeps == [0.0, 0.0, 0.0]


def test_the_last_failure_is_raised() -> None:
    sleeps: list[float] = []
    work = Work(99)
    with pytest.raises(LedgerUnavailableError):
        retry(sleeps, Metrics()).call("test", work)
    assert (work.calls, len(sleeps)) == (5, 4)


def test_what_a_retry_cannot_cure_is_raised_at_once() -> None:
    sleeps: list[float] = []
    work = Work(1, OffsetFencedError(topic="t", partition=0, expected=1))
    with pytest.raises(OffsetFencedError):
        retry(sleeps, Metrics()).call("test", work)
    assert (work.calls, sleeps) == (1, [])


def test_nothing_is_tried_again_once_the_caller_has_gone() -> None:
    sleeps: list[float] = []
    metrics = Metrics()
    left = iter([0.5, 0.1, -0.2])
    work = Work(99)
    with pytest.raises(LedgerUnavailableError):
        retry(sleeps, metrics).call("test", work, seconds_left=lambda: next(left))
    assert (work.calls, len(sleeps)) == (3, 2)
    assert counted(metrics) == 2

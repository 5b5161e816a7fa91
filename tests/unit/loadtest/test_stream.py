"""The benchmark of the whole line: what it sends, and from when to when it counts."""

from __future__ import annotations

import os

import pytest
from loadtest.stream.feed import Mix, events_of
from loadtest.stream.watch import Drained, Memory, Sample, drain

from goldthread.app.settings import Settings
from goldthread.domain.words import IncomingEvent


def claim(event: IncomingEvent) -> tuple[object, ...]:
    return (event.source, event.identifiers, tuple(sorted(event.attributes.items())))


@pytest.mark.parametrize(("mix", "least", "most"), [(Mix.REFERENCE, 0.15, 0.30), (Mix.COLD, 0.90, 1.0)])
def test_a_mix_has_its_share_of_new_claims(mix: Mix, least: float, most: float) -> None:
    events = list(events_of(mix, count=2_000, seed=3, settings=Settings()))
    assert len(events) == 2_000
    assert least <= len(set(map(claim, events))) / len(events) <= most


def test_equal_seeds_give_equal_events() -> None:
    first, again, other = (
        list(events_of(Mix.REFERENCE, count=50, seed=seed, settings=Settings())) for seed in (5, 5, 6)
    )
    assert first == again != other


class Steps:
    """A backlog that is a step further whenever it is asked."""

    def __init__(self, taken: list[int], waiting: list[int]) -> None:
        self._taken, self._waiting = taken, waiting

    def taken(self) -> int:
        return self._taken.pop(0) if len(self._taken) > 1 else self._taken[0]

    def waiting(self) -> int:
        return self._waiting.pop(0) if len(self._waiting) > 1 else self._waiting[0]


def test_what_came_before_the_first_look_is_not_counted() -> None:
    found = drain(Steps([0, 500, 900, 2_000], [7, 0]), messages=2_000, pids=lambda: {"me": os.getpid()})
    assert found.events == 1_500
    assert 0 <= found.taken_seconds <= found.seconds
    assert set(found.processor) == {"me"}


def test_rates_are_of_what_was_counted() -> None:
    found = Drained(events=1_000, taken_seconds=1.0, seconds=2.0, processor={"relay": 0.5})
    assert (found.rate, found.milliseconds("relay")) == (500.0, 0.5)


def test_the_most_of_each_process_is_told() -> None:
    memory = Memory()
    memory.samples += [Sample(1.0, 10, {"a": 5.0, "b": 1.0}), Sample(2.0, 20, {"a": 3.0})]
    assert memory.most == {"a": 5.0, "b": 1.0}
    assert memory.told()[1] == {"seconds": 2.0, "taken": 20, "memory": {"a": 3.0}}

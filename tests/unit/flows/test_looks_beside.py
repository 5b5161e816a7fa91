"""Looks beside intake: one at a time, never lost, and what they raise is raised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event

import pytest

from goldthread.domain.errors import ModelFileError, PoisonLimitError
from goldthread.flows.look import Look
from goldthread.flows.looks_beside import LooksBeside

SECONDS = 10.0


class Slow:
    """Looks that end when told to; each counts its marks."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.began = Event()
        self.go = Event()
        self.error = error
        self.done: list[int] = []
        self.redone: list[tuple[int, int]] = []

    def look(self, mark_ids: Sequence[int]) -> Look:
        self.began.set()
        assert self.go.wait(SECONDS)
        if self.error is not None:
            raise self.error
        self.done += mark_ids
        return Look(marks=len(mark_ids))

    def redo(self, limit: int) -> int:
        self.redone.append((limit, len(self.done)))
        return 0


def test_what_ends_the_worker_is_not_hidden_by_its_last_look() -> None:
    slow = Slow(error=ModelFileError("another model"))
    slow.go.set()

    def work() -> None:
        with LooksBeside(slow) as looks:
            looks.look([1])
            raise PoisonLimitError("too many")

    with pytest.raises(PoisonLimitError):
        work()


def test_a_look_goes_on_while_its_caller_does_something_else() -> None:
    slow = Slow()
    with LooksBeside(slow) as looks:
        assert looks.look([1, 2]).marks == 0
        assert slow.began.wait(SECONDS)
        assert slow.done == []
        slow.go.set()
    assert slow.done == [1, 2]


def test_the_next_look_waits_for_the_one_before_and_tells_of_it() -> None:
    slow = Slow()
    slow.go.set()
    with LooksBeside(slow) as looks:
        assert [looks.look([1, 2]).marks, looks.look([3]).marks, looks.look([]).marks] == [0, 2, 1]
        assert slow.done == [1, 2, 3]


def test_redo_begins_once_the_look_under_way_has_ended() -> None:
    slow = Slow()
    slow.go.set()
    with LooksBeside(slow) as looks:
        looks.look([1, 2])
        looks.redo(7)
    assert slow.redone == [(7, 2)]


@pytest.mark.parametrize(
    "call", [lambda looks: looks.look([2]), lambda looks: looks.redo(1), lambda looks: looks.__exit__(None, None, None)]
)
def test_what_ends_a_worker_is_raised_by_the_next_call(call: Callable[[LooksBeside], object]) -> None:
    slow = Slow(error=ModelFileError("another model is in use"))
    slow.go.set()
    looks = LooksBeside(slow)
    looks.look([1])
    with pytest.raises(ModelFileError):
        call(looks)
    assert slow.redone == []
    with looks:
        assert looks.look([]).marks == 0

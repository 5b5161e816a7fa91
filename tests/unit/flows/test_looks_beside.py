"""Looks beside intake: one at a time, never lost, and what they raise is raised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Timer
from time import monotonic

import pytest

from goldthread.domain.errors import LedgerUnavailableError, ModelFileError, PoisonLimitError
from goldthread.flows.looked import Look
from goldthread.flows.looks_beside import LooksBeside

SECONDS = 10.0


class Slow:
    """Looks that end when told to; each counts its marks."""

    def __init__(self, *, error: Exception | None = None, unavailable: bool = False) -> None:
        self.unavailable = unavailable
        self.began = Event()
        self.tried = Event()
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
        self.tried.set()
        if self.unavailable:
            raise LedgerUnavailableError("away")
        return limit


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


def test_redo_goes_behind_the_look_under_way_and_holds_up_nobody() -> None:
    slow = Slow()
    with LooksBeside(slow) as looks:
        looks.look([1, 2])
        assert slow.began.wait(SECONDS)
        assert [looks.redo(7), looks.redo(8)] == [None, None]
        assert slow.redone == []
        slow.go.set()
        # Whatever is looked at next comes after it.
        assert [looks.look([3]).marks, looks.look([]).marks] == [2, 1]
        assert slow.redone == [(7, 2)]
        assert looks.redo(9) == 7
        assert looks.redo(9) == 9
    assert slow.redone == [(7, 2), (9, 3)]


def test_while_there_are_looks_each_redo_that_is_told_of_begins_the_next() -> None:
    slow = Slow()
    with LooksBeside(slow) as looks:
        looks.look([1])
        assert looks.redo(7) is None
        slow.go.set()
        looks.look([2])
        looks.look([])
        slow.go.clear()
        slow.began.clear()
        looks.look([4])
        assert slow.began.wait(SECONDS)
        assert looks.redo(8) == 7
        assert looks.redo(9) is None
        slow.go.set()
        looks.look([])
        assert until_known(looks) == 8
    assert slow.redone == [(7, 1), (8, 3)]


def test_redo_is_waited_for_where_no_look_is_under_way() -> None:
    slow = Slow()
    slow.go.set()
    with LooksBeside(slow) as looks:
        assert looks.redo(7) == 7
    assert slow.redone == [(7, 0)]


def test_a_redo_that_found_no_ledger_is_told_of_by_the_next() -> None:
    slow = Slow(unavailable=True)
    with LooksBeside(slow) as looks:
        looks.look([1])
        assert looks.redo(7) is None
        slow.go.set()
        looks.look([])
        with pytest.raises(LedgerUnavailableError):
            until_known(looks)
        slow.unavailable = False
        assert looks.redo(9) == 9
    assert slow.redone == [(7, 1), (9, 1)]


def test_who_leaves_waits_for_no_redo_that_has_not_begun() -> None:
    slow = Slow()
    with LooksBeside(slow) as looks:
        looks.look([1])
        assert slow.began.wait(SECONDS)
        looks.redo(7)
        Timer(0.05, slow.go.set).start()
    assert (slow.done, slow.redone) == ([1], [])


def test_a_ledger_that_is_away_does_not_make_leaving_fail() -> None:
    slow = Slow(unavailable=True)
    with LooksBeside(slow) as looks:
        looks.look([1])
        looks.redo(7)
        slow.go.set()
        looks.look([])  # which waits for the look, behind which redo begins
        assert slow.tried.wait(SECONDS)
    assert slow.redone == [(7, 1)]


def until_known(looks: LooksBeside) -> int:
    end = monotonic() + SECONDS
    while monotonic() < end:
        if (done := looks.redo(1)) is not None:
            return done
    raise TimeoutError


def until_raised(looks: LooksBeside) -> None:
    end = monotonic() + SECONDS
    while monotonic() < end:
        looks.redo(1)


@pytest.mark.parametrize(
    "call", [lambda looks: looks.look([2]), until_raised, lambda looks: looks.__exit__(None, None, None)]
)
def test_what_ends_a_worker_is_raised_by_the_next_call(call: Callable[[LooksBeside], object]) -> None:
    slow = Slow(error=ModelFileError("another model is in use"))
    slow.go.set()
    looks = LooksBeside(slow)
    looks.look([1])
    with pytest.raises(ModelFileError):
        call(looks)
    with looks:
        assert looks.look([]).marks == 0

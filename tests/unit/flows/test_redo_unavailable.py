"""Redo when PostgreSQL does not answer: no mark is to blame, so none is tried alone and none is put behind the others.

And where it answers that others were faster, every time: looks are parted, within bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import pytest

from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.ids import BirthIds
from goldthread.flows.look import Looker
from goldthread.flows.retry import Retry
from goldthread.ledger import Ledger, LedgerTransaction
from goldthread.matching import Matcher
from goldthread.telemetry.metrics import Metrics

_ATTEMPTS = 5


class _Transaction:
    def __init__(self, ledger: _Ledger) -> None:
        self._ledger = ledger

    def due_marks(self, limit: int) -> list[int]:
        return list(range(1, limit + 1))

    def push_marks_back(self, mark_ids: Sequence[int], **_: float) -> None:
        self._ledger.pushed.extend(mark_ids)

    def pending_marks(self) -> tuple[int, float]:
        return len(self._ledger.pushed), 0.0


class _Ledger:
    """Marks can be read; every look fails with `error`, after so many `seconds` of the clock of a test that has one."""

    def __init__(self, error: LedgerUnavailableError, *, seconds: float = 0.0) -> None:
        self._error = error
        self.seconds = seconds
        self.looks = 0
        self.pushed: list[int] = []

    @contextmanager
    def transaction(self, **_: object) -> Iterator[LedgerTransaction]:
        yield cast("LedgerTransaction", _Transaction(self))

    @contextmanager
    def look(self, **_: object) -> Iterator[LedgerTransaction]:
        self.looks += 1
        raise self._error
        yield


def _looker(ledger: _Ledger) -> Looker:
    metrics = Metrics()
    retry = Retry(metrics=metrics, uniform=lambda: 0.5, sleep=lambda _: None, attempts=_ATTEMPTS)
    return Looker(
        ledger=cast("Ledger", ledger),
        matcher=cast("Matcher", None),
        birth_ids=cast("BirthIds", None),
        retry=retry,
        metrics=metrics,
        uniform=lambda: 0.5,
    )


def test_a_ledger_that_does_not_answer_ends_the_round() -> None:
    ledger = _Ledger(LedgerUnavailableError("no connection to the ledger in time"))
    with pytest.raises(LedgerUnavailableError):
        _looker(ledger).redo(100)
    assert (ledger.looks, ledger.pushed) == (_ATTEMPTS, [])


@pytest.mark.parametrize(
    ("sqlstate", "tries"),
    [
        pytest.param("40001", 3, id="lost to another look: three times, then in halves"),
        pytest.param("55P03", 1, id="waited for a lock as long as it may: in halves at once"),
        pytest.param("57014", _ATTEMPTS, id="ended for another reason: as often as any work"),
    ],
)
def test_looks_that_the_ledger_ended_are_halved_down_to_the_marks_to_blame(sqlstate: str, tries: int) -> None:
    ledger = _Ledger(LedgerUnavailableError("ended", metadata={"sqlstate": sqlstate}))
    assert _looker(ledger).redo(4) == 0
    # One look at four marks, two at two, and four at one, each of these as often as any work.
    assert ledger.looks == 3 * tries + 4 * _ATTEMPTS
    assert ledger.pushed == [1, 2, 3, 4]


def test_a_look_without_time_is_left_to_redo_whole() -> None:
    ledger = _Ledger(LedgerUnavailableError("ended", metadata={"sqlstate": "40001"}))
    report = _looker(ledger).look([1, 2, 3, 4], seconds_left=lambda: 0.0)
    assert (report.deferred, report.marks, ledger.looks) == (4, 0, 1)


def test_a_look_that_is_always_beaten_has_some_seconds_for_its_parts_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hundreds of marks, each tried as often as any work, would keep intake for minutes."""
    ledger = _Ledger(LedgerUnavailableError("ended", metadata={"sqlstate": "40001"}), seconds=0.1)
    monkeypatch.setattr("goldthread.flows.look.monotonic", lambda: ledger.looks * ledger.seconds)
    report = _looker(ledger).look(list(range(1, 501)))
    assert (report.deferred, report.marks) == (500, 0)
    # Three at first, and then four seconds' worth; of a part that has begun the last try may end later.
    assert 40 <= ledger.looks <= 3 + 41


def test_parts_of_a_look_are_tried_once_and_single_marks_as_often_as_any_work() -> None:
    ledger = _Ledger(LedgerUnavailableError("ended", metadata={"sqlstate": "40001"}))
    report = _looker(ledger).look([1, 2, 3, 4])
    assert (report.deferred, report.marks, ledger.looks) == (4, 0, 3 + 2 * 1 + 4 * _ATTEMPTS)

"""Marks and the locks of looks: what may go on beside what, and who is told to try again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest

from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.policy import Totals
from goldthread.ledger import Ledger, LedgerTransaction, NewMark, RecordSighting, Step

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIGHTING = RecordSighting(
    address=bytes(32),
    birth_id=UUID(int=1),
    source="pos",
    attributes=("ann", None, "lee", None, None, None, None, None),
    name_key=None,
    first_seen=NOON,
    last_seen=NOON,
    sightings=1,
    totals=Totals(),
)


def keep(tx: LedgerTransaction) -> int:
    """A record that no look has placed yet."""
    [stored] = tx.ask_upsert([SIGHTING])().values()
    tx.insert_members([stored.record_id])
    return stored.record_id


def marks_of(tx: LedgerTransaction, record_id: int, steps: Collection[Step] = (Step.JUDGE,)) -> list[int]:
    return tx.leave_marks([NewMark(record_id, step) for step in steps], cause="event", actor="test")()


def test_a_look_fails_where_another_one_has_looked_since(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        record = keep(tx)

    def overtaken() -> None:
        with ledger.look() as older:
            older.closure([record])
            with ledger.look() as newer:
                newer.lock_members([record])
                newer.count_looks([record])
            older.lock_members([record])

    with pytest.raises(LedgerUnavailableError) as caught:
        overtaken()
    assert caught.value.metadata["sqlstate"] == "40001"
    assert caught.value.retryable


def test_a_look_passes_where_evidence_was_added_since(ledger: Ledger) -> None:
    """Sighting a record, and marking it, is none of its membership: intake never makes a look fail."""
    with ledger.transaction() as tx:
        record = keep(tx)
    with ledger.look() as older:
        older.closure([record])
        with ledger.transaction() as tx:
            assert tx.ask_upsert([SIGHTING])()[SIGHTING.address].new is False
            marks_of(tx, record)
        assert older.lock_members([record]).keys() == {record}
        older.count_looks([record])
        assert older.ask_marked_around([record])() == set()


def test_a_mark_is_taken_by_one_look_at_a_time(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        record = keep(tx)
        mine, yours = marks_of(tx, record, [Step.SUM, Step.JUDGE])
    with ledger.look(preview=True) as holder:
        assert [mark.mark_id for mark in holder.ask_marks([mine])()] == [mine]
        with ledger.look() as other:
            [taken] = other.ask_marks([mine, yours])()
            assert (taken.mark_id, taken.record_id, taken.step) == (yours, record, Step.JUDGE)
            other.drop_marks([yours])
    # The holder gave its mark back, the other one did its own: one is left for anybody.
    with ledger.look() as tx:
        assert [mark.mark_id for mark in tx.ask_marks([mine, yours])()] == [mine]
        assert tx.pending_marks()[0] == 1


def test_marks_are_due_after_their_grace_and_fall_back_when_they_fail(ledger: Ledger, ledger_dsn: str) -> None:
    with ledger.transaction() as tx:
        record = keep(tx)
        later = tx.leave_marks([NewMark(record, Step.SUM)], cause="event", actor="test", grace=3600)()
        due = marks_of(tx, record, [Step.SUM, Step.PLACE])
        assert tx.due_marks(10) == due
        assert tx.due_marks(1) == due[:1]
        assert tx.pending_marks()[0] == 3
        # Grace is only for redo: whoever left the mark takes it.
        assert [mark.mark_id for mark in tx.ask_marks(later)()] == later

    def wait_after_failure() -> tuple[int, float]:
        with ledger.transaction() as tx:
            tx.push_marks_back(due[:1], base=60, most=200, jitter=0.5)
            assert tx.due_marks(10) == due[1:]
        with psycopg.connect(ledger_dsn) as connection:
            row = connection.execute(
                "SELECT attempts, extract(epoch FROM due_at - now())::float8 FROM dirty_mark WHERE mark_id = %s",
                due[:1],
            ).fetchone()
        assert row is not None
        return row

    waits = [wait_after_failure() for _ in range(4)]
    assert [attempts for attempts, _ in waits] == [1, 2, 3, 4]
    assert [seconds for _, seconds in waits] == pytest.approx([30, 60, 100, 100], abs=5)

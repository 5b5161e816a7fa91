"""No wait on PostgreSQL outlives its caller, and what goes wrong there says what without saying whose data."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from fixtures.story import Story, customer
from goldthread.domain.errors import LedgerFaultError, LedgerUnavailableError
from goldthread.domain.ports import OffsetMove
from goldthread.domain.words import LookupOutcome
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics


@contextmanager
def holding(dsn: str, statement: str) -> Iterator[None]:
    """Keeps what the statement locks until the end."""
    with psycopg.connect(dsn) as other:
        other.execute(statement.encode())
        yield
        other.rollback()


def seconds_until_unavailable(call: Callable[[], object]) -> float:
    started = time.monotonic()
    with pytest.raises(LedgerUnavailableError):
        call()
    return time.monotonic() - started


def test_an_answer_waits_no_longer_than_its_caller(story: Story) -> None:
    story.ingest(customer("e1", email="m@acme.com"))
    token = story.answer("email", "m@acme.com").token
    with holding(story.dsn, "LOCK TABLE token IN ACCESS EXCLUSIVE MODE"):
        waited = seconds_until_unavailable(lambda: story.ledger.answers([token], timeout=0.2))
        assert 0.1 < waited < 1.5
    # The connection goes back to the pool with the limits it had.
    assert story.ledger.answers([token], timeout=0.2)[0].card is not None
    assert story.ledger.answers([token])[0].card is not None


def test_a_shortened_limit_ends_with_its_transaction(ledger_dsn: str, metrics: Metrics) -> None:
    """The pool's only connection is limited to 50 ms twice; then it has to wait for longer than that, and does."""
    with Ledger(LedgerSettings(dsn=ledger_dsn, pool_max=2), metrics) as ledger:
        ledger.answers([bytes(32)], timeout=0.05)
        with ledger.transaction() as tx:
            tx.limit_statements(0.05)
        held, waited = threading.Event(), threading.Event()

        def hold() -> None:
            with holding(ledger_dsn, "LOCK TABLE token IN ACCESS EXCLUSIVE MODE"):
                held.set()
                waited.wait(0.4)

        holder = threading.Thread(target=hold)
        holder.start()
        assert held.wait(5)
        started = time.monotonic()
        assert ledger.answers([bytes(32)])[0].outcome is LookupOutcome.NOT_FOUND
        assert time.monotonic() - started > 0.2
        holder.join(5)


WRITERS = "SELECT pg_advisory_xact_lock(7426381002)"


@pytest.mark.parametrize("preview", [False, True])
def test_resolve_behind_a_slow_writer_ends_with_its_caller(story: Story, preview: bool) -> None:
    with holding(story.dsn, WRITERS):
        waited = seconds_until_unavailable(
            lambda: story.resolve(customer("e1", email="m@acme.com"), preview=preview, seconds=0.3)
        )
        assert 0.2 < waited < 1.5
    assert story.ledger.counts().records == 0
    assert story.resolve(customer("e1", email="m@acme.com"), seconds=5).duplicate is False
    assert story.ledger.counts().records == 1


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_resolve_with_no_time_left_is_not_tried_again(story: Story, seconds: float) -> None:
    with holding(story.dsn, WRITERS):
        event = customer("e1", email="m@acme.com")
        assert seconds_until_unavailable(lambda: story.resolve(event, seconds=seconds)) < 1
    assert story.sleeps == []


def test_an_idle_transaction_that_was_ended_may_be_tried_again(ledger: Ledger, ledger_dsn: str) -> None:
    with psycopg.connect(ledger_dsn, autocommit=True) as admin:
        admin.execute(
            "CREATE FUNCTION hurry() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM set_config('idle_in_transaction_session_timeout', '50', false); RETURN NULL; END $$"
        )
        admin.execute(
            "CREATE TRIGGER hurry BEFORE INSERT ON consumer_offset FOR EACH STATEMENT EXECUTE FUNCTION hurry()"
        )

    def idle() -> None:
        with ledger.transaction() as tx:
            tx.advance_offset("g", OffsetMove(topic="events", partition=0, start=0, end=1))
            time.sleep(0.5)
            tx.pending_marks()

    assert seconds_until_unavailable(idle) < 5
    assert ledger.offsets(group="g", topic="events") == {}


def shown(error: BaseException) -> str:
    """All that a log, a debugger's hook or a client may come to see of an error: text, fields, traceback and causes."""
    lines = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    chain: BaseException | None = error
    while chain is not None:
        lines += [str(chain), repr(chain), str(getattr(chain, "metadata", ""))]
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    return "\n".join(lines)


def test_a_refused_statement_names_its_constraint_and_no_value(story: Story) -> None:
    """PostgreSQL quotes the whole failing row, names and all; none of it may leave the room."""
    with psycopg.connect(story.dsn, autocommit=True) as admin:
        admin.execute("ALTER TABLE record ADD CONSTRAINT record_no_leighton CHECK (family_name <> 'leighton')")
        with pytest.raises(psycopg.errors.CheckViolation) as raw:
            admin.execute(
                sql.SQL(
                    "INSERT INTO record (address, birth_id, source, first_seen, last_seen, sightings, family_name) "
                    "VALUES (sha256('x'), gen_random_uuid(), 'pos', now(), now(), 1, 'leighton')"
                )
            )
    # The control: this is what would be seen.
    assert "leighton" in shown(raw.value)
    with pytest.raises(LedgerFaultError) as caught:
        story.ingest(customer("e1", given_name="Annabel", family_name="Leighton", street="12 Oak St"))
    assert caught.value.metadata == {"sqlstate": "23514", "constraint": "record_no_leighton"}
    told = shown(caught.value).lower()
    assert "record_no_leighton" in told
    for value in ("annabel", "'leighton'", "(leighton", " leighton", "oak"):
        assert value not in told
    assert story.sleeps == []
    assert story.ledger.counts().records == 0

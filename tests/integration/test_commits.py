"""COMMITs whose answer never comes: each is found out, and every effect takes place once (FAILURES A3)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.pq import TransactionStatus

from fixtures.proxy import Cut, Proxy, alternate
from fixtures.story import Story, customer, groups
from goldthread.domain.errors import GoldthreadError, LedgerFaultError, LedgerUnavailableError
from goldthread.domain.ports import OffsetMove
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.ledger.prepared import LedgerConnection, LedgerPipeline
from goldthread.ledger.queries import query
from goldthread.telemetry.metrics import Metrics

WORKERS = 4
CUTS = 1_000
KINDS = (Cut.BEFORE, Cut.AFTER, Cut.ANSWER)


@pytest.fixture
def admin(ledger_dsn: str) -> Iterator[Connection[Any]]:
    """A connection past the proxy, with a table that would show any effect taken twice."""
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE effect (worker integer, number integer)")
        yield connection


def outcomes(metrics: Metrics) -> dict[str, int]:
    found = {name: metrics.commits_resolved.labels(name) for name in ("committed", "aborted", "unknown")}
    return {name: int(counter._value.get()) for name, counter in found.items()}


def take_effect(ledger: Ledger, worker: int, number: int) -> None:
    with ledger.transaction() as tx:
        tx.advance_offset("g", OffsetMove(topic="events", partition=worker, start=number, end=number + 1))
        tx._connection.execute("INSERT INTO effect VALUES (%s, %s)", (worker, number))


def until_true(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def sessions(admin: Connection[Any]) -> int:
    """Sessions of the test's database apart from this one."""
    row = admin.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_thousand_cut_commits_take_effect_exactly_once(
    cut_ledger: Ledger, proxy: Proxy, admin: Connection[Any], metrics: Metrics
) -> None:
    proxy.plan(*alternate(KINDS, CUTS))
    kept = threading.Lock()
    raised: Counter[str] = Counter()

    def work(worker: int) -> int:
        number = 0
        while sum(proxy.cuts[kind] for kind in KINDS) < CUTS:
            try:
                take_effect(cut_ledger, worker, number)
            except LedgerUnavailableError as error:
                with kept:
                    raised[error.metadata.get("outcome", "")] += 1
            else:
                number += 1
        return number

    with ThreadPoolExecutor(WORKERS) as executor:
        done = list(executor.map(work, range(WORKERS)))

    # Every cut was found out. A server too busy to read a COMMIT for a second may lose it with its client; no other outcome is open.
    before, after, answer = (proxy.cuts[kind] for kind in KINDS)
    found = outcomes(metrics)
    assert before + after + answer == found["committed"] + found["aborted"] == CUTS
    assert answer <= found["committed"] <= answer + after
    assert raised == {"aborted": found["aborted"]}
    assert min(after, answer, before) > CUTS / 4
    # Each effect once, none missing, and the offsets say so too.
    rows = admin.execute("SELECT worker, number FROM effect ORDER BY 1, 2").fetchall()
    assert rows == [(worker, number) for worker, count in enumerate(done) for number in range(count)]
    assert cut_ledger.offsets(group="g", topic="events") == dict(enumerate(done))
    # No connection is left over: neither in the server, nor in the proxy, nor in the pool.
    stats = cut_ledger._pool.get_stats()
    assert stats["pool_size"] <= 4
    assert stats.get("requests_waiting", 0) == 0
    until_true(lambda: sessions(admin) <= 4)
    until_true(lambda: proxy.links() <= 4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_commit_of_the_extended_protocol_is_cut_as_well(
    ledger_dsn: str, proxy: Proxy, admin: Connection[Any], kind: Cut
) -> None:
    found: list[str] = []

    def take(number: int) -> None:
        with (
            psycopg.connect(proxy.dsn(ledger_dsn), autocommit=True) as connection,
            connection.pipeline(),
            connection.transaction(),
        ):
            connection.execute("INSERT INTO effect VALUES (0, %s)", (number,))
            found.extend(row[0] for row in connection.execute(query("commit_witness")))

    for number in range(10):
        proxy.plan(kind)
        with pytest.raises(psycopg.OperationalError):
            take(number)
        xid = {"xid": found[number]}
        until_true(lambda xid=xid: _status(admin, xid) != "in progress")
        assert _status(admin, xid) == ("aborted" if kind is Cut.BEFORE else "committed")
    assert proxy.cuts[kind] == 10
    expected = 0 if kind is Cut.BEFORE else 10
    assert admin.execute("SELECT count(*), count(DISTINCT number) FROM effect").fetchone() == (expected, expected)


def _status(admin: Connection[Any], xid: dict[str, str]) -> str:
    row = admin.execute(query("commit_status"), xid).fetchone()
    assert row is not None
    return str(row[0])


def test_a_session_that_the_server_still_believes_in_is_ended(
    cut_ledger: Ledger, proxy: Proxy, admin: Connection[Any], metrics: Metrics
) -> None:
    proxy.plan(Cut.ORPHAN)
    started = time.monotonic()
    with pytest.raises(LedgerUnavailableError) as caught:
        take_effect(cut_ledger, 0, 0)
    assert caught.value.metadata == {"sqlstate": "", "outcome": "aborted"}
    assert time.monotonic() - started < 5
    assert outcomes(metrics) == {"committed": 0, "aborted": 1, "unknown": 0}
    # Its locks are gone with it: the retry does not wait.
    take_effect(cut_ledger, 0, 0)
    assert admin.execute("SELECT * FROM effect").fetchall() == [(0, 0)]


def test_a_transaction_that_wrote_nothing_is_not_looked_for(cut_ledger: Ledger, proxy: Proxy, metrics: Metrics) -> None:
    proxy.plan(Cut.AFTER)
    with pytest.raises(LedgerUnavailableError) as caught, cut_ledger.transaction() as tx:
        tx._connection.execute("SELECT 1")
    assert "outcome" not in caught.value.metadata
    assert outcomes(metrics) == {"committed": 0, "aborted": 0, "unknown": 0}


def test_a_preview_leaves_nothing_and_asks_nothing(cut_ledger: Ledger, proxy: Proxy, admin: Connection[Any]) -> None:
    with cut_ledger.transaction(preview=True) as tx:
        tx._connection.execute("INSERT INTO effect VALUES (0, 0)")
    assert proxy.seen == 0
    assert admin.execute("SELECT * FROM effect").fetchall() == []


def test_an_error_of_commit_itself_is_an_answer(cut_ledger: Ledger, admin: Connection[Any], metrics: Metrics) -> None:
    admin.execute("ALTER TABLE effect ADD CONSTRAINT effect_key UNIQUE (number) DEFERRABLE INITIALLY DEFERRED")
    with pytest.raises(LedgerUnavailableError) as caught, cut_ledger.transaction() as tx:
        tx._connection.execute("INSERT INTO effect VALUES (0, 0), (1, 0)")
    assert caught.value.metadata == {"sqlstate": "23505", "constraint": "effect_key"}
    assert sum(outcomes(metrics).values()) == 0


def test_an_error_among_the_last_statements_is_told_as_it_is_and_the_connection_is_kept(
    ledger: Ledger, metrics: Metrics
) -> None:
    """COMMIT goes with them, and the server passes over it: nothing is in doubt. Large parameters, so that it answers while it is still being told."""
    sessions_seen: set[int] = set()
    for number in range(60):
        with pytest.raises(LedgerFaultError) as caught, ledger.look() as tx:  # noqa: PT012 (it is the end of the block that raises)
            sessions_seen.add(tx._connection.info.backend_pid)
            tx._connection.execute("SELECT pg_current_xact_id()")
            tx.ask_witness()
            tx.as_of()
            tx._run("limit_statements", milliseconds="abc")
            for _ in range(6):
                tx._run("seen_events", sources=["x" * (200_000 * (number % 2))], event_ids=["y"])
        assert caught.value.metadata == {"sqlstate": "22023", "constraint": ""}
    assert sum(outcomes(metrics).values()) == 0
    assert len(sessions_seen) <= 4
    assert ledger.stamp() > 0


def refused_at_its_end(stack: ExitStack, ledger: Ledger, admin: Connection[Any], metrics: Metrics) -> None:
    """The transaction ends with an error, without effect or doubt, and the ledger goes on."""
    with pytest.raises(LedgerFaultError) as caught:
        stack.close()
    assert caught.value.metadata["sqlstate"] == "25P02"
    assert admin.execute("SELECT * FROM effect").fetchall() == []
    assert sum(outcomes(metrics).values()) == 0
    assert ledger.stamp() > 0


def test_a_transaction_in_which_an_error_was_passed_over_is_no_success(
    ledger: Ledger, admin: Connection[Any], metrics: Metrics
) -> None:
    """Its number is known before, so nothing is asked at the end that the server would refuse; COMMIT itself it does not."""
    with ExitStack() as stack:
        tx = stack.enter_context(ledger.transaction())
        tx._connection.execute("INSERT INTO effect VALUES (0, 0)")
        tx.ask_witness()
        tx.as_of()
        with pytest.raises(psycopg.DataError):
            tx._rows("limit_statements", milliseconds="abc")
        refused_at_its_end(stack, ledger, admin, metrics)


def test_an_error_that_came_before_the_server_was_asked_how_things_stand_is_not_passed_over_either(
    ledger: Ledger, admin: Connection[Any], metrics: Metrics
) -> None:
    """So it may come to whoever sends so much that the server answers meanwhile; the connection does not call the transaction failed then."""
    with ExitStack() as stack:
        tx = stack.enter_context(ledger.transaction())
        connection = tx._connection
        connection.execute("INSERT INTO effect VALUES (0, 0)")
        # From here on it is known how this one is told.
        tx._rows("limit_statements", milliseconds="60000")
        tx.ask_witness()
        tx.as_of()
        tx._run("limit_statements", milliseconds="abc")
        assert isinstance(connection, LedgerConnection)
        assert connection.riding is not None
        with pytest.raises(psycopg.DataError):
            connection.wait(_heard_without_asking(connection.riding))
        assert connection.info.transaction_status is not TransactionStatus.INERROR
        refused_at_its_end(stack, ledger, admin, metrics)


def _heard_without_asking(pipeline: LedgerPipeline) -> Generator[Any, Any, None]:
    yield from pipeline._communicate_gen()
    yield from pipeline._fetch_gen(flush=True)


@pytest.mark.parametrize("kind", [Cut.AFTER, Cut.ANSWER])
def test_marks_that_were_lost_with_the_answer_to_their_commit_are_redone(
    cut_ledger: Ledger, proxy: Proxy, metrics: Metrics, ledger_dsn: str, kind: Cut
) -> None:
    story = Story(cut_ledger, metrics, dsn=ledger_dsn)
    story.ingest(customer("a", email="m@acme.com", amount=100))
    proxy.plan(kind)
    report = story.ingest(customer("b", email="m@acme.com", amount=10))
    assert proxy.cuts[kind] == 1
    assert outcomes(metrics) == {"committed": 1, "aborted": 0, "unknown": 0}
    # The event is in, and its mark waits for whoever redoes what others left.
    assert (report.taken, cut_ledger.counts().inbox) == (1, 2)
    story.drain()
    assert cut_ledger.counts().dirty_marks == 0
    assert story.rows("SELECT purchase_total_minor FROM profile WHERE live") == [(110,)]


def test_a_plan_that_the_schema_has_outdated_is_made_anew(ledger: Ledger, admin: Connection[Any]) -> None:
    with ledger.transaction() as tx:
        tx.as_of()
    admin.execute("ALTER TABLE tiering ALTER as_of TYPE timestamptz")
    told: list[str] = []
    for _ in range(8):
        try:
            with ledger.transaction() as tx:
                tx.as_of()
            told.append("")
        except GoldthreadError as error:
            told.append(error.metadata["sqlstate"])
    # Once for each of the pool's connections at most.
    assert set(told) <= {"", "0A000"}
    assert told.count("0A000") <= 4
    assert told[-3:] == [""] * 3


def test_a_wait_is_bounded_for_each_statement_that_it_sees_through(ledger_dsn: str, metrics: Metrics) -> None:
    with Ledger(LedgerSettings(dsn=ledger_dsn, statement_timeout_ms=1_000), metrics) as hasty:
        with hasty.transaction() as tx:
            for _ in range(4):
                tx._connection.execute("SELECT pg_sleep(0.7)")
        with pytest.raises(LedgerUnavailableError) as caught, hasty.transaction() as tx:
            tx._connection.execute("SELECT pg_sleep(3)")
        assert caught.value.metadata["sqlstate"] == "57014"


def test_many_lost_commits_at_once_do_not_wait_for_each_others_connections(
    cut_ledger: Ledger, proxy: Proxy, admin: Connection[Any], metrics: Metrics
) -> None:
    """As many as the pool has connections: each gives its broken one back before it asks."""
    together = threading.Barrier(WORKERS)
    proxy.plan(*[Cut.ANSWER] * WORKERS)

    def work(worker: int) -> None:
        with cut_ledger.transaction() as tx:
            tx._connection.execute("INSERT INTO effect VALUES (%s, 0)", (worker,))
            together.wait(10)

    with ThreadPoolExecutor(WORKERS) as executor:
        list(executor.map(work, range(WORKERS)))
    assert outcomes(metrics) == {"committed": WORKERS, "aborted": 0, "unknown": 0}
    assert admin.execute("SELECT worker FROM effect ORDER BY 1").fetchall() == [(n,) for n in range(WORKERS)]


def test_a_number_that_another_transaction_took_after_a_crash_is_told_by_the_servers_life(
    ledger_dsn: str, admin: Connection[Any]
) -> None:
    """The control of what "committed" rests on: the server says it of a lost transaction, whose number it gave away again."""
    found: list[Connection[Any]] = []

    def reconnected(before: str) -> bool:
        # The server takes a moment to notice that one of its own is gone.
        with suppress(psycopg.OperationalError), ExitStack() as stack:
            connection = stack.enter_context(closing(psycopg.connect(ledger_dsn, autocommit=True)))
            if _witness(connection)[1] != before:
                stack.pop_all()
                found.append(connection)
        return bool(found)

    told: list[str] = []
    # Unless the log was written out in the moment between: then the number is spoilt, and the answer right.
    while "committed" not in told and len(told) < 5:
        with ExitStack() as stack:
            lost, victim = (
                stack.enter_context(closing(psycopg.connect(ledger_dsn, autocommit=True))) for _ in range(2)
            )
            lost.execute("BEGIN")
            lost.execute("INSERT INTO effect VALUES (0, 0)")
            number, before = _witness(lost)
            assert _witness(lost) == (number, before)
            os.kill(victim.info.backend_pid, signal.SIGKILL)
            until_true(lambda before=before: reconnected(before))
            with closing(found.pop()) as connection:
                for _ in range(3):
                    connection.execute("INSERT INTO effect VALUES (1, 1)")
                told.append(_status(connection, {"xid": str(number)}))
                assert _witness(connection)[1] != before
                assert connection.execute("SELECT count(*) FROM effect WHERE worker = 0").fetchone() == (0,)
    assert told[-1] == "committed"


def _witness(connection: Connection[Any]) -> tuple[str | None, str]:
    row = connection.execute(query("commit_witness")).fetchone()
    assert row is not None
    return row[0], row[1]


def test_ingest_through_cut_commits_ends_exact(
    cut_ledger: Ledger, proxy: Proxy, ledger: Ledger, ledger_dsn: str, metrics: Metrics
) -> None:
    cuts = 30
    people = 20
    events = [
        customer(
            f"e{number}",
            email=f"p{number % people}@acme.com",
            given_name="Ann",
            family_name="Lee",
            city=f"Town {number // people}",
            amount=100 + number,
        )
        for number in range(5 * people)
    ]
    cut = Story(cut_ledger, metrics, dsn=ledger_dsn)
    proxy.plan(*alternate(KINDS, cuts))
    for low, high in pairwise(range(0, len(events) + 1, 2)):
        cut.ingest(*events[low:high])
    cut.drain()
    assert sum(proxy.cuts[kind] for kind in KINDS) == cuts
    found = outcomes(metrics)
    assert found["committed"] + found["aborted"] == cuts
    assert proxy.cuts[Cut.ANSWER] <= found["committed"] <= cuts - proxy.cuts[Cut.BEFORE]
    taken = sorted((source, event_id) for source, event_id, _ in ledger.event_profiles())
    assert taken == sorted((event.source, event.event_id) for event in events)
    assert ledger.offsets(group="test", topic="events") == {0: len(events)}
    assert cut.rows("SELECT sum(amount_minor), count(*) FROM purchase") == [
        (sum(100 + number for number in range(len(events))), len(events))
    ]
    assert cut.rows("SELECT sum(purchase_total_minor), sum(purchase_count) FROM profile WHERE live") == cut.rows(
        "SELECT sum(amount_minor), count(*) FROM purchase"
    )
    assert len(groups(ledger.partition())) == people

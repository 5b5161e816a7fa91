"""Stamps of snapshots: they grow with every commit, equal ones mean equal content, and a crash does not take them back (ADR 0011)."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest

from goldthread.app.embedded import PostgresServer
from goldthread.domain.errors import LedgerUnavailableError
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.ledger.queries import query
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import cached_answer

_LIFE = 2**44


def test_a_stamp_grows_with_every_commit_and_with_nothing_else(ledger: Ledger, ledger_dsn: str) -> None:
    first = ledger.stamp()
    assert ledger.stamp() == first
    with psycopg.connect(ledger_dsn) as writer:
        writer.execute("CREATE TABLE content (one integer)")
        assert ledger.stamp() == first
        writer.commit()
        assert ledger.stamp() == first + 1
        assert writer.execute("SELECT count(*) FROM content").fetchone() == (0,)
    assert ledger.stamp() == first + 1


def test_stamps_order_snapshots_as_their_contents_are_ordered(ledger: Ledger, ledger_dsn: str) -> None:
    """Eight writers commit, roll back, and use savepoints, with delays; readers take stamp and content from one snapshot each."""
    with psycopg.connect(ledger_dsn, autocommit=True) as admin:
        admin.execute("CREATE TABLE content (one integer)")
    text = query("stamp").rstrip(";") + ", (SELECT count(*) FROM content)"
    over = threading.Event()
    # Begins a life, if another test's crash has ended the last one.
    ledger.ping()

    def write(seed: int) -> None:
        draw = random.Random(seed)
        with psycopg.connect(ledger_dsn, autocommit=True) as connection:
            for _ in range(60):
                with connection.transaction(force_rollback=draw.random() < 0.3):
                    connection.execute("INSERT INTO content VALUES (1)")
                    with connection.transaction(force_rollback=draw.random() < 0.3):
                        connection.execute("INSERT INTO content VALUES (1)")
                    connection.execute("SELECT pg_sleep(%s)", (draw.random() * 0.004,))

    def read() -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        with psycopg.connect(ledger_dsn, autocommit=True) as connection:
            while not over.is_set():
                found += connection.execute(text.encode()).fetchall()
        return found

    with ThreadPoolExecutor(12) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        try:
            for job in [pool.submit(write, seed) for seed in range(8)]:
                job.result(60)
        finally:
            over.set()
        each = [reader.result(60) for reader in readers]
    for found in each:
        assert found == sorted(found), "a later snapshot has no smaller stamp and no less content"
    together = sorted(set().union(*each))
    assert len(together) > 200
    stamps = [stamp for stamp, _ in together]
    assert len(stamps) == len(set(stamps)), "equal stamps, equal content"
    counts = [count for _, count in together]
    assert counts == sorted(counts), "a greater stamp never belongs to older content"


def test_a_recovery_begins_the_next_life_once(ledger_dsn: str, metrics: Metrics) -> None:
    with Ledger(LedgerSettings(dsn=ledger_dsn, pool_max=2), metrics) as ledger:
        before = ledger.stamp()
    with psycopg.connect(ledger_dsn, autocommit=True) as admin:
        admin.execute("TRUNCATE life_mark")  # what recovery does
    together = threading.Barrier(8)

    def come_back(_: int) -> int:
        together.wait(10)
        with Ledger(LedgerSettings(dsn=ledger_dsn, pool_max=2), metrics) as ledger:
            return ledger.stamp()

    with ThreadPoolExecutor(8) as pool:
        stamps = list(pool.map(come_back, range(8)))
    assert {stamp // _LIFE for stamp in stamps} == {before // _LIFE + 1}


def _retried(read: Callable[[], int]) -> int:
    """What it gives once each of the pool's two connections has been refused at most once."""
    for _ in range(2):
        with suppress(LedgerUnavailableError):
            return read()
    return read()


def test_a_connection_that_outlives_a_recovery_begins_the_next_life(ledger_dsn: str, metrics: Metrics) -> None:
    """As behind a session pooler, which gives its client another session of the server without a word."""
    token = bytes(32)
    _know(ledger_dsn, token)
    with (
        Ledger(LedgerSettings(dsn=ledger_dsn, pool_max=2), metrics) as ledger,
        psycopg.connect(ledger_dsn, autocommit=True) as admin,
    ):
        before = ledger.answers([token])[0].version
        admin.execute("TRUNCATE life_mark")
        # A connection that has just answered is taken at its word, but has no stamp to give until it is asked anew.
        assert _retried(lambda: ledger.answers([token])[0].version) // _LIFE == before // _LIFE + 1
        admin.execute("TRUNCATE life_mark")
        time.sleep(0.6)
        assert ledger.answers([token])[0].version // _LIFE == before // _LIFE + 2
        # Where the recovery comes while a connection is in use, nothing that it writes counts, and the next attempt begins the next life.
        with ExitStack() as stack:
            tx = stack.enter_context(ledger.transaction())
            tx.draw_versions(1)
            admin.execute("TRUNCATE life_mark")
            with pytest.raises(LedgerUnavailableError):
                tx.stamp()
            with pytest.raises(LedgerUnavailableError):
                stack.close()
        assert _retried(ledger.stamp) // _LIFE == before // _LIFE + 3


def test_each_life_begins_versions_that_none_before_it_can_have_reached(ledger_dsn: str, metrics: Metrics) -> None:
    """A standby that took over without the last commits draws their versions again, and readers keep the greatest."""
    with psycopg.connect(ledger_dsn, autocommit=True) as admin:
        drawn: list[list[int]] = []
        for _ in range(3):
            with Ledger(LedgerSettings(dsn=ledger_dsn, pool_max=2), metrics) as ledger, ledger.transaction() as tx:
                drawn.append(tx.draw_versions(2))
            admin.execute("TRUNCATE life_mark")
    (first, second), *later = drawn
    assert second == first + 1
    assert [version for version, _ in later] == [second + (1 << 32) + 1, second + (2 << 32) + 3]


def test_stamps_do_not_go_back_when_the_server_is_killed(servers_dir: Path) -> None:
    """Rolled-back transactions are counted and never durable: after a crash PostgreSQL hands their numbers out again."""
    folder = servers_dir / "killed"
    folder.mkdir()
    server = PostgresServer(folder, environ=os.environ)
    server.start()
    token = bytes(32)
    try:
        with Ledger(LedgerSettings(dsn=server.endpoint), Metrics()) as ledger:
            ledger.migrate()
            _know(server.endpoint, token)
            for _ in range(50):
                with ledger.transaction(preview=True) as tx:
                    tx.write_outbox([(None, 1, True, b"", ())])
            before = ledger.answers([token])[0]
            server.kill()
            server.start()
            _wait_for(ledger)
            after = ledger.answers([token])[0]
            assert before.version < _LIFE < after.version < ledger.stamp() + 1
            assert cached_answer(after).version > cached_answer(before).version
    finally:
        server.stop()


def _know(dsn: str, token: bytes) -> None:
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO token (token, type, namespace, form, key_version, normalizer_version) VALUES (%s, 1, '', 1, 1, 'n')",
            (token,),
        )


def _wait_for(ledger: Ledger) -> None:
    for _ in range(20):
        try:
            ledger.ping()
        except LedgerUnavailableError:
            continue
        return
    pytest.fail("the ledger did not come back")

"""A fill that is killed has done nothing, wherever it was; one that is killed behind its COMMIT is finished by whoever comes next."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fixtures.content_rows import content_of
from fixtures.filling import SCHEMA, WAITING, written
from fixtures.permutations import MODEL, ROWS, decided, play
from fixtures.servers import Postgres
from fixtures.stage import Stage
from fixtures.story import MASTER_KEY, row_events
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.flows.load import file_topic
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics

_SECONDS = 600
_WAITS_FOR_A_ROW = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'transactionid'"
_COPIES_BEHIND_RECORD = """
    SELECT FROM pg_stat_progress_copy WHERE datname = current_database() AND relid = ANY(ARRAY['token', 'record_token', 'token_name',
        'record_block', 'block', 'membership', 'pair', 'profile', 'journal', 'journal_link', 'outbox_later']::regclass[]::oid[])"""
_HAS_THE_MARKS = """
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE granted AND mode = 'RowExclusiveLock' AND relation = 'dirty_mark'::regclass AND datname = current_database()"""

Connection = psycopg.Connection[Any]


@pytest.fixture
def environment(ledger_dsn: str, tmp_path: Path) -> dict[str, str]:
    """A process's environment for this test's ledger."""
    (tmp_path / "model.toml").write_text(MODEL, encoding="utf-8")
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("GOLDTHREAD_")},
        "GOLDTHREAD_POSTGRES_DSN": ledger_dsn,
        "GOLDTHREAD_MASTER_KEY": MASTER_KEY.hex(),
        "GOLDTHREAD_MODEL": str(tmp_path / "model.toml"),
    }


@contextmanager
def loading(environment: dict[str, str], path: Path) -> Iterator[subprocess.Popen[str]]:
    """`goldthread load`, killed at the end of the block at the latest."""
    command = [sys.executable, "-m", "goldthread.app.cli", "load", str(path)]
    with subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def kill_once(process: subprocess.Popen[str], connection: Connection, seen: str) -> None:
    """Kills a load as soon as the statement gives a row."""
    until = time.monotonic() + _SECONDS
    while connection.execute(seen).fetchone() is None:
        assert process.poll() is None
        assert time.monotonic() < until
    os.kill(process.pid, signal.SIGKILL)


@contextmanager
def a_reader(dsn: str, _: Path) -> Iterator[None]:
    """In the way of the fill's locks."""
    with psycopg.connect(dsn) as reader:
        reader.execute("SELECT count(*) FROM household")
        yield


@contextmanager
def another_load(dsn: str, path: Path) -> Iterator[None]:
    """In the way of the file's offset, which moves when the tables have been emptied and their indexes are gone."""
    place = "INSERT INTO consumer_offset (group_name, topic, partition, next_offset) VALUES ('load', %s, 0, 0)"
    with path.open("rb") as stream:
        topic = file_topic(hashlib.file_digest(stream, "sha256").hexdigest())
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(place, [topic])
        with psycopg.connect(dsn) as other:
            other.execute("SELECT FROM consumer_offset WHERE topic = %s FOR UPDATE", [topic])
            yield
        connection.execute("DELETE FROM consumer_offset")


@contextmanager
def nobody(_: str, __: Path) -> Iterator[None]:
    """In the way."""
    yield


def many(path: Path) -> Path:
    """Enough rows for every copy to take a moment."""
    options = GenerateOptions(people=3_000, events=9_000, seed=11)
    rows = [dict(zip(COLUMNS, event.row(), strict=True)) for event in generate_events(options)]
    return written(path, [{name: value for name, value in row.items() if value and name != "truth"} for row in rows])


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    ("in_the_way", "seen"),
    [(a_reader, WAITING), (another_load, _WAITS_FOR_A_ROW), (nobody, _COPIES_BEHIND_RECORD)],
    ids=["before anything", "tables emptied", "records copied"],
)
def test_a_fill_that_is_killed_has_done_nothing_and_can_be_done_again(
    ledger_dsn: str,
    tmp_path: Path,
    environment: dict[str, str],
    in_the_way: Callable[[str, Path], AbstractContextManager[None]],
    seen: str,
) -> None:
    path = many(tmp_path / "a.csv") if in_the_way is nobody else written(tmp_path / "a.csv", ROWS)
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        before = connection.execute(SCHEMA).fetchall()
        with in_the_way(ledger_dsn, path), loading(environment, path) as process:
            kill_once(process, connection, seen)
        empty = content_of(connection)
        assert (empty.records, empty.events, empty.offsets) == ({}, {}, frozenset())
        assert connection.execute(SCHEMA).fetchall() == before
        with loading(environment, path) as process:
            _, said = process.communicate(timeout=_SECONDS)
        assert process.returncode == 0, said
        assert connection.execute(SCHEMA).fetchall() == before
        with loading(environment, path) as process:
            _, said = process.communicate(timeout=_SECONDS)
        assert "a.csv: was loaded before" in said
        assert len(content_of(connection).events) > 100


@pytest.mark.timeout(1_800)
def test_what_a_fill_that_is_killed_behind_its_commit_left_to_looks_is_looked_at_by_others(
    ledger_dsn: str, postgres: Postgres, metrics: Metrics, tmp_path: Path, environment: dict[str, str]
) -> None:
    path = written(tmp_path / "a.csv", ROWS)
    with psycopg.connect(ledger_dsn, autocommit=True) as connection, psycopg.connect(ledger_dsn) as holding:
        before = connection.execute(SCHEMA).fetchall()
        with loading(environment, path) as process:
            until = time.monotonic() + _SECONDS
            while connection.execute(_HAS_THE_MARKS).fetchone() is None:
                assert process.poll() is None
                assert time.monotonic() < until
            # Had as soon as the fill has committed, and before anybody can look for marks.
            holding.execute("LOCK TABLE dirty_mark IN ACCESS EXCLUSIVE MODE")
            os.kill(process.pid, signal.SIGKILL)
        holding.rollback()
        assert connection.execute(SCHEMA).fetchall() == before
        left = content_of(connection)
        assert len(left.marks) > 5
        with loading(environment, path) as process:
            _, said = process.communicate(timeout=_SECONDS)
        assert "a.csv: was loaded before" in said
        until = time.monotonic() + _SECONDS
        with Ledger(LedgerSettings(dsn=ledger_dsn), metrics) as ledger:
            stage = Stage(ledger, metrics, model_text=MODEL, seed=1)
            # What the killed one was looking at is its for a while.
            while connection.execute("SELECT FROM dirty_mark").fetchone() is not None:
                stage.drain()
                assert time.monotonic() < until
        found = decided(lambda: content_of(connection))
    dsn = postgres.clone()
    with Ledger(LedgerSettings(dsn=dsn, pool_max=8), metrics) as streamed:
        play(streamed, metrics, row_events(ROWS), seed=6)
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert found == decided(lambda: content_of(connection))
    postgres.drop(dsn)

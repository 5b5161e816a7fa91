"""`goldthread load`: what it leaves is what streaming the same rows leaves, whatever kills it on the way."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest

from fixtures.content import Content
from fixtures.content_rows import content_of
from fixtures.permutations import EVENTS, MODEL, ROWS, decided, history, play
from fixtures.servers import Postgres
from fixtures.story import MASTER_KEY
from goldthread.app.generate import COLUMNS
from goldthread.flows.load import FILE_END, file_topic
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics

_SECONDS = 600


def read(dsn: str) -> Callable[[], Content]:
    def content() -> Content:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return content_of(connection)

    return content


def written(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [name for name in COLUMNS if name != "truth"])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def environment(ledger_dsn: str, tmp_path: Path) -> dict[str, str]:
    """A process's environment for this test's ledger under the model of small limits."""
    model = tmp_path / "model.toml"
    model.write_text(MODEL, encoding="utf-8")
    own = {
        "GOLDTHREAD_POSTGRES_DSN": ledger_dsn,
        "GOLDTHREAD_MASTER_KEY": MASTER_KEY.hex(),
        "GOLDTHREAD_MODEL": str(model),
        "GOLDTHREAD_BATCH_EVENTS": "10",
    }
    return {key: value for key, value in os.environ.items() if not key.startswith("GOLDTHREAD_")} | own


def load(environment: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "goldthread.app.cli", "load", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE)


def loaded(environment: dict[str, str], *arguments: object) -> list[str]:
    with load(environment, *arguments) as process:
        _, said = process.communicate(timeout=_SECONDS)
    assert process.returncode == 0, said
    return lines(said)


def lines(said: str) -> list[str]:
    """What a load said to its caller; its log is JSON."""
    return [line for line in said.splitlines() if not line.startswith("{")]


@pytest.fixture
def streamed(postgres: Postgres, metrics: Metrics) -> dict[str, object]:
    """What the history leaves where it is streamed, in an order and in batches of its own."""
    dsn = postgres.clone()
    with Ledger(LedgerSettings(dsn=dsn, pool_max=8), metrics) as ledger:
        play(ledger, metrics, history(), seed=5)
    found = decided(read(dsn))
    postgres.drop(dsn)
    return found


def test_rows_loaded_beside_others_leave_what_streaming_them_leaves(
    environment: dict[str, str], ledger_dsn: str, tmp_path: Path, streamed: dict[str, object]
) -> None:
    first, second = written(tmp_path / "a.csv", ROWS[:40]), written(tmp_path / "b.csv", ROWS[40:])
    assert loaded(environment, first)[0] == "40 rows, 40 events read, 0 rows left out"
    told = loaded(environment, "--ahead", 0, second)
    assert told[0] == f"{EVENTS - 40} rows, {EVENTS - 40} events read, 0 rows left out"
    assert decided(read(ledger_dsn)) == streamed
    # Each once: the file is known by its content.
    again = written(tmp_path / "c.csv", ROWS[40:])
    assert loaded(environment, "--ahead", 0, again)[0] == f"c.csv: lines before {EVENTS - 40 + 2} were loaded before"
    assert decided(read(ledger_dsn)) == streamed


@pytest.mark.timeout(1_800)
def test_a_load_that_is_killed_goes_on_where_it_was(
    environment: dict[str, str], ledger_dsn: str, tmp_path: Path, streamed: dict[str, object]
) -> None:
    environment["GOLDTHREAD_BATCH_EVENTS"] = "5"
    # One row is there already, so that the ledger is one that others write too.
    loaded(environment, "--ahead", 0, written(tmp_path / "a.csv", ROWS[:1]))
    path = written(tmp_path / "b.csv", ROWS[1:])
    kills = 0
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        for taken in (40, 120):
            with load(environment, "--ahead", 0, path) as process:
                while process.poll() is None:
                    if connection.execute("SELECT count(*) FROM inbox").fetchone() >= (taken,):  # type: ignore[operator]
                        os.kill(process.pid, signal.SIGKILL)
                        break
                    time.sleep(0.002)
                process.wait(_SECONDS)
                kills += process.returncode == -signal.SIGKILL
        assert kills == 2
        told = loaded(environment, "--ahead", 0, path)
        assert told[0].startswith("b.csv: lines before ")
        # What the killed ones were looking at is theirs for a while.
        until = time.monotonic() + _SECONDS
        while connection.execute("SELECT FROM dirty_mark").fetchone() is not None:
            assert time.monotonic() < until
            loaded(environment, "--ahead", 0, path)
    assert decided(read(ledger_dsn)) == streamed


def test_a_load_that_nobody_relays_says_so(environment: dict[str, str], ledger_dsn: str, tmp_path: Path) -> None:
    loaded(environment, "--ahead", 0, written(tmp_path / "a.csv", ROWS[:40]))
    with load(environment, "--ahead", 5, "--patience", 1, written(tmp_path / "b.csv", ROWS[40:])) as process:
        _, said = process.communicate(timeout=_SECONDS)
    assert process.returncode == 1
    assert "OVERLOADED: too many at once: 5 changes wait for a relay that publishes none" in said


def test_a_file_without_an_event_is_refused_and_can_be_loaded_once_the_options_are_right(
    environment: dict[str, str], ledger_dsn: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", [{**row, "source": ""} for row in ROWS[:12]])
    for options in ((), ("--chunks",), ("--strict",)):
        with load(environment, *options, path) as process:
            _, said = process.communicate(timeout=_SECONDS)
        assert process.returncode == 1, said
        assert "12" in said
        assert "no source, and no default" in said
    empty = read(ledger_dsn)()
    assert (empty.offsets, empty.events) == (frozenset(), {})
    assert loaded(environment, "--source", "crm", path)[0] == "12 rows, 12 events read, 0 rows left out"
    assert len(read(ledger_dsn)().events) == 12


def test_an_offset_is_no_obstacle_to_filling_an_empty_ledger(
    environment: dict[str, str], ledger_dsn: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", ROWS[:12])
    with path.open("rb") as stream:
        topic = file_topic(hashlib.file_digest(stream, "sha256").hexdigest())
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO consumer_offset (group_name, topic, partition, next_offset, topic_id) VALUES ('load', %s, 0, 7, '')",
            [topic],
        )
        loaded(environment, path, written(tmp_path / "b.csv", ROWS[12:20]))
        found = connection.execute("SELECT next_offset FROM consumer_offset WHERE topic = %s", [topic]).fetchone()
    assert found == (FILE_END,)
    assert len(read(ledger_dsn)().events) == len({(row["source"], row["event_id"]) for row in ROWS[:20]})


def test_rows_that_were_left_out_come_in_where_a_file_is_read_again(
    environment: dict[str, str], ledger_dsn: str, tmp_path: Path
) -> None:
    rows = [row if place % 2 else {**row, "source": ""} for place, row in enumerate(ROWS[:12])]
    path = written(tmp_path / "a.csv", rows)
    assert loaded(environment, path)[0] == "12 rows, 6 events read, 6 rows left out"
    assert loaded(environment, "--ahead", 0, "--source", "crm", path)[0] == "a.csv: was loaded before"
    again = loaded(environment, "--ahead", 0, "--source", "crm", "--again", path)
    assert again[0] == "12 rows, 12 events read, 0 rows left out"
    assert again[1].startswith("6 events taken, 6 known before, 0 lost")
    assert len(read(ledger_dsn)().events) == 12


def test_an_empty_ledger_takes_chunks_where_it_is_asked_to(
    environment: dict[str, str], ledger_dsn: str, tmp_path: Path, streamed: dict[str, object]
) -> None:
    first, second = written(tmp_path / "a.csv", ROWS[:40]), written(tmp_path / "b.csv", ROWS[40:])
    assert any(line.endswith(" new records") for line in loaded(environment, "--chunks", first))
    loaded(environment, "--ahead", 0, second)
    assert decided(read(ledger_dsn)) == streamed


def test_a_fill_that_a_writer_overtakes_goes_on_in_chunks(
    environment: dict[str, str], ledger_dsn: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", ROWS[:12])
    waiting = """
        SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE mode = 'AccessExclusiveLock' AND NOT granted AND datname = current_database()"""
    with psycopg.connect(ledger_dsn) as reader, psycopg.connect(ledger_dsn, autocommit=True) as writer:
        # The fill has read its file, seen that the ledger is empty, and waits for a reader.
        reader.execute("SELECT count(*) FROM household")
        with load(environment, "--ahead", 0, path) as process:
            until = time.monotonic() + _SECONDS
            while writer.execute(waiting).fetchone() is None:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.01)
            writer.execute(
                "INSERT INTO token (token, type, namespace, form, key_version, normalizer_version) VALUES (%s, 1, '', 1, 1, '1')",
                [bytes(32)],
            )
            reader.commit()
            _, said = process.communicate(timeout=_SECONDS)
    assert process.returncode == 0, said
    assert lines(said)[0] == "the ledger is not empty any more: going on in chunks"
    assert len(read(ledger_dsn)().events) == len({(row["source"], row["event_id"]) for row in ROWS[:12]})


def test_rows_that_cannot_be_events_are_listed(environment: dict[str, str], tmp_path: Path) -> None:
    bad = [{**ROWS[0], "source": "CRM West"}, {**ROWS[1], "occurred_at": "1999-01-01T00:00:00Z"}, *ROWS[2:5]]
    path = written(tmp_path / "a.csv", bad)
    with load(environment, "--strict", path) as process:
        _, said = process.communicate(timeout=_SECONDS)
    assert process.returncode == 1, said
    assert lines(said)[0] == "5 rows, 3 events read, 2 rows left out"
    assert any(line.endswith("(lines 2)") for line in said.splitlines())
    assert any(line.endswith("(lines 3)") for line in said.splitlines())

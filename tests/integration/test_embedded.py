"""The embedded servers, for real: they keep what was written through stops and SIGKILLs of anything."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import redis
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import goldthread
from goldthread.app.embedded import (
    EmbeddedServerError,
    EmbeddedStack,
    Endpoints,
    PostgresServer,
    ValkeyServer,
)
from goldthread.app.embedded.accounts import can_traverse, ordinary_account
from goldthread.app.embedded.process import identify

_TOPIC = "notes"
_ADDRESSES = ("postgres_dsn", "redis_url", "kafka_bootstrap")
_BIG = 12 * 1024 * 1024
_PACKAGE_ROOT = str(Path(goldthread.__file__).resolve().parents[1])


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Gives a directory that other accounts may pass through, unlike pytest's own: PostgreSQL needs that under root."""
    parent = Path(tempfile.mkdtemp(prefix="goldthread-test-"))
    parent.chmod(0o711)
    yield parent / "data"
    # What a test that failed half-way left behind goes before its files do.
    for pid in filter(identify, _server_pids(parent / "data")):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(parent)


def _write(endpoints: Endpoints, note: str) -> None:
    with psycopg.connect(endpoints.postgres_dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (note text PRIMARY KEY)")
        connection.execute("INSERT INTO notes VALUES (%s)", (note,))
    cache = redis.Redis.from_url(endpoints.redis_url)
    cache.sadd("notes", note)
    cache.close()
    producer = Producer({"bootstrap.servers": endpoints.kafka_bootstrap, "acks": "all", "message.max.bytes": 2 * _BIG})
    failures: list[object] = []
    producer.produce(_TOPIC, note.encode(), on_delivery=lambda error, message: failures.append(error))
    assert producer.flush(30) == 0
    assert failures == [None]


def _read_ledger(endpoints: Endpoints) -> set[str]:
    with psycopg.connect(endpoints.postgres_dsn) as connection:
        return {str(row[0]) for row in connection.execute("SELECT note FROM notes")}


def _read_cache(endpoints: Endpoints) -> set[str]:
    cache = redis.Redis.from_url(endpoints.redis_url, decode_responses=True)
    found = {str(note) for note in cache.smembers("notes")}
    cache.close()
    return found


def _read_topic(endpoints: Endpoints, count: int) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": endpoints.kafka_bootstrap,
            "group.id": f"readers-{time.monotonic_ns()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 2 * _BIG,
        }
    )
    consumer.subscribe([_TOPIC])
    values: list[bytes] = []
    deadline = time.monotonic() + 30
    while len(values) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            values.append(bytes(message.value() or b""))
    consumer.close()
    return values


def _make_topic(endpoints: Endpoints) -> None:
    admin = AdminClient({"bootstrap.servers": endpoints.kafka_bootstrap})
    admin.create_topics([NewTopic(_TOPIC, num_partitions=1, replication_factor=1)])[_TOPIC].result(30)


def _follow(endpoints: Endpoints, log: Sequence[str]) -> Endpoints:
    """Gives `endpoints` after the moves that `log` tells of: a port that another process took while its server was down."""
    for old, new in re.findall(r"port (\d+) is taken by another process; now on (\d+)", "\n".join(log)):
        moved = {name: getattr(endpoints, name).replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}") for name in _ADDRESSES}
        endpoints = Endpoints(**moved)
    return endpoints


def test_what_was_written_survives_a_stop_and_a_kill_of_every_part(data_dir: Path) -> None:
    log: list[str] = []
    stack = EmbeddedStack(data_dir, log=log.append)
    with stack:
        first = stack.endpoints
        _make_topic(first)
        _write(first, "before the stop")
        assert set(stack.pids()) == {"postgres", "redis", "kafka"}
        with psycopg.connect(first.postgres_dsn) as connection:
            shown = connection.execute(
                "SELECT current_setting('fsync'), current_setting('shared_buffers'), current_setting('jit'), "
                "current_setting('server_version_num')::int >= 150000, inet_server_addr()::text"
            ).fetchone()
        assert shown == ("on", "512MB", "off", True, "127.0.0.1/32")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(first.postgres_dsn.replace("goldthread:", "goldthread:not"))
        before = stack.pids()
    assert stack.pids() == {}
    assert [identify(pid) for pid in before.values()] == [None, None, None]

    with stack:
        again = stack.endpoints
        assert again == _follow(first, log)
        assert _read_ledger(again) == {"before the stop"}
        assert _read_cache(again) == {"before the stop"}
        assert _read_topic(again, 1) == [b"before the stop"]
        _write(again, "before the kill")
        # The append-only file is synced every second; the page cache alone already outlives the process.
        for part in ("redis", "postgres", "kafka"):
            old = stack.pids()[part]
            stack.kill(part)
            assert stack.exited() == (part,)
            stack.restart(part)
            assert stack.pids()[part] != old
        last = stack.endpoints
        assert last == _follow(first, log)
        expected = {"before the stop", "before the kill"}
        assert _read_ledger(last) == expected
        assert _read_cache(last) == expected
        assert set(_read_topic(last, 2)) == {note.encode() for note in expected}
        producer = Producer({"bootstrap.servers": last.kafka_bootstrap, "message.max.bytes": 2 * _BIG})
        producer.produce(_TOPIC, b"x" * _BIG)
        assert producer.flush(30) == 0
        assert [len(value) for value in _read_topic(last, 3)][2] == _BIG


@contextmanager
def _run_by_hand(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Starts the manual entry as a process of its own and gives it with the lines up to ``ready``; ends it by SIGKILL if it still runs."""
    command = [sys.executable, "-m", "goldthread.app.embedded", str(data_dir)]
    environ = {**os.environ, "PYTHONPATH": _PACKAGE_ROOT}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line.strip())
                if lines[-1] == "ready":
                    break
            yield process, lines
        finally:
            process.kill()


def _endpoints(lines: Sequence[str]) -> Endpoints:
    """Gives what the manual entry printed, the last of `lines` being ``ready``."""
    told = [line.split(" ") for line in lines[-4:]]
    assert [words[0] for words in told] == ["postgres", "redis", "kafka", "ready"]
    return Endpoints(**{name: words[1] for name, words in zip(_ADDRESSES, told, strict=False)})


def _server_pids(data_dir: Path) -> list[int]:
    return [int(path.read_text(encoding="utf-8").split(":")[1].split(",")[0]) for path in data_dir.glob("*/pid.json")]


def test_orphans_of_a_killed_parent_are_ended_and_a_second_parent_is_refused(data_dir: Path) -> None:
    with _run_by_hand(data_dir) as (parent, first):
        before = _endpoints(first)
        orphans = _server_pids(data_dir)
        assert len(orphans) == 3
        with pytest.raises(EmbeddedServerError, match=f"in use by process {parent.pid}"):
            EmbeddedStack(data_dir).start()
        assert all(identify(pid) is not None for pid in orphans)
    assert all(identify(pid) is not None for pid in orphans)

    with _run_by_hand(data_dir) as (parent, again):
        ended = [f"ended process {pid}, left by an earlier run that was killed" for pid in orphans]
        assert all(any(line.endswith(one) for line in again) for one in ended)
        assert _endpoints(again) == _follow(before, again)
        assert all(identify(pid) is None for pid in orphans)
        servers = _server_pids(data_dir)
        parent.send_signal(signal.SIGTERM)
        parent.wait(30)
    assert parent.returncode == 0
    assert len(servers) == 3
    assert all(identify(pid) is None for pid in servers)
    assert not list(data_dir.glob("*/pid.json"))


def test_a_failing_part_is_named_and_the_others_are_stopped(data_dir: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    stack = EmbeddedStack(
        data_dir,
        postgres_dsn="host=elsewhere",
        cache_dir=tmp_path / "cache",
        environ={"PATH": str(tmp_path)},
        log=lines.append,
    )
    with pytest.raises(EmbeddedServerError) as caught:
        stack.start()
    assert caught.value.part == "kafka"
    assert stack.pids() == {}


def test_a_port_taken_meanwhile_is_replaced(data_dir: Path) -> None:
    server = ValkeyServer(data_dir, environ=os.environ)
    before = server.start()
    server.stop()
    squatter = ValkeyServer(data_dir.with_name("other"), environ=os.environ)
    squatter.start()
    try:
        state = data_dir / "redis" / "state.json"
        taken = squatter.endpoint.rsplit(":", 1)[1].split("/")[0]
        mine = before.rsplit(":", 1)[1].split("/")[0]
        state.write_text(state.read_text(encoding="utf-8").replace(mine, taken), encoding="utf-8")
        after = server.start()
        assert f":{taken}/" not in after
        cache = redis.Redis.from_url(after)
        assert cache.ping() is True
        cache.close()
    finally:
        server.stop()
        squatter.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL under another account")
def test_a_closed_directory_stays_closed_and_the_cluster_goes_elsewhere(data_dir: Path) -> None:
    closed = data_dir.with_name("closed")
    closed.mkdir(mode=0o700)
    elsewhere = data_dir.with_name("elsewhere")
    lines: list[str] = []
    server = PostgresServer(closed / "data", environ=os.environ, shared_place=elsewhere, log=lines.append)
    first = server.start()
    try:
        assert server.cluster_dir().is_relative_to(elsewhere)
        assert server.cluster_dir().stat().st_uid != 0
        assert closed.stat().st_mode & 0o777 == 0o700
        assert any(str(elsewhere) in line for line in lines)
        with psycopg.connect(first) as connection:
            connection.execute("CREATE TABLE kept (n int)")
    finally:
        server.stop()
    again = PostgresServer(closed / "data", environ=os.environ, shared_place=elsewhere)
    try:
        assert again.start() == first
        with psycopg.connect(first) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        again.stop()
    shutil.rmtree(server.cluster_dir().parent)
    with pytest.raises(EmbeddedServerError, match="is gone"):
        again.start()


_AS_ORDINARY_USER = """
import os, sys
from pathlib import Path
from goldthread.app.embedded import PostgresServer, ValkeyServer
for kind in (PostgresServer, ValkeyServer):
    server = kind(Path(sys.argv[1]), environ=os.environ)
    for _ in range(2):
        server.start()
        assert os.stat(f"/proc/{server.pid}").st_uid == os.geteuid() != 0
        server.stop()
    print(server.name)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="runs as an ordinary user already")
def test_an_ordinary_user_can_run_them_too(data_dir: Path) -> None:
    account = ordinary_account()
    assert account is not None
    # Our own interpreter may lie below root's home; the system's does as well if it is of the same release.
    interpreters = [Path(sys.executable).resolve(), Path("/usr/bin") / f"python3.{sys.version_info.minor}"]
    reachable = [path for path in interpreters if path.exists() and can_traverse(path.parent, account)]
    if not reachable or not can_traverse(Path(_PACKAGE_ROOT), account):
        pytest.skip("the interpreter or the checkout is closed to ordinary users")
    home = data_dir.with_name("home")
    home.mkdir(mode=0o700)
    os.chown(home, account.uid, account.gid)
    import_path = os.pathsep.join([_PACKAGE_ROOT, sysconfig.get_path("purelib")])
    done = subprocess.run(
        [str(reachable[0]), "-c", _AS_ORDINARY_USER, str(home / "data")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=home,
        env={**os.environ, "PYTHONPATH": import_path, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(home)},
        user=account.uid,
        group=account.gid,
        extra_groups=[],
    )
    assert done.stdout.split() == ["postgres", "redis"], done.stderr


def test_a_start_that_is_cancelled_leaves_nothing_running(data_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "goldthread.app.embedded", str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": _PACKAGE_ROOT},
    )
    try:
        assert process.stderr is not None
        # The first part is up, the broker is not.
        assert process.stderr.readline().startswith(("redis: up", "postgres: up"))
        servers = _server_pids(data_dir)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "ready" not in out
    assert servers
    assert all(identify(pid) is None for pid in servers)
    assert not list(data_dir.glob("*/pid.json"))

"""`goldthread up` as a user runs it: real processes, real signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from goldthread.app.embedded.process import identify
from goldthread.app.settings import Settings, process_environment
from goldthread.bus import BusSettings, EventProducer

STOP_SECONDS = 30
SAMPLES = {
    "serve": 'goldthread_rpc_seconds_count{code="OK",method="/grpc.health.v1.Health/Check"}',
    "consume": "goldthread_batch_events_count",
    "relay": "goldthread_outbox_rows_total",
}
"""What each process's page must show."""
BAD_MESSAGES = 6_000


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="goldthread-up-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def start(data_dir: Path, *arguments: str, environ: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "goldthread.app.cli", "up", "--data-dir", str(data_dir), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment() | (environ or {}),
    )


def lines_until_ready(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if lines[-1] == "ready":
            return lines
    raise AssertionError(f"it ended before it was ready: {process.communicate()[1]}")


def endpoints(data_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data_dir / "endpoints.json").read_text(encoding="utf-8"))
    return found


def until(wanted: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def health_of(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service="goldthread.v1.LookupService"), timeout=10)
    return int(answer.status)


def migrations(dsn: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT number, applied_at FROM schema_migration ORDER BY number").fetchall()


def stop(process: subprocess.Popen[str]) -> str:
    started = time.monotonic()
    process.terminate()
    _, errors = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 0, errors
    assert time.monotonic() - started < STOP_SECONDS
    return errors


def test_up_serves_heals_stops_in_order_and_comes_back(data_dir: Path) -> None:
    process = start(data_dir)
    lines = lines_until_ready(process)
    found = endpoints(data_dir)

    # One line per endpoint, without passwords; the file with them is private.
    assert [line.split()[0] for line in lines] == [
        *("postgres", "redis", "kafka", "grpc", "metrics", "metrics", "metrics", "logs", "secrets", "ready")
    ]
    password = psycopg.conninfo.conninfo_to_dict(found["postgres_dsn"])["password"]
    assert str(password) not in "\n".join(lines)
    for secret in (data_dir / "endpoints.json", Path(found["master_key_file"])):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600

    assert health_of(found["grpc"]) == health_pb2.HealthCheckResponse.SERVING
    assert set(found["metrics"]) == {"serve", "consume", "relay"}
    for name, url in found["metrics"].items():
        with urllib.request.urlopen(url, timeout=10) as page:
            assert SAMPLES[name] in page.read().decode()
    assert set(found["pids"]) == {"postgres", "redis", "kafka", "serve", "consume", "relay"}

    # Any child may be killed; it comes back where it was.
    for name in ("serve", "consume", "relay"):
        before = endpoints(data_dir)["pids"][name]
        os.kill(before, signal.SIGKILL)
        until(lambda name=name, before=before: endpoints(data_dir)["pids"].get(name, before) != before)
    until(lambda: set(endpoints(data_dir)["pids"]) == set(found["pids"]))
    assert endpoints(data_dir)["grpc"] == found["grpc"]
    until(lambda: _serves(found["grpc"]))

    applied = migrations(found["postgres_dsn"])
    pids = list(endpoints(data_dir)["pids"].values())
    stop(process)
    assert [pid for pid in pids if identify(pid) is not None] == []
    assert not (data_dir / "endpoints.json").exists()

    # The same data directory, a new life: same key, same data, nothing migrated twice.
    key = Path(found["master_key_file"]).read_text(encoding="utf-8")
    process = start(data_dir)
    lines_until_ready(process)
    again = endpoints(data_dir)
    assert Path(again["master_key_file"]).read_text(encoding="utf-8") == key
    assert migrations(again["postgres_dsn"]) == applied
    stop(process)


def _serves(address: str) -> bool:
    try:
        return health_of(address) == health_pb2.HealthCheckResponse.SERVING
    except grpc.RpcError:
        return False


def test_a_killed_parent_leaves_no_children(data_dir: Path) -> None:
    process = start(data_dir)
    lines_until_ready(process)
    pids = endpoints(data_dir)["pids"]
    process.kill()
    process.communicate()
    until(lambda: all(identify(pids[name]) is None for name in ("serve", "consume", "relay")))

    # Servers it left behind are ended by the next start.
    process = start(data_dir)
    lines_until_ready(process)
    now = endpoints(data_dir)["pids"]
    assert set(now.values()).isdisjoint(pids.values())
    stop(process)
    assert all(identify(pid) is None for pid in pids.values())


def test_too_many_bad_messages_stop_everything_until_somebody_has_looked(data_dir: Path) -> None:
    """The worker's limit holds although `up` starts whatever ends; ports of the environment are honoured on the way."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = start(data_dir, environ={"GOLDTHREAD_GRPC_PORT": str(port)})
    lines_until_ready(process)
    found = endpoints(data_dir)
    assert found["grpc"] == f"127.0.0.1:{port}"
    with EventProducer(BusSettings(bootstrap=found["kafka_bootstrap"])) as producer:
        for _ in range(BAD_MESSAGES):
            producer.send(Settings().events_topic, key=b"till", value=b"\xff", headers={})
        producer.flush()
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 3
    last = errors.splitlines()[-1]
    assert last.startswith(
        "Error: consume ended with exit code 3 and is not started again: POISON_LIMIT: too many bad messages"
    )
    log = (data_dir / "logs" / "consume.log").read_text(encoding="utf-8")
    assert log.count('"event": "consumer_started"') == 1
    streak = int(log.split("(bad=")[1].split()[0])
    assert 1_000 <= streak < BAD_MESSAGES
    assert all(identify(pid) is None for pid in found["pids"].values())


def test_a_stop_during_the_start_is_obeyed(data_dir: Path) -> None:
    process = start(data_dir)
    until((data_dir / "postgres").exists)
    stop(process)
    assert not (data_dir / "endpoints.json").exists()


@pytest.mark.parametrize(
    ("region", "why"), [("Utopia", "2 letters"), ("UK", "a known ISO 3166 country code, such as US or GB")]
)
def test_wrong_settings_are_one_line(data_dir: Path, region: str, why: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "goldthread.app.cli", "up", "--data-dir", str(data_dir)],
        env={**process_environment(), "GOLDTHREAD_REGION": region},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 2
    assert process.stderr == (
        f"goldthread: INVALID_SETTING: GOLDTHREAD_REGION: must be {why} (key=GOLDTHREAD_REGION)\n"
    )

"""The supervisor over real, tiny child processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from goldthread.app.status import Status, read_status, write_status
from goldthread.app.supervise import Child, Supervisor, SupervisorError

READY = """
import json, os, sys
path = sys.argv[sys.argv.index("--status-file") + 1]
open(path + ".new", "w").write(json.dumps({"pid": os.getpid(), "ports": {"grpc": int(os.environ["PORT"]) or 4711}}))
os.replace(path + ".new", path)
"""
UNTIL_EOF = READY + "sys.stdin.buffer.read()\n"
STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "time.sleep(60)\n"
BRIEF = READY + "raise SystemExit(1)\n"


def environ(ports: Mapping[str, int]) -> Mapping[str, str]:
    return {**os.environ, "PORT": str(ports.get("grpc", 0))}


def child(folder: Path, script: str, name: str = "serve") -> Child:
    return Child(name, command=[sys.executable, "-c", script], environ=environ, folder=folder)


def until(wanted: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_children_start_report_ports_and_stop_in_order(tmp_path: Path) -> None:
    children = [child(tmp_path, UNTIL_EOF, "serve"), child(tmp_path, UNTIL_EOF, "relay")]
    changes: list[int] = []
    supervisor = Supervisor(children, changed=lambda: changes.append(1))
    supervisor.start(seconds=30)
    try:
        pids = supervisor.pids()
        assert set(pids) == {"serve", "relay"}
        assert supervisor.ports() == {"serve": {"grpc": 4711}, "relay": {"grpc": 4711}}
        assert changes
    finally:
        supervisor.stop(grace=5)
    assert supervisor.pids() == {}
    assert not any(alive(pid) for pid in pids.values())
    supervisor.stop(grace=5)


def test_a_killed_child_comes_back_on_its_port(tmp_path: Path) -> None:
    supervisor = Supervisor([child(tmp_path, UNTIL_EOF)], changed=lambda: None)
    supervisor.start(seconds=30)
    try:
        before = supervisor.pids()["serve"]
        os.kill(before, signal.SIGKILL)
        until(lambda: supervisor.pids().get("serve", before) != before)
        assert supervisor.ports()["serve"] == {"grpc": 4711}
        supervisor.check()
    finally:
        supervisor.stop(grace=5)


def test_a_child_that_ignores_sigterm_is_killed_within_its_grace(tmp_path: Path) -> None:
    supervisor = Supervisor([child(tmp_path, STUBBORN)], changed=lambda: None)
    supervisor.start(seconds=30)
    pid = supervisor.pids()["serve"]
    started = time.monotonic()
    supervisor.stop(grace=0.3)
    assert time.monotonic() - started < 5
    assert not alive(pid)


def test_wrong_settings_end_the_start_at_once(tmp_path: Path) -> None:
    supervisor = Supervisor([child(tmp_path, "raise SystemExit(2)")], changed=lambda: None)
    with pytest.raises(SupervisorError, match="exit code 2"):
        supervisor.start(seconds=30)
    supervisor.stop(grace=1)
    with pytest.raises(SupervisorError, match=r"serve\.log"):
        supervisor.check()


def test_too_many_false_starts_are_given_up(tmp_path: Path) -> None:
    """With a clock of our own, so that no wait is real."""
    failing = child(tmp_path, "raise SystemExit(1)")
    now, lives = 0.0, 0
    while failing.failure is None:
        if failing.tend(now) and failing.pid is not None:
            lives += 1
        now += 0.5
        time.sleep(0.005)
    assert "exit code 1" in str(failing.failure)
    assert lives <= 8
    assert failing.tend(now) is False


def test_waits_double_while_lives_are_short_and_are_bounded(tmp_path: Path) -> None:
    """With a clock of our own: it moves only while no process runs, so it measures the waits alone."""
    brief = child(tmp_path, BRIEF)
    waits: list[float] = []
    now = ended_at = 0.0
    while len(waits) < 7:
        runs = brief.pid is not None
        changed = brief.tend(now)
        if changed and not runs and brief.pid is not None:
            waits.append(now - ended_at)
        if brief.pid is None:
            now += 0.01
        else:
            ended_at = now
            time.sleep(0.005)
    brief.stop(1)
    assert waits[1] <= 0.12
    assert 0.7 <= max(waits) <= 2.1


def test_logs_are_private_and_appended(tmp_path: Path) -> None:
    supervisor = Supervisor([child(tmp_path, "print('hello', flush=True)\n" + UNTIL_EOF)], changed=lambda: None)
    supervisor.start(seconds=30)
    try:
        log = tmp_path / "serve.log"
        until(lambda: log.read_text(encoding="utf-8") == "hello\n")
        assert log.stat().st_mode & 0o077 == 0
    finally:
        supervisor.stop(grace=5)


def test_status_files_are_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "relay.status"
    assert read_status(path) is None
    write_status(path, Status(pid=7, ports={"metrics": 9}))
    assert read_status(path) == Status(pid=7, ports={"metrics": 9})
    assert path.stat().st_mode & 0o077 == 0
    assert [item.name for item in tmp_path.iterdir()] == ["relay.status"]


def ended(script: str, folder: Path) -> tuple[Child, list[str], int]:
    """A child tended until it is given up, with a clock of our own; what it told, and how many lives it had."""
    told: list[str] = []
    found = Child("consume", command=[sys.executable, "-c", script], environ=environ, folder=folder, log=told.append)
    now, lives = 0.0, 0
    while found.failure is None:
        ran = found.pid is not None
        if found.tend(now) and not ran and found.pid is not None:
            lives += 1
        # Lives are short on this clock, waits are over at once.
        now += 0.001 if found.pid is not None else 3.0
        time.sleep(0.005)
    return found, told, lives


def test_a_child_that_stopped_on_purpose_is_not_started_again_and_says_why(tmp_path: Path) -> None:
    words = "print('goldthread: POISON_LIMIT: too many', file=sys.stderr)\n"
    found, told, lives = ended(READY + words + "raise SystemExit(3)\n", tmp_path)
    assert (lives, told) == (1, [])
    assert found.failure is not None
    assert found.failure.exit_code == 3
    assert str(found.failure) == (
        f"consume ended with exit code 3 and is not started again: POISON_LIMIT: too many, see {found.log_path}"
    )


def test_words_of_an_earlier_run_are_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "consume.log").write_text("goldthread: POISON_LIMIT: of yesterday\n", encoding="utf-8")
    found, _, _ = ended(READY + "raise SystemExit(3)\n", tmp_path)
    assert "yesterday" not in str(found.failure)


def test_short_lives_are_told_and_given_up_though_each_was_ready(tmp_path: Path) -> None:
    found, told, lives = ended(BRIEF, tmp_path)
    assert lives == 10
    assert told == [f"consume: ended with exit code 1, starting it again (see {found.log_path})"] * 9
    assert "10 times soon after its start" in str(found.failure)
    assert found.failure is not None
    assert found.failure.exit_code == 1


def test_a_killed_child_is_told_by_its_signal(tmp_path: Path) -> None:
    _, told, _ = ended(READY + "import signal\nos.kill(os.getpid(), signal.SIGKILL)\n", tmp_path)
    assert told[0].startswith("consume: was ended by SIGKILL, starting it again (see ")

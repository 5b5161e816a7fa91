"""Children are known by id, start time and command line; strangers are never touched."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldthread.app.embedded.process import Child, end_orphan, identify

_IDLE = "import sys, time; print('up', flush=True); time.sleep(60)"
# Its first thread ends (`exit` of one thread, pthread_exit(3)) while another holds a lock, as it would a port.
_HALF_ENDED = """
import ctypes, fcntl, threading, time
held = open("held", "w")
fcntl.flock(held, fcntl.LOCK_EX)
def hold():
    while "State:\\tZ" not in open("/proc/self/status").read():
        time.sleep(.01)
    print("up", flush=True)
    time.sleep(60)
threading.Thread(target=hold).start()
ctypes.CDLL(None).pthread_exit(None)
"""
_STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        if child.alive():
            child.kill()


def _spawn(tmp_path: Path, code: str, children: list[Child]) -> Child:
    child = Child.spawn(
        [sys.executable, "-c", code, "marker-of-ours"],
        log_path=tmp_path / "server.log",
        pid_path=tmp_path / "pid.json",
        cwd=tmp_path,
        env=os.environ,
        account=None,
    )
    children.append(child)
    deadline = time.monotonic() + 20
    while "up" not in child.log_since_start() and time.monotonic() < deadline:
        time.sleep(0.02)
    return child


def test_a_child_has_a_session_of_its_own_and_a_log_of_its_own_start(tmp_path: Path, started: list[Child]) -> None:
    (tmp_path / "server.log").write_text("words of an earlier run\n", encoding="utf-8")
    child = _spawn(tmp_path, _IDLE, started)
    assert os.getsid(child.pid) == child.pid
    assert child.log_tail() == "up"
    found = identify(child.pid)
    assert found is not None
    assert "marker-of-ours" in found.command


def test_stop_asks_then_reaps_and_forgets(tmp_path: Path, started: list[Child]) -> None:
    child = _spawn(tmp_path, _IDLE, started)
    assert child.stop(signal.SIGTERM, grace=10)
    assert not child.alive()
    assert identify(child.pid) is None
    assert not (tmp_path / "pid.json").exists()


def test_stop_kills_what_does_not_listen(tmp_path: Path, started: list[Child]) -> None:
    child = _spawn(tmp_path, _STUBBORN, started)
    assert not child.stop(signal.SIGTERM, grace=0.2)
    assert not child.alive()


def test_an_orphan_is_ended(tmp_path: Path, started: list[Child]) -> None:
    child = _spawn(tmp_path, _STUBBORN, started)
    ended = end_orphan(tmp_path / "pid.json", marker="marker-of-ours", first_signal=signal.SIGTERM, grace=0.2)
    assert ended == child.pid
    assert not child.alive()
    assert not (tmp_path / "pid.json").exists()


@pytest.mark.parametrize("difference", ["marker", "start time"])
def test_a_stranger_with_the_recorded_id_is_left_alone(tmp_path: Path, started: list[Child], difference: str) -> None:
    child = _spawn(tmp_path, _IDLE, started)
    marker = "marker-of-ours"
    if difference == "marker":
        marker = "marker-of-somebody-else"
    else:
        recorded = json.loads((tmp_path / "pid.json").read_text(encoding="utf-8"))
        (tmp_path / "pid.json").write_text(json.dumps({**recorded, "started": "1"}), encoding="utf-8")
    ended = end_orphan(tmp_path / "pid.json", marker=marker, first_signal=signal.SIGTERM, grace=0.2)
    assert ended is None
    assert child.alive()
    assert not (tmp_path / "pid.json").exists()


@pytest.mark.parametrize("text", [None, "", "{}", '{"pid": "x", "started": 1}', "[1]"])
def test_without_a_readable_record_there_is_no_orphan(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "pid.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert end_orphan(path, marker="", first_signal=signal.SIGTERM, grace=0.1) is None


def test_an_ended_child_that_awaits_its_parent_counts_as_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    deadline = time.monotonic() + 20
    while identify(process.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert identify(process.pid) is None
    assert process.wait(10) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="where /proc tells threads")
def test_a_process_is_there_until_its_last_thread_has_ended(tmp_path: Path, started: list[Child]) -> None:
    child = _spawn(tmp_path, _HALF_ENDED, started)
    state = Path(f"/proc/{child.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    assert state == "Z"
    with (tmp_path / "held").open() as held:
        with pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ended = end_orphan(tmp_path / "pid.json", marker="marker-of-ours", first_signal=signal.SIGTERM, grace=10)
        assert ended == child.pid
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)

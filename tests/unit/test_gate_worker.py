"""How the gate tells an ending that a fault explains from one that is a fault of the service."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from gate.worker import EndingError, Worker

WAIT = "import sys, time; {}; time.sleep(60)"
READY = (
    "import os; from pathlib import Path; from goldthread.app.status import Status, write_status; "
    "write_status(Path(sys.argv[2]), Status(pid=os.getpid()))"
)


def worker(folder: Path, script: str) -> Worker:
    """A worker that runs a script; it is told the name of its status file as the service's processes are."""
    found = Worker("part", command=[sys.executable, "-c", script], environ=dict(os.environ), folder=folder)
    found.start()
    return found


def until_ended(found: Worker) -> None:
    deadline = time.monotonic() + 20
    while found.pid is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_may_end_by_the_signal_before_it_has_begun(tmp_path: Path) -> None:
    found = worker(tmp_path, WAIT.format("pass"))
    assert found.terminate()
    found.tend()
    assert found.gave_up == ["asked to end before it had begun"]


@pytest.mark.parametrize("began", [READY, "print('a line', flush=True)"])
def test_one_that_had_begun_must_take_the_signal(tmp_path: Path, began: str) -> None:
    found = worker(tmp_path, WAIT.format(began))
    deadline = time.monotonic() + 20
    while not found.ready and not found.log_path.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert found.terminate()
    with pytest.raises(EndingError, match="exit code -15"):
        found.tend()


def test_a_signal_of_somebody_else_is_no_excuse(tmp_path: Path) -> None:
    found = worker(tmp_path, WAIT.format("pass"))
    assert found.pid is not None
    os.kill(found.pid, signal.SIGTERM)
    until_ended(found)
    with pytest.raises(EndingError, match="exit code -15"):
        found.tend()

"""Runs that are asked to end early end what they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from loadtest.leaving import finished

ROOT = Path(__file__).parents[3]
WITH_SERVERS = """
import time
from goldthread.app.leave import leave_in_order
leave_in_order()
try:
    print("running", flush=True)
    time.sleep(60)
finally:
    print("stopping", flush=True)
    time.sleep(0.5)
    print("stopped", flush=True)
"""


def test_whoever_is_told_twice_stops_its_servers_all_the_same() -> None:
    command = [sys.executable, "-c", WITH_SERVERS]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in ("running\n", "stopping\n"):
            assert process.stdout.readline() == line
            process.terminate()
        assert process.stdout.readline() == "stopped\n"
    assert process.returncode == 128 + signal.SIGTERM


def test_a_run_that_takes_too_long_is_asked_to_end_and_waited_for(tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    program = WITH_SERVERS + f"    open({str(stopped)!r}, 'w').close()\n"
    with pytest.raises(subprocess.TimeoutExpired):
        finished([sys.executable, "-c", program], cwd=ROOT, environ=dict(os.environ), seconds=10.0)
    assert stopped.exists()


def test_what_a_run_printed_is_given(tmp_path: Path) -> None:
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = finished([sys.executable, "-c", program], cwd=tmp_path, environ=dict(os.environ), seconds=30.0)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")

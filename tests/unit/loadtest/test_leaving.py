"""Runs that are asked to end early end what they started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loadtest.leaving import finished

ROOT = Path(__file__).parents[3]


def test_a_run_that_takes_too_long_is_asked_to_end_and_waited_for(tmp_path: Path) -> None:
    stopped = tmp_path / "stopped"
    program = f"""
import time
from goldthread.app.leave import leave_in_order
leave_in_order()
try:
    time.sleep(60)
finally:
    time.sleep(0.5)
    open({str(stopped)!r}, "w").close()
"""
    with pytest.raises(subprocess.TimeoutExpired):
        finished([sys.executable, "-c", program], cwd=ROOT, environ=dict(os.environ), seconds=10.0)
    assert stopped.exists()


def test_what_a_run_printed_is_given(tmp_path: Path) -> None:
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = finished([sys.executable, "-c", program], cwd=tmp_path, environ=dict(os.environ), seconds=30.0)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")

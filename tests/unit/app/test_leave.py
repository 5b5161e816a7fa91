from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from goldthread.app.leave import Leave

PROGRAM = """
import sys
from goldthread.app.leave import Leave
leave = Leave()
leave.on_leave(lambda: print("called", flush=True))
leave.listen(until_eof="eof" in sys.argv)
print("listening", flush=True)
sys.exit(0 if leave.event.wait(20) else 1)
"""

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


def started(*arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_the_wish(number: signal.Signals) -> None:
    with started() as process:
        os.kill(process.pid, number)
        assert process.communicate(timeout=20)[0] == "called\n"
    assert process.returncode == 0


def test_the_end_of_standard_input_is_the_wish() -> None:
    with started("eof") as process:
        assert process.communicate(timeout=20)[0] == "called\n"
    assert process.returncode == 0


def test_every_call_is_made_once_early_or_late() -> None:
    leave, calls = Leave(), []
    leave.on_leave(lambda: calls.append("early"))
    leave.leave()
    leave.leave()
    leave.on_leave(lambda: calls.append("late"))
    assert calls == ["early", "late"]
    assert leave.event.is_set()


def test_whoever_is_told_twice_stops_its_servers_all_the_same() -> None:
    with subprocess.Popen([sys.executable, "-c", WITH_SERVERS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in ("running\n", "stopping\n"):
            assert process.stdout.readline() == line
            process.terminate()
        assert process.stdout.readline() == "stopped\n"
    assert process.returncode == 128 + signal.SIGTERM

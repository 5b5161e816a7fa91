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

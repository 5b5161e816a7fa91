"""How runs end that were asked to end early: what they started ends first."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["finished", "leave_in_order"]

_TERMINATED = 128 + signal.SIGTERM
_GRACE_SECONDS = 60.0


def leave_in_order() -> None:
    """From now on SIGTERM ends this process as Ctrl-C does, by an exception: servers have sessions of their own and would outlive it. Main thread only."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(*_: object) -> None:
    # A second signal, as of somebody who tells the whole group of processes, must not cut short what the first one began.
    signal.signal(signal.SIGTERM, lambda *_: None)
    sys.exit(_TERMINATED)


def finished(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """What a run of another process gave. Whatever ends this early asks the other to end and waits for it: it has servers to stop.

    Raises `subprocess.TimeoutExpired` after `seconds`.
    """
    with subprocess.Popen(
        command, cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except BaseException:
            process.terminate()
            try:
                process.communicate(timeout=_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)

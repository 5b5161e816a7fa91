"""Runs in processes of their own, which have servers to stop."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["finished"]

_GRACE_SECONDS = 60.0


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

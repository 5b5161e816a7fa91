"""Runs a command in a process of its own and measures it from outside.

A process starts with the peak memory of the one that starts it, so whoever measures has to be small: this module and its caller load no tables.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Measured", "run_measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One process: whether it ended well in time, wall and processor seconds with those of its children, peak memory, and what it printed."""

    ended: bool
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str

    def told(self) -> str:
        """Seconds, processor seconds and memory in words."""
        if not self.ended:
            return f"did not end well within {self.seconds:.0f} s ({self.peak_bytes / 2**20:,.0f} MiB)"
        return f"{self.seconds:.1f} s, {self.cpu_seconds:.1f} CPU s, {self.peak_bytes / 2**20:,.0f} MiB"


def run_measured(
    command: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None, keep_error: bool = False
) -> Measured:
    """Runs a command to its end, or kills it after `timeout` seconds."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if keep_error else subprocess.DEVNULL,
    )
    late = threading.Timer(timeout, process.kill)
    late.start()
    try:
        output = process.stdout.read() if process.stdout else b""
        _, status, used = os.wait4(process.pid, 0)
    finally:
        late.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stdout:
        process.stdout.close()
    return Measured(
        ended=process.returncode == 0,
        seconds=time.perf_counter() - start,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_bytes=used.ru_maxrss * 1024,
        output=output.decode(errors="replace"),
    )

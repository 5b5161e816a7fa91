"""Lookups by h2load, an HTTP/2 load generator in C, where a caller in Python would itself be what is measured.

It is told a rate and keeps it whatever the server does, up to 1,000 calls under way at once. It sees HTTP alone, so what the answers say is
not looked at here: errors are those that the server counted.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.locust.calls import percentile
from loadtest.locust.faces import request
from loadtest.locust.plan import Target

__all__ = ["Outside", "missing", "parse_log", "run_outside"]

_TOOL = "h2load"
_PATH = "/goldthread.v1.LookupService/Lookup"
_BODIES = 4
_CLIENTS = 5
_AT_ONCE = 50
_OVER_SECONDS = 30.0
_PREFIX = struct.Struct(">BI")


@dataclass(frozen=True, slots=True)
class Outside:
    """Times in milliseconds, in order, and how many calls had no answer or another status than 200."""

    ordered: Sequence[float] = field(repr=False)
    errors: int

    def figures(self, *, planned: float) -> dict[str, float]:
        """Figures by name."""
        return {
            "h2.calls": len(self.ordered),
            "h2.errors": self.errors,
            "h2.made_share": len(self.ordered) / planned,
            "h2.p50_ms": percentile(self.ordered, 0.5),
            "h2.p99_ms": percentile(self.ordered, 0.99),
            "h2.p999_ms": percentile(self.ordered, 0.999),
            "h2.longest_ms": percentile(self.ordered, 1.0),
        }


def missing() -> str | None:
    """What has to be installed, if anything."""
    return None if shutil.which(_TOOL) else f"{_TOOL} is not installed: it is in Debian's package nghttp2-client"


def run_outside(targets: Sequence[Target], *, address: str, rate: int, seconds: float, folder: Path) -> Outside:
    """Asks for a few customers, `rate` times a second in all. Blocks for `seconds`."""
    wanted = [target for target in targets if target.kind == "hit"][:_BODIES]
    runs = []
    for place, target in enumerate(wanted):
        message = request(target).SerializeToString()
        body = folder / f"h2-{place}.body"
        body.write_bytes(_PREFIX.pack(0, len(message)) + message)
        log = folder / f"h2-{place}.tsv"
        log.unlink(missing_ok=True)
        command = [_TOOL, "-c", str(_CLIENTS), "-m", str(_AT_ONCE), "-t", "1", "-D", f"{seconds:.0f}"]
        command += ["--rps", f"{rate / len(wanted) / _CLIENTS:g}", "-d", str(body), "--log-file", str(log)]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{address}{_PATH}"]
        runs.append((log, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
    try:
        for _, run in runs:
            run.wait(seconds + _OVER_SECONDS)
    finally:
        for _, run in runs:
            if run.poll() is None:
                run.kill()
                run.wait()
    rows = [row for log, _ in runs for row in parse_log(log.read_text(encoding="utf-8"))]
    errors = sum(status != 200 for status, _ in rows)
    return Outside(sorted(milliseconds for _, milliseconds in rows), errors)


def parse_log(text: str) -> list[tuple[int, float]]:
    """Status (-1: none) and time in milliseconds of each call that h2load wrote down."""
    rows = (line.split("\t") for line in text.splitlines())
    return [(int(row[1]), int(row[2]) / 1000) for row in rows]

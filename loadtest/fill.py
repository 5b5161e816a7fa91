"""`goldthread load` into an empty ledger, measured: `python -m loadtest.fill FILE…`.

Each file goes into a fresh database of an embedded PostgreSQL. Printed: what the command says, its processor time and peak memory, and the processor time
of PostgreSQL's sessions; the machine's load before, since both cores count.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import click

from goldthread.app import wiring
from goldthread.app.leave import leave_in_order
from goldthread.app.settings import Settings
from loadtest.databases import Databases, embedded_postgres

__all__ = ["main"]

_KEY = "11" * 32


def main(arguments: list[str] | None = None) -> int:
    """Fills a ledger with each file; the exit code is that of the first load that fails."""
    parser = argparse.ArgumentParser(prog="loadtest.fill", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    asked = parser.parse_args(arguments)
    leave_in_order()
    with embedded_postgres() as databases:
        for path in asked.files:
            code = _fill(path, databases)
            if code:
                return code
    return 0


def _fill(path: Path, databases: Databases) -> int:
    with databases.fresh() as dsn:
        wiring.migrate(Settings(postgres_dsn=dsn))
        before = databases.server_cpu_seconds()
        click.echo(f"== {path.name}, load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        started = time.monotonic()
        environment = {**os.environ, "GOLDTHREAD_POSTGRES_DSN": dsn, "GOLDTHREAD_MASTER_KEY": _KEY}
        command = [sys.executable, "-m", "goldthread.app.cli", "load", str(path)]
        child = os.posix_spawn(sys.executable, command, environment)
        _, status, usage = os.wait4(child, 0)
        seconds = time.monotonic() - started
        click.echo(
            f"   {seconds:.1f} s; command {usage.ru_utime + usage.ru_stime:.1f} s of processor, {usage.ru_maxrss / 2**20:.2f} GiB at most; "
            f"PostgreSQL {databases.server_cpu_seconds() - before:.1f} s of processor",
        )
        return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())

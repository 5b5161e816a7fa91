"""What the processes of a run wrote, kept after it, and statements that took long: where a run's worst second is to be looked for."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import psycopg

__all__ = ["SLOW_MS", "keep_logs", "slow_statements", "tell_slow_statements"]

SLOW_MS = 500
_TOLD = (
    f"log_min_duration_statement = '{SLOW_MS}ms'",
    # Statements are told with places for their values, and nothing of the values.
    "log_parameter_max_length = 0",
    "log_parameter_max_length_on_error = 0",
    "log_lock_waits = on",
    "log_checkpoints = on",
)
_SERVER = "postgres"
_DURATION = re.compile(r"duration: (\d+\.\d+) ms")


def tell_slow_statements(dsn: str) -> None:
    """From now on PostgreSQL's log tells of statements of `SLOW_MS` and longer, waits for locks of a second, and checkpoints."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for setting in _TOLD:
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")


def keep_logs(data: Path, folder: Path) -> None:
    """Copies the logs of the service's processes and of PostgreSQL out of the data directory; those of a run before go."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    for log in (data / "logs").glob("*.log"):
        shutil.copyfile(log, folder / log.name)
    told = data / _SERVER / "server.log"
    if told.exists():
        shutil.copyfile(told, folder / f"{_SERVER}.log")


def slow_statements(folder: Path) -> list[float]:
    """Milliseconds of each slow statement that PostgreSQL told of in a run whose logs were kept there."""
    log = folder / f"{_SERVER}.log"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return [float(found) for found in _DURATION.findall(text)]

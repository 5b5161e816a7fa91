"""What the processes of a run wrote, kept after it, and statements that took long: where a run's worst second is to be looked for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql

__all__ = ["SLOW_MS", "keep_logs", "slow_statements", "slow_statements_told"]

SLOW_MS = 500
_TOLD = {
    "log_min_duration_statement": f"'{SLOW_MS}ms'",
    # Statements are told with places for their values, and nothing of the values.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_lock_waits": "on",
    "log_checkpoints": "on",
}
_SERVER = "postgres"
_DURATION = re.compile(r"duration: (\d+\.\d+) ms")


@contextmanager
def slow_statements_told(dsn: str) -> Iterator[None]:
    """While the block runs PostgreSQL's log tells of statements of `SLOW_MS` and longer, waits for locks of a second, and checkpoints."""
    _set(dsn, _TOLD)
    try:
        yield
    finally:
        # Where the server has gone, what ended the run is worth knowing, not this.
        with suppress(psycopg.Error):
            _set(dsn, dict.fromkeys(_TOLD, "DEFAULT"))


def _set(dsn: str, settings: Mapping[str, str]) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.SQL(value)))
        connection.execute("SELECT pg_reload_conf()")


def keep_logs(data: Path, folder: Path) -> None:
    """Copies the logs of the service's processes and of PostgreSQL out of the data directory; those of a run before go."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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

"""One embedded PostgreSQL for a run, and fresh databases in it."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from goldthread.app.embedded import PostgresServer

__all__ = ["Databases", "embedded_postgres"]

_DEAREST = """
SELECT total_exec_time / 1000, calls, total_exec_time / calls, (shared_blks_hit + shared_blks_read) / calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 110)
FROM pg_stat_statements WHERE query !~ 'DATABASE' ORDER BY total_exec_time DESC LIMIT %(most)s
"""


class Databases:
    """Makes and drops databases of one server."""

    def __init__(self, dsn: str, *, pid: int | None, counts_statements: bool = False) -> None:
        self.dsn = dsn
        self.pid = pid
        self._counts_statements = counts_statements
        self._numbers = itertools.count(1)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """DSN of an empty database, dropped at the end whoever is connected."""
        name = sql.Identifier(f"run_{os.getpid()}_{next(self._numbers)}")
        self._run(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            yield make_conninfo(self.dsn, dbname=name.as_string(None).strip('"'))
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def statements(self, *, most: int = 10) -> list[str]:
        """Where the server's time went since this was asked last, the dearest first; nothing unless it counts statements."""
        if not self._counts_statements:
            return []
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            rows = connection.execute(_DEAREST, {"most": most}).fetchall()
            connection.execute("SELECT pg_stat_statements_reset()")
        return [
            f"{seconds:8.1f} s in {calls:,} calls of {mean:.1f} ms and {blocks:,} blocks: {text}"
            for seconds, calls, mean, blocks, text in rows
        ]

    def server_cpu_seconds(self) -> float:
        """Processor time of the sessions that have ended, as the server's parent process counts it. Linux only; else 0."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return 0.0
        fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        # After the name: the 14th and 15th fields are what its children used in user and system mode.
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def embedded_postgres(*, statements: bool = False) -> Iterator[Databases]:
    """A server of its own in a temporary folder, stopped and removed at the end; it counts `statements` if asked."""
    folder = Path(tempfile.mkdtemp(prefix="goldthread-loadtest-"))
    # The account that runs PostgreSQL must be able to pass through.
    folder.chmod(0o711)
    server = PostgresServer(folder, environ=os.environ)
    try:
        server.start()
        if statements:
            _count_statements(server)
        yield Databases(server.endpoint, pid=server.pid, counts_statements=statements)
    finally:
        server.stop()
        shutil.rmtree(folder)


def _count_statements(server: PostgresServer) -> None:
    with psycopg.connect(server.endpoint, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    server.stop()
    server.start()
    with psycopg.connect(server.endpoint, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")

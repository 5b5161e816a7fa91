"""Servers for storms outside pytest: the same databases and caches as the fixtures give."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

from fixtures.servers import Postgres
from goldthread.app.embedded import PostgresServer, ValkeyServer
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics

__all__ = ["Servers", "servers"]

_TEMPLATE = "ledger_template"


class Servers:
    """One PostgreSQL with a migrated template database, and one Valkey."""

    def __init__(self, postgres: Postgres, redis_url: str) -> None:
        self.postgres = postgres
        self.redis_url = redis_url

    @contextmanager
    def database(self) -> Iterator[str]:
        """DSN of a fresh, migrated database, dropped at the end."""
        dsn = self.postgres.clone()
        try:
            yield dsn
        finally:
            self.postgres.drop(dsn)


@contextmanager
def servers() -> Iterator[Servers]:
    """Both servers in a temporary folder, stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="goldthread-storms-"))
    folder.chmod(0o711)
    parts = (PostgresServer(folder, environ=os.environ), ValkeyServer(folder, environ=os.environ))
    try:
        dsn, redis_url = (part.start() for part in parts)
        postgres = Postgres(dsn, itertools.count(1))
        postgres.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        with Ledger(LedgerSettings(dsn=make_conninfo(dsn, dbname=_TEMPLATE)), Metrics()) as ledger:
            ledger.migrate()
        yield Servers(postgres, redis_url)
    finally:
        for part in parts:
            part.stop()
        shutil.rmtree(folder, ignore_errors=True)

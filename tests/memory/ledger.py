"""The ledger over tables: `Ledger` as it is, its way to PostgreSQL replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf
from typing import Any, cast

import psycopg
from psycopg import IsolationLevel

from goldthread.ledger import Ledger
from goldthread.ledger.commit import Commits
from memory.connection import Connection
from memory.tables import Tables

__all__ = ["MemoryLedger"]


class MemoryLedger(Ledger):
    """A ledger of one process and one writer at a time; `tables` is all it holds. `now` gives the time of each transaction."""

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.tables = Tables(clock=now)
        self._commits = cast("Commits", _Transactions(self.tables))

    def close(self) -> None:
        """There is nothing to close."""

    @contextmanager
    def _connection(self, timeout: float | None = None) -> Iterator[psycopg.Connection[Any]]:
        with self._commits.transaction(timeout=timeout) as connection:
            yield connection

    @contextmanager
    def relay_lease(self) -> Iterator[bool]:
        """Always free."""
        yield True


class _Transactions:
    """In the place of `Commits`: kept at the end, or taken back if they fail or are previews."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._open = False

    @contextmanager
    def transaction(
        self,
        *,
        isolation: IsolationLevel | None = None,
        preview: bool = False,
        reading: bool = False,
        timeout: float | None = None,
        bound_seconds: float = inf,
    ) -> Iterator[psycopg.Connection[Any]]:
        if self._open:
            raise RuntimeError("the twin has one transaction at a time")
        self._open = True
        self._tables.begin()
        try:
            yield cast("psycopg.Connection[Any]", Connection(self._tables))
        except BaseException:
            self._tables.rollback()
            raise
        else:
            if preview:
                self._tables.rollback()
            else:
                self._tables.commit()
        finally:
            self._open = False

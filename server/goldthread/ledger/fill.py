"""Filling an empty ledger in one transaction: tables without their indexes are copied into, then the indexes are made.

Either all of it is there afterwards or nothing is. While it lasts, whoever reads or writes the ledger waits, up to its own limits: a ledger that is being
filled answers nobody, rather than that it knows nobody.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable

from goldthread.domain.ports import OffsetMove
from goldthread.ledger.bounded import bound_waits
from goldthread.ledger.transaction import LedgerTransaction
from goldthread.telemetry.metrics import Metrics

__all__ = ["FILLED_TABLES", "LedgerFill"]

_COPIES: Final = {
    "record": "copy_record",
    "membership": "copy_membership",
    "token": "copy_token",
    "record_token": "copy_record_token",
    "token_name": "copy_token_name",
    "block": "copy_block",
    "record_block": "copy_record_block",
    "inbox": "copy_inbox",
    "event_conflict": "copy_event_conflict",
    "purchase": "copy_purchase",
    "consent_event": "copy_consent_event",
    "pair": "copy_pair",
    "profile": "copy_profile",
    "review": "copy_review",
    "household": "copy_household",
    "contender": "copy_contender",
    "journal": "copy_journal",
    "journal_link": "copy_journal_link",
    "outbox_later": "copy_outbox_later",
}

FILLED_TABLES: Final = tuple(_COPIES)
"""Tables that are filled; everything else of an empty ledger is empty too, or stays as it is."""

_LOCK_ATTEMPTS = 150
_LOCK_WAIT = "300ms"
"""Less than the second after which PostgreSQL looks for a circle of waiters and ends one of them."""
_LOCK_PAUSE_SECONDS = 0.2

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"


class LedgerFill(LedgerTransaction):
    """The transaction that fills a ledger; `begin` goes first, `finish` last. `sleep` takes seconds, `uniform` draws from [0, 1)."""

    def __init__(
        self,
        connection: Connection[Any],
        metrics: Metrics,
        *,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(connection)
        self._metrics = metrics
        self._sleep = sleep
        self._uniform = uniform
        self._restores: list[str] = []

    def begin(self) -> bool:
        """Keeps everybody else out and clears the way; False, and nothing is changed, unless the ledger is empty.

        Raises psycopg's `LockNotAvailable` if readers keep a table for a minute.
        """
        bound_waits(self._connection, inf)
        self._run("fill_limits")
        self.own_evidence()
        # Asked before the tables are locked too: the readers of a ledger that is in use are not to notice.
        if not self.is_empty():
            return False
        tables: dict[str, object] = {"tables": list(FILLED_TABLES)}
        self._lock(tables)
        if not self.is_empty():
            return False
        self._restores = [statement for (statement,) in self._rows("fill_restores", **tables)]
        for (statement,) in self._rows("fill_drops", **tables):
            self._connection.execute(sql.SQL(statement))
        self._run("fill_truncate")
        return True

    def _lock(self, tables: dict[str, object]) -> None:
        """Locks every table that is to be changed, all of them or none.

        A reader that holds one of them and asks for another, in an order of its own, would wait in a circle with a fill that did the same. So the fill gives
        way, with all it has, before PostgreSQL ends either of them, and tries again.
        """
        [(statement,)] = self._rows("fill_lock", **tables)
        for _ in range(_LOCK_ATTEMPTS - 1):
            try:
                self._lock_once(statement)
            except LockNotAvailable:
                self._metrics.retries.labels("fill_lock").inc()
                self._sleep(_LOCK_PAUSE_SECONDS * self._uniform())
            else:
                return
        self._lock_once(statement)

    def _lock_once(self, statement: str) -> None:
        with self._connection.transaction():
            [(before,)] = self._rows("lock_timeout")
            self._run("set_lock_timeout", setting=_LOCK_WAIT)
            self._connection.execute(sql.SQL(statement))
            self._run("set_lock_timeout", setting=before)

    def reach(self, group: str, topic: str, end: int) -> None:
        """Moves the offset of a file's only partition to `end` from wherever it stands: an empty ledger holds nothing of what is before it."""
        held: dict[int, int] = dict(self._rows("offsets", group=group, topic=topic))
        self.advance_offset(group, OffsetMove(topic=topic, partition=0, start=held.get(0, 0), end=end))

    def copy(self, table: str, chunks: Iterable[bytes]) -> None:
        """Copies rows, laid out as `COPY … (FORMAT binary)` has them, into one of `FILLED_TABLES`; a table once."""
        with self._connection.cursor() as cursor, cursor.copy(self._text(_COPIES[table])) as copy:
            copy.write(_HEADER)
            for chunk in chunks:
                copy.write(chunk)
            copy.write(_TRAILER)

    def finish(self, *, records: int, tokens: int, version: int) -> Iterator[tuple[int, int]]:
        """Makes indexes, keys and references again, and statistics; gives how many steps are done and how many there are. `version`: the last one used."""
        self._run("fill_sequences", records=records, tokens=tokens, version=version)
        steps = len(self._restores) + 1
        for done, statement in enumerate(self._restores, start=1):
            self._connection.execute(sql.SQL(statement))
            yield done, steps
        self._run("fill_analyze")
        yield steps, steps

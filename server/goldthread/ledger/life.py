"""Tells one life of the ledger's server from the next, so that stamps never go back (ADR 0011).

A stamp counts the transactions that have ended. PostgreSQL hands their numbers out without making them durable, so after a crash, or on a
standby that took over, the count may begin again below what was seen before. The row of `life_mark`, an unlogged table, is gone after every
recovery and after nothing else: whoever finds it missing puts it back and counts `life` up in one transaction. Recovery ends every session, and
this is done before a new one is used for anything; so every snapshot that a `Ledger` reads holds the life that it belongs to. A session pooler in
between may keep our side of a session that has ended; so the mark is looked for whenever a connection is handed out that has not answered of
late, nothing commits where it is missing, and a snapshot without it has no stamp, which `known_stamp` refuses.

The versions of profiles may go back as well: a standby that took over without the last commits draws their numbers again. Readers of the changes
topic keep the greatest version, so each life also begins 2^32 versions further on.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.errors import UndefinedTable

from goldthread.domain.errors import LedgerUnavailableError
from goldthread.ledger.statements import asked

__all__ = ["begin_life", "check_life", "known_stamp"]


def begin_life(connection: Connection[Any]) -> None:
    """Begins the next life if a recovery has ended the last one; for a new connection in autocommit. A ledger without a schema has none."""
    try:
        asked(connection, "begin_life")
    except UndefinedTable:
        return


def check_life(connection: Connection[Any]) -> None:
    """Begins the next life if it is due, on a connection in autocommit that was kept; raises psycopg's errors if the server does not answer."""
    try:
        known = asked(connection, "life_known")()
    except UndefinedTable:
        return
    if not known:
        begin_life(connection)


def known_stamp(stamp: int | None) -> int:
    """The stamp that a snapshot gave. `LedgerUnavailableError`, worth a retry, if a recovery came before it and no life has begun since."""
    if stamp is None:
        raise LedgerUnavailableError("the ledger has been recovered meanwhile")
    return int(stamp)

"""Connections that never wait for the server without end.

PostgreSQL bounds its statements itself, but its word that one was cancelled must still arrive. Behind a link that swallows packets, or a proxy
that acknowledges them and passes nothing on, it never does, and no option of TCP ends the wait of a thread that sits there. So every wait for an
answer ends a second after the server's own limit, counted for each statement that it sees through: the connection is closed and the statement
fails like one whose connection broke. A server that answers never gets that far, since it cancels first. A COMMIT that ends like this is in doubt,
and looked into as any other.

What a connection waits for goes through `Connection.wait`, so this is the only place that counts; there is no thread that watches.
"""

from __future__ import annotations

from math import inf, isfinite
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import Connection
from psycopg.abc import PQGen

__all__ = ["TCP_OPTIONS", "BoundedConnection", "begin_waits", "bound_waits", "shorten_waits"]

T = TypeVar("T")

TCP_OPTIONS = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""Connections that lie idle in the pool are noticed to be dead within half a minute; seconds, the last one in milliseconds."""

_GRACE_SECONDS = 1.0


class BoundedConnection(Connection[Any]):
    """A connection that waits no longer than `limit` seconds and a second more for each statement, nor a second longer than `until`.

    `until` is a moment of the monotonic clock; infinity lets it wait. A new connection has half a minute for each statement.
    """

    limit: float = 30.0
    until: float = inf

    def pending(self) -> int:
        """Statements that a wait has to see through, one at least."""
        return 1

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Result of the exchange `gen`; raises psycopg's `OperationalError` and closes the connection if the server does not answer in time."""
        if timeout is None:
            bound = (max(0.0, self.limit) + _GRACE_SECONDS) * self.pending()
            bound = min(bound, max(0.0, self.until - monotonic()) + _GRACE_SECONDS)
            timeout = bound if isfinite(bound) else None
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError as error:
            if error.sqlstate is None and not isinstance(error, psycopg.errors.PipelineAborted):
                # Not the server's word: the wait is over, or the connection has broken. Without closing it the pool would ask it to roll back.
                self.pgconn.finish()
            raise


def bound_waits(connection: Connection[Any], seconds: float) -> None:
    """What the server's limit of a statement is from now on. The twins of tests have no wire, and are left alone."""
    if isinstance(connection, BoundedConnection):
        connection.limit = seconds


def begin_waits(connection: Connection[Any], seconds: float) -> None:
    """The same for whoever takes the connection now: whatever the one before had to be done by is over."""
    bound_waits(connection, seconds)
    if isinstance(connection, BoundedConnection):
        connection.until = inf


def shorten_waits(connection: Connection[Any], seconds: float) -> None:
    """No statement has longer than this from now on, nor have all of them together."""
    if isinstance(connection, BoundedConnection):
        connection.limit = min(connection.limit, seconds)
        connection.until = min(connection.until, monotonic() + seconds)

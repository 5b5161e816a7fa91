"""Transactions whose COMMIT is never in doubt for longer than the server is away.

A connection that breaks after COMMIT was sent and before its answer came leaves open whether the transaction took effect. The server knows: before
COMMIT the transaction asks for its own number, and afterwards, over another connection, what became of that number (`pg_xact_status`).

- *committed*: the transaction counts as committed; nothing is raised.
- *aborted*: `LedgerUnavailableError`, as for any transaction that was lost.
- *in progress*: the server has not yet noticed, or is still at it. It is asked again; after a second the orphaned session is ended, for
  behind a link that swallows packets the server would wait for its client, locks in hand, until the idle limit. A COMMIT that the server has
  read is carried out all the same, so this only hastens the answer.

The number alone does not prove a commit. PostgreSQL hands numbers out without making them durable: after a crash that lost the end of the
write-ahead log, a transaction that never became durable leaves its number to another one, whose commit would be taken for its own. So the
transaction also notes the life of the server: its start, and when its statistics began, which a crash of any one backend resets as well.
"Committed" counts only within the same life; after a crash it is *unknown*. "Aborted" is true in any life: a durable commit keeps its number,
and a number that the server has not reached yet was never durable.

*Unknown* is also what is left when the bound is over. It raises `LedgerUnavailableError` like "aborted"; the retry is harmless, since the
inbox and the compare-and-set of the offset make it a repeat if the first attempt had committed after all.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import psycopg
from psycopg import Connection, IsolationLevel, Pipeline
from psycopg.errors import InvalidParameterValue
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg_pool import ConnectionPool, PoolClosed

from goldthread.domain.errors import LedgerUnavailableError
from goldthread.ledger.bounded import shorten_waits
from goldthread.ledger.prepared import LedgerConnection, distrusted_if_failing
from goldthread.ledger.statements import asked
from goldthread.telemetry.metrics import Metrics

__all__ = ["Commits", "Outcome", "ask_witness"]

Outcome = Literal["committed", "aborted", "unknown"]

_UNCLEAR = frozenset({"08006", "08007", "40003"})
_FATAL = frozenset({"FATAL", "PANIC"})
_PATIENCE_SECONDS = 1.0
"""How long "in progress" is taken as it is before the orphaned session is ended: a busy server may not have read its COMMIT yet."""


@dataclass(frozen=True, slots=True)
class _Witness:
    """Number of a transaction that wrote something, and the life of the server in which it did."""

    xid: str
    life: str


class Commits:
    """Opens transactions on connections of `pool` and finds out how they ended. Safe to call from several threads.

    A lost COMMIT is looked into for at most `bound_seconds`, with pauses that double up to `pause_seconds`, full jitter. `clock` gives seconds
    that only grow, `sleep` takes seconds, `uniform` draws from [0, 1).
    """

    def __init__(
        self,
        pool: ConnectionPool[Connection[Any]],
        metrics: Metrics,
        *,
        bound_seconds: float = 30.0,
        pause_seconds: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self._pool = pool
        self._metrics = metrics
        self._bound = bound_seconds
        self._pause = pause_seconds
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform

    @contextmanager
    def transaction(
        self,
        *,
        isolation: IsolationLevel | None = None,
        preview: bool = False,
        reading: bool = False,
        copying: bool = False,
        bound_seconds: float = inf,
    ) -> Iterator[Connection[Any]]:
        """A connection inside a transaction that commits at the end, or rolls back if the block fails or is a preview.

        One that is only `reading` is not asked for its number: nobody needs to know how it ended.

        Statements are pipelined: one that gives nothing is not waited for, and its error comes with the next one that gives something, at the latest
        its end. If the block has had the number asked for early (`ask_witness`), and fetched something since, COMMIT goes with the last statements.
        One that is `copying` waits for each, since COPY cannot be pipelined.

        Returns normally only if the transaction committed (or was a preview, or reads). Raises psycopg's errors as they are, for `translated`, where the server
        said what happened or COMMIT was never sent; `LedgerUnavailableError` with the outcome in its metadata where a lost COMMIT had no effect
        or its effect cannot be told. `bound_seconds` from now on a connection is no longer waited for and a lost COMMIT no longer looked into;
        both have their own bounds too. Nor does the server's silence keep a statement for longer.
        """
        until = self._clock() + bound_seconds
        witness: _Witness | None = None
        sent = done = False
        broken: Connection[Any] | None = None
        try:
            with (
                self._pool.connection(min(bound_seconds, self._pool.timeout)) as connection,
                _isolated(connection, isolation),
            ):
                shorten_waits(connection, until - self._clock())
                with distrusted_if_failing(connection), _pipelined(connection, off=copying) as pipeline:
                    with _begun(connection, preview=preview), _heard(pipeline, preview=preview):
                        yield connection
                        _refuse_failed(connection)
                        if not preview and not reading:
                            witness = _witness(connection, early=True) or _witness(connection)
                            broken, sent = connection, True
                    _end(connection, pipeline)
                done = True
        except psycopg.Error as error:
            if done:
                # Committed and answered; only handing the connection back failed.
                return
            if not sent or witness is None or broken is None or not _is_unclear(broken, error):
                raise
            sqlstate = error.sqlstate or ""
        else:
            return
        # Outside the block above: the broken connection has left its place in the pool to the one that asks.
        bound = min(self._bound, max(0.0, until - self._clock()))
        outcome = self._resolve(witness, bound)
        self._metrics.commits_resolved.labels(outcome).inc()
        if outcome != "committed":
            raise LedgerUnavailableError(
                "the connection broke during COMMIT", metadata={"sqlstate": sqlstate, "outcome": outcome}
            )

    def _resolve(self, witness: _Witness, bound: float) -> Outcome:
        asked, began = 0, self._clock()
        until = began + bound
        while True:
            now = self._clock()
            status = self._ask(witness, left=until - now, hasten=now - began >= _PATIENCE_SECONDS)
            if status is not None:
                return status
            left = until - self._clock()
            if left <= 0:
                return "unknown"
            self._sleep(min(left, self._pause, 0.01 * 2 ** min(asked, 10)) * self._uniform())
            asked += 1

    def _ask(self, witness: _Witness, *, left: float, hasten: bool) -> Outcome | None:
        """The outcome, or None while the server does not know it or does not answer."""
        parameters = {"xid": witness.xid}
        try:
            with self._pool.connection(max(0.1, min(left, self._pool.timeout))) as connection:
                shorten_waits(connection, left)
                [(status, life)] = asked(connection, "commit_status", parameters)()
                if status == "in progress" and hasten and life == witness.life:
                    asked(connection, "end_orphan", parameters)
        except InvalidParameterValue:
            # The number lies in the server's future.
            return "aborted"
        except PoolClosed:
            return "unknown"
        except (psycopg.OperationalError, psycopg.InterfaceError):
            return None
        if status == "aborted":
            return "aborted"
        if status == "in progress" and life == witness.life:
            return None
        return "committed" if status == "committed" and life == witness.life else "unknown"


def ask_witness(connection: Connection[Any]) -> None:
    """Asks for the open transaction's number, which it has from the first row on that it writes or locks, to be known before its end."""
    if isinstance(connection, LedgerConnection):
        connection.witness = asked(connection, "commit_witness")


def _witness(connection: Connection[Any], *, early: bool = False) -> _Witness | None:
    if early:
        told = connection.witness if isinstance(connection, LedgerConnection) else None
        if told is None:
            return None
    else:
        told = asked(connection, "commit_witness")
    [(xid, life, begun)] = told()
    if not begun:
        raise LedgerUnavailableError("the ledger has been recovered meanwhile")
    return None if xid is None else _Witness(xid, life)


def _is_unclear(connection: Connection[Any], error: psycopg.Error) -> bool:
    """Whether a failed COMMIT may have taken effect: the server's last word was none, or not about the transaction."""
    if error.sqlstate is None:
        return connection.closed
    return error.sqlstate in _UNCLEAR or (error.diag.severity_nonlocalized or error.diag.severity) in _FATAL


def _begun(connection: Connection[Any], *, preview: bool) -> AbstractContextManager[object]:
    """Not `connection.transaction` in a pipeline: that opens pipelines of its own, and has BEGIN and COMMIT each go by itself."""
    if isinstance(connection, LedgerConnection):
        return psycopg.Transaction(connection, force_rollback=preview)
    return connection.transaction(force_rollback=preview)


@contextmanager
def _pipelined(connection: Connection[Any], *, off: bool) -> Iterator[Pipeline | None]:
    if isinstance(connection, LedgerConnection):
        connection.witness = None
    if off:
        yield None
        return
    if not isinstance(connection, LedgerConnection):
        with connection.pipeline() as pipeline:
            yield pipeline
        return
    with connection.pipeline() as riding:
        connection.riding = riding
        try:
            yield riding
        finally:
            connection.riding = connection.witness = None


@contextmanager
def _heard(pipeline: Pipeline | None, *, preview: bool) -> Iterator[None]:
    """If it is a preview or fails, what the block left unheard is heard before the transaction ends.

    After an error the server passes over all that it is told, ROLLBACK too, until it is asked how things stand.
    """
    try:
        yield
        if preview and pipeline is not None:
            pipeline.sync()
    except BaseException:
        _drain(pipeline)
        raise


def _refuse_failed(connection: Connection[Any]) -> None:
    """Raises if a statement failed and the block went on as if it had not: COMMIT would be answered like one that took effect, and undo everything."""
    if not isinstance(connection, LedgerConnection):
        return
    failed = connection.riding is not None and connection.riding.failed
    if failed or connection.info.transaction_status == TransactionStatus.INERROR:
        raise psycopg.errors.InFailedSqlTransaction("a statement failed, and nobody was told")


def _end(connection: Connection[Any], pipeline: Pipeline | None) -> None:
    """Has what is left said and heard, COMMIT last; raises the first error, after which the server has passed over the rest."""
    if pipeline is None:
        return
    try:
        pipeline.sync()
    except psycopg.Error:
        _drain(pipeline)
        with suppress(psycopg.Error):
            if connection.info.transaction_status == TransactionStatus.INERROR:
                connection.rollback()
        raise


def _drain(pipeline: Pipeline | None) -> None:
    """Hears what is left after an error, which may tell of another one each time, and nobody needs to know of those."""
    while pipeline is not None and pipeline.result_queue and pipeline.pgconn.status == ConnStatus.OK:
        with suppress(psycopg.Error):
            pipeline.sync()


@contextmanager
def _isolated(connection: Connection[Any], level: IsolationLevel | None) -> Iterator[None]:
    """Transactions begun in the block have this isolation; costs no statement."""
    if level is None:
        yield
        return
    before = connection.isolation_level
    connection.isolation_level = level
    try:
        yield
    finally:
        if connection.info.transaction_status == TransactionStatus.IDLE:
            connection.isolation_level = before
        else:
            # Broken, or to be rolled back by the pool, which would keep the level.
            connection.close()

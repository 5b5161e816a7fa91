"""The ledger as a whole: pool, transactions, and the reads of relay and register.

Writers go through `Ledger.transaction`; everything here is safe to call from several threads.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg_pool import ConnectionPool

from goldthread.domain.errors import SettingsError
from goldthread.domain.ports import (
    OUTBOX_START,
    Answer,
    DeadLetterRow,
    KnownOffset,
    OutboxPlace,
    OutboxRow,
)
from goldthread.ledger import migrate
from goldthread.ledger.answers import answers_of, known_answers
from goldthread.ledger.arrays import use_list_dumper
from goldthread.ledger.bounded import TCP_OPTIONS, begin_waits, bound_waits, shorten_waits
from goldthread.ledger.commit import Commits
from goldthread.ledger.dead_letters import dead_letter_row
from goldthread.ledger.errors import translated
from goldthread.ledger.fill import LedgerFill
from goldthread.ledger.life import begin_life, check_life, known_stamp
from goldthread.ledger.outgoing import outbox_row
from goldthread.ledger.prepared import LedgerConnection, distrusted_if_failing
from goldthread.ledger.queries import query
from goldthread.ledger.rows import LedgerCounts
from goldthread.ledger.settings import LedgerSettings
from goldthread.ledger.statements import asked
from goldthread.ledger.transaction import LedgerTransaction
from goldthread.telemetry.metrics import Metrics

__all__ = ["Ledger"]

_RELAY_LOCK = 7_426_381_003
_FRESH_SECONDS = 0.5


class Ledger:
    """Connections to PostgreSQL and what is read through them. Raises `LedgerUnavailableError` where PostgreSQL does not answer."""

    def __init__(self, settings: LedgerSettings, metrics: Metrics) -> None:
        self._metrics = metrics
        self._statement_seconds = settings.statement_timeout_ms / 1000
        options = (
            f"-c statement_timeout={settings.statement_timeout_ms} -c lock_timeout={settings.lock_timeout_ms} "
            "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC "
            # A plan for these very values would be made anew for nearly every small batch, and costs more than it saves: statements go by keys (ADR 0022).
            "-c plan_cache_mode=force_generic_plan"
        )
        self._pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            settings.dsn,
            connection_class=LedgerConnection,
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            timeout=settings.connect_timeout_s,
            # After an outage nobody waits for an attempt that was put off for minutes: the next caller begins a new one.
            reconnect_timeout=settings.connect_timeout_s,
            kwargs={
                "autocommit": True,
                "options": options,
                "connect_timeout": settings.connect_timeout_s,
                # The ledger prepares its statements itself; psycopg would forget them all whenever something is rolled back.
                "prepare_threshold": None,
                **TCP_OPTIONS,
            },
            open=False,
            check=self._check,
            configure=_configure,
        )
        self._pool.open()
        self._commits = Commits(self._pool, metrics)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close()

    def _check(self, connection: Connection[Any]) -> None:
        """Of every connection that is handed out: raises unless it answers within a second, or has answered within the last half.

        One that has not fails whoever uses it, which a retry cures, and no transaction commits into a life that has not begun.
        """
        if isinstance(connection, LedgerConnection) and monotonic() - connection.heard_at < _FRESH_SECONDS:
            begin_waits(connection, self._statement_seconds)
            return
        begin_waits(connection, 0.0)
        try:
            check_life(connection)
        except psycopg.Error:
            # The pool would keep one that answered with an error.
            connection.close()
            raise
        bound_waits(connection, self._statement_seconds)

    @contextmanager
    def _connection(self, timeout: float | None = None) -> Iterator[Connection[Any]]:
        with translated(), self._pool.connection(timeout=timeout) as connection:
            if timeout is not None:
                shorten_waits(connection, timeout)
            with distrusted_if_failing(connection):
                yield connection

    @contextmanager
    def transaction(self, *, preview: bool = False, seconds: float = inf) -> Iterator[LedgerTransaction]:
        """One unit of work: committed at the end, or rolled back if it fails or is a preview.

        For `seconds` at most, and no longer than the ledger's own bounds, a connection is waited for and a COMMIT without an answer looked into.
        """
        with translated(), self._commits.transaction(preview=preview, bound_seconds=seconds) as connection:
            yield LedgerTransaction(connection)

    @contextmanager
    def look(
        self, *, preview: bool = False, reading: bool = False, seconds: float = inf
    ) -> Iterator[LedgerTransaction]:
        """A transaction that sees one snapshot from its first statement on, and is cheaper if it is only `reading`; otherwise as `transaction`.

        `LedgerUnavailableError`, worth a retry, where it locks or changes a row that somebody else has changed since.
        """
        isolation = IsolationLevel.REPEATABLE_READ
        commits = self._commits.transaction(
            isolation=isolation, preview=preview, reading=reading, bound_seconds=seconds
        )
        with translated(), commits as connection:
            yield LedgerTransaction(connection)

    def is_empty(self) -> bool:
        """Whether nothing was ever taken."""
        with self._connection() as connection:
            [row] = asked(connection, "is_empty")()
        return bool(row[0])

    @contextmanager
    def fill(self) -> Iterator[LedgerFill]:
        """The transaction that fills an empty ledger: all of it or nothing."""
        with translated(), self._commits.transaction(copying=True) as connection:
            yield LedgerFill(connection, self._metrics)

    def migrate(self) -> list[str]:
        """Applies missing migrations and returns their names."""
        with self._connection() as connection:
            return migrate.apply(connection)

    def check_schema(self) -> None:
        """Raises `SchemaVersionError` unless the schema is the one this version needs."""
        with self._connection() as connection:
            migrate.check(connection)

    def claim_keys(self, *, fingerprint: bytes, key_version: int) -> None:
        """Binds an empty ledger to these keys; raises `SettingsError` if it was filled with others, which would find nobody."""
        with self._connection() as connection:
            asked(connection, "claim_keys", {"key_version": key_version, "fingerprint": fingerprint})
            rows = asked(connection, "known_keys")()
        if not rows or rows[0][0] != key_version or not hmac.compare_digest(bytes(rows[0][1]), fingerprint):
            raise SettingsError("master_key", "is not the key (or key version) that this ledger was filled with")

    def ping(self) -> None:
        """Returns if PostgreSQL answers."""
        with self._connection() as connection:
            asked(connection, "ping")

    def offsets(self, *, group: str, topic: str) -> dict[int, int]:
        """Next offset to read of each partition; a partition that was never read is absent."""
        with self._connection() as connection:
            rows = asked(connection, "offsets", {"group": group, "topic": topic})()
        return {int(partition): int(offset) for partition, offset in rows}

    def known_offsets(self, *, group: str, topic: str) -> dict[int, KnownOffset]:
        """The same, with the id of the topic in which each offset counts."""
        with self._connection() as connection:
            rows = asked(connection, "known_offsets", {"group": group, "topic": topic})()
        return {int(partition): KnownOffset(int(offset), topic_id) for partition, offset, topic_id in rows}

    def answers(self, tokens: Sequence[bytes], *, timeout: float | None = None) -> list[Answer]:
        """The answer to each token, in their order, all from one snapshot. `timeout` in seconds bounds the waits.

        Answers that show one profile share its card, as one object.
        """
        wanted: dict[str, object] = {"tokens": list(tokens), "token_ids": []}
        with self._connection(timeout) as connection:
            if timeout is None:
                # One statement is one snapshot; a transaction around it would be two more.
                rows = asked(connection, "answers", wanted)()
            else:
                with connection.transaction():
                    asked(connection, "limit_statements", {"milliseconds": str(max(1, int(timeout * 1000)))})
                    rows = asked(connection, "answers", wanted)()
            return answers_of(tokens, rows)

    def answers_about(self, token_ids: Collection[int]) -> list[Answer]:
        """The answers to identifiers by their surrogates, in no order, all from one snapshot; otherwise as `answers`."""
        with self._connection() as connection:
            rows = asked(connection, "answers", {"tokens": [], "token_ids": list(token_ids)})()
            return known_answers(rows)

    def stamp(self) -> int:
        """The stamp of a snapshot taken now: every answer read later has this version or a greater one (ADR 0011)."""
        with self._connection() as connection:
            [row] = asked(connection, "stamp")()
        return known_stamp(row[0])

    def relay_pending(self) -> bool:
        """Whether changes or dead letters wait to be published."""
        with self._connection() as connection:
            [row] = asked(connection, "relay_pending")()
        return bool(row[0])

    def outbox(self, limit: int) -> list[OutboxRow]:
        """The first unpublished changes by version: of one profile in the order of its changes."""
        with self._connection() as connection:
            rows = asked(connection, "outbox", {"limit": limit})()
        return [outbox_row(row) for row in rows]

    def outbox_places(self, limit: int, *, after: OutboxPlace = OUTBOX_START) -> list[OutboxPlace]:
        """Places of unpublished changes after a place, in the order of `outbox`."""
        with self._connection() as connection:
            wanted = {"limit": limit, "version": after.version, "outbox_id": after.outbox_id}
            rows = asked(connection, "outbox_ids", wanted)()
        return [OutboxPlace(*row) for row in rows]

    def outbox_waiting(self, most: int) -> int:
        """How many changes of `outbox` wait to be published, counted up to `most`."""
        with self._connection() as connection:
            [row] = asked(connection, "outbox_waiting", {"most": most})()
        return int(row[0])

    def outbox_token_ids(self, outbox_ids: Sequence[int]) -> list[int]:
        """Each identifier once that these changes name; a change that was published meanwhile names none."""
        with self._connection() as connection:
            rows = asked(connection, "outbox_token_ids", {"outbox_ids": list(outbox_ids)})()
        return [row[0] for row in rows]

    def outbox_done(self, outbox_ids: Sequence[int]) -> None:
        """Forgets published changes, and older ones of their profiles that `outbox_later` would give; repeating is harmless."""
        with self._connection() as connection:
            asked(connection, "outbox_done", {"outbox_ids": list(outbox_ids)})

    def outbox_later(self, limit: int) -> list[OutboxRow]:
        """The first unpublished changes that may wait for those of `outbox`: how the profiles of a fill began."""
        with self._connection() as connection:
            rows = asked(connection, "outbox_later", {"limit": limit})()
        return [outbox_row(row) for row in rows]

    def outbox_later_done(self, outbox_ids: Sequence[int]) -> None:
        """Forgets published changes of `outbox_later`; repeating is harmless."""
        with self._connection() as connection:
            asked(connection, "outbox_later_done", {"outbox_ids": list(outbox_ids)})

    def dead_letters_unpublished(self, limit: int) -> list[DeadLetterRow]:
        """Dead letters that are not on their topic yet, oldest first."""
        with self._connection() as connection:
            rows = asked(connection, "dead_letters_unpublished", {"limit": limit})()
        return [dead_letter_row(row) for row in rows]

    def dead_letters_done(self, dead_letter_ids: Sequence[int]) -> None:
        """Marks dead letters as published; repeating is harmless."""
        with self._connection() as connection:
            asked(connection, "dead_letters_done", {"dead_letter_ids": list(dead_letter_ids)})

    @contextmanager
    def relay_lease(self) -> Iterator[bool]:
        """Whether this relay may publish; held while the context lasts, and lost with the connection."""
        with self._connection() as connection:
            [row] = asked(connection, "relay_lock", {"lock": _RELAY_LOCK})()
            held = bool(row[0])
            try:
                yield held
            finally:
                if held:
                    asked(connection, "relay_unlock", {"lock": _RELAY_LOCK})

    def tokens_after(self, token_id: int, limit: int) -> list[tuple[int, bytes]]:
        """A page of known tokens with their surrogates, in the order of the surrogates, after `token_id` (0: the first page)."""
        with self._connection() as connection:
            rows = asked(connection, "tokens_after", {"token_id": token_id, "limit": limit})()
        return [(int(row[0]), bytes(row[1])) for row in rows]

    def known_tokens(self, tokens: Sequence[bytes]) -> set[bytes]:
        """Those of the tokens that the ledger knows."""
        with self._connection() as connection:
            rows = asked(connection, "known_tokens", {"tokens": list(tokens)})()
        return {bytes(row[0]) for row in rows}

    def count_tokens(self) -> int:
        """How many tokens the ledger knows; scans, so not for a hot path."""
        with self._connection() as connection:
            [row] = asked(connection, "count_tokens")()
        return int(row[0])

    def partition(self) -> dict[bytes, UUID]:
        """Profile of every placed record by its address; for audits and tests, reads everything."""
        with self._connection() as connection:
            rows = asked(connection, "partition")()
        return {bytes(address): profile_id for address, profile_id in rows}

    def event_profiles(self) -> Iterator[tuple[str, str, UUID]]:
        """Source, event id and profile of every event whose record is placed; for audits, reads everything through a server-side cursor."""
        with (
            self._connection() as connection,
            connection.transaction(),
            connection.cursor(name="event_profiles") as cursor,
        ):
            cursor.itersize = 10_000
            yield from cursor.execute(query("event_profiles"))

    def profile_of(self, birth_id: UUID) -> UUID | None:
        """The profile that now holds the record with this birth id; None if the id was never given out, or no look has placed it yet.

        Of a withdrawn record: the live profile of the person that was named by it, if its other records stayed together; else its own, ended one.
        """
        passed: set[UUID] = set()
        found: UUID | None = None
        with self._connection() as connection:
            named: UUID | None = birth_id
            while named is not None and named not in passed:
                passed.add(named)
                rows = asked(connection, "resolve_id", {"birth_id": named})()
                if not rows or rows[0][0] is None:
                    break
                [(found, live, successor)] = rows
                named = None if live else successor
        return found

    def counts(self) -> LedgerCounts:
        """How much the ledger holds; scans, so not for a hot path."""
        with self._connection() as connection:
            [row] = asked(connection, "counts")()
        return LedgerCounts(*row)


def _configure(connection: Connection[Any]) -> None:
    """Of every new connection."""
    use_list_dumper(connection)
    begin_life(connection)

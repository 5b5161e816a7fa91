"""The ledger as a whole: pool, transactions, and the reads of relay and register.

Writers go through `Ledger.transaction`; everything here is safe to call from several threads.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg_pool import ConnectionPool

from goldthread.domain.errors import SettingsError
from goldthread.domain.policy import Totals, masked_name, question_for, tier_of
from goldthread.domain.ports import Answer, CardSnapshot, DeadLetterRow, OutboxRow
from goldthread.domain.words import (
    IdentifierType,
    LookupOutcome,
    Position,
    QuestionKind,
    RejectionReason,
    Violation,
    profile_public_id,
)
from goldthread.ledger import migrate
from goldthread.ledger.errors import translated
from goldthread.ledger.queries import query
from goldthread.ledger.settings import LedgerSettings
from goldthread.ledger.transaction import LedgerTransaction
from goldthread.telemetry.metrics import Metrics

__all__ = ["Ledger", "LedgerCounts"]

_RELAY_LOCK = 7_426_381_003


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """How much the ledger holds."""

    inbox: int
    dead_letters: int
    records: int
    profiles: int
    open_reviews: int
    reviews: int
    ended_profiles: int
    dirty_marks: int
    outbox: int
    unpublished_dead_letters: int


class Ledger:
    """Connections to PostgreSQL and what is read through them. Raises `LedgerUnavailableError` where PostgreSQL does not answer."""

    def __init__(self, settings: LedgerSettings, metrics: Metrics) -> None:
        self._metrics = metrics
        options = (
            f"-c statement_timeout={settings.statement_timeout_ms} -c lock_timeout={settings.lock_timeout_ms} "
            "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC"
        )
        self._pool = ConnectionPool(
            settings.dsn,
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            timeout=settings.connect_timeout_s,
            kwargs={
                "autocommit": True,
                "options": options,
                "connect_timeout": settings.connect_timeout_s,
                "prepare_threshold": 2,
            },
            open=False,
            check=ConnectionPool.check_connection,
        )
        self._pool.open()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close()

    @contextmanager
    def _connection(self, timeout: float | None = None) -> Iterator[Connection[Any]]:
        with translated(), self._pool.connection(timeout=timeout) as connection:
            yield connection

    @contextmanager
    def transaction(self, *, preview: bool = False) -> Iterator[LedgerTransaction]:
        """One unit of work: committed at the end, or rolled back if it fails or is a preview."""
        with self._connection() as connection, connection.transaction(force_rollback=preview):
            yield LedgerTransaction(connection)

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
            connection.execute(query("claim_keys"), {"key_version": key_version, "fingerprint": fingerprint})
            row = connection.execute(query("known_keys")).fetchone()
        if row is None or row[0] != key_version or not hmac.compare_digest(bytes(row[1]), fingerprint):
            raise SettingsError("master_key", "is not the key (or key version) that this ledger was filled with")

    def ping(self) -> None:
        """Returns if PostgreSQL answers."""
        with self._connection() as connection:
            connection.execute(query("ping"))

    def offsets(self, *, group: str, topic: str) -> dict[int, int]:
        """Next offset to read of each partition; a partition that was never read is absent."""
        with self._connection() as connection:
            rows = connection.execute(query("offsets"), {"group": group, "topic": topic}).fetchall()
        return {int(partition): int(offset) for partition, offset in rows}

    def answers(self, tokens: Sequence[bytes], *, timeout: float | None = None) -> list[Answer]:
        """The answer to each token, in their order, all from one snapshot. `timeout` in seconds bounds the waits."""
        with self._connection(timeout) as connection, connection.transaction():
            if timeout is not None:
                connection.execute(query("limit_statements"), {"milliseconds": str(max(1, int(timeout * 1000)))})
            rows = connection.execute(query("answers"), {"tokens": list(tokens)}).fetchall()
        found = {bytes(row[0]): _answer(row) for row in rows}
        return [found.get(token) or _unknown(token) for token in tokens]

    def outbox(self, limit: int, *, skip: Sequence[int] = ()) -> list[OutboxRow]:
        """Unpublished changes in commit-safe order, leaving out those of `skip`."""
        with self._connection() as connection:
            rows = connection.execute(query("outbox"), {"limit": limit, "skip": list(skip)}).fetchall()
        return [
            OutboxRow(
                outbox_id=row[0],
                profile_id=profile_public_id(row[1]) if row[1] is not None else "",
                version=row[2],
                live=row[3],
                change=bytes(row[4]),
                created_at=row[5],
                tokens=tuple(bytes(token) for token in row[6]),
            )
            for row in rows
        ]

    def outbox_done(self, outbox_ids: Sequence[int]) -> None:
        """Forgets published changes; repeating is harmless."""
        with self._connection() as connection:
            connection.execute(query("outbox_done"), {"outbox_ids": list(outbox_ids)})

    def dead_letters_unpublished(self, limit: int) -> list[DeadLetterRow]:
        """Dead letters that are not on their topic yet, oldest first."""
        with self._connection() as connection:
            rows = connection.execute(query("dead_letters_unpublished"), {"limit": limit}).fetchall()
        return [
            DeadLetterRow(
                dead_letter_id=row[0],
                position=Position(row[1], row[2], row[3]),
                reason=RejectionReason(row[4]),
                violations=tuple(Violation(item["field"], item["description"]) for item in row[5]),
                source=row[6],
                event_id=row[7],
                payload_sha256=bytes(row[8]),
                payload_size=row[9],
                sealed_payload=bytes(row[10]),
                key_version=row[11],
                rejected_at=row[12],
            )
            for row in rows
        ]

    def dead_letters_done(self, dead_letter_ids: Sequence[int]) -> None:
        """Marks dead letters as published; repeating is harmless."""
        with self._connection() as connection:
            connection.execute(query("dead_letters_done"), {"dead_letter_ids": list(dead_letter_ids)})

    @contextmanager
    def relay_lease(self) -> Iterator[bool]:
        """Whether this relay may publish; held while the context lasts, and lost with the connection."""
        with self._connection() as connection:
            row = connection.execute(query("relay_lock"), {"lock": _RELAY_LOCK}).fetchone()
            held = bool(row and row[0])
            try:
                yield held
            finally:
                if held:
                    connection.execute(query("relay_unlock"), {"lock": _RELAY_LOCK})

    def partition(self) -> dict[bytes, UUID]:
        """Profile of every record by its address; for audits and tests, reads everything."""
        with self._connection() as connection:
            rows = connection.execute(query("partition")).fetchall()
        return {bytes(address): profile_id for address, profile_id in rows}

    def event_profiles(self) -> Iterator[tuple[str, str, UUID]]:
        """Source, event id and profile of every event taken; for audits, reads everything through a server-side cursor."""
        with (
            self._connection() as connection,
            connection.transaction(),
            connection.cursor(name="event_profiles") as cursor,
        ):
            cursor.itersize = 10_000
            yield from cursor.execute(query("event_profiles"))

    def profile_of(self, birth_id: UUID) -> UUID | None:
        """The profile that now holds the record with this birth id; None if the id was never given out."""
        with self._connection() as connection:
            row = connection.execute(query("resolve_id"), {"birth_id": birth_id}).fetchone()
        return row[0] if row else None

    def counts(self) -> LedgerCounts:
        """How much the ledger holds; scans, so not for a hot path."""
        with self._connection() as connection:
            row = connection.execute(query("counts")).fetchone()
        if row is None:
            raise LookupError("counts gave no row")
        return LedgerCounts(*row)


def _unknown(token: bytes) -> Answer:
    return Answer(
        token=token,
        version=0,
        outcome=LookupOutcome.NOT_FOUND,
        card=None,
        question=QuestionKind.UNSPECIFIED,
        review_id="",
    )


def _answer(row: Sequence[Any]) -> Answer:
    (token, type_, generic, token_version, profiles, held_version, profile_id, given, family) = row[:9]
    (count, total, last_at, last_store, low_review, high_review, as_of) = row[9:]
    version = max(token_version, held_version)
    if generic or profiles != 1:
        return Answer(
            token=bytes(token),
            version=version,
            outcome=LookupOutcome.AMBIGUOUS,
            card=None,
            question=question_for(IdentifierType(type_)),
            review_id="",
        )
    reviews = [review for review in (low_review, high_review) if review is not None]
    totals = Totals(count, total, last_at, last_store)
    return Answer(
        token=bytes(token),
        version=version,
        outcome=LookupOutcome.NEEDS_CONFIRMATION if reviews else LookupOutcome.FOUND,
        card=CardSnapshot(
            profile_id=profile_public_id(profile_id),
            masked_name=masked_name(given, family),
            tier=tier_of(totals, as_of),
            tier_as_of=as_of,
            last_purchase_at=last_at,
            last_purchase_store=last_store,
        ),
        question=question_for(IdentifierType(type_)) if reviews else QuestionKind.UNSPECIFIED,
        review_id=str(min(reviews)) if reviews else "",
    )

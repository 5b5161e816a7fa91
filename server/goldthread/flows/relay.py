"""Carries committed changes from the ledger's outbox to the cache and to Kafka, and dead letters to their topic.

At least once, and why that is enough. A step reads outbox rows in commit-safe order, asks the ledger for the answers to all their tokens,
writes those to the cache, publishes the rows, and only then marks them done. It may die between any two of these; the next step then does
them again, and each repeats harmlessly:

- Cache: an entry is written by compare-and-set on the ledger's version, so writing it again, or late, never covers a newer one.
- Kafka: the changes topic is keyed by profile and every change carries its version: a reader compares versions and keeps the greatest.
- Done: marking a row twice is marking it once.

The lease keeps two relays from working at once, but nothing checks it between reading and publishing. A relay that lost it unnoticed (a
stopped process, say) may publish rows after another relay has published later ones. No row is lost and no card goes back, but compaction keeps
the last message of a key, not the greatest version: until the profile's next change the topic may then keep an older change than the
ledger, even one after a tombstone. So readers compare versions, those of ended profiles too, and the ledger has the last word.

The answers are read when the row is relayed, not when it was written. That is right because they carry the version of the snapshot they come
from: it contains the row's change, and perhaps later ones, whose own rows will then find the same or a newer answer in place. It also
means that a row holds tokens only, never a card that could outlive an erasure.

Cache first, then Kafka, then done: whoever learns of a change from Kafka and looks it up finds it. While the cache or Kafka is down the
changes wait in the ledger, in order, and none is lost. While only Kafka is down, cards are written ahead of publication, for up to
20,000 rows; they trail by the time that an attempt to publish takes. Beyond that, and while the cache is down, lookups of cached cards trail, and
callers that pass `min_version` are answered by the ledger. Dead letters do not need the cache and go on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from goldthread.domain.errors import BusUnavailableError, TransientError
from goldthread.domain.ports import Answer, CachedAnswer, CardStore, ChangePublisher, DeadLetterRow, OutboxRow
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import encode_answer

__all__ = ["OutboxLedger", "RelayFlow"]

_AHEAD_ROWS = 20_000
_AHEAD_READ = 2_000  # at once: the ledger compares each row with all that are left out, so fewer reads are cheaper


class OutboxLedger(Protocol):
    """What the relay needs of the ledger; blocking. Every method raises `LedgerUnavailableError`."""

    def relay_lease(self) -> AbstractContextManager[bool]:
        """False if another relay holds the lease."""
        ...

    def outbox(self, limit: int, *, skip: Sequence[int] = ()) -> Sequence[OutboxRow]:
        """The oldest rows not done, in commit-safe order, leaving out those of `skip`."""
        ...

    def outbox_done(self, outbox_ids: Sequence[int]) -> None:
        """Marks rows as published."""
        ...

    def answers(self, tokens: Sequence[bytes], *, timeout: float | None = None) -> list[Answer]:
        """Answers in the order of the tokens, from one snapshot."""
        ...

    def dead_letters_unpublished(self, limit: int) -> Sequence[DeadLetterRow]:
        """The oldest dead letters not on the topic."""
        ...

    def dead_letters_done(self, dead_letter_ids: Sequence[int]) -> None:
        """Marks dead letters as published."""
        ...


class RelayFlow:
    """One step at a time; `clock` gives the present, aware of its zone, for the lag metric."""

    def __init__(
        self,
        ledger: OutboxLedger,
        cards: CardStore,
        publisher: ChangePublisher,
        metrics: Metrics,
        *,
        clock: Callable[[], datetime],
        batch: int = 500,
    ) -> None:
        self._ledger = ledger
        self._cards = cards
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._batch = batch
        # Rows whose cards are written and that could not be published; only while publishing fails.
        self._ahead: set[int] = set()

    def step(self) -> int:
        """Relays at most one batch of changes and one of dead letters; returns how many rows, 0 if there are none or another relay works.

        Raises `TransientError` after trying both; what was not finished stays in the ledger.
        """
        with self._ledger.relay_lease() as held:
            if not held:
                self._ahead.clear()
                return 0
            finished = 0
            failure: TransientError | None = None
            for part in (self._changes, self._dead_letters):
                try:
                    finished += part()
                except TransientError as error:
                    failure = failure or error
            if failure is not None:
                raise failure
            return finished

    def _changes(self) -> int:
        rows = self._ledger.outbox(self._batch)
        if not rows:
            self._metrics.outbox_lag_seconds.set(0)
            self._ahead.clear()
            return 0
        oldest = min(row.created_at for row in rows)
        self._metrics.outbox_lag_seconds.set(max(0.0, (self._clock() - oldest).total_seconds()))
        # Also those of `_ahead`: the cache may have lost them since.
        self._write_cards(rows)
        if self._ahead:
            # Publishing failed last time and may take its whole timeout to fail again.
            self._write_ahead(rows)
        try:
            with self._metrics.stage("relay_publish"):
                # A row without a profile tells only of identifiers whose answer changed: news for the cache, none for the topic.
                self._publisher.publish([row for row in rows if row.profile_id])
        except BusUnavailableError:
            self._write_ahead(rows)
            raise
        self._ahead.clear()
        self._ledger.outbox_done([row.outbox_id for row in rows])
        self._metrics.outbox_rows.inc(len(rows))
        return len(rows)

    def _write_ahead(self, first: Sequence[OutboxRow]) -> None:
        """Writes the cards of the rows that follow `first`, whose own are written, and were not written ahead yet."""
        self._ahead.update(row.outbox_id for row in first)
        while (room := _AHEAD_ROWS - len(self._ahead)) > 0:
            rows = self._ledger.outbox(min(room, _AHEAD_READ), skip=list(self._ahead))
            if not rows:
                return
            for start in range(0, len(rows), self._batch):
                part = rows[start : start + self._batch]
                self._write_cards(part)
                self._ahead.update(row.outbox_id for row in part)

    def _write_cards(self, rows: Sequence[OutboxRow]) -> None:
        tokens = list(dict.fromkeys(token for row in rows for token in row.tokens))
        if not tokens:
            return
        with self._metrics.stage("relay_cache"):
            answers = self._ledger.answers(tokens)
            entries = [(answer.token, CachedAnswer(answer.version, encode_answer(answer))) for answer in answers]
            written = self._cards.put_many(entries)
        self._metrics.cache_writes.labels("stored").inc(written)
        self._metrics.cache_writes.labels("outdated").inc(len(entries) - written)

    def _dead_letters(self) -> int:
        rows = self._ledger.dead_letters_unpublished(self._batch)
        if not rows:
            return 0
        self._publisher.publish_dead_letters(rows)
        self._ledger.dead_letters_done([row.dead_letter_id for row in rows])
        return len(rows)

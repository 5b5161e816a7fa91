"""Carries committed changes from the ledger's outbox to the cache and to Kafka, and dead letters to their topic.

At least once, and why that is enough. A step reads the first rows of the outbox by version, asks the ledger for the answers to all their
identifiers, writes those to the cache, publishes the rows, and only then deletes them. It may die between any two of these; the next step then
does them again, and each repeats harmlessly:

- Cache: an entry is written by compare-and-set on the stamp of the snapshot it was read from (ADR 0011), so writing it again, or late, never
  covers a newer one, nor fills a cache that was emptied in between.
- Kafka: the changes topic is keyed by profile and every change carries its version: a reader compares versions and keeps the greatest.
- Deleting a row twice is deleting it once.

Nothing is lost, because nothing is passed over: every step reads from the beginning, and a row leaves the outbox only once it is published.
A row that is committed late, below versions that are long published, is therefore simply the first of the next step. No other transaction,
however long it runs, keeps a committed row from being read. While one holds back vacuum, though, reads pass over the rows deleted since, at
about 25 ms for 100,000 of them: a read that comes back full doubles the next, up to eight batches, so that more rows share that cost.

Order holds per profile: its versions are drawn under its locks, so a transaction draws the second only after the one with the first has
ended. Where a version can be seen every lower one of that profile can be seen too, or is published; a snapshot read by version has them in
order, and the next snapshot only adds greater ones. Across profiles no order is promised, and none is needed.

The lease keeps two relays from working at once, but nothing checks it between reading and publishing. A relay that lost it unnoticed (a
stopped process, say) may publish rows after another relay has published later ones. No row is lost and no card goes back, but compaction keeps
the last message of a key, not the greatest version: until the profile's next change the topic may then keep an older change than the
ledger, even one after a tombstone. So readers compare versions, those of ended profiles too, and the ledger has the last word.

What a fill says of the profiles that it began waits in a lane of its own, and is worked at in small parts while the outbox leaves nothing
for the next step: however much of it there is, a change waits for one part of it at most. Order per profile holds all the same. What the
outbox says of a profile of that lane is newer, and once it is published the lane's row goes with it, in one statement; a step that died
before finds both, and publishes the outbox's row again, last. So nobody is told how a profile began behind what became of it.

The answers are read when the row is relayed, not when it was written. That is right because they carry the version of the snapshot they come
from: it contains the row's change, and perhaps later ones, whose own rows will then find the same or a newer answer in place. It also
means that a row names identifiers only, never a card that could outlive an erasure.

Cache first, then Kafka, then gone: whoever learns of a change from Kafka and looks it up finds it. While the cache or Kafka is down the
changes wait in the ledger, in order, and none is lost. Cards do not wait for Kafka: while an attempt to publish takes longer than a quarter
of a second, and afterwards until what waited is published, the cards of the rows behind it are written ahead. Each such pass goes through
the places of all waiting rows from the beginning, in pages, and takes those it has not met: a row that was committed late, below others
written ahead, has its card within one pass. What a pass remembers is bounded (200,000 rows) and decides only which cards are written ahead:
every row's cards are written again in the step that publishes it, from an answer that is newer still. Beyond that bound, and while the cache
is down, lookups of cached cards trail, and callers that pass `min_version` are answered by the ledger. Dead letters do not need the cache
and go on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor, wait
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from time import monotonic
from typing import Protocol

from goldthread.domain.errors import BusUnavailableError, TransientError
from goldthread.domain.ports import (
    OUTBOX_START,
    Answer,
    CardStore,
    ChangePublisher,
    DeadLetterRow,
    OutboxPlace,
    OutboxRow,
)
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import cached_answers

__all__ = ["OutboxLedger", "RelayFlow"]

_AHEAD_PAGE = 10_000
_AHEAD_SECONDS = 0.25
_LATER = 200
"""Rows of the lane that may wait are published so many at a time, which is how long a change may have to wait for them."""
_NAMED = 4
"""Identifiers are asked about this many times the rows of a batch at a time, which is more than its rows name, mostly."""
_WIDEST = 8
"""A batch grows to this many times its size while reads come back full."""


class OutboxLedger(Protocol):
    """What the relay needs of the ledger; blocking. Every method raises `LedgerUnavailableError`."""

    def relay_lease(self) -> AbstractContextManager[bool]:
        """False if another relay holds the lease."""
        ...

    def relay_pending(self) -> bool:
        """Whether there is anything to publish."""
        ...

    def outbox(self, limit: int) -> Sequence[OutboxRow]:
        """The first rows by version."""
        ...

    def outbox_places(self, limit: int, *, after: OutboxPlace = OUTBOX_START) -> Sequence[OutboxPlace]:
        """Places of the rows after a place, in the same order."""
        ...

    def outbox_token_ids(self, outbox_ids: Sequence[int]) -> Sequence[int]:
        """Identifiers that rows name; none for a row that is gone."""
        ...

    def outbox_done(self, outbox_ids: Sequence[int]) -> None:
        """Deletes published rows, and older ones of their profiles that wait in the lane of fills."""
        ...

    def outbox_later(self, limit: int) -> Sequence[OutboxRow]:
        """The first rows of the lane of fills; each of another profile."""
        ...

    def outbox_later_done(self, outbox_ids: Sequence[int]) -> None:
        """Deletes published rows of that lane."""
        ...

    def answers_about(self, token_ids: Collection[int]) -> list[Answer]:
        """The answers to these identifiers, in no order, from one snapshot."""
        ...

    def dead_letters_unpublished(self, limit: int) -> Sequence[DeadLetterRow]:
        """The oldest dead letters not on the topic."""
        ...

    def dead_letters_done(self, dead_letter_ids: Sequence[int]) -> None:
        """Marks dead letters as published."""
        ...


class RelayFlow:
    """One step at a time. Publishing runs on `executor`, one call at a time.

    `clock` gives the present, aware of its zone; `seconds` gives seconds that only grow. `ahead` bounds the rows written ahead.
    """

    def __init__(
        self,
        ledger: OutboxLedger,
        cards: CardStore,
        publisher: ChangePublisher,
        metrics: Metrics,
        *,
        clock: Callable[[], datetime],
        executor: Executor,
        seconds: Callable[[], float] = monotonic,
        batch: int = 1_000,
        ahead: int = 200_000,
    ) -> None:
        self._ledger = ledger
        self._cards = cards
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._executor = executor
        self._seconds = seconds
        self._batch = batch
        self._most_ahead = ahead
        self._width = 1
        # Rows whose cards are written and that are not published; only while publishing is slow or fails, and until that is made up for.
        self._ahead: set[int] = set()
        self._next_pass = 0.0

    def step(self) -> int:
        """Relays at most a batch of changes, one of dead letters, a part of what may wait; returns how many rows, 0 for none or where another relay works.

        Raises `TransientError` after trying both (without Kafka, after trying once); what was not finished stays in the ledger.
        """
        # Mostly there is nothing, and looking dozens of times a second must cost little: one statement instead of four over three connections.
        if not self._ledger.relay_pending():
            self._nothing_waits()
            return 0
        with self._ledger.relay_lease() as held:
            if not held:
                self._forget_ahead()
                return 0
            finished = 0
            failure: TransientError | None = None
            for part in (self._changes, self._letters):
                try:
                    finished += part()
                except BusUnavailableError:
                    raise
                except TransientError as error:
                    failure = failure or error
            if failure is not None:
                raise failure
            return finished + self._later()

    def _changes(self) -> int:
        limit = self._batch * self._width
        rows = self._ledger.outbox(limit)
        self._width = min(2 * self._width, _WIDEST) if len(rows) == limit else 1
        if not rows:
            self._nothing_waits()
            return 0
        oldest = min(row.created_at for row in rows)
        self._metrics.outbox_lag_seconds.set(max(0.0, (self._clock() - oldest).total_seconds()))
        # Each identifier once a step, however many of the rows name it.
        self._write_cards({token_id for row in rows for token_id in row.token_ids})
        outbox_ids = [row.outbox_id for row in rows]
        if self._ahead:
            self._ahead.update(outbox_ids)
            self._write_ahead()
        # A row without a profile tells only of identifiers whose answer changed: news for the cache, none for the topic.
        changes = [row for row in rows if row.profile_id]
        with self._metrics.stage("relay_publish"):
            self._published(lambda: self._publisher.publish(changes), beside=outbox_ids)
        self._ledger.outbox_done(outbox_ids)
        self._ahead.difference_update(outbox_ids)
        self._metrics.outbox_rows.inc(len(rows))
        return len(rows)

    def _later(self) -> int:
        """One part of the lane of fills, unless the outbox was read in full and more of it waits."""
        rows = self._ledger.outbox_later(_LATER) if self._width == 1 else ()
        if not rows:
            return 0
        self._write_cards({token_id for row in rows for token_id in row.token_ids})
        self._published(lambda: self._publisher.publish(rows), beside=())
        self._ledger.outbox_later_done([row.outbox_id for row in rows])
        self._metrics.outbox_rows.inc(len(rows))
        return len(rows)

    def _letters(self) -> int:
        rows = self._ledger.dead_letters_unpublished(self._batch)
        if not rows:
            return 0
        self._published(lambda: self._publisher.publish_dead_letters(rows), beside=())
        self._ledger.dead_letters_done([row.dead_letter_id for row in rows])
        return len(rows)

    def _published(self, publish: Callable[[], None], *, beside: Sequence[int]) -> None:
        """Returns once `publish` does, or raises what it raises; cards go on meanwhile, those of the rows `beside` are written."""
        running = self._executor.submit(publish)
        while wait([running], timeout=_AHEAD_SECONDS).not_done:
            self._ahead.update(beside)
            # What goes wrong here fails again in the next step, and nothing depends on it before.
            with suppress(TransientError):
                self._write_ahead(until=running.done)
        try:
            running.result()
        except BusUnavailableError:
            self._ahead.update(beside)
            self._write_ahead()
            raise

    def _write_ahead(self, *, until: Callable[[], bool] = lambda: False) -> None:
        """Writes the cards of the waiting rows that are not written ahead yet, unless it did so a moment ago."""
        started = self._seconds()
        if started < self._next_pass:
            return
        place = OUTBOX_START
        full = False
        while not full and not until():
            page = self._ledger.outbox_places(_AHEAD_PAGE, after=place)
            fresh = [found.outbox_id for found in page if found.outbox_id not in self._ahead]
            full = len(page) < _AHEAD_PAGE
            for start in range(0, len(fresh), self._batch):
                part = fresh[start : start + self._batch][: self._most_ahead - len(self._ahead)]
                if not part or until():
                    full = True
                    break
                self._write_cards(self._ledger.outbox_token_ids(part))
                self._ahead.update(part)
            if page:
                place = page[-1]
        now = self._seconds()
        # So passes take a quarter of the time at most, however many rows wait.
        self._next_pass = now + max(_AHEAD_SECONDS, 3 * (now - started))

    def _nothing_waits(self) -> None:
        self._width = 1
        self._metrics.outbox_lag_seconds.set(0)
        self._forget_ahead()

    def _forget_ahead(self) -> None:
        self._ahead.clear()
        self._next_pass = 0.0

    def _write_cards(self, token_ids: Collection[int]) -> None:
        # In the order in which the ledger got to know them: those of one record lie side by side.
        wanted = sorted(token_ids)
        step = _NAMED * self._batch
        for start in range(0, len(wanted), step):
            self._write_some(wanted[start : start + step])

    def _write_some(self, token_ids: Sequence[int]) -> None:
        with self._metrics.stage("relay_cache"):
            generation = self._cards.generation()
            entries = cached_answers(self._ledger.answers_about(token_ids))
            written = self._cards.put_many(entries, generation=generation)
        self._metrics.cache_writes.labels("stored").inc(written)
        self._metrics.cache_writes.labels("outdated").inc(len(entries) - written)

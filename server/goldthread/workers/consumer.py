"""Takes customer events from Kafka into the ledger, with the effect of each event exactly once.

Why at-least-once delivery is enough. Three things commit in one PostgreSQL transaction: the inbox entries `(source, event_id)`, the effect
of the events that were not in the inbox yet, and the partition's next offset, by compare-and-set from the value this batch was read at.

- A crash before the commit leaves nothing: the next owner starts at the ledger's offset and reads the same messages.
- A crash after the commit, or a commit whose answer was lost, has moved the offset: the messages are not read again, and a blind retry of
  the batch is refused by the compare-and-set (`OffsetFencedError`), so it cannot even count.
- A worker that lost its partitions without noticing fails the compare-and-set as well; its whole transaction is rolled back.
- The same event at another offset or in another partition (a producer's replay) meets its own inbox entry and changes nothing.

So no step needs Kafka's transactions or its committed offsets. Read, decoded and not yet committed batches may be dropped at any time.

Bad messages are rejections inside the batch: their dead letters commit with it and never block the partition. Too many of them mean that something
upstream is broken: then the worker stops (`PoisonLimitError`). Trouble with the ledger or Kafka is never poison: the batch waits, partitions
paused and membership kept, for as long as it takes.

Redo marks are worked off between batches. A redo that fails waits on its own, ever longer, while events are taken as before: one component
that cannot be settled holds up other marks, never intake.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from threading import Event
from time import monotonic
from typing import Protocol

from goldthread.bus import BatchLimits, Message, PolledBatch
from goldthread.domain.errors import OffsetFencedError, PoisonLimitError, SettingsError, TransientError
from goldthread.domain.ports import IngestBatch, IngestReport
from goldthread.domain.words import Event as CustomerEvent
from goldthread.domain.words import IncomingEvent, RejectionReason
from goldthread.telemetry.logs import get_logger
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import DecodedBatch

__all__ = ["ConsumerSettings", "ConsumerWorker", "EventSource", "IngestStep"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSettings:
    """How the worker works: batch bounds, waits in milliseconds, and how much bad input it takes before it stops.

    `group` names the offsets in the ledger. Batches begin at least `batch_ms` apart, unless they are full: a lone event is taken at once, and a stream of
    them shares what a batch costs whatever its size. `poison_streak` bad messages in a row stop the worker, and so
    does a share of them above `poison_ratio` among the last `poison_window` messages or more. Under load redo marks are worked off every
    `redo_every_ms`; after failures in a row this doubles, up to `redo_retry_max_ms`.
    """

    group: str = "goldthread"
    batch_events: int = 2_000
    batch_ms: int = 100
    batch_bytes: int = 8 * 1024 * 1024
    idle_ms: int = 200
    redo_limit: int = 100
    redo_every_ms: int = 1_000
    redo_retry_max_ms: int = 300_000
    retry_min_ms: int = 50
    retry_max_ms: int = 5_000
    poison_streak: int = 1_000
    poison_ratio: float = 0.5
    poison_window: int = 10_000

    def __post_init__(self) -> None:
        """Raises `SettingsError` naming the first setting that cannot work."""
        for name in ("batch_events", "batch_bytes", "idle_ms", "redo_limit", "poison_streak", "poison_window"):
            if getattr(self, name) < 1:
                raise SettingsError(f"consumer.{name}", "at least 1")
        if not 1 <= self.retry_min_ms <= self.retry_max_ms:
            raise SettingsError("consumer.retry_min_ms", "must be from 1 to consumer.retry_max_ms")
        if not 1 <= self.redo_every_ms <= self.redo_retry_max_ms:
            raise SettingsError("consumer.redo_every_ms", "must be from 1 to consumer.redo_retry_max_ms")
        if not 0 < self.poison_ratio <= 1:
            raise SettingsError("consumer.poison_ratio", "above 0, at most 1")


class EventSource(Protocol):
    """What the worker reads from: `bus.EventConsumer`. Owned by the thread that runs the worker."""

    def poll(self, limits: BatchLimits) -> PolledBatch:
        """The next batch; after a `TransientError` it starts again from the ledger's offsets."""
        ...

    def pause(self) -> None:
        """Stops fetching."""
        ...

    def resume(self) -> None:
        """Fetches again."""
        ...

    def idle(self, seconds: float) -> None:
        """Keeps membership alive while paused."""
        ...

    def rewind(self) -> None:
        """The next `poll` starts from the ledger's offsets."""
        ...

    def close(self) -> None:
        """Leaves the group."""
        ...


class IngestStep(Protocol):
    """What the worker does with a batch: `flows.IngestFlow`."""

    def run(self, batch: IngestBatch) -> IngestReport:
        """Commits the batch; `TransientError` if trying again may help, `OffsetFencedError` if another worker was faster."""
        ...

    def redo(self, limit: int) -> int | None:
        """Works off up to `limit` redo marks and says how many, None if that is not known yet."""
        ...


class ConsumerWorker:
    """Polls, decodes, ingests, repeats. One instance is run once, by one thread.

    `read` tells what messages hold, `clock` gives seconds that only grow, `draw` numbers from 0 to below 1.
    """

    def __init__(
        self,
        consumer: EventSource,
        flow: IngestStep,
        metrics: Metrics,
        settings: ConsumerSettings,
        *,
        read: Callable[[Sequence[Message]], DecodedBatch[IncomingEvent | CustomerEvent]],
        clock: Callable[[], float] = monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._consumer = consumer
        self._flow = flow
        self._metrics = metrics
        self._settings = settings
        self._read = read
        self._clock = clock
        self._draw = draw
        self._poison = _PoisonGauge(settings)
        self._failures = 0
        self._redo_failures = 0
        self._lagging: set[int] = set()
        self._redo_due = clock()
        self._batch_due = clock()

    def run(self, stop: Event) -> None:
        """Blocks until `stop` is set; a batch in progress is finished or dropped whole, then the group is left.

        Raises `OffsetGapError`, `PoisonLimitError`, and whatever the flow raises beyond its contract: the worker must then not go on.
        """
        _log.info("consumer_started", group=self._settings.group)
        redone = 0
        try:
            while not stop.is_set():
                try:
                    batch = self._consumer.poll(self._limits(waiting=not redone))
                    self._observe_lag(batch)
                    if batch.messages:
                        self._batch_due = self._clock() + self._settings.batch_ms / 1000
                        self._ingest(batch, stop)
                    redone = self._redo(idle=not batch.messages)
                    self._failures = 0
                except TransientError as error:
                    redone = 0
                    self._back_off(error, stop)
        finally:
            self._consumer.close()
            _log.info("consumer_stopped", group=self._settings.group)

    def _limits(self, *, waiting: bool) -> BatchLimits:
        settings = self._settings
        return BatchLimits(
            max_messages=settings.batch_events,
            wait_ms=max(1, ceil(1000 * (self._batch_due - self._clock()))),
            max_bytes=settings.batch_bytes,
            # While redo marks are left, an empty topic is only glanced at.
            idle_ms=settings.idle_ms if waiting else 1,
        )

    def _ingest(self, polled: PolledBatch, stop: Event) -> None:
        with self._metrics.stage("decode"):
            decoded = self._read(polled.messages)
        batch = IngestBatch(
            group=self._settings.group,
            events=decoded.events,
            payloads=decoded.payloads,
            rejections=decoded.rejections,
            offsets=polled.offsets,
        )
        while True:
            try:
                report = self._flow.run(batch)
            except TransientError as error:
                self._back_off(error, stop)
                if stop.is_set():
                    return
            except OffsetFencedError as error:
                self._metrics.retries.labels("fenced").inc()
                _log.warning("batch_fenced", **error.metadata)
                self._consumer.rewind()
                return
            else:
                self._note_gaps(polled)
                self._poison.count(polled, report)
                return

    def _note_gaps(self, polled: PolledBatch) -> None:
        """Counts the gaps that the committed batch wrote to the ledger."""
        for move in polled.offsets:
            if move.gap is not None:
                kind = "head" if move.gap.former_topic_id == move.topic_id else "topic"
                self._metrics.offset_gaps.labels(kind).inc()
                _log.warning(
                    "gap_accepted", partition=move.partition, stood=move.start, began=move.gap.first, lost=kind
                )

    def _redo(self, *, idle: bool) -> int:
        """Works redo marks off when there is nothing else to do, and now and then when there always is; after a failure only when due."""
        settings = self._settings
        if (not idle or self._redo_failures) and self._clock() < self._redo_due:
            return 0
        try:
            done = self._flow.redo(settings.redo_limit)
            if done is None:
                # Under way beside intake.
                self._redo_due = self._clock() + settings.redo_every_ms / 1000
                return 0
        except TransientError as error:
            self._redo_failures += 1
            self._metrics.retries.labels("redo").inc()
            _log.warning("redo_retry", reason=error.reason, failures=self._redo_failures)
            wait = self._doubled(settings.redo_every_ms, settings.redo_retry_max_ms, self._redo_failures)
            self._redo_due = self._clock() + wait
            return 0
        self._redo_failures = 0
        # From the end of the call: however slow redo is, intake gets its turn in between.
        self._redo_due = self._clock() + settings.redo_every_ms / 1000
        return done

    def _back_off(self, error: TransientError, stop: Event) -> None:
        """Waits, longer after each failure in a row, with jitter; partitions are paused and membership is kept."""
        settings = self._settings
        self._failures += 1
        self._metrics.retries.labels("consumer").inc()
        _log.warning("consumer_retry", reason=error.reason, failures=self._failures)
        left = self._doubled(settings.retry_min_ms, settings.retry_max_ms, self._failures)
        self._consumer.pause()
        try:
            while left > 0 and not stop.is_set():
                self._consumer.idle(min(left, 0.25))
                left -= 0.25
        finally:
            self._consumer.resume()

    def _doubled(self, low: int, high: int, failures: int) -> float:
        """Seconds to wait: `low` milliseconds after the first failure, doubled with each in a row, at most `high`; jitter at most halves them."""
        return min(high, low << min(failures - 1, 20)) * (0.5 + 0.5 * self._draw()) / 1000

    def _observe_lag(self, batch: PolledBatch) -> None:
        for partition, lag in batch.lag.items():
            self._metrics.consumer_lag.labels(str(partition)).set(lag)
        for partition in self._lagging - batch.lag.keys():
            self._metrics.consumer_lag.remove(str(partition))
        self._lagging = set(batch.lag)


class _PoisonGauge:
    """Counts bad messages: in a row, and among the last ones. A reused event id is the sender's quarrel with itself and does not count."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self._settings = settings
        self._streak = 0
        self._window: deque[tuple[int, int]] = deque()
        self._total = 0
        self._bad = 0

    def count(self, batch: PolledBatch, report: IngestReport) -> None:
        """Adds a committed batch; raises `PoisonLimitError` when a limit is passed."""
        bad = {
            rejection.position
            for rejection in report.rejections
            if rejection.reason is not RejectionReason.EVENT_ID_CONFLICT
        }
        longest = self._streak
        for message in batch.messages:
            self._streak = self._streak + 1 if message.position in bad else 0
            longest = max(longest, self._streak)
        self._window.append((len(batch.messages), len(bad)))
        self._total += len(batch.messages)
        self._bad += len(bad)
        settings = self._settings
        while self._total - self._window[0][0] >= settings.poison_window:
            total, old = self._window.popleft()
            self._total -= total
            self._bad -= old
        full = self._total >= settings.poison_window
        if longest >= settings.poison_streak or (full and self._bad > settings.poison_ratio * self._total):
            raise PoisonLimitError(
                "too many bad messages: nothing more is taken until somebody has looked",
                metadata={"streak": str(longest), "bad": str(self._bad), "of": str(self._total)},
            )

"""Reads the events topic in batches; where to read from is the ledger's word, never Kafka's.

Kafka's group only shares out partitions. When some are assigned, the consumer first takes none of them; the next `poll` asks `committed` for
the ledger's offsets and begins there. So trouble with the ledger surfaces as an exception of `poll`, outside the client's callbacks, and
the assignment simply waits. Kafka's own committed offsets are neither written nor read.

While the ledger knows no partition of the topic for this group, reading begins at the earliest message of each. The first batch then opens the
rows of all partitions whose earliest message is not 0, those of other members included. So from then on a partition without a row is one that
was to be read from 0, and is checked like the others. The ledger's offset must still mean what it meant:

- Below the start of the topic, messages were lost unread: `OffsetGapError`, unless `accept_gap`; then reading begins at the earliest.
- A topic that was deleted and made anew has offsets of its own, which only the id of the topic tells apart: Kafka's client reads on in the new
  one without a word. The same error, also beside `accept_gap` the same: reading begins at the earliest message of the new topic, and the
  inbox makes what it repeats harmless. The id is looked at with every assignment and every `topic_check_ms`; what was read in between is
  committed under the old id, so the next look still finds the difference and the earliest message is not missed.
- Beyond the end of the same topic, Kafka lost messages that were read already, and new ones took or will take their offsets. Nobody can say
  which, so this is never accepted.

An accepted gap goes up with the partition's next move, and is written to the ledger in the transaction of that move.

One thread owns an instance: callbacks run inside `poll` and `idle` of that thread. A batch is handled before the next `poll`, so when partitions
are revoked no batch is in flight; what the interrupted `poll` had gathered of them is dropped and read again by the next owner.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from types import TracebackType
from typing import Literal, Self

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka import Message as KafkaMessage

from goldthread.bus.messages import BatchLimits, Message, PolledBatch
from goldthread.bus.settings import READABLE_BYTES, BusSettings
from goldthread.bus.topics import TopicIds
from goldthread.bus.trouble import bus_call, bus_error
from goldthread.domain.errors import OffsetGapError
from goldthread.domain.ports import KnownOffset, OffsetGap, OffsetMove
from goldthread.domain.words import Position

__all__ = ["CommittedOffsets", "EventConsumer"]

CommittedOffsets = Callable[[str, Sequence[int]], Mapping[int, KnownOffset]]
"""Topic and assigned partitions to what the ledger knows of the topic, best of its other partitions too; one never read is absent.

May raise `LedgerUnavailableError`.
"""

_LOG = logging.getLogger("goldthread.bus")
_CHUNK = 128
_QUEUED_KIBIBYTES = 48 * 1024


class EventConsumer:
    """A member of the consumer group. Nothing happens before the first `poll`. `topic_ids` gives the id of a topic by its name."""

    def __init__(
        self, settings: BusSettings, committed: CommittedOffsets, *, topic_ids: Callable[[str], str] | None = None
    ) -> None:
        self._topic = settings.events_topic
        self._accept_gap = settings.accept_gap
        self._timeout = settings.request_timeout_ms / 1000
        self._committed = committed
        self._topic_ids = topic_ids if topic_ids is not None else TopicIds(settings)
        self._topic_id = ""
        self._check_seconds = settings.topic_check_ms / 1000
        self._check_due = 0.0
        self._pending: set[int] = set()
        self._next: dict[int, int] = {}
        self._gaps: dict[int, tuple[int, OffsetGap]] = {}
        self._opening: dict[int, int] = {}
        self._gathered: list[KafkaMessage] = []
        self._paused = False
        with bus_call():
            self._consumer = Consumer(
                {
                    "bootstrap.servers": settings.bootstrap,
                    "group.id": settings.group,
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "auto.offset.reset": "error",
                    "enable.partition.eof": False,
                    "session.timeout.ms": settings.session_timeout_ms,
                    "max.poll.interval.ms": settings.max_poll_interval_ms,
                    # A fetch for every few messages is what costs a broker most. A lone event waits this long at most.
                    "fetch.wait.max.ms": 60,
                    "fetch.min.bytes": 64 * 1024,
                    "fetch.max.bytes": READABLE_BYTES + 4 * 1024 * 1024,
                    "max.partition.fetch.bytes": READABLE_BYTES + 1024 * 1024,
                    "receive.message.max.bytes": READABLE_BYTES + 8 * 1024 * 1024,
                    "queued.min.messages": 10_000,
                    "queued.max.messages.kbytes": _QUEUED_KIBIBYTES,
                    "fetch.queue.backoff.ms": 50,
                    "reconnect.backoff.max.ms": 2_000,
                },
                logger=_LOG,
            )
            self._consumer.subscribe(
                [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )

    def poll(self, limits: BatchLimits) -> PolledBatch:
        """The next batch; empty after `idle_ms` without a message.

        Raises what `committed` raises, `OffsetGapError`, and `BusUnavailableError`; after any of them the next call starts from the ledger's
        offsets again, so nothing is skipped.
        """
        self._gathered = []
        try:
            self._check_topic()
            self._begin_pending()
            self._gather(limits)
            return self._batch()
        except BaseException:
            self.rewind()
            raise
        finally:
            self._gathered = []

    def pause(self) -> None:
        """Stops fetching until `resume`, keeping membership; partitions assigned meanwhile wait too."""
        self._paused = True
        if self._next:
            with bus_call():
                self._consumer.pause(self._assignment())

    def resume(self) -> None:
        """Fetches again."""
        self._paused = False
        if self._next:
            with bus_call():
                self._consumer.resume(self._assignment())

    def idle(self, seconds: float) -> None:
        """Keeps membership alive while paused, for about this long; takes no message and raises no error of a partition."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            with bus_call():
                message = self._consumer.poll(min(left, 0.1))
            if message is not None:
                # Queued before the pause took hold. A message is given back by starting over from the ledger's offsets; after an error the
                # client may have stopped reading the partition, and starting over finds out why.
                self.rewind()

    def rewind(self) -> None:
        """Stops fetching and forgets how far was read; the next `poll` starts from the ledger's offsets."""
        if self._next:
            self._pending.update(self._next)
            self._next.clear()
            self._gaps.clear()
            self._opening.clear()
            with bus_call():
                self._consumer.assign([])

    def partitions(self) -> frozenset[int]:
        """Partitions held at the moment."""
        return frozenset(self._next) | self._pending

    def close(self) -> None:
        """Leaves the group at once, so that others take over without waiting for the session to end."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._pending = {partition.partition for partition in partitions}
        self._next.clear()
        self._gaps.clear()
        self._opening.clear()
        self._gathered.clear()
        consumer.assign([])

    def _on_revoke(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._pending.clear()
        self._next.clear()
        self._gaps.clear()
        self._opening.clear()
        self._gathered.clear()
        consumer.unassign()

    def _assignment(self) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in self._next]

    def _begin_pending(self) -> None:
        if not self._pending or self._paused:
            return
        partitions = sorted(self._pending)
        committed = self._committed(self._topic, partitions)
        bounds = {partition: self._bounds(partition) for partition in partitions}
        opening = {} if committed else self._beginnings(bounds)
        # After the bounds: if the topic is made anew in between, they are refused rather than taken for the new one's.
        self._topic_id = self._topic_ids(self._topic)
        self._check_due = monotonic() + self._check_seconds
        begin: dict[int, int] = {}
        gaps: dict[int, tuple[int, OffsetGap]] = {}
        for partition, (first, end) in bounds.items():
            known = committed.get(partition, KnownOffset(0 if committed else first, self._topic_id))
            gap = self._gap(partition, known, first=first, end=end)
            begin[partition] = known.next_offset if gap is None else first
            if gap is not None:
                gaps[partition] = known.next_offset, gap
        with bus_call():
            self._consumer.assign([TopicPartition(self._topic, *place) for place in begin.items()])
        self._next, self._gaps, self._opening = begin, gaps, opening
        self._pending = set()

    def _gap(self, partition: int, known: KnownOffset, *, first: int, end: int) -> OffsetGap | None:
        """The gap between the ledger's offset and what the partition holds, if it may be accepted; else raises `OffsetGapError`."""
        start = known.next_offset
        former = known.topic_id or self._topic_id
        lost: Literal["head", "tail", "topic"]
        if former != self._topic_id:
            lost, found = "topic", first
        elif start > end:
            lost, found = "tail", end
        elif start < first:
            lost, found = "head", first
        else:
            return None
        if lost == "tail" or not self._accept_gap:
            raise OffsetGapError(topic=self._topic, partition=partition, expected=start, found=found, lost=lost)
        _LOG.warning(
            "gap accepted: partition %d, the ledger stands at %d, reading begins at %d", partition, start, first
        )
        return OffsetGap(first=first, former_topic_id=former)

    def _beginnings(self, bounds: Mapping[int, tuple[int, int]]) -> dict[int, int]:
        """The earliest message of every partition of the topic that lost its head before the group began; `bounds` of the assigned ones."""
        with bus_call():
            topic = self._consumer.list_topics(self._topic, timeout=self._timeout).topics[self._topic]
        firsts = {
            partition: (bounds[partition] if partition in bounds else self._bounds(partition))[0]
            for partition in topic.partitions
        }
        return {partition: first for partition, first in firsts.items() if first > 0}

    def _check_topic(self) -> None:
        """Starts over if the topic that is read is no longer the one of that name."""
        if not self._next or monotonic() < self._check_due:
            return
        if self._topic_ids(self._topic) != self._topic_id:
            self.rewind()
        self._check_due = monotonic() + self._check_seconds

    def _bounds(self, partition: int) -> tuple[int, int]:
        with bus_call():
            bounds = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, partition), timeout=self._timeout, cached=False
            )
        first, end = bounds
        return int(first), int(end)

    def _gather(self, limits: BatchLimits) -> None:
        """Fills `_gathered`; callbacks running in here empty it when the assignment changes."""
        with bus_call():
            message = self._consumer.poll(limits.idle_ms / 1000)
        if message is None:
            return
        self._take(message)
        size = len(message)
        until = monotonic() + limits.wait_ms / 1000
        while len(self._gathered) < limits.max_messages and size < limits.max_bytes:
            wanted = min(_CHUNK, limits.max_messages - len(self._gathered))
            with bus_call():
                # What has been fetched already is taken even if no time is left: in a backlog batches are full.
                chunk = self._consumer.consume(wanted, max(0.0, until - monotonic()))
            for message in chunk:
                self._take(message)
                size += len(message)
            if len(chunk) < wanted:
                return

    def _take(self, message: KafkaMessage) -> None:
        error = message.error()
        if error is None:
            self._gathered.append(message)
            return
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001 (a public constant)
            # The topic lost its head while it was being read; the bounds checked at the next start decide.
            self.rewind()
            self._gathered.clear()
            return
        raise bus_error(error)

    def _batch(self) -> PolledBatch:
        messages: list[Message] = []
        ends: dict[int, int] = {}
        for message in self._gathered:
            partition, offset = message.partition(), message.offset()
            if partition is None or offset is None or partition not in self._next:
                continue
            # Left over from before a rewind.
            if offset < ends.get(partition, self._next[partition]):
                continue
            ends[partition] = offset + 1
            messages.append(
                Message(
                    position=Position(self._topic, partition, offset),
                    payload=message.value(),
                    content_type=_content_type(message),
                )
            )
        if messages:
            # A partition that this batch does not move stands still at its beginning.
            ends = {**self._opening, **ends}
        moves = tuple(self._move(partition, end) for partition, end in sorted(ends.items()))
        self._next.update((partition, end) for partition, end in ends.items() if partition in self._next)
        if messages:
            self._opening = {}
        return PolledBatch(messages=tuple(messages), offsets=moves, lag=self._lag())

    def _move(self, partition: int, end: int) -> OffsetMove:
        here = self._next.get(partition, end)
        start, gap = self._gaps.pop(partition, (here, None))
        return OffsetMove(
            topic=self._topic, partition=partition, start=start, end=end, topic_id=self._topic_id, gap=gap
        )

    def _lag(self) -> dict[int, int]:
        lag = {}
        for partition, position in self._next.items():
            with bus_call():
                _, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            if end >= 0:
                lag[partition] = max(0, end - position)
        return lag


def _content_type(message: KafkaMessage) -> str | None:
    """The last `content-type` header; one that is not ASCII is a type nobody knows."""
    for name, value in reversed(message.headers() or []):
        if str(name).lower() == "content-type" and value is not None:
            return value if isinstance(value, str) else value.decode("ascii", errors="replace")
    return None

"""Kafka for real: assignment from the ledger's offsets, gaps, giant messages, tombstones, topics."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from goldthread.bus import (
    BatchLimits,
    BusSettings,
    EventConsumer,
    EventProducer,
    KafkaChangePublisher,
    Message,
    PolledBatch,
    TopicIds,
    ensure_topics,
)
from goldthread.domain.errors import BusUnavailableError, LedgerUnavailableError, OffsetGapError, SettingsError
from goldthread.domain.ports import DeadLetterRow, KnownOffset, OffsetGap, OutboxRow
from goldthread.domain.words import Position, RejectionReason

LIMITS = BatchLimits(max_messages=100, wait_ms=20, idle_ms=100)
JSON = {"content-type": "application/json"}


@pytest.fixture
def settings(bus: BusSettings) -> BusSettings:
    """As `bus`, with few enough partitions that every test knows where its messages are."""
    name = uuid.uuid4().hex[:12]
    made = dataclasses.replace(bus, group=f"pair-{name}", events_topic=f"pair-{name}")
    ensure_topics(made, partitions=2)
    return made


class Offsets:
    """A ledger's offsets in memory."""

    def __init__(self) -> None:
        self.next: dict[int, int] = {}
        self.topic_id = ""
        self.gaps: list[OffsetGap] = []
        self.failures = 0

    def __call__(self, _topic: str, _partitions: Sequence[int]) -> dict[int, KnownOffset]:
        if self.failures:
            self.failures -= 1
            raise LedgerUnavailableError("down")
        return {partition: KnownOffset(offset, self.topic_id) for partition, offset in self.next.items()}

    def commit(self, batch: PolledBatch) -> None:
        for move in batch.offsets:
            assert self.next.get(move.partition, move.start) == move.start, "compare-and-set"
            self.next[move.partition] = move.end
            self.topic_id = move.topic_id
            if move.gap is not None:
                self.gaps.append(move.gap)


def produce(settings: BusSettings, values: Sequence[bytes | None], headers: dict[str, str] | None = None) -> None:
    with EventProducer(settings) as producer:
        for value in values:
            producer.send(settings.events_topic, key=None, value=value, headers=headers or {})
        producer.flush()


def gather(
    consumer: EventConsumer, offsets: Offsets, count: int, *, seconds: float = 20.0, limits: BatchLimits = LIMITS
) -> list[Message]:
    messages: list[Message] = []
    until = time.monotonic() + seconds
    while len(messages) < count and time.monotonic() < until:
        batch = consumer.poll(limits)
        offsets.commit(batch)
        messages += batch.messages
    return messages


def until(condition: Callable[[], bool], step: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        step()


@pytest.fixture
def offsets() -> Offsets:
    return Offsets()


def test_messages_come_once_and_a_new_member_goes_on_at_the_ledgers_offsets(settings, offsets):
    produce(settings, [str(number).encode() for number in range(500)], JSON)
    with EventConsumer(settings, offsets) as consumer:
        first = gather(consumer, offsets, 200)
        dropped = consumer.poll(LIMITS)  # read, never committed: as if the process died here
    assert all(message.content_type == "application/json" for message in first)
    assert dropped.messages
    with EventConsumer(settings, offsets) as consumer:
        rest = gather(consumer, offsets, 500 - len(first))
        last = consumer.poll(LIMITS)
    assert last.lag == {0: 0, 1: 0}
    seen = [message.payload for message in (*first, *rest, *last.messages)]
    assert sorted(seen) == sorted(str(number).encode() for number in range(500))


def test_batches_are_bounded_and_their_moves_are_seamless(settings, offsets):
    produce(settings, [b"x" * 1000] * 300)
    limits = BatchLimits(max_messages=7, wait_ms=50, idle_ms=200)
    with EventConsumer(settings, offsets) as consumer:
        until(lambda: bool(consumer.partitions()), lambda: offsets.commit(consumer.poll(limits)))
        sizes = []
        while sum(offsets.next.values()) < 300:
            batch = consumer.poll(limits)
            offsets.commit(batch)
            sizes.append(len(batch.messages))
    assert max(sizes) == 7


def test_an_absent_header_an_empty_value_and_a_tombstone_are_told_apart(settings, offsets):
    produce(settings, [b"", None, b"{"])
    with EventConsumer(settings, offsets) as consumer:
        messages = gather(consumer, offsets, 3)
    assert {message.payload for message in messages} == {b"", None, b"{"}
    assert {message.content_type for message in messages} == {None}


def test_a_twelve_megabyte_message_is_read_and_the_next_one_too(settings, offsets):
    produce(settings, [b"\x00" * 12_000_000, b"after"])
    with EventConsumer(settings, offsets) as consumer:
        messages = gather(consumer, offsets, 2)
    assert {len(message.payload or b"") for message in messages} == {12_000_000, 5}


def test_an_unreachable_ledger_delays_the_assignment_and_skips_nothing(settings, offsets):
    produce(settings, [b"a", b"b"])
    offsets.failures = 2
    with EventConsumer(settings, offsets) as consumer:
        until(lambda: bool(consumer.partitions()), lambda: consumer.idle(0.1))
        for _ in range(2):
            with pytest.raises(LedgerUnavailableError):
                consumer.poll(LIMITS)
        assert len(gather(consumer, offsets, 2)) == 2


def test_rewind_reads_what_was_not_committed_again(settings, offsets):
    produce(settings, [str(number).encode() for number in range(50)])
    with EventConsumer(settings, offsets) as consumer:
        done = gather(consumer, offsets, 1, limits=BatchLimits(max_messages=10, wait_ms=20))
        lost = consumer.poll(LIMITS)
        assert lost.messages
        consumer.rewind()
        rest = gather(consumer, offsets, 50 - len(done))
    assert sorted(int(message.payload or b"") for message in (*done, *rest)) == list(range(50))


def test_a_paused_consumer_keeps_its_partitions_and_takes_no_message(settings, offsets):
    settings = dataclasses.replace(settings, session_timeout_ms=6_000, max_poll_interval_ms=6_000)
    with EventConsumer(settings, offsets) as consumer:
        until(lambda: consumer.partitions() == {0, 1}, lambda: consumer.poll(LIMITS))
        consumer.pause()
        produce(settings, [b"a", b"b", b"c"])
        consumer.idle(6.5)
        assert consumer.partitions() == {0, 1}
        consumer.resume()
        assert len(gather(consumer, offsets, 3)) == 3


def test_a_second_member_takes_over_partitions_without_loss_or_repeat(settings, offsets):
    produce(settings, [str(number).encode() for number in range(100)])
    with EventConsumer(settings, offsets) as first:
        seen = gather(first, offsets, 100)
        with EventConsumer(settings, offsets) as second:

            def both() -> None:
                for member in (first, second):
                    batch = member.poll(LIMITS)
                    offsets.commit(batch)
                    seen.extend(batch.messages)

            until(lambda: len(first.partitions()) == len(second.partitions()) == 1, both, seconds=30)
            produce(settings, [str(number).encode() for number in range(100, 200)])
            until(lambda: len(seen) >= 200, both)
        assert sorted(int(message.payload or b"") for message in seen) == list(range(200))


def truncate(settings: BusSettings, before: int) -> None:
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    futures = admin.delete_records([TopicPartition(settings.events_topic, 0, before)])
    for future in futures.values():
        future.result()


@pytest.fixture
def truncated(settings: BusSettings, offsets: Offsets) -> BusSettings:
    """A topic whose partition 0 lost offsets 0 to 4, of which the ledger had read 0 and 1."""
    with EventProducer(settings) as producer:
        for number in range(8):
            key = f"k{number}".encode()
            producer.send(settings.events_topic, key=key, value=str(number).encode(), headers={})
        producer.flush()
    with Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "probe"}) as probe:
        _, end = probe.get_watermark_offsets(TopicPartition(settings.events_topic, 0))
    assert end >= 3
    truncate(settings, 3)
    offsets.next = {0: 1, 1: 0}
    return settings


def test_a_gap_stops_the_consumer(truncated, offsets):
    with EventConsumer(truncated, offsets) as consumer, pytest.raises(OffsetGapError) as caught:
        gather(consumer, offsets, 8)
    assert caught.value.metadata == {
        "topic": truncated.events_topic, "partition": "0", "expected": "1", "found": "3", "lost": "head",
    }  # fmt: skip


def test_an_accepted_gap_moves_the_offset_from_where_the_ledger_stood(truncated, offsets):
    with EventConsumer(dataclasses.replace(truncated, accept_gap=True), offsets) as consumer:
        messages = gather(consumer, offsets, 100, seconds=5)
    assert min(message.position.offset for message in messages if message.position.partition == 0) == 3
    assert sum(offsets.next.values()) == 8
    assert offsets.gaps == [OffsetGap(first=3, former_topic_id=offsets.topic_id)]


def test_a_head_lost_while_reading_is_a_gap_too(settings, offsets):
    with EventConsumer(settings, offsets) as consumer:
        until(lambda: consumer.partitions() == {0, 1}, lambda: consumer.poll(LIMITS))
        consumer.pause()
        produce(settings, [b"x"] * 50)
        truncate(settings, -1)
        consumer.resume()
        offsets.next = {0: 0, 1: 0}
        with pytest.raises(OffsetGapError):
            gather(consumer, offsets, 50)


def test_a_lost_tail_is_refused_even_with_accept_gap(settings, offsets):
    offsets.next = {0: 10, 1: 0}
    with (
        EventConsumer(dataclasses.replace(settings, accept_gap=True), offsets) as consumer,
        pytest.raises(OffsetGapError) as caught,
    ):
        gather(consumer, offsets, 1)
    assert caught.value.metadata["lost"] == "tail"


def make_anew(settings: BusSettings) -> None:
    """Deletes the events topic and makes it again, with as many partitions."""
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    for future in admin.delete_topics([settings.events_topic]).values():
        future.result()
    until(lambda: settings.events_topic in ensure_topics(settings, partitions=2), lambda: time.sleep(0.1))


def test_topic_ids_tell_a_topic_from_its_successor(settings):
    topic_ids = TopicIds(settings)
    first = topic_ids(settings.events_topic)
    assert topic_ids(settings.events_topic) == first != topic_ids(settings.changes_topic)
    make_anew(settings)
    assert topic_ids(settings.events_topic) not in ("", first)
    with pytest.raises(BusUnavailableError):
        topic_ids("no-topic-of-this-name")


@pytest.mark.parametrize("count", [20, 90], ids=["shorter", "longer"])
def test_a_topic_made_anew_stops_the_next_consumer_whatever_its_length(settings, offsets, count):
    produce(settings, [b"old"] * 50)
    with EventConsumer(settings, offsets) as consumer:
        assert len(gather(consumer, offsets, 50)) == 50
    stood = dict(offsets.next)
    make_anew(settings)
    produce(settings, [b"new"] * count)
    with EventConsumer(settings, offsets) as consumer, pytest.raises(OffsetGapError) as caught:
        gather(consumer, offsets, count)
    assert caught.value.metadata["lost"] == "topic"
    assert offsets.next == stood
    former = offsets.topic_id
    with EventConsumer(dataclasses.replace(settings, accept_gap=True), offsets) as consumer:
        messages = gather(consumer, offsets, count)
    assert [message.payload for message in messages] == [b"new"] * count
    # Messages without a key may all go into one partition; the other one then stands where it stood in the topic before.
    assert sum(offsets.next[place] for place in {message.position.partition for message in messages}) == count
    assert set(offsets.gaps) == {OffsetGap(first=0, former_topic_id=former)}
    assert offsets.topic_id != former


def test_a_topic_made_anew_under_a_running_consumer_stops_it(settings, offsets):
    """Kafka's client reads on in the new topic without a word; the look at the topic's id finds it."""
    settings = dataclasses.replace(settings, topic_check_ms=1_000)
    produce(settings, [b"old"] * 50)
    with EventConsumer(settings, offsets) as consumer:
        gather(consumer, offsets, 50)
        make_anew(settings)
        produce(settings, [b"new"] * 300)
        with pytest.raises(OffsetGapError) as caught:
            gather(consumer, offsets, 10_000)
    assert caught.value.metadata["lost"] == "topic"
    # What slipped through was committed under the old id, so going on begins at the first message all the same.
    with EventConsumer(dataclasses.replace(settings, accept_gap=True), offsets) as consumer:
        assert len(gather(consumer, offsets, 300)) == 300


def read_all(settings: BusSettings, topic: str, count: int) -> Iterator[tuple[bytes | None, bytes | None]]:
    reader = Consumer(
        {"bootstrap.servers": settings.bootstrap, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    )
    reader.subscribe([topic])
    try:
        for _ in range(count):
            message = reader.poll(20)
            assert message is not None
            assert message.error() is None
            yield message.key(), message.value()
    finally:
        reader.close()


def test_changes_are_keyed_by_profile_and_a_dead_one_ends_in_a_tombstone(settings):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        OutboxRow(
            outbox_id=number, profile_id="GP-1", version=number, live=live, change=change, token_ids=(), created_at=now
        )
        for number, live, change in ((1, True, b"one"), (2, False, b"two"))
    ]
    letter = DeadLetterRow(
        dead_letter_id=1, position=Position("t", 1, 7), reason=RejectionReason.MALFORMED, violations=(), source="",
        event_id="", payload_sha256=b"", payload_size=0, sealed_payload=b"", key_version=1, rejected_at=now,
    )  # fmt: skip
    with EventProducer(settings) as producer:
        publisher = KafkaChangePublisher(producer, settings, encode_dead_letter=lambda row: row.reason.name.encode())
        publisher.publish(rows)
        publisher.publish_dead_letters([letter])
    assert list(read_all(settings, settings.changes_topic, 3)) == [
        (b"GP-1", b"one"), (b"GP-1", b"two"), (b"GP-1", None),
    ]  # fmt: skip
    assert list(read_all(settings, settings.dead_letters_topic, 1)) == [(b"t/1/7", b"MALFORMED")]


def test_a_delivery_that_fails_is_raised_and_the_producer_works_again(settings):
    with EventProducer(settings) as producer:
        producer.send("no topic of this name", key=None, value=b"x", headers={})
        with pytest.raises(BusUnavailableError):
            producer.flush()
        producer.send(settings.events_topic, key=None, value=b"y", headers={})
        producer.flush()
    assert [value for _, value in read_all(settings, settings.events_topic, 1)] == [b"y"]


def test_topics_are_made_once_and_a_wrong_one_is_refused(settings):
    assert ensure_topics(settings) == []
    swapped = dataclasses.replace(settings, events_topic=settings.changes_topic, changes_topic=settings.events_topic)
    with pytest.raises(SettingsError, match=r"cleanup\.policy"):
        ensure_topics(swapped)

"""Messages lost unread: the consumer stops, and going on without them leaves its trace in the ledger (FAILURES A6)."""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg import Connection

from goldthread.app.settings import Settings
from goldthread.app.wiring import open_consumer
from goldthread.bus import BusSettings, EventProducer, TopicIds, ensure_topics
from goldthread.domain.errors import OffsetFencedError, OffsetGapError
from goldthread.domain.ports import KnownOffset, OffsetGap, OffsetMove
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import event_pb2, identity_pb2

EVENTS = 40
PARTITIONS = range(4)


@pytest.fixture
def admin(ledger_dsn: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def settings(ledger_dsn: str, bus: BusSettings) -> Settings:
    return Settings(
        postgres_dsn=ledger_dsn,
        kafka_bootstrap=bus.bootstrap,
        consumer_group=bus.group,
        events_topic=bus.events_topic,
        changes_topic=bus.changes_topic,
        dead_letters_topic=bus.dead_letters_topic,
        master_key=secrets.token_hex(32),
    )


def produce(bus: BusSettings, low: int, high: int) -> None:
    """Events of these numbers, taking turns among the partitions' keys."""
    with EventProducer(bus) as producer:
        for number in range(low, high):
            message = event_pb2.CustomerEvent(source="pos", event_id=f"e{number}")
            message.occurred_at.FromDatetime(datetime(2026, 1, 10, tzinfo=UTC))
            message.customer_change.SetInParent()
            message.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw=f"p{number}@acme.com")
            producer.send(bus.events_topic, key=str(number).encode(), value=message.SerializeToString(), headers={})
        producer.flush()


def consume(settings: Settings, metrics: Metrics, done: Callable[[], bool]) -> None:
    """Runs a consumer until this holds; raises what ended it before."""
    stop = threading.Event()
    failures: list[Exception] = []

    def run() -> None:
        try:
            worker.run(stop)
        except OffsetGapError as error:
            failures.append(error)

    with ExitStack() as stack:
        worker = open_consumer(stack, settings, metrics)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            end = time.monotonic() + 60
            while thread.is_alive() and not done():
                assert time.monotonic() < end, "timed out"
                time.sleep(0.05)
        finally:
            stop.set()
            thread.join(30)
    if failures:
        raise failures[0]


def gaps(admin: Connection[Any]) -> list[tuple[Any, ...]]:
    return admin.execute(
        "SELECT partition, from_offset, to_offset, former_topic_id, topic_id FROM offset_gap ORDER BY partition, gap_id"
    ).fetchall()


def counted(metrics: Metrics, kind: str) -> float:
    return metrics.registry.get_sample_value("goldthread_offset_gaps_total", {"kind": kind}) or 0.0


def test_a_lost_head_stops_the_consumer_until_the_gap_is_accepted_in_writing(
    settings: Settings, bus: BusSettings, ledger: Ledger, admin: Connection[Any]
) -> None:
    def offsets() -> dict[int, int]:
        return ledger.offsets(group=bus.group, topic=bus.events_topic)

    produce(bus, 0, EVENTS)
    consume(settings, Metrics(), lambda: ledger.counts().inbox == EVENTS)
    stood = offsets()
    topic_id = TopicIds(bus)(bus.events_topic)
    assert ledger.known_offsets(group=bus.group, topic=bus.events_topic) == {
        partition: KnownOffset(offset, topic_id) for partition, offset in stood.items()
    }
    assert set(stood) == set(PARTITIONS)

    produce(bus, EVENTS, 3 * EVENTS)
    cut = {partition: stood[partition] + 2 + partition for partition in (1, 3)}
    lose_heads(bus, cut)

    for _ in range(2):
        with pytest.raises(OffsetGapError) as caught:
            consume(settings, Metrics(), lambda: False)
        assert caught.value.metadata["lost"] == "head"
    assert (offsets(), gaps(admin), ledger.counts().inbox) == (stood, [], EVENTS)

    metrics = Metrics()
    lost = sum(cut.values()) - sum(stood[partition] for partition in cut)
    accepting = dataclasses.replace(settings, accept_gap=True)
    consume(accepting, metrics, lambda: ledger.counts().inbox == 3 * EVENTS - lost)
    written = [(partition, stood[partition], first, topic_id, topic_id) for partition, first in sorted(cut.items())]
    assert gaps(admin) == written
    assert (counted(metrics, "head"), counted(metrics, "topic")) == (len(cut), 0)
    assert sum(offsets().values()) == 3 * EVENTS

    # Once past it, the gap is history: the flag may stay, and may go.
    produce(bus, 3 * EVENTS, 4 * EVENTS)
    consume(settings, Metrics(), lambda: ledger.counts().inbox == 4 * EVENTS - lost)
    assert gaps(admin) == written


def lose_heads(bus: BusSettings, cut: dict[int, int]) -> None:
    """What retention does: of each of these partitions, everything before the offset."""
    kafka = AdminClient({"bootstrap.servers": bus.bootstrap})
    for future in kafka.delete_records([TopicPartition(bus.events_topic, *place) for place in cut.items()]).values():
        future.result()


def test_a_lost_head_of_partitions_that_were_never_read_is_a_gap_too(
    settings: Settings, bus: BusSettings, ledger: Ledger, admin: Connection[Any]
) -> None:
    produce(bus, 0, 1)
    consume(settings, Metrics(), lambda: ledger.counts().inbox == 1)
    [begun] = ledger.offsets(group=bus.group, topic=bus.events_topic)
    produce(bus, 1, EVENTS)
    lost = {partition: 2 for partition in PARTITIONS if partition != begun}
    lose_heads(bus, lost)
    with pytest.raises(OffsetGapError) as caught:
        consume(settings, Metrics(), lambda: ledger.counts().inbox >= EVENTS - 2 * len(lost))
    assert (caught.value.metadata["lost"], caught.value.metadata["expected"]) == ("head", "0")

    metrics = Metrics()
    accepting = dataclasses.replace(settings, accept_gap=True)
    consume(accepting, metrics, lambda: ledger.counts().inbox == EVENTS - 2 * len(lost))
    topic_id = TopicIds(bus)(bus.events_topic)
    assert gaps(admin) == [(partition, 0, 2, topic_id, topic_id) for partition in sorted(lost)]
    assert counted(metrics, "head") == len(lost)


def test_a_topic_that_lost_heads_before_it_was_begun_has_no_gap_however_often_the_consumer_starts(
    settings: Settings, bus: BusSettings, ledger: Ledger, admin: Connection[Any]
) -> None:
    produce(bus, 0, EVENTS)
    lose_heads(bus, dict.fromkeys(PARTITIONS, 2))
    left = EVENTS - 2 * len(PARTITIONS)
    hasty = dataclasses.replace(settings, batch_events=1)
    consume(hasty, Metrics(), lambda: ledger.counts().inbox >= 1)
    assert set(ledger.offsets(group=bus.group, topic=bus.events_topic)) == set(PARTITIONS)
    consume(settings, Metrics(), lambda: ledger.counts().inbox == left)
    assert gaps(admin) == []
    assert sum(ledger.offsets(group=bus.group, topic=bus.events_topic).values()) == EVENTS


def test_a_topic_made_anew_is_noticed_though_it_is_longer_and_repeats_nothing(
    settings: Settings, bus: BusSettings, ledger: Ledger, admin: Connection[Any]
) -> None:
    produce(bus, 0, EVENTS)
    consume(settings, Metrics(), lambda: ledger.counts().inbox == EVENTS)
    stood = ledger.offsets(group=bus.group, topic=bus.events_topic)
    former = TopicIds(bus)(bus.events_topic)
    kafka = AdminClient({"bootstrap.servers": bus.bootstrap})
    for future in kafka.delete_topics([bus.events_topic]).values():
        future.result()
    end = time.monotonic() + 20
    while bus.events_topic not in ensure_topics(bus):
        assert time.monotonic() < end, "the topic stays"
        time.sleep(0.1)
    # The old events, replayed, and as many new ones behind them.
    produce(bus, 0, 2 * EVENTS)

    with pytest.raises(OffsetGapError) as caught:
        consume(settings, Metrics(), lambda: False)
    assert caught.value.metadata["lost"] == "topic"
    assert (gaps(admin), ledger.counts().inbox) == ([], EVENTS)

    metrics = Metrics()
    consume(dataclasses.replace(settings, accept_gap=True), metrics, lambda: ledger.counts().inbox == 2 * EVENTS)
    topic_id = TopicIds(bus)(bus.events_topic)
    assert topic_id != former
    assert gaps(admin) == [(partition, stood[partition], 0, former, topic_id) for partition in PARTITIONS]
    assert counted(metrics, "topic") == len(PARTITIONS)
    assert metrics.registry.get_sample_value("goldthread_events_total", {"outcome": "duplicate"}) == EVENTS
    known = ledger.known_offsets(group=bus.group, topic=bus.events_topic)
    assert {place.topic_id for place in known.values()} == {topic_id}
    assert sum(place.next_offset for place in known.values()) == 2 * EVENTS


def advance(ledger: Ledger, start: int, end: int, topic_id: str, gap: OffsetGap | None = None) -> None:
    with ledger.transaction() as tx:
        tx.advance_offset(
            "g", OffsetMove(topic="events", partition=0, start=start, end=end, topic_id=topic_id, gap=gap)
        )


def test_the_row_is_written_with_the_move_or_not_at_all(ledger: Ledger, admin: Connection[Any]) -> None:
    advance(ledger, 0, 10, "a")
    gap = OffsetGap(first=15, former_topic_id="a")
    with pytest.raises(OffsetFencedError):
        advance(ledger, 9, 20, "a", gap)
    assert gaps(admin) == []
    advance(ledger, 10, 20, "a", gap)
    assert gaps(admin) == [(0, 10, 15, "a", "a")]
    with pytest.raises(OffsetFencedError):
        advance(ledger, 10, 20, "a", gap)
    assert gaps(admin) == [(0, 10, 15, "a", "a")]


def test_an_offset_of_another_topic_is_not_taken_for_the_same(ledger: Ledger, admin: Connection[Any]) -> None:
    """A zombie that had read the former topic finds its number again in the new one, and is fenced all the same."""
    advance(ledger, 0, 10, "a")
    advance(ledger, 10, 4, "b", OffsetGap(first=0, former_topic_id="a"))
    advance(ledger, 4, 10, "b")
    with pytest.raises(OffsetFencedError):
        advance(ledger, 10, 12, "a")
    assert ledger.known_offsets(group="g", topic="events") == {0: KnownOffset(10, "b")}


def test_an_id_that_is_not_known_yet_is_learned_with_the_next_move(ledger: Ledger, admin: Connection[Any]) -> None:
    advance(ledger, 0, 3, "")
    assert ledger.known_offsets(group="g", topic="events") == {0: KnownOffset(3, "")}
    advance(ledger, 3, 5, "a")
    assert ledger.known_offsets(group="g", topic="events") == {0: KnownOffset(5, "a")}

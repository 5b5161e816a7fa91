"""Sends the stream of a plan: part through Kafka, part through Resolve, with lookups beside, none of the two doors far ahead of the other.

Every message is sent until Kafka has acknowledged it and every Resolve until it is answered OK, as a producer that must not lose anything does.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from random import Random

import psycopg
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from gate.journal import Journal, Produced
from gate.messages import PROTOBUF, kafka_value
from gate.plan import Delivery, Door, Plan
from gate.world import World

__all__ = ["KafkaFeed", "Pace", "Sent"]

_APART = 0.01
"""How far one door may be ahead of the other, in parts of the run."""
_LOOK_SECONDS = 0.25
_NAP_SECONDS = 0.01


class Pace:
    """How far each door is, from 0 to 1; keeps them together. Safe from several threads."""

    def __init__(self) -> None:
        self._at = {Door.KAFKA: 0.0, Door.RESOLVE: 0.0}
        self.stopped = threading.Event()

    @property
    def progress(self) -> float:
        """Of the slower door."""
        return min(self._at.values())

    def wants(self, door: Door, at: float) -> None:
        """Says what a door would send next; 1 once it has sent everything."""
        self._at[door] = max(self._at[door], at)

    def may(self, door: Door, at: float) -> bool:
        """Whether a door may send what stands at this place of the run. One of the two always may, as each says first what it wants."""
        other = Door.RESOLVE if door is Door.KAFKA else Door.KAFKA
        return at <= self._at[other] + _APART

    def stop(self) -> None:
        """Ends the stream before its time."""
        self.stopped.set()


class Sent:
    """Counts of what was sent and how it went. Safe from several threads."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, what: str, count: int = 1) -> None:
        """Counts."""
        with self._lock:
            self._counts[what] += count

    def counts(self) -> dict[str, int]:
        """All of them, by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))


class KafkaFeed:
    """Produces a plan's messages, each to its partition, and sends again what was not acknowledged.

    It waits while the consumers are more than `most_behind` messages behind: faults must hit work in progress, not a backlog.
    """

    def __init__(
        self, world: World, plan: Plan, *, journal: Journal, pace: Pace, sent: Sent, seed: int, most_behind: int = 4_000
    ) -> None:
        self._world = world
        self._most_behind = most_behind
        self._work: Sequence[Delivery] = [one for one in plan.deliveries if one.door is Door.KAFKA]
        self._journal, self._pace, self._sent = journal, pace, sent
        self._random = Random(f"{seed} kafka")
        self._topic = world.settings.events_topic
        self._again: list[tuple[int, bytes, Delivery]] = []
        self._open = 0
        self._acked = 0
        self._behind = 0
        self._looked = 0.0
        self._producer = self._connect()

    def run(self) -> None:
        """Returns once every message is acknowledged, or the stream was ended."""
        for delivery in self._work:
            self._pace.wants(Door.KAFKA, delivery.at)
            while not self._pace.may(Door.KAFKA, delivery.at) or self._far_ahead():
                if self._pace.stopped.is_set():
                    return
                self._producer.poll(_NAP_SECONDS)
            self._send(delivery.partition, self._value(delivery), delivery)
            self._resend()
        while (self._open or self._again) and not self._pace.stopped.is_set():
            self._producer.poll(0.1)
            self._resend()
        self._pace.wants(Door.KAFKA, 1.0)

    def _connect(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._world.settings.need("kafka_bootstrap"),
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "delivery.timeout.ms": 20_000,
                "request.timeout.ms": 5_000,
                "reconnect.backoff.max.ms": 1_000,
                "error_cb": lambda _: None,
                "log_level": 0,
            }
        )

    def _value(self, delivery: Delivery) -> bytes:
        if delivery.poison is not None:
            return delivery.poison.value
        assert delivery.said is not None
        return kafka_value(delivery.said, self._random)

    def _send(self, partition: int, value: bytes, delivery: Delivery) -> None:
        def delivered(error: KafkaError | None, message: KafkaMessage) -> None:
            self._open -= 1
            if error is not None:
                self._sent.add("produce_again")
                self._again.append((partition, value, delivery))
                return
            self._acked += 1
            source, event_id = delivery.said.key if delivery.said is not None else ("", "")
            offset = message.offset()
            assert offset is not None
            self._journal.write(Produced(partition, offset, source, event_id))
            self._sent.add("poison" if delivery.poison is not None else "produced")

        kind = delivery.poison.content_type if delivery.poison is not None else PROTOBUF
        while True:
            try:
                self._producer.produce(
                    self._topic, value=value, partition=partition, headers={"content-type": kind}, on_delivery=delivered
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException:
                # A fatal error of an idempotent producer: what it held is called back as failed and sent by the next one.
                self._producer.purge()
                self._producer.flush(5.0)
                self._producer = self._connect()
            else:
                self._open += 1
                self._producer.poll(0)
                return

    def _resend(self) -> None:
        again, self._again = self._again, []
        for partition, value, delivery in again:
            self._send(partition, value, delivery)

    def _far_ahead(self) -> bool:
        """Whether the consumers are far behind; while PostgreSQL does not say, what it said last."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            try:
                with self._world.connect() as connection:
                    row = connection.execute(
                        "SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_offset"
                    ).fetchone()
            except psycopg.Error:
                row = None
            if row is not None:
                self._behind = self._acked - int(str(row[0]))
        return self._behind > self._most_behind

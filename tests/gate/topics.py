"""Whole topics, read to their end by a reader of the gate's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition

__all__ = ["Message", "ends", "read_topic"]

T = TypeVar("T")

_SECONDS = 20.0
_PATIENCE = 90.0  # a broker that was just started again leads its partitions only after a while
_CHUNK = 5_000


class Message(NamedTuple):
    """A message of a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """The offset after the last message of each partition."""
    consumer = _consumer(bootstrap)
    try:
        return {part: _bounds(consumer, topic, part)[1] for part in _partitions(consumer, topic)}
    finally:
        consumer.close()


def read_topic(bootstrap: str, topic: str) -> list[Message]:
    """Every message that the topic holds. Raises `TimeoutError` if Kafka stops giving."""
    consumer = _consumer(bootstrap)
    found: list[Message] = []
    try:
        left: dict[int, int] = {}
        starts: list[TopicPartition] = []
        for part in _partitions(consumer, topic):
            first, end = _bounds(consumer, topic, part)
            if end > first:
                left[part] = end
                starts.append(TopicPartition(topic, part, first))
        consumer.assign(starts)
        until = time.monotonic() + _SECONDS
        while left:
            # A call waits for as many as it may give, so it is kept short.
            chunk = consumer.consume(_CHUNK, 0.25)
            if chunk:
                until = time.monotonic() + _SECONDS
            elif time.monotonic() > until:
                raise TimeoutError(f"{topic}: nothing more came of partitions {sorted(left)}")
            for message in chunk:
                if message.error() is not None:
                    continue
                place, offset = message.partition(), message.offset()
                assert place is not None
                assert offset is not None
                found.append(Message(place, offset, message.key(), message.value()))
                if place in left and offset + 1 >= left[place]:
                    del left[place]
        return found
    finally:
        consumer.close()


def _consumer(bootstrap: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "gate-reader",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": 2**24,
            "error_cb": lambda _: None,
            "log_level": 0,
        }
    )


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    def described() -> list[int]:
        found = consumer.list_topics(topic, timeout=_SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    return _asked(described)


def _bounds(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    place = TopicPartition(topic, partition)
    first, end = _asked(lambda: consumer.get_watermark_offsets(place, timeout=_SECONDS, cached=False))
    return int(first), int(end)


def _asked(question: Callable[[], T]) -> T:
    """The broker's answer, asked again while it recovers from the last fault."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return question()
        except KafkaException:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)

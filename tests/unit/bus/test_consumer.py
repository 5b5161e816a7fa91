"""What the consumer does with what the Kafka client hands it; the client is a twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from goldthread.bus import BatchLimits, BusSettings, EventConsumer

LIMITS = BatchLimits(max_messages=10, wait_ms=1, idle_ms=1)


class Trouble:
    """A message that only carries an error."""

    def __init__(self, code: int) -> None:
        self.code = code

    def error(self) -> KafkaError:
        return KafkaError(self.code)


class Client:
    """The Kafka client with one partition of ten messages; notes every start, empty where reading was stopped."""

    def __init__(self, _config: dict[str, object], **_: object) -> None:
        self.starts: list[list[int]] = []
        self.queue: list[Trouble] = []
        self.on_assign: Callable[[Any, list[TopicPartition]], None] | None = None

    def subscribe(
        self, topics: Sequence[str], *, on_assign: Callable[[Any, list[TopicPartition]], None], **_: object
    ) -> None:
        self.topic = topics[0]
        self.on_assign = on_assign

    def poll(self, _seconds: float) -> Trouble | None:
        if self.on_assign:
            told, self.on_assign = self.on_assign, None
            told(self, [TopicPartition(self.topic, 0)])
        return self.queue.pop() if self.queue else None

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self.starts.append([partition.offset for partition in partitions])

    def get_watermark_offsets(self, _partition: TopicPartition, **_: object) -> tuple[int, int]:
        return 0, 10

    def pause(self, _partitions: Sequence[TopicPartition]) -> None: ...

    resume = pause


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client({})
    monkeypatch.setattr("goldthread.bus.consumer.Consumer", lambda _config, **_: made)
    return made


@pytest.mark.parametrize("code", [KafkaError._AUTO_OFFSET_RESET, KafkaError._MAX_POLL_EXCEEDED])
def test_an_error_that_was_queued_before_a_pause_starts_the_partition_over(client: Client, code: int) -> None:
    consumer = EventConsumer(BusSettings(bootstrap="nowhere:1"), lambda _topic, _partitions: {0: 4})
    consumer.poll(LIMITS)
    consumer.poll(LIMITS)
    assert client.starts == [[], [4]]
    consumer.pause()
    client.queue = [Trouble(code)]
    consumer.idle(0.01)
    consumer.resume()
    assert client.starts == [[], [4], []]
    consumer.poll(LIMITS)
    assert client.starts == [[], [4], [], [4]]


def test_idling_without_news_leaves_the_partition_alone(client: Client) -> None:
    consumer = EventConsumer(BusSettings(bootstrap="nowhere:1"), lambda _topic, _partitions: {0: 4})
    consumer.poll(LIMITS)
    consumer.poll(LIMITS)
    consumer.pause()
    consumer.idle(0.01)
    consumer.resume()
    assert client.starts == [[], [4]]

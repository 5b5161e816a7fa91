"""Writes to Kafka: acknowledged by all replicas, in order, and every failed delivery raised."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as KafkaMessage

from goldthread.bus.settings import READABLE_BYTES, BusSettings
from goldthread.bus.trouble import bus_call, bus_error
from goldthread.domain.errors import BusUnavailableError
from goldthread.domain.ports import DeadLetterRow, OutboxRow

__all__ = ["EventProducer", "KafkaChangePublisher"]

_LOG = logging.getLogger("goldthread.bus")
_CHECK_SECONDS = 5.0
_MAX_QUEUED = 20_000
_MAX_QUEUED_KIBIBYTES = 64 * 1024
_PROTOBUF = {"content-type": "application/x-protobuf"}


class EventProducer:
    """An idempotent producer; sends wait while the bounded queue is full. One thread at a time."""

    def __init__(self, settings: BusSettings) -> None:
        self._settings = settings
        self._failure: KafkaError | None = None
        self._producer = self._connect()

    def check(self) -> str:
        """Returns the cluster's id once a broker answers; raises `BusUnavailableError` naming the brokers after at most five seconds."""
        try:
            with bus_call():
                return str(self._producer.list_topics(timeout=_CHECK_SECONDS).cluster_id)
        except BusUnavailableError as error:
            brokers = self._settings.bootstrap
            raise BusUnavailableError(
                f"Kafka does not answer at {brokers}", metadata={**error.metadata, "bootstrap": brokers}
            ) from None

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> None:
        """Queues one message; raises `BusUnavailableError` if an earlier one could not be delivered."""
        while True:
            self._raise_failure()
            try:
                with bus_call():
                    self._producer.produce(
                        topic, value=value, key=key, headers=dict(headers), on_delivery=self._on_delivery
                    )
                    self._producer.poll(0)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def flush(self) -> None:
        """Returns once everything queued is acknowledged; raises `BusUnavailableError` if anything was not, and drops the rest.

        What was dropped may still have been written. Sending it again in the same order is harmless for a reader that keeps the last.
        """
        left = self._producer.flush((self._settings.delivery_timeout_ms + 5_000) / 1000)
        if left:
            self._producer.purge()
            self._producer.flush(1.0)
        failure = self._failure is not None
        self._raise_failure()
        if left and not failure:
            raise BusUnavailableError("Kafka: deliveries timed out", metadata={"code": "_TIMED_OUT"})

    def close(self) -> None:
        """Delivers what is queued, for a bounded time; never raises."""
        self._producer.flush(self._settings.delivery_timeout_ms / 1000)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self) -> Producer:
        with bus_call():
            return Producer(
                {
                    "bootstrap.servers": self._settings.bootstrap,
                    "enable.idempotence": True,
                    "acks": "all",
                    "linger.ms": 5,
                    "compression.type": "lz4",
                    "message.max.bytes": READABLE_BYTES,
                    "request.timeout.ms": self._settings.request_timeout_ms,
                    "delivery.timeout.ms": self._settings.delivery_timeout_ms,
                    "queue.buffering.max.messages": _MAX_QUEUED,
                    "queue.buffering.max.kbytes": _MAX_QUEUED_KIBIBYTES,
                    "reconnect.backoff.max.ms": 2_000,
                },
                logger=_LOG,
            )

    def _on_delivery(self, error: KafkaError | None, _message: KafkaMessage) -> None:
        if error is not None and self._failure is None:
            self._failure = error

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is None:
            return
        # The rest of the batch must not follow a message that was lost: the caller sends all of it again.
        self._producer.purge()
        self._producer.flush(1.0)
        self._failure = None
        if failure.fatal():
            self._producer = self._connect()
        raise bus_error(failure)


class KafkaChangePublisher:
    """`ChangePublisher` on Kafka. Rows are written in the order given, each profile to one partition.

    A profile that is no longer live gets its last change and then a tombstone, so that compaction forgets it. Repeating rows after a failure
    is harmless: the caller repeats them in order before it goes on to later ones, so what stands last under a key is right.
    """

    def __init__(
        self, producer: EventProducer, settings: BusSettings, *, encode_dead_letter: Callable[[DeadLetterRow], bytes]
    ) -> None:
        self._producer = producer
        self._changes = settings.changes_topic
        self._dead_letters = settings.dead_letters_topic
        self._encode_dead_letter = encode_dead_letter

    def publish(self, rows: Sequence[OutboxRow]) -> None:
        """Returns once every row is acknowledged; raises `BusUnavailableError`."""
        for row in rows:
            key = row.profile_id.encode()
            self._producer.send(self._changes, key=key, value=row.change, headers=_PROTOBUF)
            if not row.live:
                self._producer.send(self._changes, key=key, value=None, headers=_PROTOBUF)
        self._producer.flush()

    def publish_dead_letters(self, rows: Sequence[DeadLetterRow]) -> None:
        """The same for dead letters, keyed by where they came from."""
        for row in rows:
            position = row.position
            key = f"{position.topic}/{position.partition}/{position.offset}".encode()
            value = self._encode_dead_letter(row)
            self._producer.send(self._dead_letters, key=key, value=value, headers=_PROTOBUF)
        self._producer.flush()

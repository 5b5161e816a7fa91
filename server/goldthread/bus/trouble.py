"""Kafka's errors as Goldthread's: everything that waiting may cure is `BusUnavailableError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from goldthread.domain.errors import BusUnavailableError

__all__ = ["bus_call", "bus_error"]


def bus_error(error: KafkaError) -> BusUnavailableError:
    """The error by its code; its text is Kafka's and holds no message content."""
    return BusUnavailableError(f"Kafka: {error.name()}", metadata={"code": str(error.name())})


@contextmanager
def bus_call() -> Iterator[None]:
    """Turns exceptions of the client library into `BusUnavailableError`."""
    try:
        yield
    except KafkaException as failure:
        error = failure.args[0] if failure.args else None
        if isinstance(error, KafkaError):
            raise bus_error(error) from None
        raise BusUnavailableError("Kafka: client failure", metadata={"code": "UNKNOWN"}) from None

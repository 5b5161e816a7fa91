"""Reading: from messages of the events topic to what ingest takes.

Nearly every message is a valid event in protobuf. Those are read and admitted by one call of the core; all others are decoded here and judged by
`flows.Admission`, rule by rule, so a rejection says the same whichever way a message was tried first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from goldthread.domain.policy import FUTURE_ALLOWANCE
from goldthread.domain.words import Event, IncomingEvent, Position
from goldthread.matching import Matcher
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import DecodedBatch, RawMessage, decode_events, protobuf_payload

__all__ = ["MessageReader"]


class MessageReader:
    """Reads messages with one matcher, clock and currency. Thread-safe."""

    def __init__(self, *, matcher: Matcher, now: Callable[[], datetime], currency: str, metrics: Metrics) -> None:
        self._events = matcher.event_reader(currency=currency)
        self._now = now
        self._currency = currency
        self._metrics = metrics

    def read(self, messages: Sequence[RawMessage]) -> DecodedBatch[IncomingEvent | Event]:
        """What the messages hold, in their order: events that are admitted already, those that are still to be, and rejections."""
        admitted, seen = self._events.read(
            [protobuf_payload(message) for message in messages], latest=self._now() + FUTURE_ALLOWANCE
        )
        for (kind, status), count in seen.items():
            self._metrics.identifiers.labels(kind, status).inc(count)
        events: list[tuple[Position | None, IncomingEvent | Event]] = []
        payloads: list[bytes] = []
        batch = DecodedBatch(events, payloads, [])
        for message, event in zip(messages, admitted, strict=True):
            if event is not None:
                events.append((message.position, event))
                payloads.append(message.payload or b"")
                continue
            decoded = decode_events([message], currency=self._currency)
            events.extend(decoded.events)
            payloads.extend(decoded.payloads)
            batch.rejections.extend(decoded.rejections)
        return batch

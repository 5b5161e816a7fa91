"""From messages of the events topic to events or typed rejections, a batch at a time.

Nothing here raises on bad input and nothing recurses deeper than the parsers' own limits: a message is measured before it is read,
deep nesting and huge numbers end as MALFORMED. A rejection tells source and event id where they could be read and obey their rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, NoReturn, Protocol, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from goldthread.domain.policy import MAX_MESSAGE_BYTES
from goldthread.domain.words import IncomingEvent, Position, Rejection, RejectionReason, Violation
from goldthread.v1 import event_pb2
from goldthread.wire.anchors import ANCHORS_KEY, anchor_event
from goldthread.wire.events import event_from_proto
from goldthread.wire.rules import with_domain_rules

__all__ = [
    "CONTENT_TYPE_JSON",
    "CONTENT_TYPE_PROTOBUF",
    "DecodedBatch",
    "RawMessage",
    "decode_events",
    "protobuf_payload",
]

E_co = TypeVar("E_co", covariant=True)

CONTENT_TYPE_PROTOBUF = "application/x-protobuf"
CONTENT_TYPE_JSON = "application/json"
_PROTOBUF = frozenset({CONTENT_TYPE_PROTOBUF, "application/protobuf"})
_MAX_JSON_DEPTH = 32
_READABLE_KEYS = (("source", "event_id"), ("source", "eventId"), ("source_system", "event_id"))


class RawMessage(Protocol):
    """A message as read; `payload` is None for a tombstone, `content_type` None without the header."""

    @property
    def position(self) -> Position:
        """Where it stands."""
        ...

    @property
    def payload(self) -> bytes | None:
        """Its value."""
        ...

    @property
    def content_type(self) -> str | None:
        """Its `content-type` header."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedBatch(Generic[E_co]):
    """What a batch held, in its order; `payloads` is parallel to `events`."""

    events: Sequence[tuple[Position | None, E_co]]
    payloads: list[bytes] = field(repr=False)
    rejections: list[Rejection]


class _RejectedError(Exception):
    def __init__(
        self, reason: RejectionReason, violations: Sequence[Violation] = (), *, source: str = "", event_id: str = ""
    ) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.violations = tuple(violations)
        self.source = source
        self.event_id = event_id


def decode_events(messages: Sequence[RawMessage], *, currency: str) -> DecodedBatch[IncomingEvent]:
    """Decodes every message; each ends as an event or as a rejection. `currency` is the deployment's, for plain JSON without one."""
    events: list[tuple[Position | None, IncomingEvent]] = []
    batch = DecodedBatch(events, [], [])
    for message in messages:
        payload = message.payload if message.payload is not None else b""
        try:
            event = _decode(message.payload, message.content_type, currency)
        except _RejectedError as rejected:
            batch.rejections.append(_rejection(rejected, message.position, payload))
        else:
            events.append((message.position, event))
            batch.payloads.append(payload)
    return batch


def protobuf_payload(message: RawMessage) -> bytes:
    """The value of a message whose header says protobuf; empty for every other one, which is no event."""
    return message.payload or b"" if message.content_type in _PROTOBUF else b""


def _decode(payload: bytes | None, content_type: str | None, currency: str) -> IncomingEvent:
    if payload is None:
        raise _RejectedError(RejectionReason.MALFORMED, [Violation("", "a message needs a value")])
    if len(payload) > MAX_MESSAGE_BYTES:
        raise _RejectedError(RejectionReason.TOO_LARGE, [Violation("", f"at most {MAX_MESSAGE_BYTES} bytes")])
    if content_type is None:
        as_json = payload[:64].lstrip()[:1] == b"{"
    else:
        media_type = content_type.partition(";")[0].strip().lower()
        as_json = media_type == CONTENT_TYPE_JSON
        if not as_json and media_type not in _PROTOBUF:
            raise _RejectedError(RejectionReason.UNKNOWN_CONTENT_TYPE)
    return _decode_json(payload, currency) if as_json else _decode_protobuf(payload)


def _decode_protobuf(payload: bytes) -> IncomingEvent:
    try:
        message = event_pb2.CustomerEvent.FromString(payload)
    except DecodeError as error:
        raise _RejectedError(_parse_reason(error)) from None
    return event_from_proto(message)


def _decode_json(payload: bytes, currency: str) -> IncomingEvent:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise _RejectedError(RejectionReason.NOT_UTF8) from None
    content = _parse_json(text)
    if ANCHORS_KEY in content:
        return _anchored(_parse_json(text, exact=True), currency)
    try:
        message = json_format.ParseDict(content, event_pb2.CustomerEvent(), max_recursion_depth=_MAX_JSON_DEPTH)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        source, event_id = _readable(content)
        raise _RejectedError(_parse_reason(error), source=source, event_id=event_id) from None
    return event_from_proto(message)


def _anchored(content: Mapping[str, object], currency: str) -> IncomingEvent:
    source, event_id = _readable(content)
    try:
        event, violations = anchor_event(content, currency=currency)
    except UnicodeEncodeError:
        raise _RejectedError(RejectionReason.NOT_UTF8) from None
    except RecursionError:
        raise _RejectedError(RejectionReason.MALFORMED, source=source, event_id=event_id) from None
    if violations:
        raise _RejectedError(RejectionReason.INVALID_FIELD, violations, source=source, event_id=event_id)
    return event


def _parse_json(text: str, *, exact: bool = False) -> dict[str, object]:
    try:
        content = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=Decimal if exact else None,
            object_pairs_hook=_unique_keys,
        )
    except (ValueError, RecursionError, ArithmeticError):
        raise _RejectedError(RejectionReason.MALFORMED) from None
    if not isinstance(content, dict):
        raise _RejectedError(RejectionReason.MALFORMED)
    return content


def _refuse_constant(_constant: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key is repeated")
    return unique


def _parse_reason(error: Exception) -> RejectionReason:
    # The protobuf runtime tells bad UTF-8 from other damage only in its message; a test fails if a release words it otherwise.
    text = str(error)
    return (
        RejectionReason.NOT_UTF8
        if "UTF-8" in text or "surrogate" in text.lower() or isinstance(error, UnicodeError)
        else RejectionReason.MALFORMED
    )


def _readable(content: Mapping[str, object]) -> tuple[str, str]:
    """Source and event id of a message that is otherwise broken, each empty unless it obeys its rule."""
    for source_key, event_key in _READABLE_KEYS:
        source, event_id = content.get(source_key), content.get(event_key)
        if isinstance(source, str) and isinstance(event_id, str):
            probe = IncomingEvent(
                source=source.lower() if source_key == "source_system" else source,
                event_id=event_id,
                occurred_at=None,
                identifiers=(),
                attributes={},
                payload=None,
            )
            try:
                broken = {violation.field for violation in with_domain_rules(probe, ())}
            except UnicodeEncodeError:
                return "", ""
            return "" if "source" in broken else probe.source, "" if "event_id" in broken else event_id
    return "", ""


def _rejection(rejected: _RejectedError, position: Position, payload: bytes) -> Rejection:
    return Rejection(
        reason=rejected.reason,
        violations=rejected.violations,
        source=rejected.source,
        event_id=rejected.event_id,
        position=position,
        payload_sha256=hashlib.sha256(payload).digest(),
        payload_size=len(payload),
        payload=payload if len(payload) <= MAX_MESSAGE_BYTES else b"",
    )

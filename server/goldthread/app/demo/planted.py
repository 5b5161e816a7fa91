"""Messages that are bad on purpose, one or more of every kind: the demo expects each to end as a dead letter and nothing else to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from goldthread.domain.policy import MAX_MESSAGE_BYTES
from goldthread.domain.words import RejectionReason
from goldthread.wire import CONTENT_TYPE_JSON, CONTENT_TYPE_PROTOBUF

__all__ = ["PlantedMessage", "planted_messages"]

_CLAIM = b'"claim":{"attributes":{"familyName":"Planted"}},"customerChange":{}'
_TIME = b'"occurredAt":"2025-06-01T12:00:00Z"'


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedMessage:
    """A bad message and the reason for which it must be rejected."""

    reason: RejectionReason
    content_type: str
    payload: bytes = field(repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """Kafka headers."""
        return {"content-type": self.content_type}


def planted_messages() -> list[PlantedMessage]:
    """The bad messages, always the same."""
    reason = RejectionReason
    return [
        _planted(reason.MALFORMED, b"\x0a\xffnot a message", content_type=CONTENT_TYPE_PROTOBUF),
        _planted(reason.MALFORMED, b'{"source":"planted","eventId":'),
        _planted(reason.NOT_UTF8, b'{"source":"planted","eventId":"\xc3\x28"}'),
        _planted(reason.TOO_LARGE, b'{"source":"' + b"p" * 2 * MAX_MESSAGE_BYTES + b'"}'),
        _planted(reason.UNKNOWN_CONTENT_TYPE, b"<event/>", content_type="application/xml"),
        _planted(reason.INVALID_FIELD, b'{"source":"planted",' + _TIME + b"," + _CLAIM + b"}"),
        _planted(
            reason.TIME_OUT_OF_BOUNDS,
            b'{"source":"planted","eventId":"years-off","occurredAt":"1969-07-20T20:17:40Z",' + _CLAIM + b"}",
        ),
        _planted(
            reason.NO_USABLE_CLAIM,
            b'{"source":"planted","eventId":"nobody",'
            + _TIME
            + b',"claim":{"attributes":{"familyName":"n/a"}},"customerChange":{}}',
        ),
    ]


def _planted(reason: RejectionReason, payload: bytes, *, content_type: str = CONTENT_TYPE_JSON) -> PlantedMessage:
    return PlantedMessage(reason=reason, content_type=content_type, payload=payload)

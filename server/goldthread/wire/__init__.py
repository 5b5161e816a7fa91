"""Translation between bytes and domain values: protobuf, its JSON mapping, and the plain JSON with identity anchors.

Pure functions; nothing here talks to a network. The shapes are described in docs/events.md.
"""

from __future__ import annotations

from goldthread.wire.answers import encode_answer, resolve_response
from goldthread.wire.changes import encode_change, encode_dead_letter
from goldthread.wire.decoding import CONTENT_TYPE_JSON, CONTENT_TYPE_PROTOBUF, DecodedBatch, RawMessage, decode_events
from goldthread.wire.events import encode_event, event_from_proto, event_message, identifier_from_proto
from goldthread.wire.rules import event_violations, identifier_violations

__all__ = [
    "CONTENT_TYPE_JSON",
    "CONTENT_TYPE_PROTOBUF",
    "DecodedBatch",
    "RawMessage",
    "decode_events",
    "encode_answer",
    "encode_change",
    "encode_dead_letter",
    "encode_event",
    "event_from_proto",
    "event_message",
    "event_violations",
    "identifier_from_proto",
    "identifier_violations",
    "resolve_response",
]

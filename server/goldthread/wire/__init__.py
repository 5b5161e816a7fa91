"""Translation between bytes and domain values: protobuf, its JSON mapping, and the plain JSON with identity anchors.

Pure functions; nothing here talks to a network. The shapes are described in docs/events.md.
"""

from __future__ import annotations

from goldthread.wire.answers import (
    cached_answer,
    cached_answers,
    encode_answer,
    encode_result,
    resolve_response,
    result_from_bytes,
)
from goldthread.wire.changes import encode_change, encode_dead_letter
from goldthread.wire.decoding import CONTENT_TYPE_JSON, CONTENT_TYPE_PROTOBUF, DecodedBatch, RawMessage, decode_events
from goldthread.wire.editing import readable_message
from goldthread.wire.events import encode_event, event_from_proto, event_message, identifier_from_proto
from goldthread.wire.profiles import (
    change_message,
    diff_from_proto,
    diff_response,
    explain_from_proto,
    explain_response,
    history_from_proto,
    history_response,
    profile_from_proto,
    profile_response,
    records_from_proto,
    records_response,
    watch_from_proto,
)
from goldthread.wire.rules import event_violations, identifier_violations, request_id_violations
from goldthread.wire.steward import (
    assertion_from_proto,
    claim_from_proto,
    claim_response,
    confirmation_from_proto,
    decision_from_proto,
    encode_operation,
    entry_message,
    entry_version_from_proto,
    journal_page_from_proto,
    journal_response,
    merge_from_proto,
    operation_from_bytes,
    operation_result,
    release_from_proto,
    revert_from_proto,
    review_page_from_proto,
    reviews_response,
    split_from_proto,
)

__all__ = [
    "CONTENT_TYPE_JSON",
    "CONTENT_TYPE_PROTOBUF",
    "DecodedBatch",
    "RawMessage",
    "assertion_from_proto",
    "cached_answer",
    "cached_answers",
    "change_message",
    "claim_from_proto",
    "claim_response",
    "confirmation_from_proto",
    "decision_from_proto",
    "decode_events",
    "diff_from_proto",
    "diff_response",
    "encode_answer",
    "encode_change",
    "encode_dead_letter",
    "encode_event",
    "encode_operation",
    "encode_result",
    "entry_message",
    "entry_version_from_proto",
    "event_from_proto",
    "event_message",
    "event_violations",
    "explain_from_proto",
    "explain_response",
    "history_from_proto",
    "history_response",
    "identifier_from_proto",
    "identifier_violations",
    "journal_page_from_proto",
    "journal_response",
    "merge_from_proto",
    "operation_from_bytes",
    "operation_result",
    "profile_from_proto",
    "profile_response",
    "readable_message",
    "records_from_proto",
    "records_response",
    "release_from_proto",
    "request_id_violations",
    "resolve_response",
    "result_from_bytes",
    "revert_from_proto",
    "review_page_from_proto",
    "reviews_response",
    "split_from_proto",
    "watch_from_proto",
]

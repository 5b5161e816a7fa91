"""Messages as a person can read and change them."""

from __future__ import annotations

import json

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from goldthread.v1 import event_pb2

__all__ = ["readable_message"]


def readable_message(payload: bytes) -> str | None:
    """A customer event as indented JSON, whichever encoding it came in; None if it is neither JSON nor the message. Personal data."""
    if payload[:64].lstrip()[:1] == b"{":
        try:
            return json.dumps(json.loads(payload), ensure_ascii=False, indent=2)
        except (ValueError, RecursionError):
            # What is broken JSON is for the editor all the same, if it is text.
            return _text(payload)
    try:
        message = event_pb2.CustomerEvent.FromString(payload)
    except DecodeError:
        return None
    return json_format.MessageToJson(message, ensure_ascii=False)


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None

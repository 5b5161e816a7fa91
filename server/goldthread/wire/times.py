"""Protobuf timestamps to and from aware datetimes of microsecond precision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

__all__ = ["datetime_of", "timestamp_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def datetime_of(stamp: Timestamp) -> datetime | None:
    """The time in UTC, cut to microseconds; None if no calendar has it (year outside 1 to 9999, nanos outside 0 to 999,999,999)."""
    if not 0 <= stamp.nanos < 1_000_000_000:
        return None
    try:
        return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    except OverflowError:
        return None


def timestamp_of(moment: datetime) -> Timestamp:
    """The protobuf form of an aware datetime."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)

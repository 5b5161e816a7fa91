"""Messages that must end as dead letters, with the reason they must end with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from goldthread.domain.words import RejectionReason
from goldthread.v1 import event_pb2, identity_pb2

__all__ = ["Poison", "poison"]

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, slots=True)
class Poison:
    """A message's value, its content type, and why it must be refused."""

    value: bytes
    content_type: str
    reason: RejectionReason


def poison(number: int, random: Random) -> Poison:
    """Bad message number `number`; no two are alike."""
    kind = random.choice(sorted(_KINDS))
    return _KINDS[kind](_event(number))


def _event(number: int) -> event_pb2.CustomerEvent:
    event = event_pb2.CustomerEvent(source="crm", event_id=f"bad-{number}")
    event.occurred_at.FromDatetime(datetime(2025, 3, 1, tzinfo=UTC))
    event.customer_change.SetInParent()
    event.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw=f"bad-{number}@acme.net")
    return event


def _torn(event: event_pb2.CustomerEvent) -> Poison:
    return Poison(event.SerializeToString()[:-3], PROTOBUF, RejectionReason.MALFORMED)


def _latin(event: event_pb2.CustomerEvent) -> Poison:
    return Poison(event.SerializeToString().replace(b"acme", b"a\xe9me"), PROTOBUF, RejectionReason.NOT_UTF8)


def _long_ago(event: event_pb2.CustomerEvent) -> Poison:
    event.occurred_at.FromDatetime(datetime(1995, 3, 1, tzinfo=UTC))
    return Poison(event.SerializeToString(), PROTOBUF, RejectionReason.TIME_OUT_OF_BOUNDS)


def _far_ahead(event: event_pb2.CustomerEvent) -> Poison:
    event.occurred_at.FromDatetime(datetime(2091, 3, 1, tzinfo=UTC))
    return Poison(event.SerializeToString(), PROTOBUF, RejectionReason.TIME_OUT_OF_BOUNDS)


def _unusable(event: event_pb2.CustomerEvent) -> Poison:
    event.claim.identifiers[0].raw = "test@test.com"
    return Poison(event.SerializeToString(), PROTOBUF, RejectionReason.NO_USABLE_CLAIM)


def _speechless(event: event_pb2.CustomerEvent) -> Poison:
    event.ClearField("customer_change")
    return Poison(event.SerializeToString(), PROTOBUF, RejectionReason.INVALID_FIELD)


def _foreign(event: event_pb2.CustomerEvent) -> Poison:
    return Poison(event.SerializeToString(), "text/csv", RejectionReason.UNKNOWN_CONTENT_TYPE)


_KINDS: Mapping[str, Callable[[event_pb2.CustomerEvent], Poison]] = {
    "far ahead": _far_ahead,
    "foreign": _foreign,
    "latin": _latin,
    "long ago": _long_ago,
    "speechless": _speechless,
    "torn": _torn,
    "unusable": _unusable,
}

"""The rules an event must keep before its values are looked at; every broken one is named at once.

The shape of single identifiers is the wire's to judge (`wire.identifier_violations`): only it knows what a message may leave out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from goldthread.domain.policy import EARLIEST_EVENT, FUTURE_ALLOWANCE
from goldthread.domain.words import (
    Click,
    ConsentChange,
    CustomerChange,
    IncomingEvent,
    Purchase,
    RejectionReason,
    Violation,
)

__all__ = ["MAX_IDENTIFIERS", "broken_rules", "rejection_reason"]

MAX_IDENTIFIERS = 32
_MAX_AMOUNT = 10**12
_MAX_TEXT_BYTES = 512
_CODE = re.compile(r"[a-z0-9_.-]{1,64}")


def broken_rules(event: IncomingEvent, *, now: datetime, currency: str) -> list[Violation]:
    """Violations of an event, empty if it keeps every rule. `now` bounds event times, `currency` is the deployment's (ISO 4217)."""
    return [*_head(event, now), *_claim(event), *_payload(event, currency)]


def rejection_reason(violations: list[Violation], *, has_time: bool) -> RejectionReason:
    """TIME_OUT_OF_BOUNDS if there is a time and only it is wrong, else INVALID_FIELD."""
    only_time = has_time and all(violation.field == "occurred_at" for violation in violations)
    return RejectionReason.TIME_OUT_OF_BOUNDS if only_time else RejectionReason.INVALID_FIELD


def _head(event: IncomingEvent, now: datetime) -> Iterator[Violation]:
    if not _CODE.fullmatch(event.source):
        yield Violation("source", "must be 1 to 64 characters of a-z 0-9 _ . -")
    if not 1 <= len(event.event_id.encode()) <= 128 or not event.event_id.isprintable():
        yield Violation("event_id", "must be 1 to 128 bytes of printable text")
    if event.occurred_at is None:
        yield Violation("occurred_at", "is required")
    elif not EARLIEST_EVENT <= event.occurred_at <= now + FUTURE_ALLOWANCE:
        yield Violation("occurred_at", "must lie between 2000-01-01 and one day from now")


def _claim(event: IncomingEvent) -> Iterator[Violation]:
    if len(event.identifiers) > MAX_IDENTIFIERS:
        yield Violation("claim.identifiers", f"must be at most {MAX_IDENTIFIERS}")
    for name, value in event.attributes.items():
        if len(value.encode()) > _MAX_TEXT_BYTES:
            yield Violation(f"claim.attributes.{name}", f"must be at most {_MAX_TEXT_BYTES} bytes")
        if "\x00" in value:
            yield Violation(f"claim.attributes.{name}", "must not hold a null character")


def _payload(event: IncomingEvent, currency: str) -> Iterator[Violation]:
    match event.payload:
        case None:
            yield Violation("payload", "is required")
        case Purchase(amount_minor=amount, currency=code, store=store):
            if not 0 <= amount <= _MAX_AMOUNT:
                yield Violation("purchase.amount_minor", "must lie between 0 and 10^12")
            if code != currency:
                yield Violation("purchase.currency", f"must be {currency}")
            if len(store.encode()) > 64 or "\x00" in store:
                yield Violation("purchase.store", "must be at most 64 bytes without null characters")
        case Click(page=page):
            if len(page.encode()) > 256:
                yield Violation("click.page", "must be at most 256 bytes")
        case ConsentChange(purpose=purpose):
            if not _CODE.fullmatch(purpose):
                yield Violation("consent_change.purpose", "must be 1 to 64 characters of a-z 0-9 _ . -")
        case CustomerChange():
            pass

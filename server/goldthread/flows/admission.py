"""Admission: which events may enter the ledger, and every reason why the others may not.

Three kinds of rules are asked at once, so that a caller hears of all broken fields in one answer: the shape of the message (`wire`), the rules of the
domain that need a clock or a setting, and the values by the normaliser. Only fields whose shape is whole are given to the normaliser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from goldthread.domain.validation import broken_rules, rejection_reason
from goldthread.domain.words import Event, IncomingEvent, RejectionReason, Violation
from goldthread.matching import Matcher, Refusal
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import event_violations, identifier_violations

__all__ = ["Admission"]


class Admission:
    """Admits events with one matcher, clock and currency. Thread-safe."""

    def __init__(self, *, matcher: Matcher, now: Callable[[], datetime], currency: str, metrics: Metrics) -> None:
        self._matcher = matcher
        self._now = now
        self._currency = currency
        self._metrics = metrics

    def admit(self, events: Sequence[IncomingEvent], *, prefix: str = "") -> list[Event | Refusal]:
        """Events ready for the ledger, or why not, parallel to the input. `prefix` goes before every field named in a violation."""
        now = self._now()
        broken = [
            [*event_violations(event), *broken_rules(event, now=now, currency=self._currency)] for event in events
        ]
        normalized, seen = self._matcher.normalize(
            [_whole(event) if violations else event for event, violations in zip(events, broken, strict=True)]
        )
        for (kind, status), count in seen.items():
            self._metrics.identifiers.labels(kind, status).inc(count)
        results: list[Event | Refusal] = []
        for event, violations, claim in zip(events, broken, normalized, strict=True):
            unusable = claim if isinstance(claim, Refusal) else None
            if violations and not event.identifiers and not event.attributes:
                violations.append(Violation("claim", "is required: at least one identifier or attribute"))
            if violations and unusable is not None and unusable.reason is RejectionReason.INVALID_FIELD:
                violations.extend(unusable.violations)
            if violations:
                results.append(
                    Refusal(
                        rejection_reason(violations, has_time=event.occurred_at is not None),
                        _prefixed(violations, prefix),
                    )
                )
            elif isinstance(claim, Refusal):
                results.append(Refusal(claim.reason, _prefixed(claim.violations, prefix)))
            elif event.occurred_at is not None and event.payload is not None:
                results.append(
                    Event(
                        source=event.source,
                        event_id=event.event_id,
                        occurred_at=event.occurred_at,
                        claim=claim,
                        payload=event.payload,
                    )
                )
            else:
                raise AssertionError("broken_rules() lets no event without time or payload pass")
        return results


def _whole(event: IncomingEvent) -> IncomingEvent:
    """The event with those identifiers that have the right shape."""
    identifiers = tuple(
        identifier for identifier in event.identifiers if not identifier_violations(identifier, source=event.source)
    )
    return replace(event, identifiers=identifiers)


def _prefixed(violations: Sequence[Violation], prefix: str) -> tuple[Violation, ...]:
    """Each field once, its first rule."""
    first = {violation.field: violation for violation in reversed(violations)}
    return tuple(
        Violation(f"{prefix}{field}", first[field].description) for field in dict.fromkeys(v.field for v in violations)
    )

"""Every error that Goldthread raises on purpose.

    GoldthreadError
    ├── InvalidArgumentError        INVALID_ARGUMENT     the caller's fields break rules; carries every violation
    ├── EventIdConflictError        EVENT_ID_CONFLICT    one event id, two payloads
    ├── SettingsError               INVALID_SETTING      the environment or the command line is wrong; names the key
    ├── ModelFileError              INVALID_MODEL        the match model file is wrong
    ├── TransientError              (retry may help)
    │   ├── LedgerUnavailableError  LEDGER_UNAVAILABLE   PostgreSQL does not answer or ended the transaction
    │   ├── CacheUnavailableError   CACHE_UNAVAILABLE    the cache does not answer
    │   ├── BusUnavailableError     BUS_UNAVAILABLE      Kafka does not answer
    │   ├── OverloadedError         OVERLOADED           more work at once than a door admits; names the limit
    │   └── DeadlineExceededError   DEADLINE_EXCEEDED    the caller's or the server's time for this call is over
    ├── OffsetFencedError           OFFSET_FENCED        another worker moved this partition's offset
    ├── OffsetGapError              OFFSET_GAP           the topic no longer holds the next offset
    ├── PoisonLimitError            POISON_LIMIT         too many bad messages in a row: the worker stops
    ├── LedgerFaultError            LEDGER_FAULT         PostgreSQL refused a statement that should have been right
    └── SchemaVersionError          SCHEMA_VERSION       the ledger's schema is not the one this version needs

Each class has a stable `reason` (also the reason in google.rpc.ErrorInfo), `metadata` with everything variable in its message, and
`retryable`. Messages and metadata never hold personal data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from goldthread.domain.words import Violation

__all__ = [
    "BusUnavailableError",
    "CacheUnavailableError",
    "DeadlineExceededError",
    "EventIdConflictError",
    "GoldthreadError",
    "InvalidArgumentError",
    "LedgerFaultError",
    "LedgerUnavailableError",
    "ModelFileError",
    "OffsetFencedError",
    "OffsetGapError",
    "OverloadedError",
    "PoisonLimitError",
    "SchemaVersionError",
    "SettingsError",
    "TransientError",
]


class GoldthreadError(Exception):
    """Base of all; `metadata` values are strings free of personal data."""

    reason: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})


class InvalidArgumentError(GoldthreadError):
    """The caller's fields break rules; all of them are listed."""

    reason = "INVALID_ARGUMENT"

    def __init__(self, violations: Sequence[Violation], *, detail_reason: str = "INVALID_FIELD") -> None:
        fields = ",".join(violation.field for violation in violations)
        super().__init__(f"invalid: {fields}", metadata={"fields": fields, "detail": detail_reason})
        self.violations = tuple(violations)


class EventIdConflictError(GoldthreadError):
    """The event id was used before with another payload."""

    reason = "EVENT_ID_CONFLICT"

    def __init__(self, *, source: str, event_id: str) -> None:
        super().__init__(
            "the event id was used before with another payload", metadata={"source": source, "event_id": event_id}
        )


class SettingsError(GoldthreadError):
    """A setting is missing, unknown or invalid."""

    reason = "INVALID_SETTING"

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}", metadata={"key": key})


class ModelFileError(GoldthreadError):
    """The match model file does not parse or validate."""

    reason = "INVALID_MODEL"


class TransientError(GoldthreadError):
    """Trying again may help."""

    retryable = True


class LedgerUnavailableError(TransientError):
    """PostgreSQL does not answer, or ended the transaction for a reason that a retry may cure."""

    reason = "LEDGER_UNAVAILABLE"


class CacheUnavailableError(TransientError):
    """The cache does not answer."""

    reason = "CACHE_UNAVAILABLE"


class BusUnavailableError(TransientError):
    """Kafka does not answer."""

    reason = "BUS_UNAVAILABLE"


class OverloadedError(TransientError):
    """A door admits no more work for now; nothing was done."""

    reason = "OVERLOADED"

    def __init__(self, limit: str) -> None:
        super().__init__(f"too many at once: {limit}", metadata={"limit": limit})


class DeadlineExceededError(TransientError):
    """The time for this call is over; a write may still become durable."""

    reason = "DEADLINE_EXCEEDED"


class OffsetFencedError(GoldthreadError):
    """Another worker moved this partition's offset; the transaction was rolled back."""

    reason = "OFFSET_FENCED"

    def __init__(self, *, topic: str, partition: int, expected: int) -> None:
        super().__init__(
            "the partition's offset was moved by another worker",
            metadata={"topic": topic, "partition": str(partition), "expected": str(expected)},
        )


class OffsetGapError(GoldthreadError):
    """The topic no longer holds the next offset to read."""

    reason = "OFFSET_GAP"

    def __init__(self, *, topic: str, partition: int, expected: int, found: int) -> None:
        super().__init__(
            "the topic lost messages that were never read",
            metadata={"topic": topic, "partition": str(partition), "expected": str(expected), "found": str(found)},
        )


class PoisonLimitError(GoldthreadError):
    """Too many bad messages in a row: something upstream is broken, and stopping beats dead-lettering everything."""

    reason = "POISON_LIMIT"


class LedgerFaultError(GoldthreadError):
    """PostgreSQL refused a statement for a reason that no retry cures: a fault of ours; names SQLSTATE and constraint only."""

    reason = "LEDGER_FAULT"


class SchemaVersionError(GoldthreadError):
    """The ledger's schema is not the one this version needs; run `goldthread migrate`."""

    reason = "SCHEMA_VERSION"

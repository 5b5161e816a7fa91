"""Every error that Goldthread raises on purpose.

    GoldthreadError
    ├── InvalidArgumentError        INVALID_ARGUMENT     the caller's fields break rules; carries every violation
    ├── EventIdConflictError        EVENT_ID_CONFLICT    one event id, two payloads
    ├── StewardError                STEWARD              an operation cannot be done as the ledger is now; nothing was done
    │   ├── RequestIdConflictError  REQUEST_ID_CONFLICT  one request id, two operations
    │   ├── UnknownIdError          UNKNOWN_ID           no profile, record, review or entry has this id
    │   ├── EndedIdError            ENDED_ID             every event of the record was corrected away
    │   ├── NotAMemberError         NOT_A_MEMBER         the profile does not hold the record
    │   ├── StaleReviewError        STALE_REVIEW         the review is not what the steward saw
    │   ├── ReviewClaimedError      REVIEW_CLAIMED       somebody else has claimed the review
    │   ├── OperationTooLargeError  OPERATION_TOO_LARGE  more records or pairs than one operation may touch
    │   ├── NotRevertibleError      NOT_REVERTIBLE       the entry changed no membership that could be undone
    │   ├── LaterEntryError         LATER_ENTRY          a later entry builds on the one to revert
    │   └── OutrankedError          OUTRANKED            an operation of a higher rank cannot be taken back
    ├── SettingsError               INVALID_SETTING      the environment or the command line is wrong; names the key
    ├── ModelFileError              INVALID_MODEL        the match model file is wrong
    ├── SurvivorshipFileError       INVALID_SURVIVORSHIP the survivorship policy is wrong, or not the one in force; names the field
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
from datetime import UTC, datetime
from typing import ClassVar, Literal

from goldthread.domain.words import Violation

__all__ = [
    "BusUnavailableError",
    "CacheUnavailableError",
    "DeadlineExceededError",
    "EndedIdError",
    "EventIdConflictError",
    "GoldthreadError",
    "InvalidArgumentError",
    "LaterEntryError",
    "LedgerFaultError",
    "LedgerUnavailableError",
    "ModelFileError",
    "NotAMemberError",
    "NotRevertibleError",
    "OffsetFencedError",
    "OffsetGapError",
    "OperationTooLargeError",
    "OutrankedError",
    "OverloadedError",
    "PoisonLimitError",
    "RequestIdConflictError",
    "ReviewClaimedError",
    "SchemaVersionError",
    "SettingsError",
    "StaleReviewError",
    "StewardError",
    "SurvivorshipFileError",
    "TransientError",
    "UnknownIdError",
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


class StewardError(GoldthreadError):
    """An operation cannot be done as the ledger is now; nothing was done."""

    reason = "STEWARD"


class RequestIdConflictError(StewardError):
    """The request id was used before for another operation."""

    reason = "REQUEST_ID_CONFLICT"

    def __init__(self) -> None:
        super().__init__("the request id was used before with another content")


class UnknownIdError(StewardError):
    """No profile, record, review or entry has the id in this field."""

    reason = "UNKNOWN_ID"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: nothing has this id", metadata={"field": field})


class EndedIdError(StewardError):
    """The record after which the id in this field was named holds no event any more."""

    reason = "ENDED_ID"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: every event of this record was corrected away", metadata={"field": field})


class NotAMemberError(StewardError):
    """The profile does not hold the record in this field."""

    reason = "NOT_A_MEMBER"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: the profile does not hold this record", metadata={"field": field})


class StaleReviewError(StewardError):
    """The review is closed or its profiles are not those that the steward saw; names their versions as they are."""

    reason = "STALE_REVIEW"

    def __init__(self, *, is_open: bool, low_version: int, high_version: int) -> None:
        super().__init__(
            "the review is not what the decision was made on",
            metadata={
                "open": str(is_open).lower(),
                "low_version": str(low_version),
                "high_version": str(high_version),
            },
        )


class ReviewClaimedError(StewardError):
    """Somebody else has claimed the review; names until when, and not who."""

    reason = "REVIEW_CLAIMED"

    def __init__(self, *, until: datetime) -> None:
        super().__init__(
            "somebody else has claimed the review", metadata={"claimed_until": until.astimezone(UTC).isoformat()}
        )


class OperationTooLargeError(StewardError):
    """One operation may not touch so much; names the limit, what is allowed and what it would be."""

    reason = "OPERATION_TOO_LARGE"

    def __init__(self, limit: str, *, most: int, found: int) -> None:
        super().__init__(
            f"{limit}: {found} are more than {most}",
            metadata={"limit": limit, "most": str(most), "found": str(found)},
        )


class NotRevertibleError(StewardError):
    """The entry changed no membership, or only began its profile."""

    reason = "NOT_REVERTIBLE"

    def __init__(self, *, entry_version: int) -> None:
        super().__init__(
            "the entry took no record out of a profile and added none to one",
            metadata={"entry_version": str(entry_version)},
        )


class LaterEntryError(StewardError):
    """Members have changed since the entry to revert; names the last entry that did it."""

    reason = "LATER_ENTRY"

    def __init__(self, *, entry_version: int, later_version: int) -> None:
        super().__init__(
            "a later entry builds on this one",
            metadata={"entry_version": str(entry_version), "later_version": str(later_version)},
        )


class OutrankedError(StewardError):
    """The operation to take back was done by somebody of a higher rank."""

    reason = "OUTRANKED"

    def __init__(self, *, rank: int) -> None:
        super().__init__("the operation was of a higher rank", metadata={"rank": str(rank)})


class SettingsError(GoldthreadError):
    """A setting is missing, unknown or invalid."""

    reason = "INVALID_SETTING"

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}", metadata={"key": key})


class ModelFileError(GoldthreadError):
    """The match model file does not parse or validate."""

    reason = "INVALID_MODEL"


class SurvivorshipFileError(GoldthreadError):
    """The survivorship policy does not parse or validate, or is not the one that the ledger is under; names the field."""

    reason = "INVALID_SURVIVORSHIP"

    def __init__(self, field: str, message: str) -> None:
        where = f"the survivorship policy's {field}" if field else "the survivorship policy"
        super().__init__(f"{where}: {message}", metadata={"field": field})


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
    """The topic no longer holds the next offset to read; `lost` says what it lost: its head, its tail, or all of it, made anew since."""

    reason = "OFFSET_GAP"

    def __init__(
        self, *, topic: str, partition: int, expected: int, found: int, lost: Literal["head", "tail", "topic"] = "head"
    ) -> None:
        message = {
            "head": "the topic lost messages that were never read",
            "tail": "the topic lost messages that were read already, so that new ones would be taken for them",
            "topic": "the topic was made anew: the ledger's offset counts messages of another one",
        }
        super().__init__(
            message[lost],
            metadata={
                "topic": topic,
                "partition": str(partition),
                "expected": str(expected),
                "found": str(found),
                "lost": lost,
            },
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

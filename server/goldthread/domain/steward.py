"""What stewards ask for and what they are told: values of `StewardService`. Ids are birth ids; public forms are made at the door."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TypeAlias
from uuid import UUID

from goldthread.domain.ports import PairEvidence
from goldthread.domain.words import ChangeCause

__all__ = [
    "MAX_DIFFERENT_PAIRS",
    "MAX_MERGE_RECORDS",
    "MAX_SPLIT_RECORDS",
    "AnswerReview",
    "AssertRecords",
    "ChangedProfile",
    "Confirmation",
    "ConfirmationOutcome",
    "DecideReview",
    "JournalPage",
    "JournalView",
    "MergeProfiles",
    "OperationResult",
    "RevertEntry",
    "RevertOperation",
    "ReviewPage",
    "ReviewPlace",
    "ReviewView",
    "SplitProfile",
    "StewardAction",
    "StewardRequest",
    "kind_of",
]

MAX_DIFFERENT_PAIRS = 10_000
"""Most pairs of records that one operation says are different people."""

MAX_MERGE_RECORDS = 1_000
"""Most records that one operation says are one person, and most profiles that it names."""

MAX_SPLIT_RECORDS = 10_000
"""Most records that a split names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StewardAction:
    """Who does it, why and how; as in `steward_service.proto`."""

    request_id: str
    actor: str
    actor_rank: int
    reason: str = field(repr=False)
    preview: bool = False
    expire_on_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideReview:
    """Settles a review, for the versions of its profiles that the steward saw."""

    review_id: int
    same: bool
    low_version: int
    high_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerReview:
    """What a customer answered: whether the two records that an open review asks about are one person."""

    review_id: int
    same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertRecords:
    """Says of two records that they are the same person, or different people."""

    record_id: UUID
    other_record_id: UUID
    same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeProfiles:
    """Says of all records of these profiles that they are one person."""

    profile_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitProfile:
    """Says of some records of a profile and of its other records that they are different people."""

    profile_id: UUID
    record_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertEntry:
    """Undoes what the journal entry of this version did to membership."""

    entry_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevertOperation:
    """Undoes what an operation said, whether or not it changed a profile."""

    operation_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A customer's answer to the question of a review, as a register or cashier gives it along with an event."""

    review_id: int
    same: bool
    actor: str


class ConfirmationOutcome(IntEnum):
    """What became of a confirmation; numbers as in `resolver_service.proto`."""

    RECORDED = 1
    SETTLED = 2


StewardRequest: TypeAlias = (
    DecideReview | AnswerReview | AssertRecords | MergeProfiles | SplitProfile | RevertEntry | RevertOperation
)


def kind_of(request: StewardRequest) -> ChangeCause:
    """What the journal and the metrics call an operation."""
    match request:
        case DecideReview() | AnswerReview():
            return ChangeCause.REVIEW
        case AssertRecords(same=True):
            return ChangeCause.ASSERT_SAME
        case AssertRecords():
            return ChangeCause.ASSERT_DIFFERENT
        case MergeProfiles():
            return ChangeCause.MERGE
        case SplitProfile():
            return ChangeCause.SPLIT
        case RevertEntry() | RevertOperation():
            return ChangeCause.REVERT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedProfile:
    """A profile that an operation changed; version 0 in a preview. Records and successors ascending."""

    profile_id: UUID
    version: int
    live: bool
    record_ids: tuple[UUID, ...]
    successor_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationResult:
    """What an operation did; fields as in `steward_service.proto`. No operation id in a preview."""

    operation_id: UUID | None
    changed: tuple[ChangedProfile, ...]
    reviews_opened: int
    reviews_closed: int
    provisional: bool
    ledger_version: int
    outranked: int
    already_gone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewView:
    """An open review: its profiles with versions and records (at most 100 each), strength in millibits, the best pair if it is kept.

    `value_minor` is the smaller of the two sums of purchases; `claimed_by` is empty where nobody has claimed it.
    """

    review_id: int
    low_profile: UUID
    low_version: int
    low_records: tuple[UUID, ...]
    high_profile: UUID
    high_version: int
    high_records: tuple[UUID, ...]
    strength: int
    probability: float
    evidence: PairEvidence | None
    opened_at: datetime
    value_minor: int
    claimed_by: str
    claimed_until: datetime | None


@dataclass(frozen=True, slots=True)
class ReviewPlace:
    """A place in the list of open reviews: after the one with this strength and id, and this value in a list by value."""

    strength: int
    review_id: int
    value: int | None = None


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """Some open reviews, strongest first, and where the next page begins; None if this is the last."""

    reviews: tuple[ReviewView, ...]
    next: ReviewPlace | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalView:
    """A journal entry as stewards see it; records by birth id, ascending."""

    version: int
    profile_id: UUID
    live: bool
    before_records: tuple[UUID, ...]
    after_records: tuple[UUID, ...]
    successors: tuple[UUID, ...]
    cause: str
    actor: str
    source: str
    event_id: str
    operation_id: UUID | None
    reason: str = field(repr=False)
    model_version: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Some entries, latest first, and the version before which the next page lies; None if this is the last."""

    entries: tuple[JournalView, ...]
    next: int | None

"""What is told of profiles: values of `ProfileService`. Ids are birth ids; public forms are made at the door."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from goldthread.domain.policy import Totals
from goldthread.domain.ports import CardSnapshot, PairEvidence
from goldthread.domain.steward import JournalView

__all__ = [
    "NOW",
    "AsOf",
    "AttributeChange",
    "ChangesPage",
    "Disclosure",
    "HistoryPage",
    "HistoryView",
    "IdentifierCount",
    "MembershipView",
    "ProfileDiff",
    "ProfileView",
    "RecordPage",
    "RecordView",
    "SurvivingAttribute",
]


class Disclosure(IntEnum):
    """How much of personal attributes is told; numbers as in `profile_service.proto`."""

    MASKED = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class AsOf:
    """A moment of the ledger: what had been written by a time, or when an entry had been; neither: now."""

    at: datetime | None = None
    version: int | None = None


NOW = AsOf()


class IdentifierCount(NamedTuple):
    """How many identifiers of one kind there are, and how many of them are no evidence because too many people carry them."""

    type: int
    namespace: str
    number: int
    generic: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivingAttribute:
    """An attribute that survives, as much of it as was asked for, the record that said it, and what decided."""

    name: str
    value: str = field(repr=False)
    record_id: UUID
    source: str
    first_seen: datetime
    last_seen: datetime
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """A profile at one time; `ambiguous`, `review_ids` and `identifiers` are known of now only."""

    profile_id: UUID
    version: int
    record_ids: tuple[UUID, ...]
    attributes: tuple[SurvivingAttribute, ...]
    card: CardSnapshot
    totals: Totals
    as_of: datetime
    ambiguous: bool = False
    review_ids: tuple[int, ...] = ()
    identifiers: tuple[IdentifierCount, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """A record: what it says, as much of it as was asked for, and what hangs on it now."""

    record_id: UUID
    source: str
    attributes: tuple[tuple[str, str], ...] = field(repr=False)
    identifiers: tuple[IdentifierCount, ...]
    sightings: int
    first_seen: datetime
    last_seen: datetime
    purchase_count: int


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records by birth id, and the id after which the next page begins; None if this is the last."""

    records: tuple[RecordView, ...]
    next: UUID | None


@dataclass(frozen=True, slots=True)
class HistoryView:
    """A journal entry with the pairs that brought its records together."""

    entry: JournalView
    links: tuple[PairEvidence, ...]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some entries, latest first, and the version before which the next page lies; None if this is the last."""

    entries: tuple[HistoryView, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class MembershipView:
    """A profile's records at one time."""

    profile_id: UUID
    record_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """A surviving attribute at two times; None where no record has it."""

    name: str
    before: SurvivingAttribute | None
    after: SurvivingAttribute | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileDiff:
    """What became of a profile; `others` are those that records came from or went to."""

    before: MembershipView | None
    after: MembershipView
    joined: tuple[UUID, ...]
    left: tuple[UUID, ...]
    others: tuple[MembershipView, ...]
    changes: tuple[AttributeChange, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Changes in the order of their versions, all there are after the position asked for and up to this one."""

    position: int
    changes: tuple[JournalView, ...]

"""Rows that flows hand to the ledger and get from it. Personal columns are hidden in `repr`.

Those that are made by the thousand are named tuples: a frozen dataclass sets its fields one by one, which was a tenth of what ingest cost Python.
They are made by position: by name a row takes three to five times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from goldthread.domain.policy import Totals
from goldthread.domain.words import AttributeValues

__all__ = [
    "AssertionRow",
    "ClonedRecord",
    "ComponentRows",
    "HouseholdRow",
    "InboxRow",
    "JournalEntry",
    "LedgerCounts",
    "Mark",
    "MisplacedEvent",
    "NewMark",
    "PairRow",
    "PairState",
    "PhoneState",
    "ProfileRow",
    "PurchaseRow",
    "RecordHome",
    "RecordRow",
    "RecordSighting",
    "ReviewRow",
    "SeenEvent",
    "Standing",
    "Step",
    "StoredRecord",
    "TokenRow",
    "TokenState",
]


class SeenEvent(NamedTuple):
    """An event that was taken before."""

    source: str
    event_id: str
    payload_digest: bytes
    record_id: int


class RecordSighting(NamedTuple):
    """All sightings of one claim in one epoch in one batch, with what its purchases add up to; `opener` and `base_address` are None at epoch 0."""

    address: bytes
    birth_id: UUID
    source: str
    attributes: AttributeValues
    name_key: str | None
    first_seen: datetime
    last_seen: datetime
    sightings: int
    totals: Totals
    opener: bytes | None = None
    base_address: bytes | None = None

    def __repr__(self) -> str:
        """Its address, cut: the rest is personal data."""
        return f"RecordSighting({self.address[:4].hex()}…)"


class StoredRecord(NamedTuple):
    """A record after an upsert; `new` if no event hung on it before."""

    record_id: int
    new: bool


class InboxRow(NamedTuple):
    """An event to take."""

    source: str
    event_id: str
    payload_digest: bytes
    record_id: int
    kind: str
    occurred_at: datetime


class PurchaseRow(NamedTuple):
    """A sale to keep."""

    source: str
    event_id: str
    record_id: int
    occurred_at: datetime
    amount_minor: int
    currency: str
    store: str


class TokenRow(NamedTuple):
    """An identifier to keep: its token, type, namespace and form."""

    token: bytes
    type: int
    namespace: str
    form: int


class Brought(NamedTuple):
    """What the carriers of one transaction make of an identifier that nobody carried: how many they are, their distinct name keys, whether it is generic."""

    records: int = 0
    name_keys: int = 0
    generic: bool = False


class TokenState(NamedTuple):
    """An identifier as stored: surrogate, type, carriers, distinct name keys, whether it is generic, and how often it changed hands.

    `counted`: it is new, and its row holds what this transaction's carriers make of it; the state is that before them.
    """

    token_id: int
    type: int
    records: int
    name_keys: int
    generic: bool
    epochs: int
    counted: bool = False


@dataclass(frozen=True, slots=True)
class PhoneState:
    """A phone: when it changed hands and who opened that epoch, ascending, as stored; and the named records that carry it, unless it is generic.

    Of each of these: name key, first time, last time, address.
    """

    token_id: int
    generic: bool
    began: tuple[tuple[datetime, bytes], ...]
    named: tuple[tuple[str, datetime, datetime, bytes], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class MisplacedEvent:
    """An event, the record on which it hangs, the base address of its claim, and the opener of the epoch in which it occurred: None at epoch 0."""

    source: str
    event_id: str
    record_id: int
    base_address: bytes
    opener: bytes | None


@dataclass(frozen=True, slots=True)
class ClonedRecord:
    """A record to make for another epoch of the claim of `origin`; `opener` and `base_address` are None at epoch 0."""

    address: bytes
    birth_id: UUID
    opener: bytes | None
    base_address: bytes | None
    origin: int


class Step(IntEnum):
    """How far a look at a marked record goes: sum its profile up, partition its component too, score its pairs too."""

    SUM = 1
    PLACE = 2
    JUDGE = 3


class NewMark(NamedTuple):
    """A mark to leave: record, step, UTC day of a purchase (None: none), and the event that asks for it ("" if none does)."""

    record_id: int
    step: Step
    used_on: date | None = None
    source: str = ""
    event_id: str = ""


class Mark(NamedTuple):
    """A mark held by a look."""

    mark_id: int
    record_id: int
    step: Step
    used_on: date | None
    cause: str
    actor: str
    source: str
    event_id: str
    operation_id: UUID | None


class RecordRow(NamedTuple):
    """What the core compares of one record; tokens are those that mean something: (type, namespace, form, token).

    `epochs` gives, by place among the tokens, the epoch at which the record carries one, unless that is 0. `profile_id` is None before the
    first look; a record that is not `active` is withdrawn.
    """

    record_id: int
    address: bytes
    birth_id: UUID
    profile_id: UUID | None
    active: bool
    attributes: AttributeValues
    tokens: tuple[tuple[int, str, int, bytes], ...]
    epochs: Mapping[int, int]

    def __repr__(self) -> str:
        """Its address, cut: the rest is personal data."""
        return f"RecordRow({self.address[:4].hex()}…)"


class PairRow(NamedTuple):
    """A kept pair, `low` < `high`."""

    low: int
    high: int
    score: int
    levels: bytes
    weights: tuple[int, ...]


class PairState(NamedTuple):
    """What is stored of a pair, to tell whether a verdict is news."""

    score: int
    levels: bytes
    model_id: int


@dataclass(frozen=True, slots=True)
class AssertionRow:
    """A standing assertion, `low` < `high`; `basis` is the digest of the evidence it rests on, None if it holds whatever comes."""

    assertion_id: int
    low: int
    high: int
    same: bool
    actor_rank: int
    asserted_at: datetime
    basis: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRows:
    """Whole components: every record, kept pair and standing assertion of them."""

    records: list[RecordRow]
    pairs: list[PairRow]
    assertions: list[AssertionRow]


class ProfileRow(NamedTuple):
    """A profile as stored, or as it is to be stored. `members` are birth ids, ascending; not stored here but with the records."""

    profile_id: UUID
    version: int
    live: bool
    ambiguous: bool
    name_record: int | None
    address_record: int | None
    birth_date_record: int | None
    totals: Totals
    members: tuple[UUID, ...] = ()

    @property
    def survivors(self) -> tuple[int | None, int | None, int | None]:
        """Records whose name, address and birth date survive."""
        return (self.name_record, self.address_record, self.birth_date_record)

    @classmethod
    def ended(cls, profile_id: UUID) -> ProfileRow:
        """A profile whose records moved elsewhere; its version is still to be drawn."""
        return cls(
            profile_id=profile_id,
            version=0,
            live=False,
            ambiguous=False,
            name_record=None,
            address_record=None,
            birth_date_record=None,
            totals=Totals(),
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a record stands: its profile (None before the first look), with version, ambiguity, number of records, and its strongest open review's strength."""

    profile_id: UUID | None
    version: int
    ambiguous: bool
    members: int
    review: int | None


class RecordHome(NamedTuple):
    """A record's birth id and the profile that holds it; None before the first look."""

    birth_id: UUID
    profile_id: UUID | None


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A review between two profiles, `low_profile` < `high_profile`; id 0 if it is not stored yet."""

    review_id: int
    low_profile: UUID
    high_profile: UUID
    low_record: int
    high_record: int
    strength: int


@dataclass(frozen=True, slots=True)
class HouseholdRow:
    """Two profiles of one household, `low_profile` < `high_profile`, with their best pair."""

    low_profile: UUID
    high_profile: UUID
    low_record: int
    high_record: int
    strength: int


class JournalEntry(NamedTuple):
    """One change of one profile; `links` are (low, high) of the kept pairs that brought records together."""

    version: int
    profile_id: UUID
    live: bool
    before_records: tuple[UUID, ...]
    after_records: tuple[UUID, ...]
    successors: tuple[UUID, ...]
    before_survivors: tuple[int | None, int | None, int | None]
    after_survivors: tuple[int | None, int | None, int | None]
    cause: str
    actor: str
    source: str
    event_id: str
    operation_id: UUID | None
    links: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """How much the ledger holds."""

    inbox: int
    dead_letters: int
    records: int
    profiles: int
    open_reviews: int
    reviews: int
    ended_profiles: int
    dirty_marks: int
    outbox: int
    unpublished_dead_letters: int

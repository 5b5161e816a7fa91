"""What the flows exchange with the tools below them: values first, then the ports themselves.

The ports are what a flow needs, no more. Every port is batch-shaped; a single item is a batch of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, Protocol

from goldthread.domain.policy import Totals
from goldthread.domain.words import (
    Decision,
    Event,
    IncomingEvent,
    LookupOutcome,
    Position,
    QuestionKind,
    Rejection,
    RejectionReason,
    Rival,
    Tier,
    Violation,
)

__all__ = [
    "OUTBOX_START",
    "Answer",
    "CachedAnswer",
    "CardShelf",
    "CardSnapshot",
    "CardStore",
    "CardVersion",
    "ChangePublisher",
    "ContributionBits",
    "DeadLetterRow",
    "IngestBatch",
    "IngestReport",
    "KeptDeadLetter",
    "KnownOffset",
    "OffsetGap",
    "OffsetMove",
    "OutboxPlace",
    "OutboxRow",
    "PairEvidence",
    "ProfileChange",
    "ReceiveCall",
    "ResolveCall",
    "ResolveResult",
]


@dataclass(frozen=True, slots=True)
class KnownOffset:
    """What the ledger knows of a partition: the next message to read, of the topic with this id (empty: not known)."""

    next_offset: int
    topic_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetGap:
    """Messages that were lost unread, and that somebody said to go on without: reading begins at `first`.

    Where the topic was made anew, `former_topic_id` names the one that was lost; otherwise it is the id of the topic.
    """

    first: int
    former_topic_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetMove:
    """A partition's progress: the ledger stood at `start`, and the next message to read is `end`.

    The batch was read from `start` (inclusive), or from `gap.first` where a gap was accepted. `topic_id` is Kafka's id of the topic, empty if it
    is not known.
    """

    topic: str
    partition: int
    start: int
    end: int
    topic_id: str = ""
    gap: OffsetGap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestBatch:
    """A micro-batch for one transaction: what was decoded, what could not be, and how far that moves the offsets.

    `events` pairs each decoded event with its position (None for events that did not come from Kafka); an `Event` was admitted when it was
    read. `payloads` are the raw bytes parallel to `events`, sealed into the dead letter if validation rejects one.
    """

    group: str
    events: Sequence[tuple[Position | None, IncomingEvent | Event]]
    payloads: Sequence[bytes] = field(repr=False)
    rejections: Sequence[Rejection]
    offsets: Sequence[OffsetMove]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What one committed micro-batch did. `rejections` includes those found by validation; they are in the dead-letter table already."""

    taken: int
    duplicates: int
    rejections: tuple[Rejection, ...]
    new_records: int
    profiles_changed: int
    merges: int
    reviews_opened: int


@dataclass(frozen=True, slots=True)
class ContributionBits:
    """One comparison's part of a score: its name, the level reached and the weight in millibits."""

    comparison: str
    level: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairEvidence:
    """A scored pair named by birth ids; score in millibits, prior included, and what it was weighed against."""

    record_id: str
    other_record_id: str
    score: int
    probability: float
    nearest_rival: Rival
    contributions: tuple[ContributionBits, ...]


@dataclass(frozen=True, slots=True)
class ReceiveCall:
    """Events that somebody wants taken, and until when he waits: a moment of the monotonic clock."""

    events: Sequence[IncomingEvent]
    until: float


@dataclass(frozen=True, slots=True)
class ResolveCall:
    """An event that somebody wants resolved, and until when he waits: a moment of the monotonic clock, infinite if he has no limit.

    `request_id` is the key for his answer, empty if he gave none; `body` is the event as he sent it, and needed only with a key.
    """

    event: IncomingEvent
    until: float
    request_id: str = ""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveResult:
    """Answer of the resolve flow; fields as in `ResolveResponse`. `ledger_version`: a stamp read after the commit; 0 in a preview."""

    profile_id: str
    decision: Decision
    probability: float
    evidence: tuple[PairEvidence, ...]
    version: int
    provisional: bool
    duplicate: bool
    model_version: str
    calibrated: bool
    ledger_version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSnapshot:
    """What a register may show of a profile."""

    profile_id: str
    masked_name: str = field(repr=False)
    tier: Tier
    tier_as_of: date
    last_purchase_at: datetime | None
    last_purchase_store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The ledger's answer to one token. `version` is the stamp of the snapshot it was read from; 0 if the ledger has never seen the token."""

    token: bytes
    version: int
    outcome: LookupOutcome
    card: CardSnapshot | None
    question: QuestionKind
    review_id: str


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An encoded answer (a partial `LookupResponse`), or nothing for NOT_FOUND, and its version.

    A negative entry at version 0 is overwritten by anything, one above 0 by newer answers only: it replaces a card that was there.
    """

    version: int
    encoded: bytes = field(repr=False)

    @property
    def negative(self) -> bool:
        """Whether this says NOT_FOUND."""
        return not self.encoded


@dataclass(frozen=True, slots=True)
class CardVersion:
    """Which card lies under a token: versions, not the card itself."""

    token: bytes
    version: int


class ProfileChange(NamedTuple):
    """One change of one profile as published; ids are public, `record_ids` are birth ids."""

    profile_id: str
    version: int
    live: bool
    successor_ids: tuple[str, ...]
    record_ids: tuple[str, ...]
    cause: str
    tier: Tier
    totals: Totals
    model_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A committed change that has not been published: the encoded `ProfileChange` and the surrogates of all identifiers whose answer it may have changed.

    A row without a profile (empty id and change) only says that the answers of its identifiers changed.
    """

    outbox_id: int
    profile_id: str
    version: int
    live: bool
    change: bytes
    token_ids: tuple[int, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, order=True)
class OutboxPlace:
    """Where a row stands in the outbox: ordered by version, then id."""

    version: int
    outbox_id: int


OUTBOX_START = OutboxPlace(-1, -1)
"""Before every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterRow:
    """A dead letter of the ledger that is not yet on the dead-letter topic. The payload is sealed, or empty above 1 MiB."""

    dead_letter_id: int
    position: Position
    reason: RejectionReason
    violations: tuple[Violation, ...]
    source: str
    event_id: str
    payload_sha256: bytes
    payload_size: int
    sealed_payload: bytes = field(repr=False)
    key_version: int
    rejected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDeadLetter:
    """A dead letter as it is kept, published or not. `taken`: an event of its source and id is in the inbox by now."""

    row: DeadLetterRow
    taken: bool


class CardStore(Protocol):
    """The cache seen by the relay; blocking. Every method raises `CacheUnavailableError`."""

    def generation(self) -> bytes:
        """Names what the cache holds from now until it is emptied; read before the answers that are then written."""
        ...

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int:
        """Compare-and-set by version: writes each entry whose version is greater than the stored one, or equal and not 0; returns how many.

        Raises `CacheUnavailableError` if the cache was emptied since `generation` was read, too. When it raises, some entries may have been
        written, and writing them again is harmless.
        """
        ...


class CardShelf(CardStore, Protocol):
    """The cache seen by its rebuild; blocking. Every method raises `CacheUnavailableError`."""

    def begin_generation(self) -> None:
        """Makes every write fail whose generation was read before."""
        ...

    def cards(self) -> Iterator[Sequence[CardVersion]]:
        """Pages of what is there: every card that stays throughout at least once, others perhaps."""
        ...

    def remove_many(self, cards: Sequence[CardVersion]) -> int:
        """Removes each card that still has the version given; returns how many. Repeating is harmless."""
        ...


class ChangePublisher(Protocol):
    """The changes topic seen by the relay; blocking."""

    def publish(self, rows: Sequence[OutboxRow]) -> None:
        """Returns once the broker has acknowledged every row (acks=all). Raises `BusUnavailableError`; repeating is harmless."""
        ...

    def publish_dead_letters(self, rows: Sequence[DeadLetterRow]) -> None:
        """The same for dead letters."""
        ...

"""Rows of the tables, with the columns of the schema that anything reads."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

__all__ = [
    "Assertion",
    "Block",
    "Consent",
    "DeadLetter",
    "Inbox",
    "Journal",
    "MarkRow",
    "Member",
    "Model",
    "ModelInUse",
    "Offset",
    "Operation",
    "Outbox",
    "Pair",
    "Profile",
    "Purchase",
    "Record",
    "Relation",
    "Review",
    "Token",
]


class Record(NamedTuple):
    """`attributes` are in the order of the schema's columns."""

    record_id: int
    address: bytes
    birth_id: UUID
    source: str
    attributes: tuple[str | None, ...]
    name_key: str | None
    first_seen: datetime
    last_seen: datetime
    sightings: int
    purchase_count: int
    purchase_total_minor: int
    last_purchase_at: datetime | None
    last_purchase_store: str
    opener: bytes | None = None
    base_address: bytes | None = None

    @property
    def base(self) -> bytes:
        """Address of its claim at epoch 0."""
        return self.address if self.base_address is None else self.base_address


class Member(NamedTuple):
    profile_id: UUID | None
    looks: int


class Token(NamedTuple):
    token_id: int
    token: bytes
    type: int
    namespace: str
    form: int
    key_version: int
    normalizer_version: str
    name_keys: int = 0
    records: int = 0
    generic: bool = False
    overused: bool = False
    epochs: int = 0


class Block(NamedTuple):
    rule: int
    depth: int
    records: int
    crowded: bool


class Pair(NamedTuple):
    score: int
    levels: bytes
    weights: tuple[int, ...]
    model_id: int


class Operation(NamedTuple):
    operation_id: UUID
    request_id: str
    request_sha256: bytes
    kind: str
    actor: str
    actor_rank: int
    reason: str
    reverts_version: int | None
    done_at: datetime
    answer: bytes | None


class Assertion(NamedTuple):
    assertion_id: int
    operation_id: UUID
    low: int
    high: int
    same: bool
    actor_rank: int
    asserted_at: datetime
    basis: bytes | None
    retracted_by: UUID | None


class Profile(NamedTuple):
    profile_id: UUID
    version: int
    live: bool
    ambiguous: bool
    name_record: int | None
    address_record: int | None
    birth_date_record: int | None
    purchase_count: int
    purchase_total_minor: int
    last_purchase_at: datetime | None
    last_purchase_store: str


class Review(NamedTuple):
    review_id: int
    low_profile: UUID
    high_profile: UUID
    low_record: int
    high_record: int
    strength: int
    model_id: int
    opened_at: datetime
    closed_at: datetime | None
    claimed_by: str | None = None
    claimed_until: datetime | None = None


class Relation(NamedTuple):
    """A household."""

    low_profile: UUID
    high_profile: UUID
    low_record: int
    high_record: int
    strength: int


class Inbox(NamedTuple):
    payload_digest: bytes
    record_id: int
    kind: str
    occurred_at: datetime
    taken_at: datetime


class Purchase(NamedTuple):
    record_id: int
    occurred_at: datetime
    amount_minor: int
    currency: str
    store: str


class Consent(NamedTuple):
    record_id: int
    occurred_at: datetime
    purpose: str
    granted: bool


class Offset(NamedTuple):
    next_offset: int
    topic_id: str


class MarkRow(NamedTuple):
    mark_id: int
    record_id: int
    step: int
    used_on: date | None
    cause: str
    actor: str
    source: str
    event_id: str
    operation_id: UUID | None
    marked_at: datetime
    due_at: datetime
    attempts: int


class Journal(NamedTuple):
    version: int
    profile_id: UUID
    live: bool
    before_records: tuple[UUID, ...]
    after_records: tuple[UUID, ...]
    successors: tuple[UUID, ...]
    before_survivors: tuple[int | None, ...]
    after_survivors: tuple[int | None, ...]
    cause: str
    actor: str
    source: str
    event_id: str
    operation_id: UUID | None
    model_id: int
    written_at: datetime


class Outbox(NamedTuple):
    outbox_id: int
    profile_id: UUID | None
    version: int
    live: bool
    change: bytes
    token_ids: tuple[int, ...]
    created_at: datetime


class DeadLetter(NamedTuple):
    dead_letter_id: int
    topic: str
    partition: int
    message_offset: int
    reason: int
    violations: list[dict[str, str]]
    source: str
    event_id: str
    payload_sha256: bytes
    payload_size: int
    sealed_payload: bytes
    key_version: int
    rejected_at: datetime
    published_at: datetime | None


class Model(NamedTuple):
    model_id: int
    version: str
    sha256: bytes
    body: str


class ModelInUse(NamedTuple):
    model_id: int
    next_record: int | None
    next_token: int | None
    survivorship: str = ""

"""Tables as dicts, their indexes, and an undo log: a rollback costs what the transaction wrote, not what the ledger holds.

Sequences are not rolled back, as in PostgreSQL. Unique and check constraints hold at once, those on profiles when the transaction commits.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final
from uuid import UUID

from memory.rows import (
    Assertion,
    Block,
    Consent,
    DeadLetter,
    Inbox,
    Journal,
    MarkRow,
    Member,
    Model,
    ModelInUse,
    Offset,
    Operation,
    Outbox,
    Pair,
    Profile,
    Purchase,
    Record,
    Relation,
    Review,
    Token,
)

__all__ = ["ConstraintError", "EventKey", "Index", "Tables"]

EventKey = tuple[str, str]
"""Source and event id."""

Index = dict[Any, dict[Any, None]]
"""Members of each key; a dict stands for a set so that its order is that of insertion, the same in every run."""

_ABSENT: Final = object()


class ConstraintError(BaseException):
    """A constraint of the schema would not hold; the message is its name. No `Exception`, so that no flow takes it for trouble to live with."""


class Tables:
    """Everything the ledger holds. Writes go through `put`, `drop`, `link` and `unlink`, which can be taken back."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.now = datetime.min.replace(tzinfo=UTC)
        self._told = self.now
        self.commits = 0
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._named_profiles: set[tuple[str, UUID]] = set()
        self._sequences: dict[str, Iterator[int]] = {}

        self.record: dict[int, Record] = {}
        self.record_by_address: dict[bytes, int] = {}
        self.record_by_birth: dict[UUID, int] = {}
        self.membership: dict[int, Member] = {}
        self.members: Index = {}
        self.token: dict[int, Token] = {}
        self.token_by_value: dict[bytes, int] = {}
        self.tokens_of: Index = {}
        self.carriers: Index = {}
        self.names: Index = {}
        self.began: dict[int, tuple[tuple[datetime, bytes], ...]] = {}
        self.epoch: dict[tuple[int, int], int] = {}
        self.epochs_of: Index = {}
        self.block: dict[int, Block] = {}
        self.blocks_of: Index = {}
        self.blocked: Index = {}
        self.pair: dict[tuple[int, int], Pair] = {}
        self.pairs_at: Index = {}
        self.operation: dict[UUID, Operation] = {}
        self.operation_by_request: dict[str, UUID] = {}
        self.assertion: dict[int, Assertion] = {}
        self.assertions_at: Index = {}
        self.assertions_of: Index = {}
        self.profile: dict[UUID, Profile] = {}
        self.profile_by_version: dict[int, UUID] = {}
        self.review: dict[int, Review] = {}
        self.open_review: dict[tuple[UUID, UUID], int] = {}
        self.reviews_at: Index = {}
        self.contenders: Index = {}
        self.household: dict[tuple[UUID, UUID], Relation] = {}
        self.households_at: Index = {}
        self.inbox: dict[EventKey, Inbox] = {}
        self.events_of: Index = {}
        self.conflict: dict[tuple[str, str, bytes], tuple[int | None, str, datetime]] = {}
        self.purchase: dict[EventKey, Purchase] = {}
        self.purchases_of: Index = {}
        self.consent: dict[EventKey, Consent] = {}
        self.stored_answer: dict[str, tuple[bytes, bytes, datetime]] = {}
        self.offset: dict[tuple[str, str, int], Offset] = {}
        self.gap: dict[int, tuple[Any, ...]] = {}
        self.mark: dict[int, MarkRow] = {}
        self.marks_at: Index = {}
        self.journal: dict[int, Journal] = {}
        self.entries_of: Index = {}
        self.journal_link: dict[tuple[int, int, int], Pair] = {}
        self.outbox: dict[int, Outbox] = {}
        self.dead_letter: dict[tuple[str, int, int], DeadLetter] = {}
        self.model: dict[int, Model] = {}
        self.model_in_use: dict[bool, ModelInUse] = {}

    def begin(self) -> None:
        """Begins a transaction."""
        self.now = self.clock()

    def clock(self) -> datetime:
        """The time, by microseconds later each time that somebody asks."""
        self._told = max(self._clock(), self._told + timedelta(microseconds=1))
        return self._told

    def next(self, sequence: str) -> int:
        """A new number of a sequence, from 1; never given out again."""
        return next(self._sequences.setdefault(sequence, count(1)))

    def put(self, table: dict[Any, Any], key: Hashable, row: object) -> None:
        """Writes a row."""
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = row

    def drop(self, table: dict[Any, Any], key: Hashable) -> None:
        """Deletes a row, if it is there."""
        if key in table:
            self._undo.append((table, key, table.pop(key)))

    def link(self, index: Index, key: Hashable, member: Hashable) -> bool:
        """Adds a member to a key; whether it was not there before."""
        held = index.get(key)
        if held is None:
            held = index[key] = {}
        if member in held:
            return False
        self.put(held, member, None)
        return True

    def unlink(self, index: Index, key: Hashable, member: Hashable) -> None:
        """Takes a member from a key, if it is there."""
        held = index.get(key)
        if held is not None:
            self.drop(held, member)

    def among(self, index: Index, keys: Iterable[Hashable]) -> dict[Any, None]:
        """Members of any of the keys, each once."""
        found: dict[Any, None] = {}
        for key in keys:
            held = index.get(key)
            if held:
                found.update(held)
        return found

    def must_exist(self, constraint: str, *profile_ids: UUID) -> None:
        """Asks for these profiles by the end of the transaction."""
        self._named_profiles.update((constraint, profile_id) for profile_id in profile_ids)

    def commit(self) -> None:
        """Keeps what was written since the last end of a transaction. Raises `ConstraintError` and then keeps nothing."""
        try:
            for constraint, profile_id in self._named_profiles:
                require(profile_id in self.profile, constraint)
        except ConstraintError:
            self.rollback()
            raise
        self.commits += bool(self._undo)
        self._end()

    def rollback(self) -> None:
        """Takes back what was written since the last end of a transaction."""
        for table, key, former in reversed(self._undo):
            if former is _ABSENT:
                table.pop(key, None)
            else:
                table[key] = former
        self._end()

    def _end(self) -> None:
        self._undo.clear()
        self._named_profiles.clear()


def require(holds: bool, constraint: str) -> None:
    """Raises `ConstraintError` unless it holds."""
    if not holds:
        raise ConstraintError(constraint)

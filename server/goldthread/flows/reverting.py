"""Undoing one journal entry, or an operation: what must be said or taken back so that members are again what they were.

An operation is undone by taking back what it said and still stands, and by saying again what it had taken back; so is an entry that it caused.
An entry that evidence caused is contradicted: records that joined are said to be different from those that were there, and records that left the
same as those they left, and different from those they went to.

Whether later entries build on it is judged by the members that its records' profiles have: if they are still those that the entry's transaction
left, nothing does; where they differ, either the effect is gone by itself, or the last entry that moved members is named. So reverts can be
undone in their turn, latest first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from goldthread.domain.errors import LaterEntryError, NotRevertibleError, OutrankedError, UnknownIdError
from goldthread.domain.steward import JournalView
from goldthread.flows.statements import Statement, check_pairs, locked_members
from goldthread.ledger import LedgerTransaction, RecordPlace

__all__ = ["revert_entry", "revert_operation"]


def revert_entry(tx: LedgerTransaction, entry_version: int, *, rank: int, lock: bool) -> Statement:
    """What a steward of this rank must say to undo an entry. Raises `UnknownIdError` and the errors of `Revert`."""
    entry = tx.journal_entry(entry_version)
    if entry is None:
        raise UnknownIdError("entry_version")
    if entry.before_records == entry.after_records:
        raise NotRevertibleError(entry_version=entry_version)
    if entry.operation_id is not None:
        return revert_operation(tx, entry.operation_id, rank=rank, lock=lock, entry=entry)
    if not entry.before_records:
        raise NotRevertibleError(entry_version=entry_version)
    return _contradict(tx, entry, lock=lock)


def revert_operation(
    tx: LedgerTransaction, operation_id: UUID, *, rank: int, lock: bool, entry: JournalView | None = None
) -> Statement:
    """What a steward of this rank must say to undo an operation, by one of its entries if that was named. Raises as `revert_entry`."""
    stood = tx.operation_rank(operation_id)
    if stood is None:
        raise UnknownIdError("operation_id")
    if stood > rank:
        raise OutrankedError(rank=stood)
    entries = tx.journal_of_operation(operation_id)
    concerned = {record_id for pair in tx.said_by(operation_id) for record_id in (pair.low, pair.high)}
    now = _Now(tx, entries, others=concerned, lock=lock)
    # Again: whoever had the places before may have taken it back.
    said = tx.said_by(operation_id)
    if not said:
        return Statement(already_gone=True)
    first: dict[UUID, tuple[UUID, ...]] = {}
    for one in entries:
        first.setdefault(one.profile_id, one.before_records)
    if not now.holds_apart([records for records in first.values() if records]):
        now.check(entry or entries[-1])
    again = {(pair.low, pair.high): pair for pair in said if not pair.own}
    return Statement(
        said={key: pair.same for key, pair in again.items()},
        again=again,
        retracted={pair.assertion_id: (pair.low, pair.high) for pair in said if pair.own},
    )


def _contradict(tx: LedgerTransaction, entry: JournalView, *, lock: bool) -> Statement:
    now = _Now(tx, [entry], lock=lock)
    before, after = set(entry.before_records), set(entry.after_records)
    joined, left = after - before, before - after
    met = joined if after else now.successors_of(entry) - before
    if now.holds_apart([before, *({birth_id} for birth_id in met)], only_first=True):
        return Statement(already_gone=True)
    now.check(entry)
    statement = Statement()
    ids = {birth_id: place.record_id for birth_id, place in now.places.items()}
    others = {
        birth_id: [record_id for other, record_id in now.fellows(birth_id).items() if other not in before]
        for birth_id in left
    }
    check_pairs(len(joined) * len(before) + sum(map(len, others.values())))
    statement.part((ids[birth_id] for birth_id in joined), [ids[birth_id] for birth_id in before])
    for birth_id, strangers in others.items():
        statement.part([ids[birth_id]], strangers)
    if left:
        statement.unite(tx, {birth_id: ids[birth_id] for birth_id in before}, center=min(before & after or before))
    return statement


class _Now:
    """Where the records of some entries stand now, locked until the transaction ends unless `lock` is false, with those of `others`."""

    def __init__(
        self, tx: LedgerTransaction, entries: Sequence[JournalView], *, others: Collection[int] = (), lock: bool
    ) -> None:
        self._tx = tx
        self._entries = entries
        births = {birth_id for entry in entries for birth_id in (*entry.before_records, *entry.after_records)}
        for entry in entries:
            births |= self.successors_of(entry)
        places = tx.places_of(births)
        self._homes = {place.profile_id for place in places.values() if place.profile_id is not None}
        known = {place.record_id for place in places.values()}
        self._members = locked_members(tx, self._homes, others=known.union(others), lock=lock)
        self.places: Mapping[UUID, RecordPlace] = tx.places_of(births)

    def successors_of(self, entry: JournalView) -> set[UUID]:
        """Records that the successors of an ended profile held when it ended."""
        written = self._tx.members_written(entry.successors, {entry.written_at}) if entry.successors else {}
        return {birth_id for records in written.values() for birth_id in records}

    def fellows(self, birth_id: UUID) -> Mapping[UUID, int]:
        """Records of the profile that holds a record, itself included."""
        home = self.places[birth_id].profile_id
        return {} if home is None else self._members.get(home, {})

    def holds_apart(self, groups: Sequence[Collection[UUID]], *, only_first: bool = False) -> bool:
        """Whether the records of each group stand together and no two groups (or only the first and another one) share a profile."""
        homes = [{self._home(birth_id) for birth_id in group} for group in groups]
        if any(len(found) != 1 for found in homes):
            return False
        if only_first:
            return all(found != homes[0] for found in homes[1:])
        return len({next(iter(found)) for found in homes}) == len(homes)

    def check(self, entry: JournalView) -> None:
        """Raises `LaterEntryError` if profiles that hold the records now have other members than the entries' transactions left them."""
        written = self._tx.members_written(self._homes, {one.written_at for one in self._entries})
        # A record that these transactions withdrew stands alone, at a home of which they had nothing to write.
        if all(written.get(home, ()) == tuple(self._members.get(home, ())) for home in self._homes):
            return
        profiles = {*self._homes, *(one.profile_id for one in self._entries)}
        profiles.update(home for one in self._entries for home in one.successors)
        later = self._tx.last_moving_entry(profiles, after=entry.version)
        raise LaterEntryError(entry_version=entry.version, later_version=later or entry.version)

    def _home(self, birth_id: UUID) -> object:
        """The profile of a record; a withdrawn one stands alone."""
        place = self.places[birth_id]
        return place.profile_id if place.active else birth_id

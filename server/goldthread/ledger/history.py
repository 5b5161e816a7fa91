"""Statements about the past: what the journal says of profiles and records, and what records say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from goldthread.domain.policy import Totals
from goldthread.domain.profiles import IdentifierCount
from goldthread.domain.steward import JournalView
from goldthread.domain.words import AttributeValues
from goldthread.ledger.profiles import profile_row
from goldthread.ledger.rows import ProfileRow
from goldthread.ledger.statements import Statements
from goldthread.ledger.steward import journal_view

__all__ = ["EntryLink", "HistoryStatements", "JournalEnd", "ProfileEntry", "RecordDetails", "SaidOfPair"]


@dataclass(frozen=True, slots=True)
class ProfileEntry:
    """What a journal entry made of its profile: members by birth id, and the records whose name, address and birth date survive."""

    profile_id: UUID
    version: int
    live: bool
    members: tuple[UUID, ...]
    survivors: tuple[int | None, ...]
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDetails:
    """A record as it is now, without its identifiers."""

    record_id: int
    birth_id: UUID
    source: str
    attributes: AttributeValues = field(repr=False)
    first_seen: datetime
    last_seen: datetime
    sightings: int
    purchase_count: int


@dataclass(frozen=True, slots=True)
class EntryLink:
    """A pair that brought records together in a journal entry, by birth ids, as it was scored then."""

    version: int
    one: UUID
    other: UUID
    score: int
    levels: bytes
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SaidOfPair:
    """What somebody said of two records, `low` < `high`."""

    low: int
    high: int
    same: bool
    actor: str
    reason: str = field(repr=False)
    said_at: datetime
    operation_id: UUID


class JournalEnd(NamedTuple):
    """How far the journal goes in one snapshot: its greatest version, the first transaction under way, and the first one after the snapshot."""

    version: int
    oldest: int
    next: int


class HistoryStatements(Statements):
    """The past's part of a transaction; reads only."""

    def profile_entries(self, profile_ids: Collection[UUID], *, at: datetime | None) -> dict[UUID, ProfileEntry]:
        """The last entry of each profile that was written by a time, or of all."""
        return {
            row[0]: ProfileEntry(row[0], row[1], row[2], tuple(row[3]), tuple(row[4]), row[5])
            for row in self._rows("profile_entries", profile_ids=sorted(profile_ids), at=at)
        }

    def last_join(self, profile_id: UUID, birth_id: UUID, *, below: int) -> tuple[int, datetime] | None:
        """Version and time of the last entry below a version with which a record came to a profile."""
        for version, written_at in self._rows("last_join", profile_id=profile_id, birth_id=birth_id, below=below):
            return version, written_at
        return None

    def left_with(self, birth_id: UUID, written_at: datetime) -> tuple[UUID, int] | None:
        """Profile and version of the entry with which a record left in the transaction of this time."""
        for profile_id, version in self._rows("left_with", birth_id=birth_id, written_at=written_at):
            return profile_id, version
        return None

    def last_leave(self, birth_id: UUID) -> tuple[UUID, int, datetime] | None:
        """Profile, version and time of the last entry of all with which a record left. O(moves of any records since then)."""
        for profile_id, version, written_at in self._rows("last_leave", birth_id=birth_id):
            return profile_id, version, written_at
        return None

    def entry_time(self, version: int) -> datetime | None:
        """When the entry that made a version was written."""
        for (written_at,) in self._rows("entry_time", version=version):
            found: datetime = written_at
            return found
        return None

    def profiles_now(self, profile_ids: Collection[UUID]) -> dict[UUID, ProfileRow]:
        """Profiles as stored, unlocked and without members."""
        return {row[0]: profile_row(row) for row in self._rows("profiles_now", profile_ids=sorted(profile_ids))}

    def totals_taken(self, birth_ids: Collection[UUID], *, at: datetime) -> Totals:
        """What the records' purchases come to that had been taken by a time. O(purchases of the records)."""
        [row] = self._rows("totals_taken", birth_ids=sorted(birth_ids), at=at)
        return Totals(*row)

    def record_details(
        self, *, record_ids: Collection[int] = (), birth_ids: Collection[UUID] = ()
    ) -> list[RecordDetails]:
        """What records say, ascending by birth id; unknown ones are left out."""
        rows = self._rows("record_details", record_ids=sorted(record_ids), birth_ids=sorted(birth_ids))
        found = [
            RecordDetails(
                record_id=row[0],
                birth_id=row[1],
                source=row[2],
                attributes=tuple(row[3:11]),
                first_seen=row[11],
                last_seen=row[12],
                sightings=row[13],
                purchase_count=row[14],
            )
            for row in rows
        ]
        return sorted(found, key=lambda record: record.birth_id)

    def identifier_counts(
        self, birth_ids: Collection[UUID], *, together: bool = False
    ) -> dict[UUID | None, list[IdentifierCount]]:
        """How many identifiers of each kind each record carries, or under None how many all of them do; derived forms are left out."""
        found: dict[UUID | None, list[IdentifierCount]] = {}
        rows = self._rows("identifier_counts", birth_ids=sorted(birth_ids), together=together)
        for birth_id, kind, namespace, number, generic in rows:
            found.setdefault(birth_id, []).append(IdentifierCount(kind, namespace, number, generic))
        return found

    def entry_links(self, versions: Collection[int]) -> dict[int, list[EntryLink]]:
        """Pairs that brought records together, best first, by the version of their entry."""
        found: dict[int, list[EntryLink]] = {}
        for version, one, other, score, levels, weights in self._rows("entry_links", versions=sorted(versions)):
            link = EntryLink(version, one, other, score, bytes(levels), tuple(weights))
            found.setdefault(version, []).append(link)
        return found

    def journal_end(self) -> JournalEnd:
        """How far the journal goes in this snapshot."""
        [row] = self._rows("journal_end")
        return JournalEnd(*row)

    def journal_between(self, *, after: int, upto: int, limit: int) -> list[JournalView]:
        """Entries above one version up to another, in their order."""
        rows = self._rows("journal_between", after=after, upto=upto, limit=limit)
        return [journal_view(row) for row in rows]

    def carriers_of_tokens(self, tokens: Collection[bytes], *, limit: int) -> dict[UUID, int]:
        """Records that carry one of the identifiers: surrogates by birth id, ascending."""
        return dict(self._rows("carriers_of_tokens", tokens=sorted(tokens), limit=limit))

    def statements_about(self, record_ids: Collection[int]) -> list[SaidOfPair]:
        """What was said of pairs among the records and not taken back, latest first."""
        return [SaidOfPair(*row) for row in self._rows("statements_about", record_ids=sorted(record_ids))]

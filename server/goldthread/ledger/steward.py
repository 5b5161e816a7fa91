"""Statements about operations, assertions and what stewards look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from goldthread.domain.steward import ChangedProfile, JournalView, ReviewPlace
from goldthread.ledger.rows import PairRow
from goldthread.ledger.statements import Statements

__all__ = [
    "DoneOperation",
    "NewAssertion",
    "NewOperation",
    "OpenReview",
    "RecordPlace",
    "SaidPair",
    "StewardStatements",
]

FIRST_REVIEW = ReviewPlace(2**31 - 1, 0, 2**63 - 1)
"""Before every open review."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOperation:
    """An operation to begin; `reverts_version` is the journal entry it reverts, if it does."""

    operation_id: UUID
    request_id: str
    request_sha256: bytes
    kind: str
    actor: str
    actor_rank: int
    reason: str = field(repr=False)
    reverts_version: int | None


@dataclass(frozen=True, slots=True)
class DoneOperation:
    """An operation as found under its request id; no answer if whoever did it has not answered."""

    operation_id: UUID
    request_sha256: bytes
    actor_rank: int
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record stands; `active` unless it is withdrawn."""

    record_id: int
    active: bool
    profile_id: UUID | None


@dataclass(frozen=True, slots=True)
class NewAssertion:
    """What is said of two records, `low` < `high`, at a rank; it rests on its basis if it has one."""

    low: int
    high: int
    same: bool
    actor_rank: int
    basis: bytes | None


@dataclass(frozen=True, slots=True)
class SaidPair:
    """An assertion of an operation, or (`own` false) one that the operation took back."""

    assertion_id: int
    low: int
    high: int
    same: bool
    actor_rank: int
    basis: bytes | None
    own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReview:
    """An open review with the versions of its profiles and its best pair, if that is kept."""

    review_id: int
    low_profile: UUID
    low_version: int
    high_profile: UUID
    high_version: int
    strength: int
    opened_at: datetime
    pair: PairRow | None
    value_minor: int
    claimed_by: str
    claimed_until: datetime | None


class StewardStatements(Statements):
    """The stewards' part of a transaction."""

    def begin_operation(self, row: NewOperation) -> bool:
        """Whether the request id was free; then it is this operation's. Waits for another transaction that is about to take it."""
        taken = self._rows(
            "begin_operation",
            operation_id=row.operation_id,
            request_id=row.request_id,
            request_sha256=row.request_sha256,
            kind=row.kind,
            actor=row.actor,
            actor_rank=row.actor_rank,
            reason=row.reason,
            reverts_version=row.reverts_version,
        )
        return bool(taken)

    def operation_of_request(self, request_id: str) -> DoneOperation | None:
        """The operation done under a request id."""
        for operation_id, digest, rank, answer in self._rows("operation_of_request", request_id=request_id):
            return DoneOperation(operation_id, bytes(digest), rank, None if answer is None else bytes(answer))
        return None

    def operation_rank(self, operation_id: UUID) -> int | None:
        """Rank of an operation; None if there is none with this id."""
        for (rank,) in self._rows("operation_rank", operation_id=operation_id):
            return int(rank)
        return None

    def keep_answer(self, operation_id: UUID, answer: bytes) -> bytes:
        """Keeps the first answer, and gives it."""
        [(kept,)] = self._rows("keep_answer", operation_id=operation_id, answer=answer)
        return bytes(kept)

    def insert_assertions(self, operation_id: UUID, rows: Collection[NewAssertion]) -> None:
        """Says of pairs of records whether they are the same person."""
        if rows:
            ordered = sorted(rows, key=lambda row: (row.low, row.high))
            self._run(
                "insert_assertions",
                operation_id=operation_id,
                lows=[row.low for row in ordered],
                highs=[row.high for row in ordered],
                sames=[row.same for row in ordered],
                ranks=[row.actor_rank for row in ordered],
                bases=[row.basis for row in ordered],
            )

    def retract_assertions(self, operation_id: UUID, assertion_ids: Collection[int]) -> None:
        """Takes assertions back."""
        if assertion_ids:
            self._run("retract_assertions", operation_id=operation_id, assertion_ids=sorted(assertion_ids))

    def said_by(self, operation_id: UUID) -> list[SaidPair]:
        """What an operation said that still stands, and what it took back that nobody has said again."""
        return [
            SaidPair(assertion_id, low, high, same, rank, None if basis is None else bytes(basis), own)
            for assertion_id, low, high, same, rank, basis, own in self._rows(
                "assertions_of_operation", operation_id=operation_id
            )
        ]

    def has_said(self, operation_id: UUID) -> bool:
        """Whether an operation said anything or took anything back, whatever became of it."""
        [(said,)] = self._rows("operation_said", operation_id=operation_id)
        return bool(said)

    def different_among(self, record_ids: Collection[int]) -> set[tuple[int, int]]:
        """Pairs `(low, high)` of the records of which somebody says that they are different people."""
        rows = self._rows("different_among", record_ids=sorted(record_ids))
        return {(low, high) for low, high in rows}

    def outranking(self, operation_id: UUID) -> list[tuple[tuple[int, int], bytes | None]]:
        """Pairs of records of which somebody of a higher rank says the opposite of what an operation said, each with the basis of that."""
        rows = self._rows("outranking", operation_id=operation_id)
        return [((low, high), None if basis is None else bytes(basis)) for low, high, basis in rows]

    def places_of(self, birth_ids: Collection[UUID]) -> dict[UUID, RecordPlace]:
        """Where records stand, by birth id; unknown ids are left out."""
        rows = self._rows("places_of_births", birth_ids=sorted(birth_ids))
        return {birth_id: RecordPlace(record_id, active, home) for birth_id, record_id, active, home in rows}

    def members_of(self, profile_ids: Collection[UUID]) -> dict[UUID, dict[UUID, int]]:
        """Records of each profile by birth id, ascending; a profile without any is left out."""
        found: dict[UUID, dict[UUID, int]] = defaultdict(dict)
        for profile_id, birth_id, record_id in self._rows("members_of_profiles", profile_ids=sorted(profile_ids)):
            found[profile_id][birth_id] = record_id
        return dict(found)

    def versions_of(self, profile_ids: Collection[UUID]) -> dict[UUID, int]:
        """Versions of profiles."""
        return dict(self._rows("versions_of_profiles", profile_ids=sorted(profile_ids)))

    def addresses_of(self, record_ids: Collection[int]) -> dict[int, bytes]:
        """Addresses of records."""
        rows = self._rows("addresses_of_records", record_ids=sorted(record_ids))
        return {record_id: bytes(address) for record_id, address in rows}

    def review_profiles(self, review_id: int) -> tuple[UUID, UUID, bool] | None:
        """Profiles of a review, lower id first, and whether it is open; None if there is no such review."""
        for low, high, is_open in self._rows("review_profiles", review_id=review_id):
            return low, high, is_open
        return None

    def review_records(self, review_id: int) -> tuple[int, int]:
        """The best pair of records of a review, which must be known."""
        [(low, high)] = self._rows("review_records", review_id=review_id)
        return low, high

    def operation_marks(self, operation_id: UUID) -> list[int]:
        """Marks of an operation that wait for a look."""
        return [row[0] for row in self._rows("operation_marks", operation_id=operation_id)]

    def operations_pending(self, record_ids: Collection[int]) -> bool:
        """Whether an operation on any of the records waits for its look."""
        [(pending,)] = self._rows("operations_pending", record_ids=sorted(record_ids))
        return bool(pending)

    def changed_by(self, operation_id: UUID) -> list[ChangedProfile]:
        """Profiles that an operation changed, as its last entry about each left them."""
        return [
            ChangedProfile(
                profile_id=profile_id,
                version=version,
                live=live,
                record_ids=tuple(records),
                successor_ids=tuple(successors),
            )
            for profile_id, version, live, records, successors in self._rows(
                "changed_by_operation", operation_id=operation_id
            )
        ]

    def journal_entry(self, version: int) -> JournalView | None:
        """The entry that made a version."""
        for row in self._rows("journal_entry", version=version):
            return journal_view(row)
        return None

    def journal_of_operation(self, operation_id: UUID) -> list[JournalView]:
        """Entries of one operation by which members came or went, in order."""
        return [journal_view(row) for row in self._rows("journal_of_operation", operation_id=operation_id)]

    def journal_of(self, profile_ids: Collection[UUID], *, before: int, limit: int) -> list[JournalView]:
        """Entries of profiles below a version, latest first."""
        rows = self._rows("journal_of_profiles", profile_ids=sorted(profile_ids), before=before, limit=limit)
        return [journal_view(row) for row in rows]

    def members_written(
        self, profile_ids: Collection[UUID], times: Collection[datetime]
    ) -> dict[UUID, tuple[UUID, ...]]:
        """Members of each profile after the transactions of these times, where one of them changed its members."""
        rows = self._rows("members_written", profile_ids=sorted(profile_ids), times=sorted(times))
        return {profile_id: tuple(records) for profile_id, records in rows}

    def last_moving_entry(self, profile_ids: Collection[UUID], *, after: int) -> int | None:
        """Version of the last entry above a version by which members of one of the profiles came or went."""
        [(version,)] = self._rows("last_moving_entry", profile_ids=sorted(profile_ids), version=after)
        return None if version is None else int(version)

    def review_page(
        self, limit: int, *, after: ReviewPlace = FIRST_REVIEW, by_value: bool = False, claimant: str = ""
    ) -> list[OpenReview]:
        """Open reviews, strongest or most valuable first, then by id; without those that others than a claimant have, if one is named.

        By value: O(open reviews), whatever the limit.
        """
        place = {"strength": after.strength, "review_id": after.review_id, "claimant": claimant or None}
        valued = {"value": after.value or 0} if by_value else {}
        rows = self._rows("review_page_by_value" if by_value else "review_page", limit=limit, **place, **valued)
        return [
            OpenReview(
                review_id=row[0],
                low_profile=row[1],
                low_version=row[2],
                high_profile=row[3],
                high_version=row[4],
                strength=row[5],
                opened_at=row[6],
                pair=None if row[9] is None else PairRow(row[7], row[8], row[9], bytes(row[10]), tuple(row[11])),
                value_minor=row[12],
                claimed_by=row[13] or "",
                claimed_until=row[14],
            )
            for row in rows
        ]

    def claim_review(self, review_id: int, *, actor: str, seconds: int) -> datetime | None:
        """Claims an open review for so long; until when, or None if it is closed, unknown or somebody else's."""
        for (until,) in self._rows("claim_review", review_id=review_id, actor=actor, seconds=seconds):
            found: datetime = until
            return found
        return None

    def release_review(self, review_id: int, *, actor: str) -> None:
        """Gives a review back, if this is who has it."""
        self._run("release_review", review_id=review_id, actor=actor)

    def claim_of_review(self, review_id: int) -> tuple[str, datetime] | None:
        """Who has a review, and until when; None if nobody has."""
        for actor, until in self._rows("claim_of_review", review_id=review_id):
            return actor, until
        return None


def journal_view(row: tuple[Any, ...]) -> JournalView:
    """A journal entry as the columns of a query have it."""
    return JournalView(
        version=row[0],
        profile_id=row[1],
        live=row[2],
        before_records=tuple(row[3]),
        after_records=tuple(row[4]),
        successors=tuple(row[5]),
        cause=row[6],
        actor=row[7],
        source=row[8],
        event_id=row[9],
        operation_id=row[10],
        reason=row[11],
        model_version=row[12],
        written_at=row[13],
    )

"""What an operation says: from a steward's request to assertions about pairs of records, under the locks that keep it true.

Every plan locks the places of the records that it reads, in record order, and reads again what it judges by: looks that would move these
records wait for the end of the transaction. Where they moved in between, the whole operation is tried again (`LedgerUnavailableError`).

A preview plans without locks (`lock` false): it has one snapshot, and locks once, all that it will look at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from uuid import UUID

from goldthread.domain.errors import (
    EndedIdError,
    InvalidArgumentError,
    LedgerUnavailableError,
    NotAMemberError,
    OperationTooLargeError,
    ReviewClaimedError,
    StaleReviewError,
    UnknownIdError,
)
from goldthread.domain.steward import (
    MAX_DIFFERENT_PAIRS,
    MAX_MERGE_RECORDS,
    AnswerReview,
    AssertRecords,
    DecideReview,
    MergeProfiles,
    SplitProfile,
)
from goldthread.domain.words import Violation
from goldthread.ledger import LedgerTransaction, RecordPlace, SaidPair

__all__ = [
    "Statement",
    "answer_review",
    "assert_records",
    "claim_review",
    "decide_review",
    "locked_members",
    "merge_profiles",
    "split_profile",
]


@dataclass(slots=True)
class Statement:
    """What is said of pairs of records `(low, high)`: True for one person; and which assertions `(id, low, high)` are taken back.

    `again` holds those of the pairs that were said before, and are said with the rank and the basis that they had. `already_gone`: a revert that
    finds nothing left to undo.
    """

    said: dict[tuple[int, int], bool] = field(default_factory=dict)
    again: dict[tuple[int, int], SaidPair] = field(default_factory=dict)
    retracted: dict[int, tuple[int, int]] = field(default_factory=dict)
    already_gone: bool = False

    @property
    def records(self) -> set[int]:
        """Records of all of these pairs: those that must be looked at."""
        return {record_id for pair in (*self.said, *self.retracted.values()) for record_id in pair}

    def unite(self, tx: LedgerTransaction, members: Mapping[UUID, int], *, center: UUID | None = None) -> None:
        """Says that all members are one person: the center and each other one, and any two of whom somebody says otherwise.

        Without the latter an older "different" between two of the others would keep them apart. `members` gives surrogates by birth id; the
        center is the smallest of these unless it is given.
        """
        hub = members[min(members) if center is None else center]
        for record_id in members.values():
            if record_id != hub:
                self.said[_pair(hub, record_id)] = True
        for pair in tx.different_among(members.values()):
            self.said[pair] = True

    def part(self, these: Iterable[int], those: Iterable[int]) -> None:
        """Says that each of these and each of those are different people."""
        for one, other in product(these, those):
            self.said[_pair(one, other)] = False


def assert_records(tx: LedgerTransaction, request: AssertRecords, *, lock: bool) -> Statement:
    """Two records, as the steward says."""
    named = {"record_id": request.record_id, "other_record_id": request.other_record_id}
    places = tx.places_of(named.values())
    one, other = (active_place(places, birth_id, name).record_id for name, birth_id in named.items())
    if lock:
        tx.lock_members({one, other})
    return Statement({_pair(one, other): request.same})


def merge_profiles(tx: LedgerTransaction, request: MergeProfiles, *, lock: bool) -> Statement:
    """All records of the profiles are one person."""
    named = {f"profile_ids[{place}]": birth_id for place, birth_id in enumerate(request.profile_ids)}
    return _merged(tx, _members_of_named(tx, named, lock=lock).values())


def split_profile(tx: LedgerTransaction, request: SplitProfile, *, lock: bool) -> Statement:
    """Some records of a profile and its others are different people, and each of these two parts is one person."""
    [members] = _members_of_named(tx, {"profile_id": request.profile_id}, lock=lock).values()
    places = tx.places_of(request.record_ids)
    for place, birth_id in enumerate(request.record_ids):
        if birth_id not in members:
            name = f"record_ids[{place}]"
            active_place(places, birth_id, name)
            raise NotAMemberError(name)
    named = set(request.record_ids)
    rest = {birth_id: record_id for birth_id, record_id in members.items() if birth_id not in named}
    if not rest:
        raise InvalidArgumentError([Violation("record_ids", "must leave the profile at least one record")])
    return _parted(tx, {birth_id: members[birth_id] for birth_id in named}, rest)


def decide_review(tx: LedgerTransaction, request: DecideReview, *, actor: str, lock: bool) -> Statement:
    """What a review asked, provided that the steward saw what the ledger holds and nobody else has claimed it."""
    found = tx.review_profiles(request.review_id)
    if found is None:
        raise UnknownIdError("review_id")
    low, high, _ = found
    members = locked_members(tx, {low, high}, lock=lock)
    _, _, is_open = tx.review_profiles(request.review_id) or found
    versions = tx.versions_of((low, high))
    seen = {low: request.low_version, high: request.high_version}
    everybody = {record_id for held in members.values() for record_id in held.values()}
    if not is_open or versions != seen or len(members) < len(seen) or tx.operations_pending(everybody):
        raise StaleReviewError(is_open=is_open, low_version=versions[low], high_version=versions[high])
    claim = tx.claim_of_review(request.review_id)
    if claim is not None and claim[0] != actor:
        raise ReviewClaimedError(until=claim[1])
    if request.same:
        return _merged(tx, members.values())
    return _parted(tx, members[low], members[high])


def answer_review(tx: LedgerTransaction, request: AnswerReview, *, lock: bool) -> Statement:
    """The two records that an open review asks about, as the customer says."""
    found = tx.review_profiles(request.review_id)
    if found is None:
        raise UnknownIdError("review_id")
    asked = tx.review_records(request.review_id)
    if lock:
        tx.lock_members(asked)
    low, high, is_open = tx.review_profiles(request.review_id) or found
    # Somebody else's word about these records that no look has seen yet would be contradicted unheard.
    if not is_open or tx.operations_pending(asked):
        versions = tx.versions_of((low, high))
        raise StaleReviewError(is_open=is_open, low_version=versions[low], high_version=versions[high])
    # Should a look have found a better pair meanwhile: what the customer answered is true of this one as well.
    return Statement({_pair(*asked): request.same})


def claim_review(tx: LedgerTransaction, review_id: int, *, actor: str, lease_seconds: int) -> datetime:
    """Takes an open review that nobody else has; until when."""
    until = tx.claim_review(review_id, actor=actor, seconds=lease_seconds)
    if until is not None:
        return until
    found = tx.review_profiles(review_id)
    if found is None:
        raise UnknownIdError("review_id")
    low, high, is_open = found
    claim = tx.claim_of_review(review_id) if is_open else None
    if claim is not None and claim[0] != actor:
        raise ReviewClaimedError(until=claim[1])
    if is_open:
        # Whoever had it gave it back in between.
        raise LedgerUnavailableError("the review was given back meanwhile")
    versions = tx.versions_of((low, high))
    raise StaleReviewError(is_open=False, low_version=versions[low], high_version=versions[high])


def locked_members(
    tx: LedgerTransaction, profile_ids: Collection[UUID], *, others: Collection[int] = (), lock: bool
) -> dict[UUID, dict[UUID, int]]:
    """Records of the profiles by birth id, their places locked until the transaction ends (unless `lock` is false), with those of `others`.

    Raises `LedgerUnavailableError`, worth a retry, where a look changed the members while this waited for it.
    """
    members = tx.members_of(profile_ids)
    if not lock:
        return members
    tx.lock_members({*others, *(record_id for held in members.values() for record_id in held.values())})
    if tx.members_of(profile_ids) != members:
        raise LedgerUnavailableError("the members of a profile changed meanwhile")
    return members


def active_place(places: Mapping[UUID, RecordPlace], birth_id: UUID, name: str) -> RecordPlace:
    """Where a record stands; `UnknownIdError` or `EndedIdError` naming the field that gave its id."""
    place = places.get(birth_id)
    if place is None:
        raise UnknownIdError(name)
    if not place.active:
        raise EndedIdError(name)
    return place


def _homes(tx: LedgerTransaction, named: Mapping[str, UUID]) -> dict[str, UUID]:
    """The profile that each id stands for now, by the field that gave it."""
    places = tx.places_of(set(named.values()))
    homes: dict[str, UUID] = {}
    for name, birth_id in named.items():
        home = active_place(places, birth_id, name).profile_id
        if home is None:
            # The record is taken, but no look has placed it yet: its profile is not there.
            raise UnknownIdError(name)
        homes[name] = home
    return homes


def _members_of_named(tx: LedgerTransaction, named: Mapping[str, UUID], *, lock: bool) -> dict[UUID, dict[UUID, int]]:
    """What `locked_members` gives of the profiles that these ids stand for.

    Where an id stands for another profile once the places are locked, a look was faster, and what is said of the profile that was is said of nobody.
    """
    homes = _homes(tx, named)
    members = locked_members(tx, set(homes.values()), lock=lock)
    if any(birth_id not in members.get(homes[name], {}) for name, birth_id in named.items()):
        raise LedgerUnavailableError("a profile has ended or changed meanwhile")
    return members


def _merged(tx: LedgerTransaction, held: Iterable[Mapping[UUID, int]]) -> Statement:
    members = {birth_id: record_id for records in held for birth_id, record_id in records.items()}
    if len(members) > MAX_MERGE_RECORDS:
        raise OperationTooLargeError("records of a merge", most=MAX_MERGE_RECORDS, found=len(members))
    statement = Statement()
    statement.unite(tx, members)
    return statement


def _parted(tx: LedgerTransaction, these: Mapping[UUID, int], those: Mapping[UUID, int]) -> Statement:
    """Two different people. Each is said to be one: what a merge said of all of them may have hung on a record of the other part."""
    check_pairs(len(these) * len(those))
    statement = Statement()
    statement.part(these.values(), those.values())
    statement.unite(tx, these)
    statement.unite(tx, those)
    return statement


def check_pairs(count: int) -> None:
    """Raises `OperationTooLargeError` where one operation would say too much."""
    if count > MAX_DIFFERENT_PAIRS:
        raise OperationTooLargeError("pairs said to be different", most=MAX_DIFFERENT_PAIRS, found=count)


def _pair(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)

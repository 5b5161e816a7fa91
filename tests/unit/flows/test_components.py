"""Settling: the difference between where records belong and what the ledger holds, against a twin of the transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import UUID

from goldthread.domain.policy import Totals
from goldthread.flows.components import Cause, Placement, Settlement, alone, settle
from goldthread.ledger import JournalEntry, LedgerTransaction, ProfileRow, ReviewRow

A, B, C = (UUID(int=number) for number in (1, 2, 3))


@dataclass
class Twin:
    """Profiles, records and reviews in dictionaries; the record's number is that of its birth id."""

    homes: dict[int, UUID]
    stored: dict[UUID, ProfileRow] = field(default_factory=dict)
    reviews: dict[int, ReviewRow] = field(default_factory=dict)
    journal: list[JournalEntry] = field(default_factory=list)
    contenders: dict[UUID, set[UUID]] = field(default_factory=dict)
    version: int = 100

    def lock_profiles(self, profile_ids: Collection[UUID]) -> dict[UUID, ProfileRow]:
        return {profile_id: self.stored[profile_id] for profile_id in sorted(profile_ids) if profile_id in self.stored}

    def move_records(self, homes: Mapping[int, UUID]) -> None:
        self.homes.update(homes)

    def survey_profiles(self, profile_ids: Collection[UUID]) -> dict[UUID, ProfileRow]:
        found = {}
        for profile_id in profile_ids:
            members = sorted(record for record, home in self.homes.items() if home == profile_id)
            if members:
                found[profile_id] = ProfileRow(
                    profile_id=profile_id,
                    version=0,
                    live=True,
                    ambiguous=False,
                    name_record=members[0],
                    address_record=None,
                    birth_date_record=None,
                    totals=Totals(len(members)),
                    members=tuple(UUID(int=member) for member in members),
                )
        return found

    def draw_versions(self, count: int) -> list[int]:
        first, self.version = self.version + 1, self.version + count
        return list(range(first, self.version + 1))

    def write_profiles(self, rows: Sequence[ProfileRow]) -> None:
        self.stored.update({row.profile_id: row for row in rows})

    def open_reviews_of(self, profile_ids: Collection[UUID]) -> list[ReviewRow]:
        return [row for row in self.reviews.values() if {row.low_profile, row.high_profile} & set(profile_ids)]

    def close_reviews(self, review_ids: Sequence[int]) -> None:
        for review_id in review_ids:
            del self.reviews[review_id]

    def open_reviews(self, reviews: Sequence[ReviewRow], *, model_id: int) -> None:
        for row in reviews:
            number = max(self.reviews, default=0) + 1
            self.reviews[number] = replace(row, review_id=number)

    def update_reviews(self, reviews: Sequence[ReviewRow], *, model_id: int) -> None:
        self.reviews.update({row.review_id: row for row in reviews})

    def replace_contenders(self, contenders: Mapping[UUID, Collection[UUID]], cleared: Collection[UUID]) -> None:
        for profile_id in cleared:
            self.contenders.pop(profile_id, None)
        self.contenders.update({profile_id: set(others) for profile_id, others in contenders.items()})

    def write_journal(self, entries: Sequence[JournalEntry], *, model_id: int) -> None:
        self.journal.extend(entries)


def placement(
    twin: Twin,
    homes: dict[int, UUID],
    *,
    ambiguous: dict[UUID, set[UUID]] | None = None,
    reviews: Sequence[ReviewRow] = (),
) -> Placement:
    before: dict[UUID, set[int]] = {}
    for record in homes:
        before.setdefault(twin.homes[record], set()).add(record)
    return Placement(
        before=before,
        homes=homes,
        birth_ids={record: UUID(int=record) for record in homes},
        ambiguous=ambiguous or {},
        reviews={(row.low_profile, row.high_profile): row for row in reviews},
    )


def settled(
    twin: Twin, placed: Placement, *, new: Collection[int] = (), resighted: Collection[UUID] = ()
) -> Settlement:
    cause = Cause("event", "test", {record: ("pos", f"e{record}") for record in placed.homes})
    return settle(cast("LedgerTransaction", twin), placed, new=new, resighted=resighted, cause=cause, model_id=1)


def standing(*homes: tuple[int, UUID]) -> Twin:
    """A twin whose profiles were settled before."""
    twin = Twin(dict(homes))
    twin.stored = {
        profile_id: replace(row, version=number, members=())
        for number, (profile_id, row) in enumerate(twin.survey_profiles(set(twin.homes.values())).items(), start=1)
    }
    return twin


def versions(twin: Twin) -> dict[UUID, tuple[int, bool]]:
    return {profile_id: (row.version, row.live) for profile_id, row in twin.stored.items()}


def test_a_new_record_alone_is_a_new_profile() -> None:
    twin = Twin({1: A})
    result = settled(twin, alone({1: A}), new={1})
    assert versions(twin) == {A: (101, True)}
    [entry] = twin.journal
    assert (entry.before_records, entry.after_records, entry.source, entry.event_id) == ((), (A,), "pos", "e1")
    assert (result.successors, result.reviews_opened) == ({}, 0)


def test_what_stands_already_is_not_written_again() -> None:
    twin = standing((1, A), (2, A), (3, C))
    before = versions(twin)
    result = settled(twin, placement(twin, {1: A, 2: A, 3: C}))
    assert (result.changed, twin.journal, versions(twin)) == ([], [], before)


def test_a_merge_ends_the_later_profile_and_names_its_successor() -> None:
    twin = standing((1, A), (2, B))
    result = settled(twin, placement(twin, {1: A, 2: A}))
    assert versions(twin) == {A: (101, True), B: (102, False)}
    assert result.successors == {B: (A,)}
    grown, ended = twin.journal
    assert (grown.before_records, grown.after_records, grown.live) == ((A,), (A, B), True)
    assert (ended.before_records, ended.after_records, ended.live, ended.successors) == ((B,), (), False, (A,))
    assert ended.after_survivors == (None, None, None)


def test_a_split_revives_the_id_that_had_ended() -> None:
    twin = standing((1, A), (2, A))
    twin.stored[B] = replace(ProfileRow.ended(B), version=9)
    result = settled(twin, placement(twin, {1: A, 2: B}))
    assert versions(twin) == {A: (101, True), B: (102, True)}
    assert result.successors == {}
    assert [(entry.before_records, entry.after_records) for entry in twin.journal] == [((A, B), (A,)), ((), (B,))]


def test_profiles_that_exchange_records_both_change() -> None:
    twin = standing((1, A), (2, B), (3, A))
    settled(twin, placement(twin, {1: A, 2: B, 3: B}))
    assert versions(twin) == {A: (101, True), B: (102, True)}
    assert {entry.profile_id: entry.after_records for entry in twin.journal} == {A: (A,), B: (B, C)}


def test_a_resighted_profile_changes_only_if_its_content_does() -> None:
    twin = standing((1, A))
    assert settled(twin, Placement(), resighted={A}).changed == []
    twin.stored[A] = replace(twin.stored[A], totals=Totals(0))
    [row] = settled(twin, Placement(), resighted={A}).changed
    assert (row.version, row.totals) == (101, Totals(1))
    assert twin.journal == []


def test_a_resighted_profile_stays_ambiguous() -> None:
    twin = standing((1, A))
    twin.stored[A] = replace(twin.stored[A], ambiguous=True, totals=Totals(0))
    [row] = settled(twin, Placement(), resighted={A}).changed
    assert row.ambiguous is True


def test_ambiguity_comes_and_goes_with_a_version_each() -> None:
    twin = standing((1, A), (2, B), (3, C))
    homes = {1: A, 2: B, 3: C}
    settled(twin, placement(twin, homes, ambiguous={C: {A, B}}))
    assert (twin.stored[C].ambiguous, twin.contenders) == (True, {C: {A, B}})
    assert versions(twin)[C] == (101, True)
    settled(twin, placement(twin, homes))
    assert (twin.stored[C].ambiguous, twin.contenders) == (False, {})
    assert versions(twin)[C] == (102, True)


def test_a_review_changes_both_profiles_once() -> None:
    twin = standing((1, A), (2, B))
    homes = {1: A, 2: B}
    review = ReviewRow(0, A, B, 1, 2, 1500)
    assert settled(twin, placement(twin, homes, reviews=[review])).reviews_opened == 1
    assert versions(twin) == {A: (101, True), B: (102, True)}
    # Kept at another strength, it is the same review: nobody's answer changes.
    stronger = replace(review, strength=1700)
    assert settled(twin, placement(twin, homes, reviews=[stronger])).reviews_opened == 0
    assert versions(twin) == {A: (101, True), B: (102, True)}
    assert twin.reviews == {1: replace(stronger, review_id=1)}
    settled(twin, placement(twin, homes))
    assert twin.reviews == {}
    assert versions(twin) == {A: (103, True), B: (104, True)}
    assert twin.journal == []


def test_a_review_between_profiles_that_merge_is_closed() -> None:
    twin = standing((1, A), (2, B))
    twin.reviews[7] = ReviewRow(7, A, B, 1, 2, 1500)
    settled(twin, placement(twin, {1: A, 2: A}))
    assert twin.reviews == {}
    assert versions(twin) == {A: (101, True), B: (102, False)}

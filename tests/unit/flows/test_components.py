"""Settling: the difference between where records belong and what the ledger holds, against a twin of the transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import UUID

from goldthread.domain.policy import Totals
from goldthread.domain.survivorship import DEFAULT_SURVIVORSHIP, Survivorship
from goldthread.flows.components import Placement, Settlement, settle
from goldthread.ledger import HouseholdRow, JournalEntry, Later, LedgerTransaction, Mark, ProfileRow, ReviewRow, Step

A, B, C = (UUID(int=number) for number in (1, 2, 3))


@dataclass
class Twin:
    """Profiles, records and reviews in dictionaries; the record's number is that of its birth id.

    `homes` has no entry for a record that was never placed; `withdrawn` are records on which no event hangs.
    """

    homes: dict[int, UUID]
    withdrawn: set[int] = field(default_factory=set)
    stored: dict[UUID, ProfileRow] = field(default_factory=dict)
    reviews: dict[int, ReviewRow] = field(default_factory=dict)
    journal: list[JournalEntry] = field(default_factory=list)
    contenders: dict[UUID, set[UUID]] = field(default_factory=dict)
    households: dict[tuple[UUID, UUID], HouseholdRow] = field(default_factory=dict)
    touched: set[UUID] = field(default_factory=set)
    version: int = 100

    def ask_profiles(self, profile_ids: Collection[UUID]) -> Later[dict[UUID, ProfileRow]]:
        found = {profile_id: self.stored[profile_id] for profile_id in sorted(profile_ids) if profile_id in self.stored}
        return lambda: found

    def ask_witness(self) -> None:
        """No COMMIT of the twin is ever lost."""

    def move_records(self, homes: Mapping[int, UUID]) -> None:
        self.homes.update(homes)

    def ask_survey(
        self, profile_ids: Collection[UUID], policy: Survivorship = DEFAULT_SURVIVORSHIP
    ) -> Later[dict[UUID, ProfileRow]]:
        assert policy.is_default
        found = {}
        for profile_id in profile_ids:
            held = {record for record, home in self.homes.items() if home == profile_id}
            members = sorted(held - self.withdrawn)
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
        return lambda: found

    def ask_versions(self, count: int) -> Later[list[int]]:
        first, self.version = self.version + 1, self.version + count
        drawn = list(range(first, self.version + 1))
        return lambda: drawn

    def write_profiles(self, rows: Sequence[ProfileRow]) -> None:
        self.stored.update({row.profile_id: row for row in rows})

    def touch_profiles(self, profile_ids: Collection[UUID]) -> None:
        self.touched = set(profile_ids)

    def ask_reviews(self, profile_ids: Collection[UUID]) -> Later[list[ReviewRow]]:
        found = [row for row in self.reviews.values() if {row.low_profile, row.high_profile} & set(profile_ids)]
        return lambda: found

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

    def count_looks(self, record_ids: Collection[int]) -> None:
        self.counted = set(record_ids)

    def ask_households(self, profile_ids: Collection[UUID]) -> Later[list[HouseholdRow]]:
        found = [row for row in self.households.values() if {row.low_profile, row.high_profile} & set(profile_ids)]
        return lambda: found

    def write_households(self, rows: Sequence[HouseholdRow], *, gone: Sequence[HouseholdRow]) -> None:
        for row in gone:
            del self.households[row.low_profile, row.high_profile]
        self.households.update({(row.low_profile, row.high_profile): row for row in rows})

    def write_journal(self, entries: Sequence[JournalEntry], *, model_id: int) -> None:
        self.journal.extend(entries)


def placement(
    twin: Twin,
    homes: dict[int, UUID],
    *,
    ambiguous: dict[UUID, set[UUID]] | None = None,
    reviews: Sequence[ReviewRow] = (),
    households: Sequence[HouseholdRow] = (),
) -> Placement:
    """Where the records of one component belong now; the twin's withdrawn ones go home."""
    before: dict[UUID, set[int]] = {}
    for record in (*homes, *twin.withdrawn):
        if record in twin.homes:
            before.setdefault(twin.homes[record], set()).add(record)
    return Placement(
        before=before,
        homes=homes,
        birth_ids={record: UUID(int=record) for record in (*homes, *twin.withdrawn)},
        ambiguous=ambiguous or {},
        reviews={(row.low_profile, row.high_profile): row for row in reviews},
        households={(row.low_profile, row.high_profile): row for row in households},
        withdrawn={record: UUID(int=record) for record in twin.withdrawn},
    )


def mark(record: int, *, mark_id: int | None = None, cause: str = "event") -> Mark:
    number = record if mark_id is None else mark_id
    return Mark(number, record, Step.JUDGE, None, cause, "test", "pos", f"e{record}", None)


def settled(
    twin: Twin, placed: Placement, *, marks: Sequence[Mark] | None = None, summed: Collection[UUID] = ()
) -> Settlement:
    """Settles; by default every record of the placement is marked. Of profiles that are only summed up every record was seen again."""
    asked = [mark(record) for record in sorted({*placed.homes, *placed.withdrawn})] or [mark(99)]
    asked = asked if marks is None else list(marks)
    return settle(
        cast("LedgerTransaction", twin),
        placed,
        marks=asked,
        summed={record: home for record, home in twin.homes.items() if home in summed},
        looked={one.record_id for one in asked},
        model_id=1,
    )


def standing(*homes: tuple[int, UUID]) -> Twin:
    """A twin whose profiles were settled before."""
    twin = Twin(dict(homes))
    twin.stored = {
        profile_id: row._replace(version=number, members=())
        for number, (profile_id, row) in enumerate(twin.ask_survey(set(twin.homes.values()))().items(), start=1)
    }
    return twin


def versions(twin: Twin) -> dict[UUID, tuple[int, bool]]:
    return {profile_id: (row.version, row.live) for profile_id, row in twin.stored.items()}


def test_a_new_record_alone_is_a_new_profile() -> None:
    twin = Twin({})
    result = settled(twin, placement(twin, {1: A}))
    assert versions(twin) == {A: (101, True)}
    [entry] = twin.journal
    assert (entry.before_records, entry.after_records, entry.source, entry.event_id) == ((), (A,), "pos", "e1")
    assert (result.successors, result.reviews_opened) == ({}, 0)


def test_what_stands_already_is_not_written_again() -> None:
    twin = standing((1, A), (2, A), (3, C))
    before = versions(twin)
    result = settled(twin, placement(twin, {1: A, 2: A, 3: C}))
    assert (result.changed, twin.journal, versions(twin)) == ([], [], before)


def test_looks_with_an_older_snapshot_meet_every_marked_record() -> None:
    twin = standing((1, A), (2, B), (7, C))
    settled(twin, placement(twin, {1: A, 2: A}), marks=[mark(1), mark(2), mark(7)], summed={C})
    assert twin.counted == {1, 7}, "the second is changed by its move"


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
    twin.stored[B] = ProfileRow.ended(B)._replace(version=9)
    result = settled(twin, placement(twin, {1: A, 2: B}))
    assert versions(twin) == {A: (101, True), B: (102, True)}
    assert result.successors == {}
    assert [(entry.before_records, entry.after_records) for entry in twin.journal] == [((A, B), (A,)), ((), (B,))]


def test_profiles_that_exchange_records_both_change() -> None:
    twin = standing((1, A), (2, B), (3, A))
    settled(twin, placement(twin, {1: A, 2: B, 3: B}))
    assert versions(twin) == {A: (101, True), B: (102, True)}
    assert {entry.profile_id: entry.after_records for entry in twin.journal} == {A: (A,), B: (B, C)}


def test_a_summed_profile_changes_only_if_its_content_does() -> None:
    twin = standing((1, A))
    assert settled(twin, Placement(), summed={A}).changed == []
    twin.stored[A] = twin.stored[A]._replace(totals=Totals(0))
    [row] = settled(twin, Placement(), summed={A}).changed
    assert (row.version, row.totals) == (102, Totals(1))  # one was drawn in vain before
    assert twin.journal == []


def test_a_summed_profile_stays_ambiguous() -> None:
    twin = standing((1, A))
    twin.stored[A] = twin.stored[A]._replace(ambiguous=True, totals=Totals(0))
    [row] = settled(twin, Placement(), summed={A}).changed
    assert row.ambiguous is True


def test_ambiguity_comes_and_goes_with_a_version_each() -> None:
    twin = standing((1, A), (2, B), (3, C))
    homes = {1: A, 2: B, 3: C}
    settled(twin, placement(twin, homes, ambiguous={C: {A, B}}))
    assert (twin.stored[C].ambiguous, twin.contenders) == (True, {C: {A, B}})
    assert versions(twin)[C] == (101, True)
    settled(twin, placement(twin, homes))
    assert (twin.stored[C].ambiguous, twin.contenders) == (False, {})
    assert versions(twin)[C] == (104, True)


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
    assert versions(twin) == {A: (105, True), B: (106, True)}
    assert twin.journal == []


def test_a_review_between_profiles_that_merge_is_closed() -> None:
    twin = standing((1, A), (2, B))
    twin.reviews[7] = ReviewRow(7, A, B, 1, 2, 1500)
    settled(twin, placement(twin, {1: A, 2: A}))
    assert twin.reviews == {}
    assert versions(twin) == {A: (101, True), B: (102, False)}


def test_a_record_without_events_goes_home_and_leaves_the_rest() -> None:
    """The profile was named after it, so the rest has another name now; the journal says where it went."""
    twin = standing((1, A), (2, A))
    twin.withdrawn = {1}
    result = settled(twin, placement(twin, {2: B}))
    assert twin.homes == {1: A, 2: B}
    assert versions(twin) == {A: (101, False), B: (102, True)}
    assert result.successors == {A: (B,)}
    ended, born = twin.journal
    assert (ended.before_records, ended.after_records, ended.successors) == ((A, B), (), (B,))
    assert (born.before_records, born.after_records) == ((), (B,))


def test_a_withdrawn_record_that_named_nobody_ends_at_a_home_of_its_own() -> None:
    twin = standing((1, A), (2, A))
    twin.withdrawn = {2}
    settled(twin, placement(twin, {1: A}))
    assert twin.homes == {1: A, 2: B}
    assert versions(twin) == {A: (101, True), B: (102, False)}
    assert [(entry.profile_id, entry.before_records, entry.after_records) for entry in twin.journal] == [
        (A, (A, B), (A,)),
        (B, (), ()),
    ]
    # Looked at again, it is where it belongs.
    known = len(twin.journal)
    assert settled(twin, placement(twin, {1: A})).changed == []
    assert len(twin.journal) == known


def test_a_record_withdrawn_before_its_first_look_has_a_home_that_never_lived() -> None:
    twin = Twin({}, withdrawn={1})
    result = settled(twin, placement(twin, {}))
    assert twin.homes == {1: A}
    assert versions(twin) == {A: (101, False)}
    assert result.successors == {}


def test_households_are_kept_beside_profiles_and_change_none() -> None:
    twin = standing((1, A), (2, B), (3, C))
    homes = {1: A, 2: B, 3: C}
    first, second = HouseholdRow(A, B, 1, 2, 9000), HouseholdRow(A, C, 1, 3, 7000)
    assert settled(twin, placement(twin, homes, households=[first, second])).changed == []
    assert twin.households == {(A, B): first, (A, C): second}
    stronger = replace(first, strength=9500)
    assert settled(twin, placement(twin, homes, households=[stronger])).changed == []
    assert twin.households == {(A, B): stronger}
    settled(twin, placement(twin, {1: A, 2: A, 3: C}))
    assert twin.households == {}


def test_a_change_is_told_by_the_mark_of_the_record_that_moved() -> None:
    """Before the mark of one that was there all along, and before any of elsewhere; of two equal ones the first counts."""
    twin = standing((1, A), (2, B), (3, C))
    marks = [
        mark(1, mark_id=1, cause="first"),
        mark(3, mark_id=2, cause="elsewhere"),
        mark(2, mark_id=4, cause="late"),
        mark(2, mark_id=3, cause="moved"),
    ]
    result = settled(twin, placement(twin, {1: A, 2: A, 3: C}), marks=sorted(marks, key=lambda one: one.mark_id))
    assert {home: found.cause for home, found in result.causes.items()} == {A: "moved", B: "moved"}
    assert [(entry.profile_id, entry.cause, entry.event_id) for entry in twin.journal] == [
        (A, "moved", "e2"),
        (B, "moved", "e2"),
    ]


def test_bystanders_are_changed_profiles_without_a_marked_record() -> None:
    """One record between two groups is marked; each group that it joins or parts, and does not belong to, is a bystander."""
    twin = standing((1, A), (2, B))
    both = settled(twin, placement(twin, {1: A, 2: A}), marks=[mark(2)])
    # The profile that the marked record joined holds it now, and the one that it left held it.
    assert (len(both.changed), both.untouched) == (2, 0)
    twin = standing((1, A), (2, B), (3, C))
    elsewhere = settled(twin, placement(twin, {1: A, 2: A, 3: C}), marks=[mark(3)])
    assert (len(elsewhere.changed), elsewhere.untouched) == (2, 2)


def test_a_profile_that_is_only_summed_is_no_bystander() -> None:
    twin = standing((1, A))
    twin.stored[A] = twin.stored[A]._replace(totals=Totals(0))
    result = settled(twin, Placement(), summed={A}, marks=[mark(7)])
    assert (len(result.changed), result.untouched) == (1, 0)


def test_a_profile_found_as_it_was_is_touched_if_it_was_looked_at() -> None:
    """A look with an older snapshot must not cover what this one found; profiles that nobody marked need no such care."""
    twin = standing((1, A), (2, B), (3, C))
    homes = {1: A, 2: B}
    settled(twin, placement(twin, homes), marks=[mark(1), mark(3)], summed={C})
    assert twin.touched == {A, C}
    twin.stored[A] = twin.stored[A]._replace(totals=Totals(0))
    settled(twin, placement(twin, homes), marks=[mark(1), mark(3)], summed={C})
    assert twin.touched == {C}

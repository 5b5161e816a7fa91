"""Statements about profiles, reviews, the journal and the outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any
from uuid import UUID

from goldthread.domain.policy import Totals
from goldthread.domain.survivorship import DEFAULT_SURVIVORSHIP, Survivorship
from goldthread.ledger.life import known_stamp
from goldthread.ledger.rows import HouseholdRow, JournalEntry, PairRow, ProfileRow, RecordHome, ReviewRow, Standing
from goldthread.ledger.statements import Later, Statements, later

__all__ = ["ProfileStatements", "profile_row"]

_BY_NUMBER = attrgetter("int")
"""The order of UUIDs, compared as numbers: their own comparison is Python."""


class ProfileStatements(Statements):
    """The profile half of a transaction."""

    def ask_profiles(self, profile_ids: Collection[UUID]) -> Later[dict[UUID, ProfileRow]]:
        """Locks profiles in id order and gives them as stored, without members."""
        rows = self._ask("lock_profiles", profile_ids=sorted(profile_ids, key=_BY_NUMBER))
        return later(rows, lambda rows: {row[0]: profile_row(row) for row in rows})

    def move_records(self, homes: Mapping[int, UUID]) -> None:
        """Hangs records on the profiles that hold them now."""
        if homes:
            record_ids = sorted(homes)
            self._run("move_records", record_ids=record_ids, profile_ids=[homes[record_id] for record_id in record_ids])

    def ask_survey(
        self, profile_ids: Collection[UUID], policy: Survivorship = DEFAULT_SURVIVORSHIP
    ) -> Later[dict[UUID, ProfileRow]]:
        """What each profile is by its records: members, survivors, totals. Version 0, `ambiguous` unset: the caller knows those.

        The default policy has a query of its own, whose order the server need not work out row by row.
        """
        return later(
            self._survey(sorted(set(profile_ids), key=_BY_NUMBER), policy),
            lambda rows: {
                row[0]: ProfileRow._make((row[0], 0, True, False, *row[2:5], Totals(*row[5:]), tuple(row[1])))
                for row in rows
            },
        )

    def _survey(self, profile_ids: Sequence[UUID], policy: Survivorship) -> Later[list[tuple[Any, ...]]]:
        if policy.is_default:
            return self._ask("survey_profiles", profile_ids=profile_ids)
        names, addresses, birth_dates = ([int(rule) for rule in order] for order in policy.orders)
        return self._ask(
            "survey_profiles_by_policy",
            profile_ids=profile_ids,
            names=names,
            addresses=addresses,
            birth_dates=birth_dates,
            trusted=list(policy.trust),
        )

    def draw_versions(self, count: int) -> list[int]:
        """New ledger-wide versions, ascending; call once the profiles are locked."""
        return self.ask_versions(count)()

    def ask_versions(self, count: int) -> Later[list[int]]:
        """The same; some may stay unused."""
        return later(self._ask("draw_versions", count=count), lambda rows: [row[0] for row in rows])

    def write_profiles(self, rows: Sequence[ProfileRow]) -> None:
        """Writes profiles at their new versions."""
        ordered = sorted(rows, key=lambda row: row.profile_id)
        self._run(
            "write_profiles",
            profile_ids=[row.profile_id for row in ordered],
            versions=[row.version for row in ordered],
            lives=[row.live for row in ordered],
            ambiguous=[row.ambiguous for row in ordered],
            name_records=[row.name_record for row in ordered],
            address_records=[row.address_record for row in ordered],
            birth_date_records=[row.birth_date_record for row in ordered],
            purchase_counts=[row.totals.purchase_count for row in ordered],
            purchase_totals=[row.totals.purchase_total_minor for row in ordered],
            last_purchases=[row.totals.last_purchase_at for row in ordered],
            last_stores=[row.totals.last_purchase_store for row in ordered],
        )

    def touch_profiles(self, profile_ids: Collection[UUID]) -> None:
        """Makes looks with an older snapshot fail at these profiles, which stay as they are."""
        if profile_ids:
            self._run("touch_profiles", profile_ids=sorted(profile_ids, key=_BY_NUMBER))

    def open_reviews_of(self, profile_ids: Collection[UUID]) -> list[ReviewRow]:
        """Open reviews in which any of the profiles stands."""
        return self.ask_reviews(profile_ids)()

    def ask_reviews(self, profile_ids: Collection[UUID]) -> Later[list[ReviewRow]]:
        """The same."""
        if not profile_ids:
            return list
        rows = self._ask("open_reviews_of", profile_ids=sorted(profile_ids, key=_BY_NUMBER))
        return later(rows, lambda rows: [ReviewRow(*row) for row in rows])

    def close_reviews(self, review_ids: Sequence[int]) -> None:
        """Ends reviews."""
        if review_ids:
            self._run("close_reviews", review_ids=list(review_ids))

    def open_reviews(self, reviews: Sequence[ReviewRow], *, model_id: int) -> None:
        """Opens reviews; their ids are given by the ledger."""
        if reviews:
            self._run(
                "open_reviews",
                low_profiles=[row.low_profile for row in reviews],
                high_profiles=[row.high_profile for row in reviews],
                low_records=[row.low_record for row in reviews],
                high_records=[row.high_record for row in reviews],
                strengths=[row.strength for row in reviews],
                model_id=model_id,
            )

    def update_reviews(self, reviews: Sequence[ReviewRow], *, model_id: int) -> None:
        """Keeps strength and best pair of open reviews true."""
        if reviews:
            self._run(
                "update_reviews",
                review_ids=[row.review_id for row in reviews],
                low_records=[row.low_record for row in reviews],
                high_records=[row.high_record for row in reviews],
                strengths=[row.strength for row in reviews],
                model_id=model_id,
            )

    def ask_profiles_of(self, record_ids: Collection[int]) -> Later[dict[int, UUID]]:
        """Profile of each record that has been looked at."""
        return later(self._ask("profiles_of_records", record_ids=sorted(record_ids)), dict)

    def ask_households(self, profile_ids: Collection[UUID]) -> Later[list[HouseholdRow]]:
        """Households in which any of the profiles stands."""
        if not profile_ids:
            return list
        rows = self._ask("households_of", profile_ids=sorted(profile_ids, key=_BY_NUMBER))
        return later(rows, lambda rows: [HouseholdRow(*row) for row in rows])

    def write_households(self, rows: Sequence[HouseholdRow], *, gone: Sequence[HouseholdRow]) -> None:
        """Ends some household relations and writes others."""
        if gone:
            self._run(
                "delete_households",
                low_profiles=[row.low_profile for row in gone],
                high_profiles=[row.high_profile for row in gone],
            )
        if rows:
            self._run(
                "insert_households",
                low_profiles=[row.low_profile for row in rows],
                high_profiles=[row.high_profile for row in rows],
                low_records=[row.low_record for row in rows],
                high_records=[row.high_record for row in rows],
                strengths=[row.strength for row in rows],
            )

    def replace_contenders(self, contenders: Mapping[UUID, Collection[UUID]], cleared: Collection[UUID]) -> None:
        """Forgets the contenders of `cleared` and writes the new ones."""
        if cleared:
            self._run("delete_contenders", profile_ids=sorted(cleared))
        rows = sorted((profile_id, other) for profile_id, others in contenders.items() for other in others)
        if rows:
            self._run("insert_contenders", profile_ids=[row[0] for row in rows], contender_ids=[row[1] for row in rows])

    def write_journal(self, entries: Sequence[JournalEntry], *, model_id: int) -> None:
        """Writes journal entries and copies the pairs that brought records together."""
        if not entries:
            return
        groups = [(entry.before_records, entry.after_records, entry.successors) for entry in entries]
        flat = [one for parts in groups for part in parts for one in part]
        cuts = list(accumulate((len(part) for parts in groups for part in parts), initial=1))
        survivors = [[entry.before_survivors[place] for entry in entries] for place in range(3)] + [
            [entry.after_survivors[place] for entry in entries] for place in range(3)
        ]
        self._run(
            "insert_journal",
            ids=flat,
            versions=[entry.version for entry in entries],
            profile_ids=[entry.profile_id for entry in entries],
            lives=[entry.live for entry in entries],
            before_from=cuts[0:-1:3],
            after_from=cuts[1::3],
            successors_from=cuts[2::3],
            ends=[cut - 1 for cut in cuts[3::3]],
            before_names=survivors[0],
            before_addresses=survivors[1],
            before_birth_dates=survivors[2],
            after_names=survivors[3],
            after_addresses=survivors[4],
            after_birth_dates=survivors[5],
            causes=[entry.cause for entry in entries],
            actors=[entry.actor for entry in entries],
            sources=[entry.source for entry in entries],
            event_ids=[entry.event_id for entry in entries],
            operation_ids=[entry.operation_id for entry in entries],
            model_id=model_id,
        )
        links = [(entry.version, low, high) for entry in entries for low, high in entry.links]
        if links:
            versions, lows, highs = map(list, zip(*links, strict=True))
            self._run("insert_journal_links", versions=versions, lows=lows, highs=highs)

    def write_changes(self, rows: Sequence[tuple[UUID, int, bool, bytes]]) -> None:
        """Queues `(profile, version, live, encoded change)` for the relay, with the identifiers of each live profile's records as they are now."""
        if rows:
            profile_ids, versions, lives, changes = map(list, zip(*rows, strict=True))
            self._run("insert_changes", profile_ids=profile_ids, versions=versions, lives=lives, changes=changes)

    def write_outbox(self, rows: Sequence[tuple[UUID | None, int, bool, bytes, Sequence[int]]]) -> None:
        """Queues `(profile, version, live, encoded change, identifiers)` for the relay."""
        if rows:
            cuts = list(accumulate((len(row[4]) for row in rows), initial=1))
            self._run(
                "insert_outbox",
                profile_ids=[row[0] for row in rows],
                versions=[row[1] for row in rows],
                lives=[row[2] for row in rows],
                changes=[row[3] for row in rows],
                token_ids=[token_id for row in rows for token_id in row[4]],
                firsts=cuts[:-1],
                lasts=[cut - 1 for cut in cuts[1:]],
            )

    def stamp(self) -> int:
        """The same as `ask_stamp`, at once."""
        return self.ask_stamp()()

    def ask_stamp(self) -> Later[int]:
        """Stamp of this transaction's snapshot: answers with this stamp or a greater one contain all that it sees."""
        return later(self._ask("stamp"), lambda rows: known_stamp(rows[0][0]))

    def ask_homes_around(self, record_ids: Collection[int]) -> Later[dict[int, RecordHome]]:
        """Birth ids of records, and of those with which they have pairs, and the profiles that hold them."""
        rows = self._ask("homes_around", record_ids=sorted(record_ids))
        return later(
            rows,
            lambda rows: {record_id: RecordHome(birth_id, profile_id) for record_id, birth_id, profile_id in rows},
        )

    def ask_standings(self, record_ids: Collection[int]) -> Later[dict[int, Standing]]:
        """Where records stand."""
        rows = self._ask("standings", record_ids=sorted(record_ids))
        return later(rows, lambda rows: {row[0]: Standing(*row[1:]) for row in rows})

    def ask_pairs_with(self, record_ids: Collection[int]) -> Later[list[PairRow]]:
        """Kept pairs that touch the records, in no order."""
        rows = self._ask("pairs_with", record_ids=sorted(record_ids))
        return later(
            rows,
            lambda rows: [
                PairRow(low, high, score, bytes(levels), tuple(weights)) for low, high, score, levels, weights in rows
            ],
        )


def profile_row(row: tuple[Any, ...]) -> ProfileRow:
    """A profile as the columns of a query have it, without members."""
    return ProfileRow._make((*row[:7], Totals(*row[7:11]), ()))

"""Statements about profiles, reviews, the journal and the outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from goldthread.domain.policy import Totals
from goldthread.ledger.life import known_stamp
from goldthread.ledger.rows import HouseholdRow, JournalEntry, PairRow, ProfileRow, ReviewRow, Standing
from goldthread.ledger.statements import Statements

__all__ = ["ProfileStatements"]


class ProfileStatements(Statements):
    """The profile half of a transaction."""

    def lock_profiles(self, profile_ids: Collection[UUID]) -> dict[UUID, ProfileRow]:
        """Locks profiles in id order and gives them as stored, without members."""
        return {
            row[0]: ProfileRow(
                profile_id=row[0],
                version=row[1],
                live=row[2],
                ambiguous=row[3],
                name_record=row[4],
                address_record=row[5],
                birth_date_record=row[6],
                totals=Totals(*row[7:11]),
            )
            for row in self._rows("lock_profiles", profile_ids=sorted(profile_ids))
        }

    def move_records(self, homes: Mapping[int, UUID]) -> None:
        """Hangs records on the profiles that hold them now."""
        if homes:
            record_ids = sorted(homes)
            self._run("move_records", record_ids=record_ids, profile_ids=[homes[record_id] for record_id in record_ids])

    def survey_profiles(self, profile_ids: Collection[UUID]) -> dict[UUID, ProfileRow]:
        """What each profile is by its records: members, survivors, totals. Version 0, `ambiguous` unset: the caller knows those."""
        return {
            row[0]: ProfileRow(
                profile_id=row[0],
                version=0,
                live=True,
                ambiguous=False,
                members=tuple(row[1]),
                name_record=row[2],
                address_record=row[3],
                birth_date_record=row[4],
                totals=Totals(*row[5:9]),
            )
            for row in self._rows("survey_profiles", profile_ids=sorted(profile_ids))
        }

    def draw_versions(self, count: int) -> list[int]:
        """New ledger-wide versions, ascending; call once the profiles are locked."""
        return [row[0] for row in self._rows("draw_versions", count=count)]

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
            self._run("touch_profiles", profile_ids=sorted(profile_ids))

    def tokens_of_profiles(self, profile_ids: Collection[UUID]) -> dict[UUID, list[int]]:
        """Identifiers of each profile's records."""
        return dict(self._rows("tokens_of_profiles", profile_ids=sorted(profile_ids)))

    def open_reviews_of(self, profile_ids: Collection[UUID]) -> list[ReviewRow]:
        """Open reviews in which any of the profiles stands."""
        return [ReviewRow(*row) for row in self._rows("open_reviews_of", profile_ids=sorted(profile_ids))]

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

    def profiles_of_records(self, record_ids: Collection[int]) -> dict[int, UUID]:
        """Profile of each record that has been looked at."""
        return dict(self._rows("profiles_of_records", record_ids=sorted(record_ids)))

    def households_of(self, profile_ids: Collection[UUID]) -> list[HouseholdRow]:
        """Households in which any of the profiles stands."""
        return [HouseholdRow(*row) for row in self._rows("households_of", profile_ids=sorted(profile_ids))]

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
        with self._connection.cursor() as cursor:
            cursor.executemany(
                self._text("insert_journal"),
                [
                    {
                        "version": entry.version,
                        "profile_id": entry.profile_id,
                        "live": entry.live,
                        "before_records": list(entry.before_records),
                        "after_records": list(entry.after_records),
                        "successors": list(entry.successors),
                        "before_survivors": list(entry.before_survivors),
                        "after_survivors": list(entry.after_survivors),
                        "cause": entry.cause,
                        "actor": entry.actor,
                        "source": entry.source,
                        "event_id": entry.event_id,
                        "operation_id": entry.operation_id,
                        "model_id": model_id,
                    }
                    for entry in entries
                ],
            )
        links = [(entry.version, low, high) for entry in entries for low, high in entry.links]
        if links:
            versions, lows, highs = map(list, zip(*links, strict=True))
            self._run("insert_journal_links", versions=versions, lows=lows, highs=highs)

    def write_outbox(self, rows: Sequence[tuple[UUID | None, int, bool, bytes, Sequence[int]]]) -> None:
        """Queues `(profile, version, live, encoded change, identifiers)` for the relay."""
        if rows:
            with self._connection.cursor() as cursor:
                cursor.executemany(
                    self._text("insert_outbox"),
                    [
                        {
                            "profile_id": profile_id,
                            "version": version,
                            "live": live,
                            "change": change,
                            "token_ids": list(token_ids),
                        }
                        for profile_id, version, live, change, token_ids in rows
                    ],
                )

    def stamp(self) -> int:
        """Stamp of this transaction's snapshot: answers with this stamp or a greater one contain all that it sees."""
        [(stamp,)] = self._rows("stamp")
        return known_stamp(stamp)

    def birth_ids(self, record_ids: Collection[int]) -> dict[int, UUID]:
        """Birth ids of records."""
        return dict(self._rows("birth_ids", record_ids=sorted(record_ids)))

    def standing(self, record_id: int) -> Standing:
        """Where a record stands."""
        [row] = self._rows("standing", record_id=record_id)
        return Standing(*row)

    def same_profile(self, record_id: int, others: Collection[int]) -> set[int]:
        """The record and those of the others that stand in its profile."""
        return {
            row[0] for row in self._rows("same_profile", record_id=record_id, record_ids=sorted({record_id, *others}))
        }

    def pairs_with(self, record_id: int) -> list[PairRow]:
        """Kept pairs of one record."""
        return [
            PairRow(low, high, score, bytes(levels), tuple(weights))
            for low, high, score, levels, weights in self._rows("pairs_with", record_id=record_id)
        ]

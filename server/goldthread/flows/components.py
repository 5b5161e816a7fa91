"""From pairs to profiles: partition of the touched components, and the difference to what the ledger holds.

The partition is a function of the component's records, pairs and assertions. Membership is compared with the profiles as stored; every profile
whose members, survivors, totals, ambiguity or reviews differ gets a new version, and the version, the journal entry and the outbox row are
written in the transaction that changes it. A profile that ends stays as a row that is not live, so versions never restart. A withdrawn record
goes home: to the profile named by its own birth id, which is not live.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from uuid import UUID

from goldthread.domain.survivorship import DEFAULT_SURVIVORSHIP, Survivorship
from goldthread.flows.assertions import standing
from goldthread.flows.keys import matchable
from goldthread.ledger import (
    ComponentRows,
    HouseholdRow,
    JournalEntry,
    LedgerTransaction,
    Mark,
    ProfileRow,
    RecordRow,
    ReviewRow,
)
from goldthread.matching import Matcher
from goldthread.telemetry.metrics import Metrics

__all__ = ["Placement", "Settlement", "place", "settle"]

_JOURNAL_LINKS = 20


@dataclass
class Placement:
    """Where records belong now: home profile, ambiguity, reviews and households of whole components.

    `before` holds records by the profile that held them; `withdrawn` names the home of records on which no event hangs any more.
    """

    before: dict[UUID, set[int]] = field(default_factory=dict)
    homes: dict[int, UUID] = field(default_factory=dict)
    birth_ids: dict[int, UUID] = field(default_factory=dict)
    ambiguous: dict[UUID, set[UUID]] = field(default_factory=dict)
    reviews: dict[tuple[UUID, UUID], ReviewRow] = field(default_factory=dict)
    households: dict[tuple[UUID, UUID], HouseholdRow] = field(default_factory=dict)
    withdrawn: dict[int, UUID] = field(default_factory=dict)
    links: dict[UUID, list[tuple[int, int]]] = field(default_factory=dict)

    @cached_property
    def after(self) -> dict[UUID, set[int]]:
        """Records by the profile that holds them now."""
        held: dict[UUID, set[int]] = defaultdict(set)
        for record_id, home in self.homes.items():
            held[home].add(record_id)
        return dict(held)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What was written: changed profiles (live or ended), why, where the records of the ended ones went, reviews opened and closed.

    `untouched` counts changed profiles none of whose records, before or after, was marked: what evidence does to bystanders.
    """

    changed: list[ProfileRow]
    causes: dict[UUID, Mark]
    successors: dict[UUID, tuple[UUID, ...]]
    reviews_opened: int
    reviews_closed: int
    untouched: int

    def count(self, metrics: Metrics) -> None:
        """Adds what was written to the metrics; called once the transaction has committed."""
        for cause, count in Counter(mark.cause for mark in self.causes.values()).items():
            metrics.profile_changes.labels(cause).inc(count)
        metrics.merges.inc(len(self.successors))
        metrics.reviews.labels("opened").inc(self.reviews_opened)
        metrics.reviews.labels("closed").inc(self.reviews_closed)
        metrics.blast_radius.observe(self.untouched)


def place(matcher: Matcher, rows: ComponentRows, *, metrics: Metrics) -> Placement:
    """Partitions whole components."""
    placement = Placement()
    active = [row for row in rows.records if row.active]
    at = {row.record_id: place for place, row in enumerate(active)}
    addresses = {row.record_id: row.address for row in rows.records}
    # A withdrawn record keeps its pairs until its own look, which may be somebody else's.
    pairs = [pair for pair in rows.pairs if pair.low in at and pair.high in at]
    same, different = standing(rows.assertions, pairs, addresses, at.keys())
    with metrics.stage("partition"):
        clustering = matcher.partition(
            [matchable(row) for row in active],
            [(at[pair.low], at[pair.high], pair.score) for pair in pairs],
            same=[(at[low], at[high]) for low, high in same],
            different=[(at[low], at[high]) for low, high in different],
        )
    groups: dict[int, list[RecordRow]] = defaultdict(list)
    for row, cluster in zip(active, clustering.clusters, strict=True):
        groups[cluster].append(row)
    for row in rows.records:
        placement.birth_ids[row.record_id] = row.birth_id
        if row.profile_id is not None:
            placement.before.setdefault(row.profile_id, set()).add(row.record_id)
        if not row.active:
            placement.withdrawn[row.record_id] = row.birth_id
    names = {cluster: min(row.birth_id for row in group) for cluster, group in groups.items()}
    placement.homes = {row.record_id: names[cluster] for cluster, group in groups.items() for row in group}
    placement.ambiguous = {
        names[cluster]: {names[other] for other in others} for cluster, others in clustering.ambiguous.items()
    }
    for review in clustering.reviews:
        low, high = sorted((names[review.low], names[review.high]))
        records = sorted((active[review.low_row].record_id, active[review.high_row].record_id))
        placement.reviews[low, high] = ReviewRow(0, low, high, records[0], records[1], review.strength)
    for found in clustering.households:
        low, high = sorted((names[found.low], names[found.high]))
        records = sorted((active[found.low_row].record_id, active[found.high_row].record_id))
        placement.households[low, high] = HouseholdRow(low, high, records[0], records[1], found.strength)
    placement.links = _links(rows, placement.homes)
    return placement


def _links(rows: ComponentRows, homes: Mapping[int, UUID]) -> dict[UUID, list[tuple[int, int]]]:
    """The strongest pairs of each cluster that joined records of different profiles, or a new record with another."""
    was = {row.record_id: row.profile_id for row in rows.records}
    joined: dict[UUID, list[tuple[int, int]]] = defaultdict(list)
    for pair in sorted(rows.pairs, key=lambda pair: (-pair.score, pair.low, pair.high)):
        home = homes.get(pair.low)
        apart = was[pair.low] != was[pair.high] or was[pair.low] is None
        if home is not None and home == homes.get(pair.high) and apart and len(joined[home]) < _JOURNAL_LINKS:
            joined[home].append((pair.low, pair.high))
    return joined


def settle(
    tx: LedgerTransaction,
    placement: Placement,
    *,
    marks: Sequence[Mark],
    operations: Sequence[Mark] = (),
    summed: Mapping[int, UUID],
    looked: Collection[int],
    model_id: int,
    survivorship: Survivorship = DEFAULT_SURVIVORSHIP,
) -> Settlement:
    """Writes the difference between the placement and the ledger.

    `marks` are what asked for it, `operations` those of stewards on the same records, taken or not; `summed` are records outside the placement
    that were seen again, with their profiles; `looked` are those that looks with an older snapshot must fail at. The caller holds the membership
    locks of all their records.
    """
    before, after = placement.before, placement.after
    gone_home = set(placement.withdrawn.values())
    placed = before.keys() | after.keys() | gone_home
    asked_reviews, asked_households = tx.ask_reviews(placed), tx.ask_households(placed)
    reviews = asked_reviews()
    reviewed = {profile_id for row in reviews for profile_id in (row.low_profile, row.high_profile)}
    concerned = placed | set(summed.values()) | reviewed
    locked = tx.ask_profiles(concerned)
    tx.ask_witness()
    homes = {**placement.homes, **placement.withdrawn}
    held = {record: profile for profile, records in before.items() for record in records}
    moved = {record: home for record, home in homes.items() if held.get(record) != home}
    tx.move_records(moved)
    tx.count_looks(set(looked) - moved.keys())
    survey = tx.ask_survey(concerned, survivorship)
    # One for each that may have changed, drawn while they are locked.
    versions = tx.ask_versions(len(concerned))
    stored, surveyed = locked(), survey()
    review_changes, opened, closed = _settle_reviews(tx, placement, reviews, model_id)
    _settle_households(tx, placement, asked_households())
    tx.replace_contenders(placement.ambiguous, placed & stored.keys())
    changed: list[tuple[ProfileRow | None, ProfileRow]] = []
    for profile_id in sorted(concerned, key=attrgetter("int")):
        old = stored.get(profile_id)
        if profile_id in surveyed:
            ambiguous = profile_id in placement.ambiguous if profile_id in after else old is not None and old.ambiguous
            row = surveyed[profile_id]
            if ambiguous:
                row = row._replace(ambiguous=True)
            regrouped = profile_id in placed and after.get(profile_id) != before.get(profile_id)
            if old is None or regrouped or profile_id in review_changes or not _same(old, row):
                changed.append((old, row))
        elif (old is not None and old.live) or (old is None and profile_id in gone_home):
            changed.append((old, ProfileRow.ended(profile_id)))
    written = [row._replace(version=version) for (_, row), version in zip(changed, versions(), strict=False)]
    if written:
        tx.write_profiles(written)
    tx.touch_profiles(
        _looked_at(placement, marks, summed.values()) & stored.keys() - {row.profile_id for row in written}
    )
    successors = {
        row.profile_id: homes_now
        for row in written
        if not row.live and (homes_now := _homes_of(before.get(row.profile_id, ()), placement.homes))
    }
    causes = _causes(written, placement, {**summed, **homes}, marks, operations)
    olds = {row.profile_id: old for old, row in changed}
    entries = [
        _journal_entry(olds[row.profile_id], row, placement, successors=successors, mark=causes[row.profile_id])
        for row in written
    ]
    tx.write_journal([entry for entry in entries if entry is not None], model_id=model_id)
    marked = {mark.record_id for mark in marks}
    untouched = sum(
        row.profile_id in placed and not marked & (before.get(row.profile_id, set()) | after.get(row.profile_id, set()))
        for row in written
    )
    return Settlement(written, causes, successors, opened, closed, untouched)


def _homes_of(records: Iterable[int], homes: Mapping[int, UUID]) -> tuple[UUID, ...]:
    return tuple(sorted({homes[record] for record in records if record in homes}))


def _looked_at(placement: Placement, marks: Sequence[Mark], summed: Iterable[UUID]) -> set[UUID]:
    """Profiles that hold, or held, a marked record: what is found of them now must not be covered by a look with an older snapshot."""
    marked = {mark.record_id for mark in marks}
    return set(summed).union(
        profile_id
        for held in (placement.before, placement.after)
        for profile_id, records in held.items()
        if not marked.isdisjoint(records)
    )


def _same(old: ProfileRow, row: ProfileRow) -> bool:
    return old.live and old.ambiguous == row.ambiguous and old.survivors == row.survivors and old.totals == row.totals


def _causes(
    written: Iterable[ProfileRow],
    placement: Placement,
    homes: Mapping[int, UUID],
    marks: Sequence[Mark],
    operations: Sequence[Mark],
) -> dict[UUID, Mark]:
    """The mark that made each profile change.

    Where records came or went: of an operation on one of the profile's records, else of a record that came or went. Then of one that it holds, else the
    first of all.
    """
    first = _first_of_each(marks)
    operated = _first_of_each(operations)
    by_profile: dict[UUID, Mark] = {}
    for record_id, mark in first.items():
        # A record that no look has placed yet, and this one does not either, has none.
        if (profile_id := homes.get(record_id)) is None:
            continue
        known = by_profile.get(profile_id)
        if known is None or mark.mark_id < known.mark_id:
            by_profile[profile_id] = mark
    causes: dict[UUID, Mark] = {}
    for row in written:
        was = placement.before.get(row.profile_id, set())
        now = placement.after.get(row.profile_id, set())
        moved, stayed = was ^ now, was & now
        choices = (
            [operated[record_id] for record_id in was | now if moved and record_id in operated],
            [first[record_id] for record_id in moved if record_id in first],
            [first[record_id] for record_id in stayed if record_id in first],
        )
        found = next((min(choice, key=lambda mark: mark.mark_id) for choice in choices if choice), None)
        causes[row.profile_id] = found or by_profile.get(row.profile_id) or marks[0]
    return causes


def _first_of_each(marks: Sequence[Mark]) -> dict[int, Mark]:
    """The first mark of each record."""
    first: dict[int, Mark] = {}
    for mark in marks:
        first.setdefault(mark.record_id, mark)
    return first


def _settle_households(tx: LedgerTransaction, placement: Placement, standing: Sequence[HouseholdRow]) -> None:
    known = {(row.low_profile, row.high_profile): row for row in standing}
    gone = [row for key, row in sorted(known.items()) if key not in placement.households]
    news = [row for key, row in sorted(placement.households.items()) if known.get(key) != row]
    tx.write_households(news, gone=gone)


def _settle_reviews(
    tx: LedgerTransaction, placement: Placement, open_reviews: Sequence[ReviewRow], model_id: int
) -> tuple[set[UUID], int, int]:
    """Opens, keeps and closes reviews; returns the profiles whose open reviews changed, and how many opened and closed."""
    standing = {(row.low_profile, row.high_profile): row for row in open_reviews}
    gone = [row for key, row in standing.items() if key not in placement.reviews]
    fresh = [row for key, row in sorted(placement.reviews.items()) if key not in standing]
    kept = [
        replace(row, review_id=standing[key].review_id)
        for key, row in sorted(placement.reviews.items())
        if key in standing
    ]
    tx.close_reviews(sorted(row.review_id for row in gone))
    tx.open_reviews(fresh, model_id=model_id)
    tx.update_reviews([row for row in kept if row != standing[row.low_profile, row.high_profile]], model_id=model_id)
    return (
        {profile_id for row in (*gone, *fresh) for profile_id in (row.low_profile, row.high_profile)},
        len(fresh),
        len(gone),
    )


def _journal_entry(
    old: ProfileRow | None,
    row: ProfileRow,
    placement: Placement,
    *,
    successors: Mapping[UUID, tuple[UUID, ...]],
    mark: Mark,
) -> JournalEntry | None:
    """The entry for a change of membership or survivors; None where only totals, reviews or sightings changed."""
    profile_id = row.profile_id
    placed = profile_id in placement.before or profile_id in placement.after
    # A withdrawn record sits at home in a profile that has ended, and does not belong to it.
    lived = old is not None and old.live
    former = placement.before.get(profile_id, set()) if lived else set()
    standing_members = row.members if lived else ()
    before = tuple(sorted(placement.birth_ids[record] for record in former)) if placed else standing_members
    before_survivors = old.survivors if old is not None else (None, None, None)
    if row.live and before == row.members and before_survivors == row.survivors:
        return None
    return JournalEntry(
        row.version,
        profile_id,
        row.live,
        before,
        row.members,
        successors.get(profile_id, ()),
        before_survivors,
        row.survivors,
        mark.cause,
        mark.actor,
        mark.source,
        mark.event_id,
        mark.operation_id,
        tuple(placement.links.get(profile_id, ())),
    )

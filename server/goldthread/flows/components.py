"""From pairs to profiles: partition of the touched components, and the difference to what the ledger holds.

The partition is a function of the component's records, pairs and assertions. Membership is compared with the profiles as stored; every
profile whose members, survivors, totals, ambiguity or reviews differ gets a new version, and the version, the journal entry and the outbox row
are written in the transaction that changes it. A profile that ends stays as a row that is not live, so versions never restart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from uuid import UUID

from goldthread.flows.evidence import matchable
from goldthread.ledger import ComponentRows, JournalEntry, LedgerTransaction, ProfileRow, RecordRow, ReviewRow
from goldthread.matching import Matcher
from goldthread.telemetry.metrics import Metrics

__all__ = ["Cause", "Placement", "Settlement", "alone", "place", "settle"]

_JOURNAL_LINKS = 20


@dataclass(frozen=True, slots=True)
class Cause:
    """What made profiles change: cause and actor for the journal, and the event of a record where an event did it."""

    cause: str
    actor: str
    events: Mapping[int, tuple[str, str]] = field(default_factory=dict)


@dataclass
class Placement:
    """Where records belong now: home profile, ambiguity and reviews of whole components."""

    before: dict[UUID, set[int]] = field(default_factory=dict)
    homes: dict[int, UUID] = field(default_factory=dict)
    birth_ids: dict[int, UUID] = field(default_factory=dict)
    ambiguous: dict[UUID, set[UUID]] = field(default_factory=dict)
    reviews: dict[tuple[UUID, UUID], ReviewRow] = field(default_factory=dict)
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
    """What was written: changed profiles (live or ended), where the records of the ended ones went, reviews opened."""

    changed: list[ProfileRow]
    successors: dict[UUID, tuple[UUID, ...]]
    reviews_opened: int
    reviews_closed: int

    def count(self, metrics: Metrics, *, cause: str) -> None:
        """Adds what was written to the metrics; called once the transaction has committed."""
        metrics.profile_changes.labels(cause).inc(len(self.changed))
        metrics.merges.inc(len(self.successors))
        metrics.reviews.labels("opened").inc(self.reviews_opened)
        metrics.reviews.labels("closed").inc(self.reviews_closed)


def place(tx: LedgerTransaction, matcher: Matcher, members: Sequence[int], *, metrics: Metrics) -> Placement:
    """Partitions whole components, given all their records."""
    placement = Placement()
    if not members:
        return placement
    rows = tx.load_component(members)
    at = {row.record_id: place for place, row in enumerate(rows.records)}
    with metrics.stage("partition"):
        clustering = matcher.partition(
            [matchable(row) for row in rows.records],
            [(at[pair.low], at[pair.high], pair.score) for pair in rows.pairs],
            same=[(at[low], at[high]) for low, high in rows.same],
            different=[(at[low], at[high]) for low, high in rows.different],
        )
    groups: dict[int, list[RecordRow]] = defaultdict(list)
    for row, cluster in zip(rows.records, clustering.clusters, strict=True):
        groups[cluster].append(row)
        placement.before.setdefault(row.profile_id, set()).add(row.record_id)
        placement.birth_ids[row.record_id] = row.birth_id
    names = {cluster: min(row.birth_id for row in group) for cluster, group in groups.items()}
    placement.homes = {row.record_id: names[cluster] for cluster, group in groups.items() for row in group}
    placement.ambiguous = {
        names[cluster]: {names[other] for other in others} for cluster, others in clustering.ambiguous.items()
    }
    for review in clustering.reviews:
        low, high = sorted((names[review.low], names[review.high]))
        records = sorted((rows.records[review.low_row].record_id, rows.records[review.high_row].record_id))
        placement.reviews[low, high] = ReviewRow(0, low, high, records[0], records[1], review.strength)
    placement.links = _links(rows, placement.homes)
    return placement


def _links(rows: ComponentRows, homes: Mapping[int, UUID]) -> dict[UUID, list[tuple[int, int]]]:
    """The strongest pairs of each cluster that joined records of different profiles, or a new record with another."""
    was = {row.record_id: row.profile_id for row in rows.records}
    joined: dict[UUID, list[tuple[int, int]]] = defaultdict(list)
    for pair in sorted(rows.pairs, key=lambda pair: (-pair.score, pair.low, pair.high)):
        home = homes[pair.low]
        if home == homes[pair.high] and was[pair.low] != was[pair.high] and len(joined[home]) < _JOURNAL_LINKS:
            joined[home].append((pair.low, pair.high))
    return joined


def alone(records: Mapping[int, UUID]) -> Placement:
    """Each new record, given with its birth id, on a profile of its own."""
    return Placement(
        before={birth: {record} for record, birth in records.items()}, homes=dict(records), birth_ids=dict(records)
    )


def settle(
    tx: LedgerTransaction,
    placement: Placement,
    *,
    new: Collection[int],
    resighted: Collection[UUID],
    cause: Cause,
    model_id: int,
) -> Settlement:
    """Writes the difference between the placement and the ledger.

    `new` are records inserted in this transaction, `resighted` profiles whose records were seen again.
    """
    before, after = placement.before, placement.after
    placed = before.keys() | after.keys()
    standing = tx.open_reviews_of(placed)
    reviewed = {profile_id for row in standing for profile_id in (row.low_profile, row.high_profile)}
    concerned = placed | set(resighted) | reviewed
    stored = tx.lock_profiles(concerned)
    tx.move_records({record: home for home, records in after.items() for record in records - before.get(home, set())})
    surveyed = tx.survey_profiles(concerned)
    review_changes, opened, closed = _settle_reviews(tx, placement, standing, model_id)
    tx.replace_contenders(placement.ambiguous, placed & stored.keys())
    changed: list[tuple[ProfileRow | None, ProfileRow]] = []
    for profile_id in sorted(concerned):
        old = stored.get(profile_id)
        if profile_id in surveyed:
            ambiguous = profile_id in placement.ambiguous if profile_id in after else old is not None and old.ambiguous
            row = replace(surveyed[profile_id], ambiguous=ambiguous)
            regrouped = profile_id in placed and after.get(profile_id) != before.get(profile_id)
            if old is None or regrouped or profile_id in review_changes or not _same(old, row):
                changed.append((old, row))
        elif old is not None and old.live:
            changed.append((old, ProfileRow.ended(profile_id)))
    versions = tx.draw_versions(len(changed))
    written = [replace(row, version=version) for (_, row), version in zip(changed, versions, strict=True)]
    if written:
        tx.write_profiles(written)
    successors = {
        row.profile_id: tuple(sorted({placement.homes[record] for record in before[row.profile_id]}))
        for row in written
        if not row.live
    }
    entries = [
        _journal_entry(old, row, placement, successors=successors, new=new, cause=cause)
        for (old, _), row in zip(changed, written, strict=True)
    ]
    tx.write_journal([entry for entry in entries if entry is not None], model_id=model_id)
    return Settlement(written, successors, opened, closed)


def _same(old: ProfileRow, row: ProfileRow) -> bool:
    return old.live and old.ambiguous == row.ambiguous and old.survivors == row.survivors and old.totals == row.totals


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
    new: Collection[int],
    cause: Cause,
) -> JournalEntry | None:
    """The entry for a change of membership or survivors; None where only totals, reviews or sightings changed."""
    profile_id = row.profile_id
    former = placement.before.get(profile_id, set()).difference(new)
    held = placement.after.get(profile_id, set())
    placed = bool(held) or not row.live
    before = tuple(sorted(placement.birth_ids[record] for record in former)) if placed else row.members
    before_survivors = old.survivors if old is not None else (None, None, None)
    if row.live and before == row.members and before_survivors == row.survivors:
        return None
    arrived = sorted(held - former, reverse=True)
    source, event_id = next((cause.events[record] for record in arrived if record in cause.events), ("", ""))
    return JournalEntry(
        version=row.version,
        profile_id=profile_id,
        live=row.live,
        before_records=before,
        after_records=row.members,
        successors=successors.get(profile_id, ()),
        before_survivors=before_survivors,
        after_survivors=row.survivors,
        cause=cause.cause,
        actor=cause.actor,
        source=source,
        event_id=event_id,
        links=tuple(placement.links.get(profile_id, ())),
    )

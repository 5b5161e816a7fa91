"""What is told of profiles: now, in the past, and what changed. Reads only.

The members of a profile at a time are what the journal says (`flows.past`), now as well: one rule for all times. Totals, ambiguity and open reviews of
now are those of the profile's row; those of the past are not in the journal. What a card showed in the past is the name that survived then, which
the journal has, and a tier by the purchases that had been taken by then: events that were corrected since count where they are now.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import inf
from uuid import UUID

from goldthread.domain.disclosure import disclosed
from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.explaining import Explanation, Side
from goldthread.domain.policy import masked_name, tier_of
from goldthread.domain.ports import CardSnapshot
from goldthread.domain.profiles import (
    AsOf,
    AttributeChange,
    Disclosure,
    HistoryPage,
    HistoryView,
    MembershipView,
    ProfileDiff,
    ProfileView,
    RecordPage,
    RecordView,
    SurvivingAttribute,
)
from goldthread.domain.words import ATTRIBUTE_NAMES, Violation, profile_public_id
from goldthread.flows.bounded_work import BoundedWork
from goldthread.flows.evidence_views import link_evidence
from goldthread.flows.explain import explain
from goldthread.flows.past import holder, moment_of, profile_of
from goldthread.flows.retry import Retry
from goldthread.flows.steward_pages import journal_page
from goldthread.flows.watch import ChangesWatch
from goldthread.ledger import Ledger, LedgerTransaction, ProfileEntry
from goldthread.matching import Matcher

__all__ = ["ProfileFlow"]

_SURVIVING = (
    ("given_name", 0),
    ("middle_name", 0),
    ("family_name", 0),
    ("name_suffix", 0),
    ("birth_date", 2),
    ("street", 1),
    ("city", 1),
    ("postcode", 1),
)
"""Each attribute, and its place among the survivors of a profile: name, address, birth date."""


class ProfileFlow:
    """Answers `ProfileService`. Blocking: call it from a bounded executor. Safe to call from several threads.

    `seconds` is how long the caller waits; all raise `LedgerUnavailableError`, and `UnknownIdError` or `EndedIdError` for ids.
    """

    def __init__(self, *, ledger: Ledger, matcher: Matcher, retry: Retry) -> None:
        self._matcher = matcher
        self._reads = BoundedWork(ledger=ledger, retry=retry, operation="profile_read")

    def profile(self, profile_id: UUID, *, as_of: AsOf, disclosure: Disclosure, seconds: float = inf) -> ProfileView:
        """The profile that holds, or held at a time, the record that an id was named after."""

        def work(tx: LedgerTransaction) -> ProfileView:
            at = moment_of(tx, as_of, name="as_of")
            entry = profile_of(tx, profile_id, at=at, name="profile_id")
            return _profile(tx, entry, at=at, disclosure=disclosure)

        return self._reads.read(work, seconds)

    def records(
        self,
        profile_id: UUID,
        *,
        as_of: AsOf,
        disclosure: Disclosure,
        size: int,
        after: UUID | None,
        seconds: float = inf,
    ) -> RecordPage:
        """A page of the records that it holds, or held, by birth id."""

        def work(tx: LedgerTransaction) -> RecordPage:
            at = moment_of(tx, as_of, name="as_of")
            members = sorted(profile_of(tx, profile_id, at=at, name="profile_id").members)
            later = [birth_id for birth_id in members if after is None or birth_id > after]
            shown = later[:size]
            return RecordPage(tuple(_records(tx, shown, disclosure)), shown[-1] if len(later) > size else None)

        return self._reads.read(work, seconds)

    def history(self, profile_id: UUID, *, size: int, before: int | None, seconds: float = inf) -> HistoryPage:
        """A page of its journal, latest first, with what brought records together."""

        def work(tx: LedgerTransaction) -> HistoryPage:
            page = journal_page(tx, profile_id, size=size, before=before)
            links = tx.entry_links([entry.version for entry in page.entries])
            views = (
                HistoryView(entry, link_evidence(self._matcher, links.get(entry.version, ()), entry.model_version))
                for entry in page.entries
            )
            return HistoryPage(tuple(views), page.next)

        return self._reads.read(work, seconds)

    def diff(
        self, profile_id: UUID, *, since: AsOf, until: AsOf, disclosure: Disclosure, seconds: float = inf
    ) -> ProfileDiff:
        """What became of it between two times."""
        return self._reads.read(
            lambda tx: _diff(tx, profile_id, since=since, until=until, disclosure=disclosure), seconds
        )

    def explain(self, one: Side, other: Side, *, seconds: float = inf) -> Explanation:
        """Why two things are one person or not."""
        return self._reads.read(lambda tx: explain(tx, self._matcher, one, other), seconds)

    def watch(self) -> ChangesWatch:
        """What reads changes for one caller."""
        return ChangesWatch(self._reads)


def _profile(tx: LedgerTransaction, entry: ProfileEntry, *, at: datetime | None, disclosure: Disclosure) -> ProfileView:
    tiers, now = tx.as_of()
    stored = tx.profiles_now([entry.profile_id]).get(entry.profile_id) if at is None else None
    totals = tx.totals_taken(entry.members, at=at or now) if stored is None else stored.totals
    attributes, names = _attributes(tx, entry, disclosure)
    card = CardSnapshot(
        profile_id=profile_public_id(entry.profile_id),
        masked_name=names,
        tier=tier_of(totals, tiers),
        tier_as_of=tiers,
        last_purchase_at=totals.last_purchase_at,
        last_purchase_store=totals.last_purchase_store,
    )
    return ProfileView(
        profile_id=entry.profile_id,
        version=entry.version if stored is None else stored.version,
        record_ids=tuple(sorted(entry.members)),
        attributes=attributes,
        card=card,
        totals=totals,
        as_of=at or now,
        ambiguous=stored is not None and stored.ambiguous,
        review_ids=() if stored is None else _reviews(tx, entry.profile_id),
        identifiers=() if stored is None else tuple(tx.identifier_counts(entry.members, together=True).get(None, ())),
    )


def _reviews(tx: LedgerTransaction, profile_id: UUID) -> tuple[int, ...]:
    return tuple(sorted(row.review_id for row in tx.open_reviews_of([profile_id])))


def _attributes(
    tx: LedgerTransaction, entry: ProfileEntry, disclosure: Disclosure
) -> tuple[tuple[SurvivingAttribute, ...], str]:
    """What survived in an entry, with provenance, and the name that a card shows."""
    policy = tx.survivorship()
    named = {record_id for record_id in entry.survivors if record_id is not None}
    details = {record.record_id: record for record in tx.record_details(record_ids=named)}
    found = []
    for place, (name, survivor) in enumerate(_SURVIVING):
        record = details.get(entry.survivors[survivor] or 0)
        value = None if record is None else record.attributes[_PLACES[place]]
        if record is not None and value is not None:
            found.append(
                SurvivingAttribute(
                    name=name,
                    value=disclosed(name, value, disclosure),
                    record_id=record.birth_id,
                    source=record.source,
                    first_seen=record.first_seen,
                    last_seen=record.last_seen,
                    rule=policy.told(survivor),
                )
            )
    named_by = details.get(entry.survivors[0] or 0)
    if named_by is None:
        return tuple(found), ""
    given, family = (named_by.attributes[ATTRIBUTE_NAMES.index(name)] for name in ("given_name", "family_name"))
    return tuple(found), masked_name(given, family)


_PLACES = tuple(ATTRIBUTE_NAMES.index(name) for name, _ in _SURVIVING)


def _records(tx: LedgerTransaction, birth_ids: Sequence[UUID], disclosure: Disclosure) -> list[RecordView]:
    counts = tx.identifier_counts(birth_ids)
    return [
        RecordView(
            record_id=record.birth_id,
            source=record.source,
            attributes=tuple(
                (name, disclosed(name, value, disclosure))
                for name, value in zip(ATTRIBUTE_NAMES, record.attributes, strict=True)
                if value is not None
            ),
            identifiers=tuple(counts.get(record.birth_id, ())),
            sightings=record.sightings,
            first_seen=record.first_seen,
            last_seen=record.last_seen,
            purchase_count=record.purchase_count,
        )
        for record in tx.record_details(birth_ids=birth_ids)
    ]


def _diff(tx: LedgerTransaction, profile_id: UUID, *, since: AsOf, until: AsOf, disclosure: Disclosure) -> ProfileDiff:
    began, ended = moment_of(tx, since, name="from"), moment_of(tx, until, name="to")
    now = tx.as_of()[1]
    if began is None or began > (ended or now):
        raise InvalidArgumentError([Violation("from", "must be given, and not be later than to")])
    after = profile_of(tx, profile_id, at=ended, name="profile_id")
    before = holder(tx, profile_id, at=began)
    was = set(() if before is None else before.members)
    joined, left = sorted(set(after.members) - was), sorted(was - set(after.members))
    others = [*_holders(tx, joined, at=began), *_holders(tx, left, at=ended)]
    old = () if before is None else _attributes(tx, before, disclosure)[0]
    return ProfileDiff(
        before=None if before is None else _membership(before),
        after=_membership(after),
        joined=tuple(joined),
        left=tuple(left),
        others=tuple(sorted(others, key=lambda one: one.profile_id)),
        changes=_changes(old, _attributes(tx, after, disclosure)[0]),
        since=began,
        until=ended or now,
    )


def _membership(entry: ProfileEntry) -> MembershipView:
    return MembershipView(entry.profile_id, tuple(sorted(entry.members)))


def _holders(tx: LedgerTransaction, birth_ids: Sequence[UUID], *, at: datetime | None) -> list[MembershipView]:
    """The profiles that held these records at a time; one search for each of them, not for each record."""
    found: list[MembershipView] = []
    known: set[UUID] = set()
    for birth_id in birth_ids:
        if birth_id not in known:
            entry = holder(tx, birth_id, at=at)
            known.update((birth_id,) if entry is None else entry.members)
            found += [] if entry is None else [_membership(entry)]
    return found


def _changes(old: Sequence[SurvivingAttribute], new: Sequence[SurvivingAttribute]) -> tuple[AttributeChange, ...]:
    """Attributes that another record gives, or that come from nowhere or go nowhere."""
    before, after = ({one.name: one for one in side} for side in (old, new))
    return tuple(
        AttributeChange(name, before.get(name), after.get(name))
        for name, _ in _SURVIVING
        if _said_by(before.get(name)) != _said_by(after.get(name))
    )


def _said_by(attribute: SurvivingAttribute | None) -> UUID | None:
    return None if attribute is None else attribute.record_id

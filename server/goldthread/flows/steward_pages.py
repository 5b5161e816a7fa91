"""Pages of what stewards look at: open reviews, and the journal of a profile."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from goldthread.domain.errors import UnknownIdError
from goldthread.domain.ports import PairEvidence
from goldthread.domain.steward import JournalPage, JournalView, ReviewPage, ReviewPlace, ReviewView
from goldthread.flows.evidence_views import pair_evidence
from goldthread.ledger import FIRST_REVIEW, LedgerTransaction, OpenReview, PairRow
from goldthread.matching import Matcher

__all__ = ["journal_page", "review_page"]

_SHOWN_RECORDS = 100
_LATEST = 2**63 - 1
_PAGE_BYTES = 2**20  # of a page of entries, by the two lines below; a gRPC client takes four times that by default
_ID_BYTES = 40
_ENTRY_BYTES = 1_500
_ENTRIES_AT_ONCE = 10


def review_page(
    tx: LedgerTransaction, matcher: Matcher, *, size: int, after: ReviewPlace | None, by_value: bool, claimant: str
) -> ReviewPage:
    """A page of open reviews, strongest or most valuable first, after a place; without those that others than a claimant have."""
    rows = tx.review_page(size + 1, after=after or FIRST_REVIEW, by_value=by_value, claimant=claimant)
    shown = rows[:size]
    members = tx.members_of({home for row in shown for home in (row.low_profile, row.high_profile)})
    last = _place(shown[-1], by_value=by_value) if len(rows) > size else None
    return ReviewPage(tuple(_review(row, members, matcher) for row in shown), last)


def journal_page(tx: LedgerTransaction, profile_id: UUID, *, size: int, before: int | None) -> JournalPage:
    """Entries of the profile that an id stands for, and of the id itself, latest first. Raises `UnknownIdError`.

    They are read a few at a time, and the page ends at about 1 MiB: an entry of a large profile is large.
    """
    place = tx.places_of([profile_id]).get(profile_id)
    if place is None:
        raise UnknownIdError("profile_id")
    ids = {profile_id, place.profile_id or profile_id}
    shown: list[JournalView] = []
    last, left = _LATEST if before is None else before, _PAGE_BYTES
    while True:
        found = tx.journal_of(ids, before=last, limit=min(_ENTRIES_AT_ONCE, size + 1 - len(shown)))
        for entry in found:
            left -= _bytes_of(entry)
            if len(shown) == size or (shown and left < 0):
                return JournalPage(tuple(shown), last)
            shown.append(entry)
            last = entry.version
        if not found:
            return JournalPage(tuple(shown), None)


def _place(row: OpenReview, *, by_value: bool) -> ReviewPlace:
    return ReviewPlace(row.strength, row.review_id, row.value_minor if by_value else None)


def _bytes_of(entry: JournalView) -> int:
    ids: Collection[UUID] = (*entry.before_records, *entry.after_records, *entry.successors)
    return _ENTRY_BYTES + _ID_BYTES * len(ids)


def _review(row: OpenReview, members: Mapping[UUID, Mapping[UUID, int]], matcher: Matcher) -> ReviewView:
    low, high = members.get(row.low_profile, {}), members.get(row.high_profile, {})
    births = {record_id: birth_id for birth_id, record_id in (*low.items(), *high.items())}
    return ReviewView(
        review_id=row.review_id,
        low_profile=row.low_profile,
        low_version=row.low_version,
        low_records=tuple(low)[:_SHOWN_RECORDS],
        high_profile=row.high_profile,
        high_version=row.high_version,
        high_records=tuple(high)[:_SHOWN_RECORDS],
        strength=row.strength,
        probability=matcher.probabilities([row.strength])[0],
        evidence=_evidence(row.pair, births, matcher) if row.pair is not None else None,
        opened_at=row.opened_at,
        value_minor=row.value_minor,
        claimed_by=row.claimed_by,
        claimed_until=row.claimed_until,
    )


def _evidence(pair: PairRow, births: Mapping[int, UUID], matcher: Matcher) -> PairEvidence | None:
    if pair.low not in births or pair.high not in births:
        return None
    return pair_evidence(
        matcher, births[pair.low], births[pair.high], score=pair.score, levels=pair.levels, weights=pair.weights
    )

"""Why two things are one person or not, and how it came about.

Both sides are sets of records. Of all pairs between them the best is explained: scored now, as looks do, so that it can be told also of pairs that are too
weak to be kept. What decided is found in this order. Of two that stand in one profile: what somebody said of them; their own pair, where it reaches
the threshold; else the strongest chain of kept pairs and statements between them. Of two that stand apart: what somebody said; the
profiles as wholes, where the pair alone would reach the threshold; else the pair.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import islice, pairwise, product
from uuid import UUID

from goldthread.domain.errors import InvalidArgumentError, UnknownIdError
from goldthread.domain.explaining import (
    Explanation,
    Ground,
    NamedProfile,
    NamedRecord,
    Side,
    StatementView,
    Verdict,
)
from goldthread.domain.ports import PairEvidence
from goldthread.domain.profiles import HistoryView
from goldthread.domain.words import Violation
from goldthread.flows.assertions import standing
from goldthread.flows.evidence_views import link_evidence, pair_evidence
from goldthread.flows.keys import matchable
from goldthread.flows.past import Stay, profile_of, stays
from goldthread.flows.plain_words import told
from goldthread.flows.statements import active_place
from goldthread.ledger import ComponentRows, LedgerTransaction, RecordRow, ReviewRow
from goldthread.matching import Matcher, ScoredPair

__all__ = ["explain"]

_SIDE = 100
"""Most records of a side that are compared."""
_CHAIN = 20
_STATEMENTS = 20
_STAYS = 200
_SAID = 1_000_000
"""Strength of a statement in a chain, as in the partition: above every score."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """The best pair between the two sides."""

    one: RecordRow
    other: RecordRow
    scored: ScoredPair


def explain(tx: LedgerTransaction, matcher: Matcher, one: Side, other: Side) -> Explanation:
    """Why the two are one or not. O(pairs between the sides, at most 10,000, and the component of the pair).

    Raises `UnknownIdError` or `EndedIdError` naming the field, `InvalidArgumentError` for an identifier that is not valid.
    """
    sides = [_records_of(tx, matcher, side, name) for side, name in ((one, "one"), (other, "other"))]
    members = tx.closure({record_id for side in sides for record_id in side.values()})
    rows = tx.ask_component(members, known={})()
    active = {row.record_id: row for row in rows.records if row.active and row.profile_id is not None}
    pair = _best(matcher, active, *(list(side.values()) for side in sides))
    if pair is None:
        return _same_record(tx, matcher, active, sides)
    same, different = standing(
        rows.assertions,
        [kept for kept in rows.pairs if kept.low in active and kept.high in active],
        {row.record_id: row.address for row in rows.records},
        active.keys(),
    )
    evidence = _evidence(matcher, pair.one, pair.other, pair.scored)
    home, other_home = pair.one.profile_id, pair.other.profile_id
    assert home is not None
    assert other_home is not None
    chain: tuple[PairEvidence, ...] = ()
    review = None
    statements = _statements(tx, active, sides, {**dict.fromkeys(same, True), **dict.fromkeys(different, False)})
    if home == other_home:
        verdict = Verdict.ONE
        ground, chain = _why_one(matcher, rows, active, pair, same)
    else:
        verdict, review = _apart(tx, home, other_home)
        parted = any(not statement.same for statement in statements)
        whole = pair.scored.score >= matcher.link
        ground = Ground.SAID if parted else Ground.WHOLE if whole and verdict is not Verdict.HOUSEHOLD else Ground.PAIR
    found = Explanation(
        verdict=verdict,
        ground=ground,
        evidence=evidence,
        link_probability=matcher.probabilities([matcher.link])[0],
        chain=chain,
        statements=statements,
        came_about=_came_about(tx, matcher, pair, one=home == other_home),
        profile_id=home,
        other_profile_id=other_home,
        review_id=None if review is None else review.review_id,
        review_probability=None if review is None else matcher.probabilities([review.strength])[0],
    )
    return replace(found, text=told(found))


def _records_of(tx: LedgerTransaction, matcher: Matcher, side: Side, name: str) -> dict[UUID, int]:
    """Records of a side by birth id, ascending, at most 100."""
    match side:
        case NamedRecord(birth_id):
            place = active_place(tx.places_of([birth_id]), birth_id, f"{name}.record_id")
            return {birth_id: place.record_id}
        case NamedProfile(birth_id):
            entry = profile_of(tx, birth_id, at=None, name=f"{name}.profile_id")
            members = tx.members_of([entry.profile_id]).get(entry.profile_id, {})
            return dict(islice(members.items(), _SIDE))
        case _:
            [key] = matcher.lookup_keys([side])
            if isinstance(key, Violation):
                raise InvalidArgumentError([key])
            carriers = {} if key is None else tx.carriers_of_tokens(key.tokens, limit=_SIDE)
            if not carriers:
                raise UnknownIdError(f"{name}.identifier")
            return carriers


def _best(
    matcher: Matcher, active: Mapping[int, RecordRow], these: Sequence[int], those: Sequence[int]
) -> _Pair | None:
    """The pair between the sides that fits best; of several, the one of the lowest birth ids. None if there is but one record."""
    rows = [active[record_id] for record_id in sorted({*these, *those} & active.keys())]
    at = {row.record_id: place for place, row in enumerate(rows)}
    pairs = sorted(
        {
            (min(at[one], at[other]), max(at[one], at[other]))
            for one, other in product(these, those)
            if one != other and one in at and other in at
        }
    )
    scored = matcher.score_all([matchable(row) for row in rows], pairs)
    if not scored:
        return None
    best = min(
        scored,
        key=lambda pair: (-pair.score, *sorted(rows[place].birth_id for place in pairs[pair.place])),
    )
    low, high = (rows[place] for place in pairs[best.place])
    return _Pair(low, high, best) if low.record_id in these else _Pair(high, low, best)


def _same_record(
    tx: LedgerTransaction, matcher: Matcher, active: Mapping[int, RecordRow], sides: Sequence[Mapping[UUID, int]]
) -> Explanation:
    birth_id, record_id = next(iter(sides[0].items()))
    row = active.get(record_id)
    if row is None or row.profile_id is None:
        # Taken, and not looked at yet: no profile holds it.
        raise UnknownIdError("one")
    last = next(stays(tx, birth_id), None)
    found = Explanation(
        verdict=Verdict.ONE,
        ground=Ground.SAME_RECORD,
        evidence=None,
        link_probability=matcher.probabilities([matcher.link])[0],
        chain=(),
        statements=(),
        came_about=None if last is None else _entry(tx, matcher, last.since),
        profile_id=row.profile_id,
        other_profile_id=row.profile_id,
        review_id=None,
        review_probability=None,
    )
    return replace(found, text=told(found))


def _evidence(matcher: Matcher, one: RecordRow, other: RecordRow, scored: ScoredPair) -> PairEvidence:
    return pair_evidence(
        matcher, one.birth_id, other.birth_id, score=scored.score, levels=scored.levels, weights=scored.weights
    )


def _statements(
    tx: LedgerTransaction,
    active: Mapping[int, RecordRow],
    sides: Sequence[Mapping[UUID, int]],
    counts: Mapping[tuple[int, int], bool],
) -> tuple[StatementView, ...]:
    """What counts of what was said of two records, one of each side."""
    these, those = (set(side.values()) for side in sides)
    found = [
        StatementView(
            record_id=active[said.low].birth_id,
            other_record_id=active[said.high].birth_id,
            same=said.same,
            actor=said.actor,
            reason=said.reason,
            said_at=said.said_at,
            operation_id=said.operation_id,
        )
        for said in tx.statements_about(these | those)
        if counts.get((said.low, said.high)) is said.same
        and ((said.low in these and said.high in those) or (said.low in those and said.high in these))
    ]
    return tuple(found[:_STATEMENTS])


def _why_one(
    matcher: Matcher,
    rows: ComponentRows,
    active: Mapping[int, RecordRow],
    pair: _Pair,
    same: Collection[tuple[int, int]],
) -> tuple[Ground, tuple[PairEvidence, ...]]:
    one, other = pair.one.record_id, pair.other.record_id
    if (min(one, other), max(one, other)) in same:
        return Ground.SAID, ()
    if pair.scored.score >= matcher.link:
        return Ground.PAIR, ()
    members = {record_id for record_id, row in active.items() if row.profile_id == pair.one.profile_id}
    kept = {(row.low, row.high): row for row in rows.pairs if row.low in members and row.high in members}
    strengths = {key: row.score for key, row in kept.items()}
    strengths.update({key: _SAID for key in same if members.issuperset(key)})
    way = strongest_way(strengths, one, other)
    steps = [(min(step), max(step)) for step in pairwise(way)]
    chain = [
        pair_evidence(
            matcher,
            active[low].birth_id,
            active[high].birth_id,
            score=kept[low, high].score,
            levels=kept[low, high].levels,
            weights=kept[low, high].weights,
        )
        for low, high in steps
        if (low, high) in kept
    ]
    said = any(strengths[step] == _SAID for step in steps)
    if len(steps) <= 1 and not said:
        return Ground.PAIR, ()
    return Ground.SAID if said else Ground.CHAIN, tuple(chain[:_CHAIN])


def strongest_way(strengths: Mapping[tuple[int, int], int], start: int, end: int) -> list[int]:
    """Records from one to another by the way whose weakest step is the strongest; of several the first found. Empty if there is none.

    O(steps · log steps).
    """
    fellows: dict[int, list[tuple[int, int]]] = {}
    for (low, high), strength in strengths.items():
        fellows.setdefault(low, []).append((high, strength))
        fellows.setdefault(high, []).append((low, strength))
    # Of equally weak ways the one with fewer steps.
    waiting: list[tuple[int, int, int, int]] = [(-_SAID - 1, 0, start, start)]
    came: dict[int, int] = {}
    while waiting:
        weakest, steps, record_id, before = heappop(waiting)
        if record_id in came:
            continue
        came[record_id] = before
        if record_id == end:
            break
        for fellow, strength in fellows.get(record_id, ()):
            if fellow not in came:
                heappush(waiting, (max(weakest, -strength), steps + 1, fellow, record_id))
    if end not in came:
        return []
    way = [end]
    while way[-1] != start:
        way.append(came[way[-1]])
    return way[::-1]


def _apart(tx: LedgerTransaction, home: UUID, other_home: UUID) -> tuple[Verdict, ReviewRow | None]:
    low, high = sorted((home, other_home))
    reviews = tx.open_reviews_of([low])
    review = next((row for row in reviews if (row.low_profile, row.high_profile) == (low, high)), None)
    if any(row.ambiguous for row in tx.profiles_now([low, high]).values()):
        return Verdict.AMBIGUOUS, review
    if review is not None:
        return Verdict.REVIEW, review
    if any((row.low_profile, row.high_profile) == (low, high) for row in tx.ask_households([low])()):
        return Verdict.HOUSEHOLD, None
    return Verdict.APART, None


def _came_about(tx: LedgerTransaction, matcher: Matcher, pair: _Pair, *, one: bool) -> HistoryView | None:
    """The entry that brought the two together last, if they are one; that parted them last, if they once were; else nothing."""
    these, those = (list(islice(stays(tx, row.birth_id), _STAYS)) for row in (pair.one, pair.other))
    together = sorted(_together(these, those), key=lambda stay: -stay.since)
    if not together:
        return None
    if not one:
        return None if together[0].until is None else _entry(tx, matcher, together[0].until)
    began = together[0]
    for earlier in together[1:]:
        # They moved to another profile side by side: that brought nobody together.
        if earlier.until_at != began.since_at:
            break
        began = earlier
    return _entry(tx, matcher, began.since)


def _together(these: Sequence[Stay], those: Sequence[Stay]) -> Iterable[Stay]:
    """When both were in one profile: from the later coming to the earlier leaving."""
    for one, other in product(these, those):
        if one.profile_id == other.profile_id:
            came = max((one.since, one.since_at), (other.since, other.since_at))
            ends = [(stay.until, stay.until_at) for stay in (one, other) if stay.until is not None]
            left = min(ends, key=lambda end: end[0] or 0) if ends else (None, None)
            if left[0] is None or came[0] < left[0]:
                yield Stay(one.profile_id, *came, *left)


def _entry(tx: LedgerTransaction, matcher: Matcher, version: int) -> HistoryView | None:
    entry = tx.journal_entry(version)
    if entry is None:
        return None
    links = tx.entry_links([version]).get(version, ())
    return HistoryView(entry, link_evidence(matcher, links, entry.model_version))

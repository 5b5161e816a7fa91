"""From new records to pairs: key states, candidates, scores.

Key states are functions of the records that carry a key (docs/matching.md section 6). Growth can only close a key, and closing one changes the
evidence of every record that carries it. So `judge` first writes the new keys, collects the carriers of every key that closed, and then judges the
new records and those carriers afresh: their candidates under the states as they are now, their scores, and the pairs that no longer stand. What a
record's pairs are therefore depends on the set of records alone, not on who came first.

One case would break that: a generic token counts as absent, so a pair of its carrier with *any* candidate may score differently, also with
a record that does not carry the token. Judging a carrier means judging all its candidates, which covers those pairs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from goldthread.domain.words import IdentifierType
from goldthread.ledger import LedgerTransaction, PairRow, RecordRow
from goldthread.matching import BlockingKey, Matchable, Matcher
from goldthread.telemetry.metrics import Metrics

__all__ = ["Judgement", "NewRecord", "judge", "matchable"]

_JUDGE_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record inserted in this transaction: its surrogate, what the core needs, its name key and the surrogates of its tokens."""

    record_id: int
    matchable: Matchable
    name_key: str | None
    token_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rejudged:
    """Records that lost a pair, and how many pairs were kept and dropped."""

    bereft: set[int]
    kept: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What changed: records whose evidence was written anew, records that lost a pair, tokens that became generic; and how much.

    `closed_keys` counts keys that crossed their limit by kind, `kept` and `dropped` pairs by fate.
    """

    judged: set[int]
    bereft: set[int]
    closed_tokens: set[int]
    closed_keys: Counter[str]
    kept: int
    dropped: int

    @property
    def touched(self) -> set[int]:
        """Records from which components must be looked at again."""
        return self.judged | self.bereft


def matchable(row: RecordRow) -> Matchable:
    """What the core compares of a stored record."""
    return Matchable(row.address, row.attributes, row.tokens)


def judge(
    tx: LedgerTransaction, matcher: Matcher, new: Sequence[NewRecord], *, model_id: int, metrics: Metrics
) -> Judgement:
    """Writes the keys of new records and brings the pairs of everything they affect up to date."""
    closed = tx.add_carriers(
        ((token_id, record.name_key) for record in new for token_id in record.token_ids),
        limits=matcher.generic_limits,
        max_records=matcher.generic_records,
    )
    closed_keys = Counter(f"token_{IdentifierType(kind).label}" for _, kind in closed)
    closed_tokens = {token_id for token_id, _ in closed}
    to_judge = {record.record_id for record in new}
    if closed_tokens:
        to_judge |= tx.token_carriers(closed_tokens)
    carriers, closed_blocks = _hang_blocks(tx, matcher, new)
    to_judge |= carriers
    closed_keys["block"] += closed_blocks
    bereft: set[int] = set()
    kept = dropped = 0
    ordered = sorted(to_judge)
    for start in range(0, len(ordered), _JUDGE_CHUNK):
        judged = rejudge(tx, matcher, ordered[start : start + _JUDGE_CHUNK], model_id=model_id, metrics=metrics)
        bereft |= judged.bereft
        kept += judged.kept
        dropped += judged.dropped
    return Judgement(to_judge, bereft, closed_tokens, closed_keys, kept, dropped)


def rejudge(
    tx: LedgerTransaction, matcher: Matcher, record_ids: Collection[int], *, model_id: int, metrics: Metrics
) -> Rejudged:
    """Scores every candidate pair of the records afresh."""
    candidates = sorted(tx.candidates(record_ids))
    involved = {record_id for pair in candidates for record_id in pair}
    rows = tx.load_records(involved)
    place = {row.record_id: at for at, row in enumerate(rows)}
    with metrics.stage("score"):
        scored = matcher.score(
            [matchable(row) for row in rows], [(place[low], place[high]) for low, high in candidates]
        )
    kept = [PairRow(*candidates[pair.place], pair.score, pair.levels, pair.weights) for pair in scored]
    gone = tx.pairs_of(record_ids) - {(row.low, row.high) for row in kept}
    tx.delete_pairs(gone)
    tx.upsert_pairs(kept, model_id=model_id)
    return Rejudged({record_id for pair in gone for record_id in pair}, len(kept), len(candidates) - len(kept))


def _hang_blocks(tx: LedgerTransaction, matcher: Matcher, new: Sequence[NewRecord]) -> tuple[set[int], int]:
    """Writes blocking keys, refinements only below crowded keys; gives the carriers of every key that closed, and how many closed."""
    by_record: dict[int, list[BlockingKey]] = {}
    _compute_keys(matcher, {record.record_id: record.matchable for record in new}, by_record)
    waiting = [(key, record_id) for record_id, keys in by_record.items() for key in keys if key.depth == 0]
    affected: set[int] = set()
    closed_blocks = 0
    for _ in range(matcher.block_depth + 1):
        if not waiting:
            break
        rules = {key.key: (key.rule, key.depth) for key, _ in waiting}
        closed = tx.add_blocks(
            ((key.key, record_id) for key, record_id in waiting), rules=rules, limit=matcher.max_block
        )
        closed_blocks += len(closed)
        carriers = tx.block_carriers(closed) if closed else set()
        affected |= carriers
        unknown = carriers - by_record.keys()
        _compute_keys(
            matcher, {row.record_id: matchable(row) for row in tx.load_records(unknown)} if unknown else {}, by_record
        )
        crowded = tx.crowded_keys(rules.keys())
        waiting = [
            (key, record_id)
            for record_id in {record_id for _, record_id in waiting} | carriers
            for key in by_record[record_id]
            if key.depth > 0 and key.parent in crowded
        ]
    return affected, closed_blocks


def _compute_keys(matcher: Matcher, records: dict[int, Matchable], into: dict[int, list[BlockingKey]]) -> None:
    record_ids = sorted(records)
    grouped: dict[int, list[BlockingKey]] = defaultdict(list)
    if record_ids:
        for key in matcher.blocking_keys([records[record_id] for record_id in record_ids]):
            grouped[record_ids[key.row]].append(key)
    into.update({record_id: grouped[record_id] for record_id in record_ids})

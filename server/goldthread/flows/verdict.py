"""What the pairs of some records are now, and how that differs from what the ledger holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from goldthread.flows.keys import matchable
from goldthread.ledger import Later, LedgerTransaction, PairRow, PairState, RecordRow
from goldthread.matching import Matcher
from goldthread.telemetry.metrics import Metrics

__all__ = ["Candidacy", "Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Pairs to write, because they are new or scored otherwise, and pairs to take back; how many were compared, and kept.

    `rows` are the records that were read for it.
    """

    changed: list[PairRow]
    gone: set[tuple[int, int]]
    compared: int
    kept: int
    rows: Mapping[int, RecordRow]

    @property
    def ends(self) -> set[int]:
        """Records whose evidence differs."""
        pairs = (*((pair.low, pair.high) for pair in self.changed), *self.gone)
        return {record_id for pair in pairs for record_id in pair}

    def write(self, tx: LedgerTransaction, *, model_id: int) -> None:
        """Makes the ledger's pairs these."""
        tx.delete_pairs(self.gone)
        tx.upsert_pairs(self.changed, model_id=model_id)


@dataclass(frozen=True, slots=True)
class Candidacy:
    """What is asked of the ledger before records can be judged."""

    candidates: Later[set[tuple[int, int]]]
    stored: Later[dict[tuple[int, int], PairState]]
    hung: Later[int | None]

    @classmethod
    def ask(cls, tx: LedgerTransaction, record_ids: Collection[int]) -> Candidacy | None:
        """Asks it of these records; None if there are none."""
        if not record_ids:
            return None
        return cls(tx.ask_candidates(record_ids), tx.ask_pairs_of(record_ids), tx.ask_records_hung())


def judge(
    tx: LedgerTransaction, matcher: Matcher, asked: Candidacy | None, *, model_id: int, metrics: Metrics
) -> Verdict:
    """Scores every candidate pair of the records that were asked about, under the key states as they are; reads only."""
    if asked is None:
        return Verdict([], set(), 0, 0, {})
    candidates = sorted(asked.candidates())
    rows = tx.load_records({record_id for pair in candidates for record_id in pair})
    place = {row.record_id: at for at, row in enumerate(rows)}
    with metrics.stage("score"):
        scored = matcher.score(
            [matchable(row) for row in rows], [(place[low], place[high]) for low, high in candidates]
        )
    kept = [PairRow(*candidates[pair.place], pair.score, pair.levels, pair.weights) for pair in scored]
    stored = asked.stored()
    changed = [
        row
        for row in kept
        if (old := stored.get((row.low, row.high))) is None
        or (old.score, old.levels, old.model_id) != (row.score, row.levels, model_id)
    ]
    gone = set(stored.keys() - {(row.low, row.high) for row in kept})
    if (hung := asked.hung()) is not None:
        # A switch of models is under way: who has no blocking keys yet may be a candidate again once its page is done, and is judged then.
        gone = {(low, high) for low, high in gone if high < hung}
    return Verdict(changed, gone, len(candidates), len(kept), {row.record_id: row for row in rows})

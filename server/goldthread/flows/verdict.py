"""What the pairs of some records are now, and how that differs from what the ledger holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from goldthread.flows.keys import matchable
from goldthread.ledger import LedgerTransaction, PairRow, RecordRow
from goldthread.matching import Matcher
from goldthread.telemetry.metrics import Metrics

__all__ = ["Verdict", "judge"]


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


def judge(
    tx: LedgerTransaction, matcher: Matcher, record_ids: Collection[int], *, model_id: int, metrics: Metrics
) -> Verdict:
    """Scores every candidate pair of the records under the key states as they are; reads only."""
    if not record_ids:
        return Verdict([], set(), 0, 0, {})
    candidates = sorted(tx.candidates(record_ids))
    rows = tx.load_records({record_id for pair in candidates for record_id in pair})
    place = {row.record_id: at for at, row in enumerate(rows)}
    with metrics.stage("score"):
        scored = matcher.score(
            [matchable(row) for row in rows], [(place[low], place[high]) for low, high in candidates]
        )
    kept = [PairRow(*candidates[pair.place], pair.score, pair.levels, pair.weights) for pair in scored]
    stored = tx.pairs_of(record_ids)
    changed = [
        row
        for row in kept
        if (old := stored.get((row.low, row.high))) is None
        or (old.score, old.levels, old.model_id) != (row.score, row.levels, model_id)
    ]
    gone = set(stored.keys() - {(row.low, row.high) for row in kept})
    hung = tx.records_hung()
    if hung is not None:
        # A switch of models is under way: who has no blocking keys yet may be a candidate again once its page is done, and is judged then.
        gone = {(low, high) for low, high in gone if high < hung}
    return Verdict(changed, gone, len(candidates), len(kept), {row.record_id: row for row in rows})

"""Which pairs of records blocking could find at all, and which of them it has to: judged without regard to blocking.

A pair is *alike* if it agrees or nearly agrees in at least one compared field, and *kept* if it would be kept were it a candidate: its score reaches the
model's floor, or it is kin (docs/matching.md, section 7). What is not kept changes no profile, found or not.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldthread import _core
from goldthread.matching.batch import GatheredRecords
from goldthread.matching.evaluation import Findable

__all__ = ["FindablePairs"]

_NOTHING = frozenset({"missing", "none", "different", "differ", "loose"})
"""Words of levels that say of a field, or of one half of two joint fields, that it does not nearly agree."""


class FindablePairs:
    """Judges pairs of gathered records under the model that they were matched under.

    Identifiers that are generic in these records count like any others: to share one makes a pair alike, though blocking looks away from it.
    """

    def __init__(self, gathered: GatheredRecords, *, model_text: str) -> None:
        self._records = gathered.records
        self._model = _core.Model.parse(model_text)
        self._alike = [_agreeing(self._model.level_names(name)) for name in self._model.comparisons]

    def __call__(self, left: Sequence[int], right: Sequence[int]) -> Findable:
        """Flags of pairs of records; O(pairs), and memory likewise."""
        *_, levels, _ = _core.score_pairs(self._records, left, right, self._model)
        width, alike = len(self._alike), 0
        # One byte a pair: whole columns are joined at once, as large numbers.
        for place, flags in enumerate(self._alike):
            alike |= int.from_bytes(levels[place::width].translate(flags))
        kept = bytearray(len(left))
        index, *_ = _core.score_pairs(self._records, left, right, self._model, cutoff=self._model.edge_floor)
        for place in index:
            kept[place] = 1
        return Findable(alike=alike.to_bytes(len(left)), kept=bytes(kept))


def _agreeing(levels: Sequence[str]) -> bytes:
    """For each level number 1 if it agrees or nearly agrees in something, else 0; a table for `bytes.translate`."""
    flags = bytearray(256)
    for number, name in enumerate(levels):
        # `agree_folded` and `exact_january` have two words and agree in both.
        flags[number] = any(word not in _NOTHING for word in name.split("_"))
    return bytes(flags)

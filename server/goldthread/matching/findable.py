"""Which pairs of records blocking could find at all, and which of them it has to: judged without regard to blocking.

A pair is *findable* if it shares an identifier, or agrees or nearly agrees in at least two attributes or extras of which one is not the place
(docs/evaluate.md). That is a matter of what the two say: no weight of a model enters it. A pair is *kept* if it would be kept were it a candidate: its
score reaches the model's floor, or it is kin (docs/matching.md, section 7). What is not kept changes no profile, found or not.
"""

from __future__ import annotations

from collections.abc import Sequence

from goldthread import _core
from goldthread.domain.words import IdentifierType
from goldthread.matching.batch import GatheredRecords
from goldthread.matching.evaluation import Judged

__all__ = ["FindablePairs"]

_IDENTIFIERS = frozenset(kind.label for kind in IdentifierType)
_NAMES = frozenset({"given_name", "family_name"})
_AGREEING = {
    "birth_date": frozenset({"exact", "exact_january", "near", "part", "near2"}),
    "street": frozenset(
        f"{name}_{number}" for name in ("equal", "near", "close") for number in ("none", "equal", "near", "different")
    ),
    "place": frozenset(
        f"{postcode}_{city}"
        for postcode in ("none", "equal", "near", "area", "different")
        for city in ("none", "equal", "near", "different")
        if {postcode, city} & {"equal", "near"}
    ),
}
"""Levels at which a field agrees or nearly agrees, where these are not all but `_APART`: a year is no date, a house number no street, an area no place."""
_APART = frozenset({"missing", "loose", "different", "differ"})


class FindablePairs:
    """Judges pairs of gathered records, as to being kept under the model that they were matched under.

    Identifiers that are generic in these records count like any others: to share one makes a pair findable, though blocking looks away from it.
    """

    def __init__(self, gathered: GatheredRecords, *, model_text: str) -> None:
        self._records = gathered.records
        self._model = _core.Model.parse(model_text)
        self._agreeing = [(name, _agreeing(name, self._model.level_names(name))) for name in self._model.comparisons]

    def __call__(self, left: Sequence[int], right: Sequence[int]) -> Judged:
        """Flags of pairs of records; O(pairs), and memory likewise."""
        *_, levels, _ = _core.score_pairs(self._records, left, right, self._model)
        width = len(self._agreeing)
        # One byte a pair: whole columns are combined at once, as large numbers.
        identifier = any_field = two_fields = no_place = beyond_names = 0
        for place, (name, flags) in enumerate(self._agreeing):
            agrees = int.from_bytes(levels[place::width].translate(flags))
            if name in _IDENTIFIERS:
                identifier |= agrees
                continue
            two_fields |= any_field & agrees
            any_field |= agrees
            if name != "place":
                no_place |= agrees
            if name not in _NAMES:
                beyond_names |= agrees
        findable = identifier | two_fields & no_place
        kept = bytearray(len(left))
        index, *_ = _core.score_pairs(self._records, left, right, self._model, cutoff=self._model.edge_floor)
        for place in index:
            kept[place] = 1
        return Judged(
            findable=findable.to_bytes(len(left)),
            beyond_names=(findable & (identifier | beyond_names)).to_bytes(len(left)),
            kept=bytes(kept),
        )


def _agreeing(comparison: str, levels: Sequence[str]) -> bytes:
    """For each level number 1 if the two agree or nearly agree at it, else 0; a table for `bytes.translate`."""
    wanted = _AGREEING.get(comparison)
    flags = bytearray(256)
    for number, name in enumerate(levels):
        flags[number] = name not in _APART if wanted is None else name in wanted
    return bytes(flags)

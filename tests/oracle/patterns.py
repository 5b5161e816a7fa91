"""Counts of level patterns, which training reads: section 9 of docs/matching.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from oracle.engine import generic_tokens, passes
from oracle.model import BlockingRule, Model
from oracle.records import IDENTIFIER_TYPES, Record
from oracle.score import Prepared, compare

__all__ = ["Pattern", "candidate_patterns", "pair_patterns"]

Pattern = tuple[tuple[str, ...], frozenset[str]]
"""Levels in the order of the model's comparisons, and the comparisons that are free."""

_PARTS = {
    "given": ("given_name",),
    "given3": ("given_name",),
    "family": ("family_name",),
    "family3": ("family_name",),
    "names": ("given_name", "family_name"),
    "postcode": ("place",),
    "city": ("place",),
    "street": ("street",),
    "birth": ("birth_date",),
}
"""Comparisons that a part of a blocking key is made of, by the first word of its name."""


def _built_on(rule: BlockingRule, depth: int) -> frozenset[str]:
    parts = (*rule.parts, *rule.refinements[:depth])
    return frozenset(comparison for part in parts for comparison in _PARTS[part.split("_")[0]])


def candidate_patterns(records: Iterable[Record], model: Model, *, closed: Iterable[bytes] = ()) -> Counter[Pattern]:
    """How many candidates show each pattern; `closed` as for `oracle.match`."""
    everyone = list(records)
    generic = generic_tokens(everyone, model) | set(closed)
    prepared = {record.address: Prepared.of(record.without(generic)) for record in everyone}
    built = {(kind, -1): frozenset({kind}) for kind in IDENTIFIER_TYPES}
    built |= {
        (rule.name, depth): _built_on(rule, depth) for rule in model.rules for depth in range(len(rule.refinements) + 1)
    }
    found: Counter[Pattern] = Counter()
    for (a, b), by in passes(prepared, model).items():
        bound = frozenset.intersection(*(built[one] for one in by))
        found[compare(prepared[a], prepared[b], model).levels, frozenset(model.comparisons) - bound] += 1
    return found


def pair_patterns(records: Sequence[Record], pairs: Iterable[tuple[int, int]], model: Model) -> Counter[Pattern]:
    """How many of these pairs of rows show each pattern: pairs that no pass found, so every comparison is free."""
    prepared = [Prepared.of(record) for record in records]
    free = frozenset(model.comparisons)
    return Counter((compare(prepared[a], prepared[b], model).levels, free) for a, b in pairs)

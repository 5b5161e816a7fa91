"""Key states, candidates and the whole way from records to clusters: sections 6 and 7 of docs/matching.md."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

from oracle.forms import Forms, prepare
from oracle.model import BlockingRule, Model
from oracle.partition import Evidence, Outcome, Pair, partition
from oracle.records import IDENTIFIER_TYPES, Record
from oracle.score import Comparison, Prepared, compare

__all__ = ["block_key", "candidates", "generic_tokens", "kept_pairs", "keys_of", "match", "passes"]

Key = tuple[str, int, tuple[str, ...]]
"""Rule name, depth, parts."""

Pass = tuple[str, int]
"""What finds candidates: a blocking rule at one depth, or a token type, whose depth is -1."""


def generic_tokens(records: Iterable[Record], model: Model) -> set[bytes]:
    """Tokens whose carriers have more distinct name keys than the model allows their type, or are too many."""
    names: dict[tuple[int, bytes], set[str]] = defaultdict(set)
    carriers: Counter[bytes] = Counter()
    for record in records:
        name_key = prepare(record).name_key
        carriers.update({one.token for one in record.identifiers})
        for one in record.identifiers:
            if name_key is not None:
                names[one.type, one.token].add(name_key)
    many_names = {token for (kind, token), keys in names.items() if len(keys) > model.generic_limit(kind)}
    return many_names | {token for token, count in carriers.items() if count > model.generic_records}


def keys_of(forms: Forms, rule: BlockingRule) -> list[Key]:
    """Keys a record has under one rule, by depth; none if a part is missing, and none deeper than its refinements go."""
    keys: list[Key] = []
    parts = tuple(forms.part(name) for name in rule.parts)
    if not all(parts):
        return keys
    keys.append((rule.name, 0, parts))
    for depth, name in enumerate(rule.refinements, start=1):
        parts = (*parts, forms.part(name))
        if not parts[-1]:
            break
        keys.append((rule.name, depth, parts))
    return keys


def block_key(secret: bytes, key: Key) -> int:
    """The keyed digest by which the core and the ledger name a blocking key."""
    rule, depth, parts = key
    message = b"\0".join((b"block", rule.encode(), str(depth).encode(), "\x1f".join(parts).encode()))
    return int.from_bytes(hmac.new(secret, message, hashlib.sha256).digest()[:8], "big", signed=True)


def passes(records: Mapping[bytes, Prepared], model: Model) -> dict[Pair, set[Pass]]:
    """Candidates with what found them: a shared token, or an uncrowded blocking key below crowded ones.

    Generic tokens have been taken out.
    """
    by_token: dict[tuple[int, bytes], set[bytes]] = defaultdict(set)
    chains = []
    for address, prepared in records.items():
        for one in prepared.record.identifiers:
            by_token[one.type, one.token].add(address)
        chains += [(address, chain) for rule in model.rules if (chain := keys_of(prepared.forms, rule))]
    sizes = Counter(key for _, chain in chains for key in chain)
    by_key: dict[Key, set[bytes]] = defaultdict(set)
    for address, chain in chains:
        for key in chain:
            if sizes[key] <= model.max_block:
                by_key[key].add(address)
                break
    found: dict[Pair, set[Pass]] = defaultdict(set)
    for (kind, _), group in by_token.items():
        for pair in combinations(group, 2):
            found[frozenset(pair)].add((IDENTIFIER_TYPES[kind - 1], -1))
    for (rule, depth, _), group in by_key.items():
        for pair in combinations(group, 2):
            found[frozenset(pair)].add((rule, depth))
    return found


def candidates(records: Mapping[bytes, Prepared], model: Model) -> set[Pair]:
    """Pairs that some pass finds. Generic tokens have been taken out."""
    return set(passes(records, model))


class _Scores:
    """Records as they are compared, each pair scored when it is first asked for."""

    def __init__(
        self, records: Iterable[Record], model: Model, closed: Iterable[bytes], generic: Collection[bytes] | None
    ) -> None:
        everyone = list(records)
        gone = generic_tokens(everyone, model) | set(closed) if generic is None else generic
        self.prepared = {record.address: Prepared.of(record.without(gone)) for record in everyone}
        if len(self.prepared) != len(everyone):
            raise ValueError("two records have one address")
        self._model = model
        self._known: dict[Pair, Comparison] = {}

    def between(self, a: bytes, b: bytes) -> Comparison:
        """The comparison of two records by address."""
        pair = frozenset({a, b})
        if pair not in self._known:
            low, high = sorted(pair)
            self._known[pair] = compare(self.prepared[low], self.prepared[high], self._model)
        return self._known[pair]

    def kept(self) -> dict[Pair, int]:
        """Candidates at or above the floor, and kin."""
        scored = {pair: self.between(*pair) for pair in candidates(self.prepared, self._model)}
        return {pair: one.score for pair, one in scored.items() if one.is_kept(self._model)}


def kept_pairs(
    records: Iterable[Record],
    model: Model,
    *,
    closed: Iterable[bytes] = (),
    generic: Collection[bytes] | None = None,
) -> dict[Pair, int]:
    """The pairs that are kept as evidence, by addresses, with their scores. Arguments as for `match`."""
    return _Scores(records, model, closed, generic).kept()


def match(
    records: Iterable[Record],
    model: Model,
    *,
    same: Iterable[tuple[bytes, bytes]] = (),
    different: Iterable[tuple[bytes, bytes]] = (),
    closed: Iterable[bytes] = (),
    generic: Collection[bytes] | None = None,
) -> Outcome:
    """Partition of the records, ambiguous clusters with their contenders, reviews and households.

    Assertions are pairs of addresses; those about addresses of no record say nothing. `closed` are tokens that are generic
    for a reason the records do not show (`oracle.evidence.closed_by_use`). Where `generic` is given, these tokens are generic and
    no others: records of epochs do not show which, their base records do. The order of nothing matters. Quadratic in the size
    of a component.
    """
    scores = _Scores(records, model, closed, generic)
    evidence = Evidence(scores.kept(), frozenset(map(frozenset, same)), frozenset(map(frozenset, different)))
    return partition(scores.prepared, evidence, scores.between, model)

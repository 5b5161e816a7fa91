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
from oracle.records import Record
from oracle.score import Comparison, Prepared, compare

__all__ = ["block_key", "candidates", "generic_tokens", "kept_pairs", "keys_of", "match"]

Key = tuple[str, int, tuple[str, ...]]
"""Rule name, depth, parts."""


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


def candidates(records: Mapping[bytes, Prepared], model: Model) -> set[frozenset[bytes]]:
    """Pairs that share a token, or an uncrowded blocking key below crowded ones. Generic tokens have been taken out."""
    by_token: dict[bytes, set[bytes]] = defaultdict(set)
    chains = []
    for address, prepared in records.items():
        for one in prepared.record.identifiers:
            by_token[one.token].add(address)
        chains += [(address, chain) for rule in model.rules if (chain := keys_of(prepared.forms, rule))]
    sizes = Counter(key for _, chain in chains for key in chain)
    by_key: dict[Key, set[bytes]] = defaultdict(set)
    for address, chain in chains:
        for key in chain:
            if sizes[key] <= model.max_block:
                by_key[key].add(address)
                break
    groups = [*by_token.values(), *by_key.values()]
    return {frozenset(pair) for group in groups for pair in combinations(group, 2)}


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
        """Candidates at or above the floor."""
        scored = {pair: self.between(*pair).score for pair in candidates(self.prepared, self._model)}
        return {pair: score for pair, score in scored.items() if score >= self._model.edge_floor}


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

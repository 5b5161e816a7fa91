"""Components and their partition: sections 7 and 8 of docs/matching.md, with everything recomputed at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from oracle.carried import Carried, over_limit
from oracle.model import Model
from oracle.score import Comparison, Prepared

__all__ = ["Cluster", "Evidence", "Household", "Outcome", "Pair", "Review", "components", "partition"]

Cluster = frozenset[bytes]
Pair = frozenset[bytes]

_SAME = 1_000_000


class Review(NamedTuple):
    """Two clusters that may be one; `x` holds the lower lowest address. `left` of x and `right` of y score best."""

    x: Cluster
    y: Cluster
    strength: int
    left: bytes
    right: bytes


class Household(NamedTuple):
    """Two clusters that much brings together and that contradict each other; fields as of a review, strength the best score."""

    x: Cluster
    y: Cluster
    strength: int
    left: bytes
    right: bytes


class Outcome(NamedTuple):
    """Clusters of addresses; of each ambiguous cluster the contenders; reviews; households. No order means anything."""

    partition: list[Cluster]
    ambiguous: dict[Cluster, frozenset[Cluster]]
    reviews: set[Review]
    households: set[Household]


@dataclass(frozen=True)
class Evidence:
    """Kept pairs with their scores, and assertions, all about addresses."""

    pairs: Mapping[Pair, int]
    same: frozenset[Pair] = frozenset()
    different: frozenset[Pair] = frozenset()


def components(addresses: Iterable[bytes], evidence: Evidence, model: Model) -> list[Cluster]:
    """Records connected by kept pairs or assertions; a part above `max_component` has its floor raised until it fits."""
    return _parts(frozenset(addresses), evidence, model.edge_floor, evidence.same | evidence.different, model)


def _parts(
    addresses: Cluster, evidence: Evidence, floor: int, asserted: frozenset[Pair], model: Model
) -> list[Cluster]:
    kept = {pair for pair, score in evidence.pairs.items() if score >= floor}
    result = []
    for part in _connected(addresses, kept | asserted):
        if len(part) <= model.max_component or not any(pair <= part for pair in kept):
            result.append(part)
            continue
        inside = {pair: score for pair, score in evidence.pairs.items() if pair <= part}
        links = frozenset(pair for pair in evidence.same if pair <= part)
        result += _parts(part, Evidence(inside, links), floor + 1000, links, model)
    return result


def _connected(addresses: Iterable[bytes], links: Iterable[Pair]) -> list[Cluster]:
    neighbours: dict[bytes, set[bytes]] = {address: set() for address in addresses}
    for link in links:
        if link <= neighbours.keys():
            for address in link:
                neighbours[address] |= link
    parts = []
    while neighbours:
        part: set[bytes] = set()
        front = {next(iter(neighbours))}
        while front:
            part |= front
            front = {near for address in front for near in neighbours[address]} - part
        for address in part:
            del neighbours[address]
        parts.append(frozenset(part))
    return parts


@dataclass(frozen=True)
class _Between:
    """What lies between two clusters: their cross pairs, the record of the first cluster on the left."""

    comparisons: tuple[tuple[bytes, bytes, Comparison], ...]
    same: bool
    different: bool
    over_limit: bool
    contradiction_limit: int

    @cached_property
    def best(self) -> int:
        return _SAME if self.same else max(pair.score for _, _, pair in self.comparisons)

    @cached_property
    def strength(self) -> int:
        against = sum(min(0, pair.evidence) for _, _, pair in self.comparisons)
        return self.best + against // len(self.comparisons)

    @cached_property
    def contradicted(self) -> bool:
        contradicting = sum(pair.contradicts for _, _, pair in self.comparisons)
        comparable = sum(pair.comparable for _, _, pair in self.comparisons)
        return not self.same and contradicting * 1000 > self.contradiction_limit * comparable

    @property
    def blocked(self) -> bool:
        return self.different or self.contradicted or self.over_limit

    @property
    def blocked_by_limit_alone(self) -> bool:
        return self.over_limit and not self.different and not self.contradicted

    @property
    def asserted(self) -> bool:
        return self.same or self.different

    @cached_property
    def best_pair(self) -> tuple[bytes, bytes]:
        _, left, right = min((-pair.score, a, b) for a, b, pair in self.comparisons)
        return left, right


class _Component:
    """One component under agglomeration."""

    def __init__(
        self,
        records: Mapping[bytes, Prepared],
        evidence: Evidence,
        compare: Callable[[bytes, bytes], Comparison],
        model: Model,
        members: Cluster,
    ) -> None:
        self._records = records
        self._carried: dict[Cluster, Carried] = {}
        self._evidence = evidence
        self._compare = compare
        self._model = model
        self._known: dict[frozenset[Cluster], _Between] = {}
        self.live: set[Cluster] = {frozenset({address}) for address in members}
        self.left: dict[Cluster, set[Cluster]] = {}

    def between(self, *pair: Cluster) -> _Between:
        """Evidence between two clusters, from all cross pairs; asked for once and remembered."""
        x, y = sorted(pair, key=min)
        key = frozenset({x, y})
        if key not in self._known:
            cross = tuple((a, b, self._compare(a, b)) for a in x for b in y)
            pairs = {frozenset({a, b}) for a, b, _ in cross}
            same = not pairs.isdisjoint(self._evidence.same)
            self._known[key] = _Between(
                cross,
                same,
                not pairs.isdisjoint(self._evidence.different),
                not same and over_limit(self.carried(x), self.carried(y), self._model),
                self._model.contradiction_limit,
            )
        return self._known[key]

    def carried(self, cluster: Cluster) -> Carried:
        """Identifiers that the records of a cluster carry together."""
        if cluster not in self._carried:
            self._carried[cluster] = Carried.of(self._records[address].record for address in cluster)
        return self._carried[cluster]

    def strongest(self) -> tuple[Cluster, Cluster] | None:
        """The unblocked live pair with the largest strength at or above `link`."""
        choices = []
        for x, y in combinations(sorted(self.live, key=min), 2):
            between = self.between(x, y)
            if not between.blocked and between.strength >= self._model.link:
                choices.append((-between.strength, min(x), min(y), x, y))
        if not choices:
            return None
        return min(choices, key=lambda choice: choice[:3])[3:]

    def rivals(self, side: Cluster, other: Cluster) -> set[Cluster]:
        """Live clusters that claim `side` about as strongly as `other` does and cannot be one person with `other`."""
        towards = self.between(side, other)
        if towards.same:
            return set()
        enough = max(self._model.link, towards.strength - self._model.ambiguity_margin)
        return {
            z
            for z in self.live - {side, other}
            if not self.between(side, z).blocked
            and self.between(side, z).strength >= enough
            and self.between(other, z).blocked
        }

    def step(self) -> bool:
        """Merges the strongest pair or sets its ambiguous sides apart; false when nothing is left to do."""
        pair = self.strongest()
        if pair is None:
            return False
        x, y = pair
        contenders = {side: self.rivals(side, other) | {other} for side, other in ((x, y), (y, x))}
        ambiguous = {side: rivals for side, rivals in contenders.items() if len(rivals) > 1}
        if ambiguous:
            self.left |= ambiguous
            self.live -= ambiguous.keys()
        else:
            self.live -= {x, y}
            self.live.add(x | y)
        return True

    def outcome(self) -> Outcome:
        """The clusters as they stand, contenders and reviews named by them."""
        clusters = [*self.live, *self.left]
        ambiguous = {
            cluster: frozenset(final for final in clusters if any(contender <= final for contender in contenders))
            for cluster, contenders in self.left.items()
        }
        reviews, households = set(), set()
        for x, y in combinations(sorted(self.live, key=min), 2):
            between = self.between(x, y)
            if self.reviewed(between):
                reviews.add(Review(x, y, between.strength, *between.best_pair))
            if between.contradicted and not between.asserted and between.best >= self._model.link:
                households.add(Household(x, y, between.best, *between.best_pair))
        return Outcome(clusters, ambiguous, reviews, households)

    def reviewed(self, between: _Between) -> bool:
        """Whether two live clusters make a review: too weak to merge, or strong enough and kept apart by a limit alone."""
        if between.blocked_by_limit_alone:
            return between.strength >= self._model.review
        return not between.blocked and self._model.review <= between.strength < self._model.link


def partition(
    records: Mapping[bytes, Prepared],
    evidence: Evidence,
    compare: Callable[[bytes, bytes], Comparison],
    model: Model,
) -> Outcome:
    """Partitions every component of the records, by address. `compare` scores any two, whether or not their pair was kept."""
    result = Outcome([], {}, set(), set())
    for members in components(records, evidence, model):
        component = _Component(records, evidence, compare, model, members)
        while component.step():
            pass
        found = component.outcome()
        result.partition.extend(found.partition)
        result.ambiguous.update(found.ambiguous)
        result.reviews.update(found.reviews)
        result.households.update(found.households)
    return result

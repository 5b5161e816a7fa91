"""Components and their partition: sections 7 and 8 of docs/matching.md, with everything recomputed at every step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from oracle.carried import Carried, over_limit
from oracle.model import Model
from oracle.records import IDENTIFIER_TYPES
from oracle.score import Comparison, Prepared, Sums

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
    """Two clusters that only a household holds apart; fields as of a review, strength and pair by the odds against strangers."""

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
    links = evidence.pairs.keys() | evidence.same | evidence.different
    return _parts(frozenset(addresses), evidence, links, model.edge_floor, model)


def _parts(addresses: Cluster, evidence: Evidence, links: Collection[Pair], floor: int, model: Model) -> list[Cluster]:
    """Parts that these links make; one that is too large is parted again by what connects at the next floor."""
    result = []
    for part in _connected(addresses, links):
        if len(part) <= model.max_component or len(_connected(part, evidence.same)) == 1:
            result.append(part)
            continue
        raised = floor + 1000
        strong = {pair for pair, score in evidence.pairs.items() if score >= raised and pair <= part}
        result += _parts(part, evidence, strong | evidence.same, raised, model)
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
    model: Model

    @cached_property
    def best(self) -> int:
        return max(pair.score for _, _, pair in self.comparisons)

    @cached_property
    def kinship(self) -> int:
        return max(pair.sums.stranger for _, _, pair in self.comparisons)

    @cached_property
    def wholes(self) -> tuple[tuple[int, int], ...]:
        """Evidence of the two as wholes against strangers and within a household, by comparison; of what is never missing."""
        found = []
        for number, levels in enumerate(self.model.levels):
            there = [pair for *_, pair in self.comparisons if pair.levels[number] != "missing"]
            if not there:
                continue
            evidence = [pair.evidence[number] for pair in there]
            against = sum(one.stranger for one in evidence) // len(there)
            within = sum(one.within for one in evidence) // len(there)
            if self.model.comparisons[number] in IDENTIFIER_TYPES:
                together = self.model.weights[number][min((pair.levels[number] for pair in there), key=levels.index)]
                against = together.stranger
                if not self.tells_persons_apart:
                    within = together.within
            found.append((against, within))
        return tuple(found)

    @cached_property
    def tells_persons_apart(self) -> bool:
        """Whether some cross pair has both sides of something that members of a household do not share."""
        return any(
            pair.levels[number] != "missing"
            for *_, pair in self.comparisons
            for number, name in enumerate(self.model.comparisons)
            if name in self.model.personal
        )

    @cached_property
    def field(self) -> Sums:
        prior = self.model.household_prior
        return Sums(
            self.model.stranger_prior + sum(against for against, _ in self.wholes),
            None if prior is None else prior + sum(within for _, within in self.wholes),
        )

    @property
    def doubt(self) -> int:
        """What a review goes by: neither the best pair nor the two as wholes say more than this, of clusters that count once."""
        return min(self.best, self.field.least) + self.model.once

    def strength(self, *, counted: bool) -> int:
        """Strength at which the two are linked; `counted` once there is nothing left that pairs of records link."""
        if self.same:
            return _SAME
        paired = min(self.best, self.field.least + self.model.link)
        return max(paired, self.doubt) if counted else paired

    @property
    def blocked(self) -> bool:
        return self.different or self.over_limit

    def linked(self, *, counted: bool) -> bool:
        return not self.blocked and self.strength(counted=counted) >= self.model.link

    @property
    def apart(self) -> bool:
        """Whether the two are two people, as far as what a household does not share tells."""
        if self.blocked:
            return True
        which = 0 if self.model.household_prior is None else 1
        against = sum(min(0, one[which]) for one in self.wholes)
        return not self.same and self.field.least < 0 and against < self.model.apart

    @property
    def review(self) -> int | None:
        """Strength with which somebody is asked about the two, if the two are live at the end."""
        if self.different:
            return None
        strength = self.strength(counted=True)
        if self.over_limit and strength >= self.model.link:
            return strength
        return self.doubt if self.doubt >= self.model.review else None

    @property
    def household(self) -> bool:
        """Whether the two, live at the end, are of one household."""
        unasked = not (self.same or self.different) and self.review is None
        return unasked and self.kinship >= self.model.link and self.field.household_is_nearer

    def shown(self, measure: Callable[[Comparison], int]) -> tuple[bytes, bytes]:
        """The pair that shows best what lies between the two."""
        _, left, right = min((-measure(pair), a, b) for a, b, pair in self.comparisons)
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
        self._counted = False

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
                self._model,
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
            if between.linked(counted=self._counted):
                choices.append((-between.strength(counted=self._counted), min(x), min(y), x, y))
        if not choices:
            return None
        return min(choices, key=lambda choice: choice[:3])[3:]

    def rivals(self, side: Cluster, other: Cluster) -> set[Cluster]:
        """Live clusters that claim a single record about as well as `other` does and are somebody else than `other`."""
        towards = self.between(side, other)
        if towards.same or len(side) > 1:
            return set()
        enough = towards.field.least - self._model.ambiguity_margin
        return {
            z
            for z in self.live - {side, other}
            if self.between(side, z).linked(counted=self._counted)
            and self.between(side, z).field.least >= enough
            and self.between(other, z).apart
        }

    def step(self) -> bool:
        """Merges the strongest pair, or sets its ambiguous sides apart, or lets clusters count once; false when nothing is left to do."""
        pair = self.strongest()
        if pair is None:
            done, self._counted = self._counted, True
            return not done
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
            if between.review is not None:
                reviews.add(Review(x, y, between.review, *between.shown(lambda pair: pair.score)))
            if between.household:
                households.add(Household(x, y, between.kinship, *between.shown(lambda pair: pair.sums.stranger)))
        return Outcome(clusters, ambiguous, reviews, households)


def _held(members: Cluster, evidence: Evidence) -> list[Cluster]:
    """Clusters of a part that is too large to be weighed: of what is asserted to be the same, what is not said to be different as well."""
    live = {frozenset({address}) for address in members}
    while True:
        pairs = [
            (x, y)
            for x, y in combinations(sorted(live, key=min), 2)
            if _said(evidence.same, x, y) and not _said(evidence.different, x, y)
        ]
        if not pairs:
            return list(live)
        x, y = pairs[0]
        live -= {x, y}
        live.add(x | y)


def _said(assertions: Collection[Pair], x: Cluster, y: Cluster) -> bool:
    return any(frozenset({a, b}) in assertions for a in x for b in y)


def partition(
    records: Mapping[bytes, Prepared],
    evidence: Evidence,
    compare: Callable[[bytes, bytes], Comparison],
    model: Model,
) -> Outcome:
    """Partitions every component of the records, by address. `compare` scores any two, whether or not their pair was kept."""
    result = Outcome([], {}, set(), set())
    for members in components(records, evidence, model):
        if len(members) > model.max_component:
            result.partition.extend(_held(members, evidence))
            continue
        component = _Component(records, evidence, compare, model, members)
        while component.step():
            pass
        found = component.outcome()
        result.partition.extend(found.partition)
        result.ambiguous.update(found.ambiguous)
        result.reviews.update(found.reviews)
        result.households.update(found.households)
    return result

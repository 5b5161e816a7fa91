"""Small worlds for the partition: records with their kept pairs and assertions, by row, and what the oracle makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from oracle.identity import Digest
from oracle.model import Model
from oracle.partition import Evidence, Outcome, partition
from oracle.population import Population, record_of
from oracle.records import Record
from oracle.score import Comparison, Prepared, compare

__all__ = ["Case", "case_of", "contested_case", "noisy_case", "plain", "some_pairs"]

Rows = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Case:
    """Records with their kept pairs and assertions, by row."""

    records: Sequence[Record]
    kept: Sequence[tuple[int, int, int]]
    same: Rows = ()
    different: Rows = ()

    def shuffled(self, random: Random) -> Case:
        """The same case with every list in another order and pairs turned round."""
        order = random.sample(range(len(self.records)), len(self.records))
        row = {old: new for new, old in enumerate(order)}
        kept = [(row[a], row[b], score) for a, b, score in self.kept]
        kept = [(b, a, score) if random.random() < 0.5 else (a, b, score) for a, b, score in kept]
        same, different = (
            random.sample([(row[b], row[a]) for a, b in pairs], len(pairs)) for pairs in (self.same, self.different)
        )
        return Case([self.records[old] for old in order], random.sample(kept, len(kept)), same, different)

    def by_oracle(self, text: str, *, compare: Callable[[Prepared, Prepared, Model], Comparison] = compare) -> Outcome:
        """Outcome of the oracle; another `compare` shows what a rule about pairs is worth."""
        model = Model.parse(text)
        prepared = {record.address: Prepared.of(record) for record in self.records}
        known: dict[frozenset[bytes], Comparison] = {}

        def scored(a: bytes, b: bytes) -> Comparison:
            pair = frozenset({a, b})
            if pair not in known:
                known[pair] = compare(prepared[a], prepared[b], model)
            return known[pair]

        def named(rows: Rows) -> frozenset[frozenset[bytes]]:
            return frozenset(frozenset({self.records[a].address, self.records[b].address}) for a, b in rows)

        scores = {frozenset({self.records[a].address, self.records[b].address}): score for a, b, score in self.kept}
        return partition(prepared, Evidence(scores, named(self.same), named(self.different)), scored, model)


def plain(outcome: Outcome) -> tuple[object, ...]:
    """An outcome in which order means nothing."""
    return set(outcome.partition), outcome.ambiguous, outcome.reviews, outcome.households


def case_of(records: Sequence[Record], text: str, *, same: Rows = (), different: Rows = ()) -> Case:
    """The case of these records with every pair kept that is worth it, candidate or not."""
    model = Model.parse(text)
    prepared = [Prepared.of(record) for record in records]
    scored = ((a, b, compare(prepared[a], prepared[b], model)) for a, b in combinations(range(len(records)), 2))
    return Case(records, [(a, b, one.score) for a, b, one in scored if one.is_kept(model)], same, different)


def some_pairs(random: Random, size: int, count: int) -> list[tuple[int, int]]:
    """Up to so many pairs of rows."""
    pairs = list(combinations(range(size), 2))
    return random.sample(pairs, min(count, len(pairs)))


def noisy_case(seed: int, text: str, *, people: int, same: int, different: int, missing: float = 0.25) -> Case:
    """A crowded little world: few people who share much, and up to so many assertions at random."""
    random = Random(seed)
    records = Population(people, copies=2, noise=0.4, missing=missing, shared=0.8, extras=True).records(seed)
    case = case_of(records, text)
    return Case(
        records,
        case.kept,
        some_pairs(random, len(records), random.randint(0, same)),
        some_pairs(random, len(records), random.randint(0, different)),
    )


_PEOPLE = ("susan", "suzan", "susanna", "george", "geo", "g", "")


def contested_case(seed: int, text: str) -> Case:
    """A home whose phone and e-mail several people share beside their own, and records that say little more than one of these: whose?"""
    random = Random(seed)
    home = {"family_name": "miller", "street": "12 oak st", "city": "boston", "postcode": "02134"}
    lines = [Digest(kind, "", 1, bytes([kind]) * 32) for kind in (1, 2, 6)]
    records: dict[bytes, Record] = {}
    for person in range(random.randint(2, 4)):
        own = [Digest(kind, "", 1, bytes([100 + person]) * 32) for kind in (1, 3)]
        said = {**home, "given_name": random.choice(_PEOPLE), "birth_date": f"19{random.randint(50, 53)}-02-03"}
        for copy in range(random.choice((1, 1, 2, 3))):
            kept = {name: value for name, value in said.items() if value and random.random() < 0.7}
            carried = random.sample(lines, random.randint(1, 2)) + random.sample(own, random.choice((0, 1, 1)))
            one = record_of(f"of {person} {copy}", kept, sorted(carried))
            records[one.address] = one
    for number in range(random.randint(1, 3)):
        hint = random.choice(({}, {}, {"family_name": "miller"}, {"given_name": random.choice(_PEOPLE[:-1])}))
        one = record_of(f"bare {number}", hint, sorted(random.sample(lines, random.randint(1, 2))))
        records[one.address] = one
    made = list(records.values())
    same, different = (some_pairs(random, len(made), random.choice((0, 0, 0, 1))) for _ in range(2))
    return case_of(made, text, same=same, different=different)

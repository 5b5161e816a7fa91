"""Partition of components: the core against the oracle, with assertions, contradictions, ambiguity and raised floors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread import _core
from oracle import Model, Outcome, Record
from oracle.identity import Digest
from oracle.layout import columns, outcome_of
from oracle.models import shipped, small_limits
from oracle.partition import Evidence, partition
from oracle.population import Population, record_of
from oracle.score import Comparison, Prepared, compare

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

    def by_core(self, text: str) -> Outcome:
        """Outcome of the core."""
        left, right, scores = ([edge[at] for edge in self.kept] for at in range(3))
        records, model = _core.Records(*columns(self.records)), _core.Model.parse(text)
        answer = _core.partition(records, left, right, scores, self.same, self.different, model)
        return outcome_of(self.records, *answer)

    def by_oracle(self, text: str) -> Outcome:
        """Outcome of the oracle."""
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
    return set(outcome.partition), outcome.ambiguous, outcome.reviews


def case_of(records: Sequence[Record], text: str, *, same: Rows = (), different: Rows = ()) -> Case:
    """The case of these records with every pair at or above the floor kept."""
    model = Model.parse(text)
    prepared = [Prepared.of(record) for record in records]
    scored = ((a, b, compare(prepared[a], prepared[b], model).score) for a, b in combinations(range(len(records)), 2))
    return Case(records, [edge for edge in scored if edge[2] >= model.edge_floor], same, different)


def some_pairs(random: Random, size: int, count: int) -> list[tuple[int, int]]:
    pairs = list(combinations(range(size), 2))
    return random.sample(pairs, min(count, len(pairs)))


def noisy_case(seed: int, text: str, *, people: int, same: int, different: int) -> Case:
    """A crowded little world: few people who share much, and some assertions at random."""
    random = Random(seed)
    records = Population(people, copies=2, noise=0.4, missing=0.25, shared=0.8).records(seed)
    case = case_of(records, text)
    return Case(
        records,
        case.kept,
        some_pairs(random, len(records), random.randint(0, same)),
        some_pairs(random, len(records), random.randint(0, different)),
    )


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 7))
def test_random_components_partition_alike(seed: int, people: int) -> None:
    case = noisy_case(seed, shipped(), people=people, same=0, different=0)
    assert plain(case.by_core(shipped())) == plain(case.by_oracle(shipped()))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_assertions_partition_alike(seed: int, people: int) -> None:
    case = noisy_case(seed, shipped(), people=people, same=4, different=4)
    assert plain(case.by_core(shipped())) == plain(case.by_oracle(shipped()))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 6))
def test_components_above_the_limit_partition_alike(seed: int, limit: int) -> None:
    text = small_limits(max_component=limit)
    case = noisy_case(seed, text, people=6, same=2, different=2)
    assert plain(case.by_core(text)) == plain(case.by_oracle(text))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_the_order_of_arguments_does_not_matter(seed: int, random: Random) -> None:
    text = small_limits(max_component=12)
    case = noisy_case(seed, text, people=5, same=2, different=2)
    assert plain(case.shuffled(random).by_core(text)) == plain(case.by_core(text))


def test_random_components_reach_every_outcome() -> None:
    text = shipped()
    outcomes = [noisy_case(seed, text, people=6, same=1, different=1).by_oracle(text) for seed in range(60)]
    assert any(outcome.ambiguous for outcome in outcomes)
    assert any(outcome.reviews for outcome in outcomes)
    assert any(len(cluster) > 2 for outcome in outcomes for cluster in outcome.partition)


def phone(number: str) -> Digest:
    return Digest(2, "", 1, number.encode().ljust(32))


def email(name: str) -> Digest:
    return Digest(1, "", 1, name.encode().ljust(32))


HOME = {"family_name": "miller", "street": "12 oak st", "city": "boston", "postcode": "02134"}
WIFE = record_of("crm", {**HOME, "given_name": "susan"}, [phone("home"), email("susan")])
HUSBAND = record_of("crm", {**HOME, "given_name": "george"}, [phone("home"), email("george")])
EITHER = record_of("pos", {}, [phone("home")])


def test_a_phone_shared_by_spouses_belongs_to_neither() -> None:
    case = case_of([WIFE, HUSBAND, EITHER], shipped())
    outcome = case.by_core(shipped())
    wife, husband, either = (frozenset({record.address}) for record in (WIFE, HUSBAND, EITHER))
    assert set(outcome.partition) == {wife, husband, either}
    assert outcome.ambiguous == {either: frozenset({wife, husband})}
    assert plain(outcome) == plain(case.by_oracle(shipped()))


def test_an_assertion_settles_what_was_ambiguous() -> None:
    case = case_of([WIFE, HUSBAND, EITHER], shipped(), same=[(0, 2)])
    outcome = case.by_core(shipped())
    assert set(outcome.partition) == {frozenset({WIFE.address, EITHER.address}), frozenset({HUSBAND.address})}
    assert outcome.ambiguous == {}
    assert plain(outcome) == plain(case.by_oracle(shipped()))


def test_different_keeps_two_equal_claims_apart() -> None:
    twin = record_of("web", {**HOME, "given_name": "susan"}, [email("susan")])
    case = case_of([WIFE, twin], shipped())
    assert set(case.by_core(shipped()).partition) == {frozenset({WIFE.address, twin.address})}
    apart = case_of([WIFE, twin], shipped(), different=[(1, 0)])
    assert set(apart.by_core(shipped()).partition) == {frozenset({WIFE.address}), frozenset({twin.address})}
    assert apart.by_core(shipped()).reviews == set()


def test_different_connects_at_the_first_floor_only() -> None:
    apart = {"given_name": "oscar", "family_name": "lindqvist"}
    a = [
        record_of("crm", {**HOME, "given_name": "susan"}, [email("susan"), Digest(8, "crm", 1, name)])
        for name in (b"1" * 32, b"2" * 32)
    ]
    b = [record_of("crm", apart, [email("oscar"), Digest(8, "crm", 1, name)]) for name in (b"3" * 32, b"4" * 32)]
    text = small_limits(max_component=2)
    case = case_of([*a, *b], text, different=[(0, 2)])
    assert {(left, right) for left, right, _ in case.kept} == {(0, 1), (2, 3)}
    wanted = {frozenset(record.address for record in pair) for pair in (a, b)}
    assert set(case.by_oracle(text).partition) == wanted
    assert set(case.by_core(text).partition) == wanted


def test_father_and_son_of_one_name_stay_apart() -> None:
    father = record_of("crm", {**HOME, "given_name": "george", "name_suffix": "sr"}, [phone("home")])
    son = record_of("pos", {**HOME, "given_name": "george", "name_suffix": "jr"}, [phone("home")])
    case = case_of([father, son], shipped())
    assert set(case.by_core(shipped()).partition) == {frozenset({father.address}), frozenset({son.address})}
    assert plain(case.by_core(shipped())) == plain(case.by_oracle(shipped()))

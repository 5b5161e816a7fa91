"""Partition of components: the core against the oracle, with assertions, contradictions, ambiguity and raised floors."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread import _core
from oracle import Outcome
from oracle.cases import Case, case_of, noisy_case, plain
from oracle.identity import Digest
from oracle.layout import columns, outcome_of
from oracle.models import shipped, small_limits
from oracle.population import record_of


def by_core(case: Case, text: str) -> Outcome:
    """Outcome of the core."""
    left, right, scores = ([edge[at] for edge in case.kept] for at in range(3))
    records, model = _core.Records(*columns(case.records)), _core.Model.parse(text)
    return outcome_of(case.records, _core.partition(records, left, right, scores, case.same, case.different, model))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 7))
def test_random_components_partition_alike(seed: int, people: int) -> None:
    case = noisy_case(seed, shipped(), people=people, same=0, different=0)
    assert plain(by_core(case, shipped())) == plain(case.by_oracle(shipped()))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_assertions_partition_alike(seed: int, people: int) -> None:
    case = noisy_case(seed, shipped(), people=people, same=4, different=4)
    assert plain(by_core(case, shipped())) == plain(case.by_oracle(shipped()))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 6))
def test_components_above_the_limit_partition_alike(seed: int, limit: int) -> None:
    text = small_limits(max_component=limit)
    case = noisy_case(seed, text, people=6, same=2, different=2)
    assert plain(by_core(case, text)) == plain(case.by_oracle(text))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_the_order_of_arguments_does_not_matter(seed: int, random: Random) -> None:
    text = small_limits(max_component=12)
    case = noisy_case(seed, text, people=5, same=2, different=2)
    assert plain(by_core(case.shuffled(random), text)) == plain(by_core(case, text))


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
    outcome = by_core(case, shipped())
    wife, husband, either = (frozenset({record.address}) for record in (WIFE, HUSBAND, EITHER))
    assert set(outcome.partition) == {wife, husband, either}
    assert outcome.ambiguous == {either: frozenset({wife, husband})}
    assert plain(outcome) == plain(case.by_oracle(shipped()))


def test_an_assertion_settles_what_was_ambiguous() -> None:
    case = case_of([WIFE, HUSBAND, EITHER], shipped(), same=[(0, 2)])
    outcome = by_core(case, shipped())
    assert set(outcome.partition) == {frozenset({WIFE.address, EITHER.address}), frozenset({HUSBAND.address})}
    assert outcome.ambiguous == {}
    assert plain(outcome) == plain(case.by_oracle(shipped()))


def test_different_keeps_two_equal_claims_apart() -> None:
    twin = record_of("web", {**HOME, "given_name": "susan"}, [email("susan")])
    case = case_of([WIFE, twin], shipped())
    assert set(by_core(case, shipped()).partition) == {frozenset({WIFE.address, twin.address})}
    apart = case_of([WIFE, twin], shipped(), different=[(1, 0)])
    assert set(by_core(apart, shipped()).partition) == {frozenset({WIFE.address}), frozenset({twin.address})}
    assert by_core(apart, shipped()).reviews == set()


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
    assert set(by_core(case, text).partition) == wanted


def test_father_and_son_of_one_name_stay_apart() -> None:
    father = record_of("crm", {**HOME, "given_name": "george", "name_suffix": "sr"}, [phone("home")])
    son = record_of("pos", {**HOME, "given_name": "george", "name_suffix": "jr"}, [phone("home")])
    case = case_of([father, son], shipped())
    assert set(by_core(case, shipped()).partition) == {frozenset({father.address}), frozenset({son.address})}
    assert plain(by_core(case, shipped())) == plain(case.by_oracle(shipped()))

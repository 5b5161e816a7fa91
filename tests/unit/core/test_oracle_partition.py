"""Partition of components: the core against the oracle, with assertions, households, ambiguity and raised floors."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.core import partitioned
from oracle import Model, Outcome, Record
from oracle.cases import Case, case_of, contested_case, noisy_case, plain
from oracle.identity import Digest
from oracle.models import round_weights, shaken, small_limits, variants, without_households
from oracle.population import record_of

VARIANTS = variants()
PLAIN = small_limits(base=round_weights(), max_block=100, max_component=100, generic=8)

WORLDS = {"seed": st.integers(0, 2**32), "people": st.integers(1, 7), "missing": st.sampled_from([0.25, 0.6])}


def decided(case: Case, text: str) -> Outcome:
    """Outcome of both, which must be one."""
    outcome = case.by_oracle(text)
    assert plain(partitioned(case, text)) == plain(outcome)
    return outcome


@settings(max_examples=80, deadline=None)
@given(**WORLDS, name=st.sampled_from([*VARIANTS]))
def test_random_components_partition_alike(seed: int, people: int, missing: float, name: str) -> None:
    decided(noisy_case(seed, VARIANTS[name], people=people, same=0, different=0, missing=missing), VARIANTS[name])


@settings(max_examples=80, deadline=None)
@given(**WORLDS, name=st.sampled_from([*VARIANTS]))
def test_assertions_partition_alike(seed: int, people: int, missing: float, name: str) -> None:
    decided(noisy_case(seed, VARIANTS[name], people=people, same=4, different=4, missing=missing), VARIANTS[name])


@settings(max_examples=60, deadline=None)
@given(**WORLDS)
def test_any_weights_partition_alike(seed: int, people: int, missing: float) -> None:
    text = shaken(PLAIN, seed, by=4000)
    decided(noisy_case(seed, text, people=people, same=1, different=1, missing=missing), text)


def contested(seed: int) -> str:
    """A model of its own, in which a phone or an e-mail about reaches the link and people may be told apart by little."""
    random = Random(seed)
    margin, apart = random.choice((0, 500, 2000, 5000)), random.choice((0, -500, -2000, -4000, -7000))
    text = small_limits(base=round_weights(), max_component=100, generic=8, ambiguity_margin=margin, apart=apart)
    text = shaken(text, seed, by=2000)
    return without_households(text) if random.random() < 0.15 else text


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_what_two_people_claim_is_decided_alike(seed: int) -> None:
    decided(contested_case(seed, contested(seed)), contested(seed))


def test_contested_worlds_reach_every_bound_of_ambiguity() -> None:
    """What the property above is worth: each bound of the rule decides in several of its worlds."""
    reached: Counter[str] = Counter()
    for seed in range(200):
        text = contested(seed)
        case = contested_case(seed, text)
        found = case.by_oracle(text).ambiguous
        reached["ambiguous"] += bool(found)
        bounds = {"ambiguity_margin": 5000, "apart": -7000}
        for bound, value in bounds.items():
            other = re.sub(rf"^{bound} = .*$", f"{bound} = {value}", text, flags=re.MULTILINE)
            reached[bound] += case.by_oracle(other).ambiguous != found
    assert {name: count for name, count in reached.items() if count < 4} == {}, reached


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 6), st.data())
def test_floors_rise_alike(seed: int, limit: int, data: st.DataObject) -> None:
    """The scores of kept pairs are what the caller says: here close to each other and to the floors, or below the first."""
    text = small_limits(base=round_weights(), max_component=limit)
    case = noisy_case(seed, text, people=5, same=1, different=1)
    near = st.integers(-2600, 1600)
    kept = [(a, b, data.draw(near)) for a, b, _ in case.kept]
    decided(Case(case.records, kept, case.same, case.different), text)


def test_a_floor_rises_by_one_bit() -> None:
    """Once both pairs are below the raised floor, though only one had to go, all three stand alone."""
    twins = [record_of(source, {"given_name": "susan"}, [email("susan")]) for source in ("crm", "pos", "web")]
    text = small_limits(base=round_weights(), max_component=2)
    outcome = decided(Case(twins, [(0, 1, -1700), (1, 2, -1200)]), text)
    assert set(outcome.partition) == clusters([twins[0]], [twins[1]], [twins[2]])
    outcome = decided(Case(twins, [(0, 1, -1700), (1, 2, -1000)]), text)
    assert set(outcome.partition) == clusters([twins[0]], [twins[1], twins[2]])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 6), st.sampled_from([*VARIANTS]))
def test_components_above_the_limit_partition_alike(seed: int, limit: int, name: str) -> None:
    text = small_limits(base=VARIANTS[name], max_component=limit)
    decided(noisy_case(seed, text, people=6, same=2, different=2), text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 4), st.data())
def test_what_assertions_hold_together_above_the_limit_partitions_alike(
    seed: int, limit: int, data: st.DataObject
) -> None:
    text = small_limits(base=round_weights(), max_component=limit)
    case = noisy_case(seed, text, people=4, same=0, different=0)
    rows = st.integers(0, len(case.records) - 1)
    pairs = st.tuples(rows, rows).filter(lambda pair: pair[0] != pair[1])
    same = data.draw(st.lists(pairs, max_size=2 * len(case.records))) if len(case.records) > 1 else []
    different = data.draw(st.lists(pairs, max_size=5)) if len(case.records) > 1 else []
    decided(Case(case.records, case.kept, same, different), text)


def test_above_the_limit_assertions_alone_are_weighed() -> None:
    """Two Susans of one e-mail and somebody between them, of whom both were said to be the same and different."""
    susans = [record_of(source, {**HOME, "given_name": "susan"}, [email("susan")]) for source in ("crm", "pos")]
    oscar = record_of("web", {"given_name": "oscar"}, [])
    said = [(0, 2), (1, 2)]
    fitting, above = (small_limits(base=round_weights(), max_component=most) for most in (3, 2))
    case = case_of([*susans, oscar], fitting, same=said, different=said)
    assert set(decided(case, fitting).partition) == clusters(susans, [oscar])
    held = decided(case, above)
    assert set(held.partition) == clusters([susans[0]], [susans[1]], [oscar])
    assert (held.reviews, held.households, held.ambiguous) == (set(), set(), {})
    for text in (fitting, above):
        assert set(decided(Case(case.records, case.kept, said), text).partition) == clusters([*susans, oscar])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_the_order_of_arguments_does_not_matter(seed: int, random: Random) -> None:
    text = small_limits(max_component=12)
    case = noisy_case(seed, text, people=5, same=2, different=2)
    assert plain(partitioned(case.shuffled(random), text)) == plain(partitioned(case, text))


def test_random_components_reach_every_outcome() -> None:
    reached: Counter[str] = Counter()
    for seed in range(60):
        outcome = noisy_case(seed, PLAIN, people=6, same=1, different=1, missing=0.5).by_oracle(PLAIN)
        reached["ambiguous"] += len(outcome.ambiguous)
        reached["reviews"] += len(outcome.reviews)
        reached["households"] += len(outcome.households)
        reached["larger clusters"] += sum(len(cluster) > 2 for cluster in outcome.partition)
    assert {name: count for name, count in reached.items() if count < 4} == {}, reached


def phone(number: str) -> Digest:
    return Digest(2, "", 1, number.encode().ljust(32))


def email(name: str) -> Digest:
    return Digest(1, "", 1, name.encode().ljust(32))


HOME = {"family_name": "miller", "street": "12 oak st", "city": "boston", "postcode": "02134"}
WIFE = record_of("crm", {**HOME, "given_name": "susan"}, [phone("home"), email("susan")])
HUSBAND = record_of("crm", {**HOME, "given_name": "george"}, [phone("home"), email("george")])
EITHER = record_of("pos", {}, [phone("home")])


def clusters(*groups: list[Record]) -> set[frozenset[bytes]]:
    """Clusters as an outcome names them."""
    return {frozenset(record.address for record in group) for group in groups}


def test_a_phone_shared_by_spouses_belongs_to_neither() -> None:
    outcome = decided(case_of([WIFE, HUSBAND, EITHER], PLAIN), PLAIN)
    wife, husband, either = (frozenset({record.address}) for record in (WIFE, HUSBAND, EITHER))
    assert set(outcome.partition) == {wife, husband, either}
    assert outcome.ambiguous == {either: frozenset({wife, husband})}


def test_two_who_have_nothing_to_differ_in_do_not_make_a_phone_ambiguous() -> None:
    """A mail and a card that only a phone brings together: they share nothing, and nothing says that they are two."""
    mail, card = (record_of("pos", {}, [phone("home"), one]) for one in (email("susan"), Digest(3, "", 1, b"c" * 32)))
    assert set(decided(case_of([mail, card, EITHER], PLAIN), PLAIN).partition) == clusters([mail, card, EITHER])


def test_an_assertion_settles_what_was_ambiguous() -> None:
    outcome = decided(case_of([WIFE, HUSBAND, EITHER], PLAIN, same=[(0, 2)]), PLAIN)
    assert set(outcome.partition) == clusters([WIFE, EITHER], [HUSBAND])
    assert outcome.ambiguous == {}


def test_different_keeps_two_equal_claims_apart() -> None:
    twin = record_of("web", {**HOME, "given_name": "susan"}, [email("susan")])
    assert set(decided(case_of([WIFE, twin], PLAIN), PLAIN).partition) == clusters([WIFE, twin])
    apart = decided(case_of([WIFE, twin], PLAIN, different=[(1, 0)]), PLAIN)
    assert set(apart.partition) == clusters([WIFE], [twin])
    assert (apart.reviews, apart.households) == (set(), set())


def test_different_connects_at_the_first_floor_only() -> None:
    other = {"given_name": "oscar", "family_name": "lindqvist"}
    a = [
        record_of("crm", {**HOME, "given_name": "susan"}, [email("susan"), Digest(8, "crm", 1, name)])
        for name in (b"1" * 32, b"2" * 32)
    ]
    b = [record_of("crm", other, [email("oscar"), Digest(8, "crm", 1, name)]) for name in (b"3" * 32, b"4" * 32)]
    text = small_limits(base=round_weights(), max_component=2)
    case = case_of([*a, *b], text, different=[(0, 2)])
    assert {(left, right) for left, right, _ in case.kept} == {(0, 1), (2, 3)}
    assert set(decided(case, text).partition) == clusters(a, b)


@pytest.mark.parametrize("most", [2, 3])
def test_a_part_that_different_alone_holds_together_falls_apart(most: int) -> None:
    """No pair is kept between the three; they are looked at together only as far as a component may be large."""
    people = [record_of("crm", {"given_name": name}, []) for name in ("susan", "susan", "oscar")]
    text = small_limits(base=round_weights(), max_component=most).replace("stranger = -20000", "stranger = -6000")
    text = text.replace("edge_floor = -2000", "edge_floor = 500").replace("review = 585", "review = 501")
    text = text.replace("population = 1800000", "population = 60")
    people[1] = record_of("web", {"given_name": "susan"}, [])
    case = Case(people, [], different=[(0, 2), (1, 2)])
    assert len(decided(case, text).reviews) == (most == 3)


def test_father_and_son_of_one_name_stay_apart() -> None:
    father = record_of("crm", {**HOME, "given_name": "george", "name_suffix": "sr"}, [phone("home")])
    son = record_of("pos", {**HOME, "given_name": "george", "name_suffix": "jr"}, [phone("home")])
    text = PLAIN.replace("exact = [7000, 0]", "exact = [7000, 5000]")
    assert text != PLAIN, "in this model households have namesakes"
    outcome = decided(case_of([father, son], text), text)
    assert set(outcome.partition) == clusters([father], [son])


def test_spouses_are_a_household_unless_something_was_asserted() -> None:
    text = PLAIN.replace("edge_floor = -2000", "edge_floor = 0")
    case = case_of([WIFE, HUSBAND], text)
    [(_, _, score)] = case.kept
    assert score < 0, "kept as kin alone"
    outcome = decided(case, text)
    [household] = outcome.households
    assert {household.x, household.y} == set(outcome.partition) == clusters([WIFE], [HUSBAND])
    assert household.strength >= Model.parse(text).link
    apart = decided(case_of([WIFE, HUSBAND], text, different=[(0, 1)]), text)
    assert (set(apart.partition), apart.households) == (clusters([WIFE], [HUSBAND]), set())
    one = decided(case_of([WIFE, HUSBAND], text, same=[(0, 1)]), text)
    assert (set(one.partition), one.households) == (clusters([WIFE, HUSBAND]), set())


def test_neighbours_of_one_street_are_no_household() -> None:
    names = (("ann", "roe"), ("bob", "kowalski"))
    neighbours = [record_of("crm", {**HOME, "given_name": given, "family_name": family}, []) for given, family in names]
    assert decided(case_of(neighbours, PLAIN), PLAIN).households == set()


def test_two_as_wholes_must_be_one_person_too() -> None:
    """One pair of an e-mail and no names is enough between two claims, not between two whose others are two people."""
    bare = [record_of(source, {}, [email("home")]) for source in ("pos", "web")]
    assert set(decided(case_of(bare, PLAIN), PLAIN).partition) == clusters(bare)
    wives = [record_of(f"s{n}", {**HOME, "given_name": "susan"}, [phone("a"), email("home")][n:]) for n in range(2)]
    husbands = [record_of(f"s{n}", {**HOME, "given_name": "george"}, [phone("b"), email("home")][n:]) for n in range(2)]
    outcome = decided(case_of([*wives, *husbands], PLAIN), PLAIN)
    assert set(outcome.partition) == clusters(wives, husbands)
    assert len(outcome.households) == 1


def test_a_nameless_purchase_finds_whoever_has_two_addresses() -> None:
    """The commonest event of all: a purchase with one address of a customer who mostly gives another one."""
    home = [record_of(f"s{n}", {**HOME, "given_name": "susan"}, [email("home")]) for n in range(9)]
    work = record_of("crm", {**HOME, "given_name": "susan"}, [email("work")])
    purchases = [record_of(source, {}, [email("work")]) for source in ("pos", "web")]
    outcome = decided(case_of([*home, work, *purchases], PLAIN), PLAIN)
    assert set(outcome.partition) == clusters([*home, work, *purchases])
    assert (outcome.ambiguous, outcome.reviews) == ({}, set())


def test_members_of_a_household_share_one_phone_and_not_the_others() -> None:
    """What one of four pairs shares counts as a quarter within a household; were it all, father and son would be one."""
    text = PLAIN.replace("exact = [7000, 0]", "exact = [7000, 5000]")
    assert text != PLAIN, "in this model households have namesakes"
    text = text.replace("population = 1800000", "population = 60")

    def george(who: str, middle_name: str) -> list[Record]:
        card, given = Digest(3, "", 1, who.encode().ljust(32)), {**HOME, "given_name": "george"}
        return [
            record_of("crm", {**given, "middle_name": middle_name}, [email(who), phone(who), card]),
            record_of("web", given, [email(who), phone("home")]),
        ]

    father, son = george("father", "alan"), george("son", "kim")
    outcome = decided(case_of([*father, *son], text, same=[(0, 1), (2, 3)]), text)
    assert set(outcome.partition) == clusters(father, son)
    assert len(outcome.households) == 1

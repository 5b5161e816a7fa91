"""Limits on what a cluster gathers, in the core and in the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.core import partitioned
from oracle import Model, Outcome, Record
from oracle.carried import Carried
from oracle.cases import Case, case_of, noisy_case, plain
from oracle.identity import Digest
from oracle.models import round_weights, small_limits, without_households
from oracle.population import record_of

UNLIMITED = 10**6


def tight(limit: int, *, max_component: int = 100) -> str:
    """A model in which a cluster gathers few identifiers of each type."""
    return small_limits(base=round_weights(), max_component=max_component, limit=limit)


def decided(case: Case, text: str) -> Outcome:
    """Outcome of both, which must be one."""
    outcome = case.by_oracle(text)
    assert plain(partitioned(case, text)) == plain(outcome)
    return outcome


WORLDS = {"seed": st.integers(0, 2**32), "people": st.integers(1, 7), "missing": st.sampled_from([0.25, 0.6])}


@settings(max_examples=100, deadline=None)
@given(**WORLDS, limit=st.integers(1, 3), component=st.sampled_from([5, 100]))
def test_limits_and_assertions_partition_alike(
    seed: int, people: int, missing: float, limit: int, component: int
) -> None:
    text = tight(limit, max_component=component)
    decided(noisy_case(seed, text, people=people, same=3, different=3, missing=missing), text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 2), st.randoms(use_true_random=False))
def test_the_order_of_arguments_does_not_matter(seed: int, limit: int, random: Random) -> None:
    text = tight(limit)
    case = noisy_case(seed, text, people=6, same=2, different=2)
    assert plain(partitioned(case.shuffled(random), text)) == plain(partitioned(case, text))


def carries(records: Sequence[Record]) -> Counter[tuple[int, str]]:
    """Identifiers that count towards limits, by what is counted by itself."""
    return Counter({kind: len(ones) for kind, ones in Carried.of(records).identifiers.items()})


@settings(max_examples=60, deadline=None)
@given(**WORLDS, limit=st.integers(1, 3))
def test_evidence_alone_takes_no_cluster_over_a_limit(seed: int, people: int, missing: float, limit: int) -> None:
    text = tight(limit)
    case = noisy_case(seed, text, people=people, same=0, different=2, missing=missing)
    known = {record.address: record for record in case.records}
    for cluster in partitioned(case, text).partition:
        members = [known[address] for address in cluster]
        alone = [carries([member]) for member in members]
        for kind, count in carries(members).items():
            assert count <= max(limit, *(one[kind] for one in alone))


def test_the_generated_worlds_reach_every_rule() -> None:
    """What the properties above are worth: each rule decides something in many of their worlds, also beside assertions."""
    reached: Counter[str] = Counter()
    for seed in range(60):
        limit = seed % 3 + 1
        text, missing = tight(limit), (0.25, 0.6)[seed % 2]
        case = noisy_case(seed, text, people=6, same=3, different=3, missing=missing)
        outcome, link = decided(case, text), Model.parse(text).link
        reached["households"] += len(outcome.households)
        reached["ambiguous"] += len(outcome.ambiguous)
        reached["reviews below the threshold"] += sum(review.strength < link for review in outcome.reviews)
        reached["reviews above the threshold"] += sum(review.strength >= link for review in outcome.reviews)
        reached["same"] += len(case.same)
        reached["different"] += len(case.different)
        without = {
            "limits": case.by_oracle(tight(UNLIMITED)),
            "households": case.by_oracle(without_households(text)),
            "assertions": Case(case.records, case.kept).by_oracle(text),
        }
        for rule, other in without.items():
            reached[f"partitions by {rule}"] += set(other.partition) != set(outcome.partition)
            reached[f"households by {rule}"] += other.households != outcome.households
            reached[f"reviews by {rule}"] += other.reviews != outcome.reviews
    assert {name: count for name, count in reached.items() if count < 3} == {}, reached


def digest(kind: int, value: str, *, namespace: str = "", form: int = 1) -> Digest:
    return Digest(kind, namespace, form, sha256(value.encode()).digest())


def email(name: str) -> Digest:
    return digest(1, name)


def card(name: str) -> Digest:
    return digest(3, name)


def clusters(*groups: Sequence[Record]) -> set[frozenset[bytes]]:
    """Clusters as an outcome names them."""
    return {frozenset(record.address for record in group) for group in groups}


HOME = {"street": "12 oak st", "city": "boston", "postcode": "02134"}
SUSAN = {**HOME, "given_name": "susan", "family_name": "miller"}
GEORGE = {**SUSAN, "given_name": "george"}


def cards(count: int, *, source: str = "pos") -> list[Record]:
    """Records of one woman with one e-mail and a card each."""
    return [record_of(source, SUSAN, [email("susan"), card(f"card {number}")]) for number in range(count)]


def test_a_cluster_gathers_as_many_cards_as_the_model_allows_and_then_asks() -> None:
    text = tight(3)
    outcome = decided(case_of(cards(4), text), text)
    assert sorted(map(len, outcome.partition)) == [1, 3]
    [review] = outcome.reviews
    assert review.strength >= Model.parse(text).link
    assert {review.x, review.y} == set(outcome.partition)
    assert outcome.households == set()
    assert [len(cluster) for cluster in decided(case_of(cards(3), text), text).partition] == [3]


def test_an_assertion_takes_a_cluster_over_its_limit_and_what_adds_nothing_still_joins() -> None:
    text = tight(1)
    first, second, again = (*cards(2), cards(1, source="web")[0])
    apart = decided(case_of([first, second, again], text), text)
    assert set(apart.partition) == clusters([first, again], [second])
    asserted = decided(case_of([first, second, again], text, same=[(0, 1)]), text)
    assert set(asserted.partition) == clusters([first, second, again])
    [third] = [record for record in cards(3) if record not in (first, second)]
    more = decided(case_of([first, second, third], text, same=[(0, 1)]), text)
    assert set(more.partition) == clusters([first, second], [third])
    assert len(more.reviews) == 1


def test_customer_numbers_count_within_their_namespace_and_all_others_together() -> None:
    text = tight(1)

    def of(kind: int) -> set[int]:
        records = [
            record_of(space, SUSAN, [email("susan"), digest(kind, space, namespace=space)]) for space in ("crm", "web")
        ]
        return {len(cluster) for cluster in decided(case_of(records, text), text).partition}

    assert of(8) == {2}
    assert of(4) == {1}


@pytest.mark.parametrize(("form", "size"), [(1, 1), (2, 2), (3, 1)])
def test_folded_forms_do_not_count(form: int, size: int) -> None:
    text = tight(1)
    first, second = digest(1, "first"), digest(1, "second", form=form)
    records = [record_of(source, SUSAN, [card("hers"), one]) for source, one in (("pos", first), ("web", second))]
    outcome = decided(case_of(records, text), text)
    assert {len(cluster) for cluster in outcome.partition} == {size}


def test_one_record_over_a_limit_takes_in_what_it_carries_anyway() -> None:
    text = tight(1)
    both = record_of("pos", SUSAN, [email("susan"), card("one"), card("two")])
    one = record_of("web", SUSAN, [email("susan"), card("one")])
    assert set(decided(case_of([both, one], text), text).partition) == clusters([both, one])


def test_a_household_over_a_limit_is_a_household_and_no_review() -> None:
    text, line = tight(1), digest(2, "555")
    wife, husband = record_of("crm", SUSAN, [line, card("hers")]), record_of("crm", GEORGE, [line, card("his")])
    outcome = decided(case_of([wife, husband], text), text)
    assert len(outcome.households) == 1
    assert outcome.reviews == set()

"""The batch engine against the oracle: blocking keys, key states, candidates and the whole partition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread import _core
from oracle import Model, Outcome, Record, match
from oracle.engine import block_key, generic_tokens, keys_of
from oracle.forms import prepare
from oracle.identity import Digest
from oracle.layout import columns, outcome_of
from oracle.models import shipped, small_limits
from oracle.population import Population, record_of

SECRET = b"the blocking key of the oracle tests"
CROWDED = small_limits(max_block=3, max_component=8, generic=2)


def by_core(records: Sequence[Record], text: str) -> tuple[Outcome, dict[str, int]]:
    """Outcome and counts of the batch engine."""
    records_of_core, model = _core.Records(*columns(records)), _core.Model.parse(text)
    clusters, ambiguous, contenders, reviews, counts = _core.match_records(SECRET, records_of_core, model)
    return outcome_of(records, clusters, ambiguous, contenders, reviews), counts


def plain(outcome: Outcome) -> tuple[object, ...]:
    """An outcome in which order means nothing."""
    return set(outcome.partition), outcome.ambiguous, outcome.reviews


@cache
def crowd() -> list[Record]:
    """About 300 records of few names in few places, so that blocks and tokens overflow small limits."""
    return Population(150, copies=2, noise=0.3, missing=0.2, shared=0.6).records(7)


def test_name_keys_are_those_of_the_page() -> None:
    records = crowd()
    expected = [prepare(record).name_key for record in records]
    assert _core.Records(*columns(records)).name_keys() == expected
    assert None in expected


def test_blocking_keys_are_those_of_the_page() -> None:
    records, model = crowd(), Model.parse(shipped())
    expected = []
    for row, record in enumerate(records):
        for number, rule in enumerate(model.rules):
            parent = 0
            for depth, key in enumerate(keys_of(prepare(record), rule)):
                digest = block_key(SECRET, key)
                expected.append((row, number, depth, digest, parent))
                parent = digest
    answer = _core.blocking_keys(SECRET, _core.Records(*columns(records)), _core.Model.parse(shipped()))
    assert list(zip(*answer, strict=True)) == expected
    assert {depth for _, _, depth, _, _ in expected} == {0, 1, 2}


@pytest.mark.parametrize("text", [shipped(), CROWDED], ids=["shipped limits", "small limits"])
def test_a_population_matches_alike(text: str) -> None:
    outcome, counts = by_core(crowd(), text)
    expected = match(crowd(), Model.parse(text))
    assert plain(outcome) == plain(expected)
    assert counts["generic_tokens"] == len(generic_tokens(crowd(), Model.parse(text)))


def test_small_limits_are_really_reached() -> None:
    model = Model.parse(CROWDED)
    _, counts = by_core(crowd(), CROWDED)
    assert generic_tokens(crowd(), model)
    assert counts["crowded_keys"] > 10
    assert counts["largest_component"] <= model.max_component
    assert plain(match(crowd(), model)) != plain(match(crowd(), Model.parse(shipped())))


def carriers(count: int, *, nameless: bool) -> list[Record]:
    """Records of one shared phone, each with a loyalty card of its own: a store's till, with or without one cashier's name."""
    shared = Digest(2, "", 1, sha256(b"till").digest())
    attributes = {} if nameless else {"given_name": "otto", "family_name": "zimmer"}
    cards = [Digest(3, "", 1, sha256(f"card {number}".encode()).digest()) for number in range(count)]
    return [record_of("pos", attributes, [shared, card]) for card in cards]


@pytest.mark.parametrize("nameless", [True, False])
def test_a_token_of_many_records_is_generic_with_or_without_names(nameless: bool) -> None:
    text = small_limits(generic=8, generic_records=5)
    few, many = carriers(5, nameless=nameless), carriers(6, nameless=nameless)
    assert generic_tokens(few, Model.parse(text)) == set()
    assert generic_tokens(many, Model.parse(text)) == {many[0].identifiers[0].token}
    below, above = by_core(few, text), by_core(many, text)
    assert (below[1]["generic_tokens"], below[1]["candidates"]) == (0, 10)
    assert above[1]["generic_tokens"] == 1
    if nameless:
        assert above[1]["candidates"] == 0
    for records, (outcome, _) in ((few, below), (many, above)):
        assert plain(outcome) == plain(match(records, Model.parse(text)))


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(2, 6), st.integers(1, 4))
def test_generic_tokens_are_a_function_of_the_records_and_only_grow(
    data: st.DataObject, limit: int, names: int
) -> None:
    """Nameless carriers among named ones; each step of an arrival knows no token to be generic that the next one does not."""
    text = small_limits(generic=names, generic_records=limit)
    model = Model.parse(text)
    pool = carriers(8, nameless=True) + carriers(3, nameless=False) + crowd()[:20]
    arrived = data.draw(st.permutations(pool))
    closed: set[bytes] = set()
    for count in range(0, len(arrived) + 1, 6):
        records = arrived[:count]
        found = generic_tokens(records, model)
        assert closed <= found
        closed = found
        outcome, counts = by_core(records, text)
        assert counts["generic_tokens"] == len(found)
        assert plain(outcome) == plain(match(records, model))


LIMITS = st.fixed_dictionaries(
    {
        "max_block": st.integers(2, 8),
        "max_component": st.integers(2, 10),
        "generic": st.integers(1, 4),
        "generic_records": st.integers(2, 40),
    }
)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), LIMITS)
def test_populations_match_alike(seed: int, people: int, limits: dict[str, int]) -> None:
    text = small_limits(**limits)
    records = Population(people, copies=2, noise=0.3, missing=0.3, shared=0.6).records(seed)
    assert plain(by_core(records, text)[0]) == plain(match(records, Model.parse(text)))


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(random: Random) -> None:
    shuffled = random.sample(crowd(), len(crowd()))
    outcome, counts = by_core(shuffled, CROWDED)
    first, first_counts = by_core(crowd(), CROWDED)
    assert plain(outcome) == plain(first)
    assert counts == first_counts

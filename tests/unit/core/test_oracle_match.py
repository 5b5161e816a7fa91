"""The batch engine against the oracle: blocking keys, key states, candidates and the whole partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import core
from goldthread import _core
from oracle import Model, Outcome, Record, kept_pairs, match
from oracle.cases import plain
from oracle.edges import edge_records
from oracle.engine import block_key, candidates, generic_tokens, keys_of
from oracle.forms import prepare
from oracle.identity import Digest
from oracle.layout import outcome_of
from oracle.models import every_part, round_weights, shipped, small_limits, variants
from oracle.population import Population, record_of
from oracle.score import Prepared, compare

Rows = Sequence[tuple[int, int]]

VARIANTS = variants()
SECRET = b"the blocking key of the oracle tests"
CROWDED = small_limits(base=every_part(round_weights()), max_block=3, max_component=8, generic=2)


@cache
def crowd() -> list[Record]:
    """About 300 records of few names in few places, so that blocks and tokens overflow small limits."""
    return Population(150, copies=2, noise=0.3, missing=0.2, shared=0.6, extras=True).records(7)


def test_name_keys_are_those_of_the_page() -> None:
    records = [*crowd(), *edge_records(1, 100)]
    expected = [prepare(record).name_key for record in records]
    assert core.prepared(records).name_keys() == expected
    assert None in expected


@pytest.mark.parametrize("text", [shipped(), CROWDED], ids=["shipped", "every part"])
def test_blocking_keys_are_those_of_the_page(text: str) -> None:
    records, model = [*crowd(), *edge_records(1, 100)], Model.parse(text)
    expected = []
    for row, record in enumerate(records):
        for number, rule in enumerate(model.rules):
            parent = 0
            for depth, key in enumerate(keys_of(prepare(record), rule)):
                digest = block_key(SECRET, key)
                expected.append((row, number, depth, digest, parent))
                parent = digest
    answer = _core.blocking_keys(SECRET, core.prepared(records), _core.Model.parse(text))
    assert list(zip(*answer, strict=True)) == expected
    depths = [len(rule.refinements) for rule in model.rules]
    assert {(rule, depth) for _, rule, depth, _, _ in expected} == {
        (rule, depth) for rule, deepest in enumerate(depths) for depth in range(deepest + 1)
    }


@pytest.mark.parametrize("text", [*VARIANTS.values(), CROWDED], ids=[*VARIANTS, "small limits"])
def test_a_population_matches_alike(text: str) -> None:
    outcome, counts = core.matched(crowd(), text)
    expected = match(crowd(), Model.parse(text))
    assert plain(outcome) == plain(expected)
    assert counts["generic_tokens"] == len(generic_tokens(crowd(), Model.parse(text)))


def test_small_limits_are_really_reached() -> None:
    model = Model.parse(CROWDED)
    _, counts = core.matched(crowd(), CROWDED)
    assert generic_tokens(crowd(), model)
    assert counts["crowded_keys"] > 10
    assert counts["largest_component"] <= model.max_component
    assert plain(match(crowd(), model)) != plain(match(crowd(), Model.parse(round_weights())))


@pytest.mark.parametrize("name", VARIANTS)
def test_candidate_pairs_are_those_that_are_kept_at_a_floor(name: str) -> None:
    text, records = VARIANTS[name], crowd()[:120]
    model = Model.parse(text)
    bare = [record.without(generic_tokens(records, model)) for record in records]
    prepared = {record.address: Prepared.of(record) for record in bare}
    row = {record.address: place for place, record in enumerate(records)}
    scored = {}
    for pair in candidates(prepared, model):
        low, high = sorted(row[address] for address in pair)
        scored[low, high] = compare(prepared[records[low].address], prepared[records[high].address], model)
    for floor in (model.edge_floor, model.link):
        answer = list(zip(*_core.candidate_pairs(core.prepared(records), _core.Model.parse(text), floor), strict=True))
        kept = [(*pair, one.score) for pair, one in scored.items() if one.score >= floor or one.is_kin(model)]
        assert answer == sorted(kept)
    assert any(one.is_kin(model) for one in scored.values()) == (model.household_prior is not None)


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
    below, above = core.matched(few, text), core.matched(many, text)
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
        outcome, counts = core.matched(records, text)
        assert counts["generic_tokens"] == len(found)
        assert plain(outcome) == plain(match(records, model))


LIMITS = st.fixed_dictionaries(
    {
        "max_block": st.integers(2, 8),
        "max_component": st.integers(2, 10),
        "generic": st.integers(1, 4),
        "generic_records": st.integers(2, 40),
        "limit": st.sampled_from([None, 1, 2, 3]),
        "base": st.sampled_from([*VARIANTS.values()]),
    }
)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), LIMITS)
def test_populations_match_alike(seed: int, people: int, limits: dict[str, Any]) -> None:
    text = small_limits(**limits)
    records = Population(people, copies=2, noise=0.3, missing=0.3, shared=0.6, extras=True).records(seed)
    assert plain(core.matched(records, text)[0]) == plain(match(records, Model.parse(text)))


def some_tokens(random: Random, records: Sequence[Record], count: int) -> set[bytes]:
    """Tokens as if their use had closed them: of any type and form, and one that nobody carries."""
    carried = sorted({one.token for record in records for one in record.identifiers})
    return {*random.sample(carried, min(count, len(carried))), bytes(32)}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(0, 30), LIMITS)
def test_tokens_closed_from_outside_are_generic(seed: int, people: int, count: int, limits: dict[str, Any]) -> None:
    text = small_limits(**limits)
    records = Population(people, copies=2, noise=0.3, missing=0.3, shared=0.8, extras=True).records(seed)
    closed = some_tokens(Random(seed), records, count)
    outcome, counts = core.matched(records, text, closed=closed)
    assert plain(outcome) == plain(match(records, Model.parse(text), closed=closed))
    assert counts["generic_tokens"] == len(generic_tokens(records, Model.parse(text)) | closed - {bytes(32)})


def test_a_closed_token_decides_nothing_any_more() -> None:
    model, records = Model.parse(round_weights()), carriers(3, nameless=False)
    till = records[0].identifiers[0].token
    named = {record.address: record.identifiers for record in records}
    assert all(till in {one.token for one in carried} for carried in named.values())
    # The till's phone and one cashier's name: together enough to merge, until the phone says nothing.
    assert [len(cluster) for cluster in match(records, model).partition] == [3]
    for outcome in (match(records, model, closed=[till]), core.matched(records, round_weights(), closed=[till])[0]):
        assert sorted(len(cluster) for cluster in outcome.partition) == [1, 1, 1]


def asserted_by_core(
    records: Sequence[Record], text: str, *, same: Rows, different: Rows, closed: Iterable[bytes]
) -> Outcome:
    """What the core makes of the page's candidates and some assertions: the way of the ledger, without a ledger."""
    model, core_model = Model.parse(text), _core.Model.parse(text)
    generic = generic_tokens(records, model) | set(closed)
    bare = [record.without(generic) for record in records]
    row = {record.address: place for place, record in enumerate(bare)}
    found = candidates({record.address: Prepared.of(record) for record in bare}, model)
    pairs = [sorted(row[address] for address in pair) for pair in found]
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    columned = core.prepared(bare)
    kept, scores, _, _ = _core.score_pairs(columned, left, right, core_model, cutoff=model.edge_floor)
    edges = [left[at] for at in kept], [right[at] for at in kept]
    named = (frozenset({records[a].address, records[b].address}) for a, b in zip(*edges, strict=True))
    assert kept_pairs(records, model, closed=closed) == dict(zip(named, scores, strict=True))
    return outcome_of(records, _core.partition(columned, *edges, scores, same, different, core_model))


def some_assertions(random: Random, records: Sequence[Record], count: int) -> tuple[Rows, Rows]:
    """Pairs of rows that are one person, and pairs that are not; both may name one pair."""
    rows = range(len(records))
    same, different = ([tuple(random.sample(rows, 2)) for _ in range(random.randint(0, count))] for _ in range(2))
    return [(a, b) for a, b in same], [(a, b) for a, b in different]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 30), LIMITS)
def test_populations_with_assertions_match_alike(seed: int, people: int, limits: dict[str, Any]) -> None:
    text, random = small_limits(**limits), Random(seed)
    records = Population(people, copies=2, noise=0.3, missing=0.4, shared=0.8, extras=True).records(seed)
    same, different = some_assertions(random, records, 4) if len(records) > 1 else ([], [])
    closed = some_tokens(random, records, random.randint(0, 10))
    expected = match(
        records,
        Model.parse(text),
        same=[(records[a].address, records[b].address) for a, b in same],
        different=[(records[a].address, records[b].address) for a, b in different],
        closed=closed,
    )
    assert plain(asserted_by_core(records, text, same=same, different=different, closed=closed)) == plain(expected)


def test_an_assertion_about_no_record_says_nothing() -> None:
    records, model = crowd()[:20], Model.parse(shipped())
    nobody = [(records[0].address, bytes(32)), (bytes(32), records[1].address)]
    assert plain(match(records, model, same=nobody, different=nobody)) == plain(match(records, model))


def test_populations_reach_every_rule() -> None:
    """What the comparison of whole populations is worth: each rule decides something in many of them."""
    text = small_limits(base=round_weights(), max_block=8, max_component=30, generic=4, limit=1)
    model, wide = (
        Model.parse(text),
        Model.parse(small_limits(base=round_weights(), max_block=8, max_component=30, generic=4)),
    )
    reached: Counter[str] = Counter()
    for seed in range(12):
        random = Random(seed)
        records = Population(60, copies=2, noise=0.3, missing=0.4, shared=0.8, extras=True).records(seed)
        closed = some_tokens(random, records, 30)
        outcome, _ = core.matched(records, text, closed=closed)
        assert plain(outcome) == plain(match(records, model, closed=closed))
        reached["households"] += len(outcome.households)
        reached["reviews above the threshold"] += sum(review.strength >= model.link for review in outcome.reviews)
        reached["closed tokens"] += plain(outcome) != plain(match(records, model))
        reached["limits"] += plain(outcome) != plain(match(records, wide, closed=closed))
        same, different = some_assertions(random, records, 6)
        asserted = asserted_by_core(records, text, same=same, different=different, closed=closed)
        reached["assertions"] += plain(outcome) != plain(asserted)
        reached["kin below the floor"] += sum(score < model.edge_floor for score in kept_pairs(records, model).values())
    assert {name: count for name, count in reached.items() if count < 8} == {}, reached


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(random: Random) -> None:
    shuffled = random.sample(crowd(), len(crowd()))
    outcome, counts = core.matched(shuffled, CROWDED)
    first, first_counts = core.matched(crowd(), CROWDED)
    assert plain(outcome) == plain(first)
    assert counts == first_counts

"""The batch engine against the oracle: blocking keys, key states, candidates and the whole partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread import _core
from oracle import Model, Outcome, Record, kept_pairs, match
from oracle.cases import plain
from oracle.engine import block_key, candidates, generic_tokens, keys_of
from oracle.forms import prepare
from oracle.identity import Digest
from oracle.layout import columns, outcome_of
from oracle.models import shipped, small_limits
from oracle.population import Population, record_of
from oracle.score import Prepared, compare

Rows = Sequence[tuple[int, int]]

SECRET = b"the blocking key of the oracle tests"
CROWDED = small_limits(max_block=3, max_component=8, generic=2)


def by_core(records: Sequence[Record], text: str, *, closed: Iterable[bytes] = ()) -> tuple[Outcome, dict[str, int]]:
    """Outcome and counts of the batch engine."""
    records_of_core, model = _core.Records(*columns(records)), _core.Model.parse(text)
    answer = _core.match_records(SECRET, records_of_core, model, closed_tokens=list(closed))
    return outcome_of(records, answer[:5]), answer[5]


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
        "limit": st.sampled_from([None, 1, 2, 3]),
    }
)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), LIMITS)
def test_populations_match_alike(seed: int, people: int, limits: dict[str, int]) -> None:
    text = small_limits(**limits)
    records = Population(people, copies=2, noise=0.3, missing=0.3, shared=0.6).records(seed)
    assert plain(by_core(records, text)[0]) == plain(match(records, Model.parse(text)))


def some_tokens(random: Random, records: Sequence[Record], count: int) -> set[bytes]:
    """Tokens as if their use had closed them: of any type and form, and one that nobody carries."""
    carried = sorted({one.token for record in records for one in record.identifiers})
    return {*random.sample(carried, min(count, len(carried))), bytes(32)}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(0, 30), LIMITS)
def test_tokens_closed_from_outside_are_generic(seed: int, people: int, count: int, limits: dict[str, int]) -> None:
    text = small_limits(**limits)
    records = Population(people, copies=2, noise=0.3, missing=0.3, shared=0.8).records(seed)
    closed = some_tokens(Random(seed), records, count)
    outcome, counts = by_core(records, text, closed=closed)
    assert plain(outcome) == plain(match(records, Model.parse(text), closed=closed))
    assert counts["generic_tokens"] == len(generic_tokens(records, Model.parse(text)) | closed - {bytes(32)})


def test_a_closed_token_decides_nothing_any_more() -> None:
    model, records = Model.parse(shipped()), carriers(3, nameless=False)
    till = records[0].identifiers[0].token
    named = {record.address: record.identifiers for record in records}
    assert all(till in {one.token for one in carried} for carried in named.values())
    # The till's phone and one cashier's name: together enough to merge, until the phone says nothing.
    assert [len(cluster) for cluster in match(records, model).partition] == [3]
    for outcome in (match(records, model, closed=[till]), by_core(records, shipped(), closed=[till])[0]):
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
    columned = _core.Records(*columns(bare))
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
def test_populations_with_assertions_match_alike(seed: int, people: int, limits: dict[str, int]) -> None:
    text, random = small_limits(**limits), Random(seed)
    records = Population(people, copies=2, noise=0.3, missing=0.4, shared=0.8).records(seed)
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
    text = small_limits(max_block=8, max_component=30, generic=4, limit=1)
    model, wide = Model.parse(text), Model.parse(small_limits(max_block=8, max_component=30, generic=4))
    reached: Counter[str] = Counter()
    for seed in range(12):
        random = Random(seed)
        records = Population(60, copies=2, noise=0.3, missing=0.4, shared=0.8).records(seed)
        closed = some_tokens(random, records, 30)
        outcome, _ = by_core(records, text, closed=closed)
        assert plain(outcome) == plain(match(records, model, closed=closed))
        reached["households"] += len(outcome.households)
        reached["reviews above the threshold"] += sum(review.strength >= model.link for review in outcome.reviews)
        reached["closed tokens"] += plain(outcome) != plain(match(records, model))
        reached["limits"] += plain(outcome) != plain(match(records, wide, closed=closed))
        same, different = some_assertions(random, records, 6)
        asserted = asserted_by_core(records, text, same=same, different=different, closed=closed)
        reached["assertions"] += plain(outcome) != plain(asserted)
        reached["lines"] += lines(records, model)
    assert {name: count for name, count in reached.items() if count < 8} == {}, reached


def lines(records: Sequence[Record], model: Model) -> int:
    """Candidates that contradict for no other reason than that a line alone holds them."""
    prepared = {record.address: Prepared.of(record) for record in records}
    pairs = [sorted(pair) for pair in candidates(prepared, model)]
    found = [compare(prepared[a], prepared[b], model) for a, b in pairs]
    return sum(one.held_by_a_line and not one.contradicts_by_claim for one in found)


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(random: Random) -> None:
    shuffled = random.sample(crowd(), len(crowd()))
    outcome, counts = by_core(shuffled, CROWDED)
    first, first_counts = by_core(crowd(), CROWDED)
    assert plain(outcome) == plain(first)
    assert counts == first_counts

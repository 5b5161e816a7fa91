"""Counts of level patterns, which training reads: the core against the oracle."""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import core
from goldthread import _core
from oracle import Model, match
from oracle.edges import edge_records
from oracle.identity import Digest
from oracle.models import every_part, round_weights, small_limits, variants
from oracle.patterns import candidate_patterns, pair_patterns
from oracle.population import Population, record_of

VARIANTS = variants()

LIMITS = st.fixed_dictionaries(
    {
        "base": st.sampled_from([*VARIANTS.values(), every_part(VARIANTS["shipped"])]),
        "max_block": st.integers(2, 12),
        "generic": st.integers(1, 4),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 25), LIMITS, st.integers(0, 10))
def test_patterns_of_candidates_are_counted_alike(seed: int, people: int, limits: dict[str, Any], closed: int) -> None:
    text = small_limits(**limits)
    records = Population(people, copies=2, noise=0.3, missing=0.3, shared=0.8, extras=True).records(seed)
    tokens = sorted({one.token for record in records for one in record.identifiers})
    some = Random(seed).sample(tokens, min(closed, len(tokens)))
    answer = _core.count_candidates(core.prepared(records), _core.Model.parse(text), closed_tokens=some)
    assert core.patterns(answer, text) == candidate_patterns(records, Model.parse(text), closed=some)


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS)
def test_patterns_of_given_pairs_are_counted_alike(text: str) -> None:
    records = edge_records(4, 40, missing=0.6)
    pairs = [(a, b) for a, b in combinations(range(len(records)), 2) if (a + b) % 3]
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    answer = _core.count_pairs(core.prepared(records), left, right, _core.Model.parse(text))
    expected = pair_patterns(records, pairs, Model.parse(text))
    assert core.patterns(answer, text) == expected
    assert max(expected.values()) > 1


def test_a_comparison_is_free_where_something_else_found_the_pair() -> None:
    text = small_limits(base=every_part(round_weights()), max_block=100)
    home = {"family_name": "miller", "postcode": "02134"}
    phone = Digest(2, "", 1, b"p" * 32)

    def free(*records: dict[str, str], shared: list[Digest]) -> frozenset[str]:
        made = [record_of(f"s{place}", said, shared) for place, said in enumerate(records)]
        [(_, found)] = candidate_patterns(made, Model.parse(text))
        [(_, answered)] = core.patterns(_core.count_candidates(core.prepared(made), _core.Model.parse(text)), text)
        assert answered == found
        return frozenset(Model.parse(text).comparisons) - found

    assert free(home, {**home, "family_name": "roe"}, shared=[]) == {"place"}
    assert free(home, {**home, "family_name": "roe"}, shared=[phone]) == set()
    assert free({"family_name": "miller"}, {"family_name": "roe"}, shared=[phone]) == {"phone"}
    assert free({**home, "birth_date": "1980-02-03"}, {"birth_date": "1980-02-03"}, shared=[]) == {"birth_date"}
    names = {"given_name": "susan", "family_name": "miller"}
    assert free(names, names, shared=[]) == {"given_name", "family_name"}


def test_candidates_are_counted_once_however_they_are_found() -> None:
    text = small_limits(base=every_part(round_weights()), max_block=100)
    claim = {
        "given_name": "susan",
        "family_name": "miller",
        "postcode": "02134",
        "city": "boston",
        "street": "12 oak st",
    }
    shared = [Digest(kind, "", 1, b"p" * 32) for kind in (1, 2, 3)]
    records = [record_of(f"s{place}", claim, shared) for place in range(5)]
    _, _, counts = _core.count_candidates(core.prepared(records), _core.Model.parse(text))
    assert counts == [10]
    assert [len(cluster) for cluster in match(records, Model.parse(text)).partition] == [5]

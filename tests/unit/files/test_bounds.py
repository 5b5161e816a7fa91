"""A batch is bounded by its bytes as well as by its rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldthread.files import Mapping, read_flat, read_sample

MIB = 1 << 20
LONG = Mapping({"given_name": ("name",)})


def long_names(path: Path, rows: int) -> Path:
    """A few kilobytes that are names of a mebibyte."""
    column = pa.DictionaryArray.from_arrays(pa.array([row % 2 for row in range(rows)]), ["a" * MIB, "b" * MIB])
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"name": column}), path, compression="zstd", store_schema=False)
    else:
        table = pa.table({"name": column})
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
def test_long_values_come_in_short_batches(tmp_path: Path, name: str) -> None:
    path = long_names(tmp_path / name, 300)
    rows = [(batch.rows, len(batch.columns["given_name"].data)) for batch in read_flat(path, LONG)]
    assert sum(count for count, _ in rows) == 300
    assert max(size for _, size in rows) <= 32 * MIB
    sample = read_sample(path, rows=250)
    assert [len(value or "") for value in sample.columns["name"]] == [200] * 250


def test_short_rows_come_in_long_batches(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"name": [f"n{row}" for row in range(150_000)]}), path, row_group_size=40_000)
    batches = [batch.rows for batch in read_flat(path, LONG)]
    assert sum(batches) == 150_000
    assert len(batches) == 3


def test_text_comes_in_short_batches_as_well(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"name": "{"x" * 4 * MIB}"}}\n' * 20)
    assert [batch.rows for batch in read_flat(path, LONG)] == [8, 8, 4]


def test_a_sample_of_parquet_is_from_all_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"city": [f"town {row // 1000}" for row in range(20_000)]}), path, row_group_size=1_000)
    sample = read_sample(path, rows=500)
    assert len(sample.columns["city"]) == 500
    assert len(set(sample.columns["city"])) == 20
    assert not sample.whole

"""A batch is bounded by its bytes as well as by its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldthread.files import FlatBatch, Mapping, read_flat, read_rows, read_sample

MIB = 1 << 20
LONG = Mapping({"given_name": ("name",)})


def long_names(path: Path, rows: int) -> Path:
    """A few kilobytes that are names of a mebibyte."""
    return written(
        path, pa.DictionaryArray.from_arrays(pa.array([row % 2 for row in range(rows)]), ["a" * MIB, "b" * MIB])
    )


def written(path: Path, column: pa.Array) -> Path:
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


def peak_of(read: Callable[[], object]) -> int:
    """Most bytes that Arrow held at once."""
    usual = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counted)
    try:
        read()
    finally:
        pa.set_memory_pool(usual)
    return counted.max_memory() or 0


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
@pytest.mark.parametrize("read", [lambda path: read_flat(path, LONG), read_rows], ids=["read_flat", "read_rows"])
def test_long_values_after_short_ones_are_not_held_at_once(
    tmp_path: Path, name: str, read: Callable[[Path], Iterator[object]]
) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 300 + [1] * 2_000), ["ann", "a" * (MIB // 4)])
    path = written(tmp_path / name, column)
    count = 0

    def all_rows() -> None:
        nonlocal count
        for item in read(path):
            count += item.rows if isinstance(item, FlatBatch) else 1

    peak = peak_of(all_rows)
    assert count == 2_300
    # The values are 500 MiB. Two steps of 256 rows, 64 MiB each, and some batches are on their way at once.
    assert peak < 320 * MIB


@pytest.mark.parametrize("kind", [pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_values_stored_once_count_as_often_as_they_come(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "t.arrow"
    names = [f"{row % 700:04}" * 100 for row in range(90_000)]
    written(path, pa.array(names, pa.string()).cast(kind))
    sizes = [(batch.rows, len(batch.columns["given_name"].data)) for batch in read_flat(path, LONG)]
    assert sum(rows for rows, _ in sizes) == 90_000
    assert len(sizes) <= 3
    assert max(size for _, size in sizes) <= 32 * MIB


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

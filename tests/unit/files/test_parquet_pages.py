"""Parquet files with a column more: the others are copied, whatever they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldthread.files import FileFormatError
from goldthread.files.compact import I64, Field, Listed, Struct, read_struct, written_struct
from goldthread.files.parquet_pages import copied_with

ROWS = 150_000
IDS = [None if row % 7 == 0 else f"GP-{row:08}" for row in range(ROWS)]


def ids(start: int, stop: int) -> pa.Array:
    return pa.array(IDS[start:stop], pa.string())


@pytest.fixture
def table() -> pa.Table:
    rows = range(ROWS)
    return pa.table(
        {
            "n": pa.array(rows, pa.int32()),
            "town": pa.array([f"town {row % 50}" for row in rows]).dictionary_encode(),
            "born": pa.array([date(1950 + row % 60, 1, 1) if row % 3 else None for row in rows]),
            "tags": pa.array([[row, None] if row % 2 else None for row in rows], pa.list_(pa.int64())),
            "at": pa.array([{"x": row, "y": "é"} for row in rows]),
            "long": pa.array([str(row) for row in rows], pa.large_string()),
        },
        metadata={"maker": "a till"},
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "snappy", "version": "1.0", "data_page_version": "2.0"},
        {"compression": "none", "store_schema": False, "use_dictionary": False},
        {"write_page_index": True, "write_page_checksum": True, "sorting_columns": [pq.SortingColumn(0)]},
    ],
)
def test_every_column_stays_as_it_was_written(table: pa.Table, tmp_path: Path, options: dict[str, object]) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(table, source, row_group_size=40_000, **options)
    assert copied_with(source, out, "id", ROWS, ids)
    old, new = pq.ParquetFile(source), pq.ParquetFile(out)
    assert new.read().equals(old.read().append_column("id", pa.array(IDS)))
    assert new.schema_arrow.metadata == old.schema_arrow.metadata
    assert new.schema_arrow.names == [*old.schema_arrow.names, "id"]
    assert new.metadata.num_row_groups == old.metadata.num_row_groups == 4
    for group in range(4):
        before, after = old.metadata.row_group(group), new.metadata.row_group(group)
        columns = [after.column(place).to_dict() for place in range(after.num_columns)]
        assert columns[:-1] == [before.column(place).to_dict() for place in range(before.num_columns)]
        assert after.total_byte_size == before.total_byte_size + columns[-1]["total_uncompressed_size"]
        assert after.sorting_columns == before.sorting_columns
        assert new.read_row_group(group, columns=["n", "id"]).num_rows == before.num_rows
    end = source.stat().st_size - old.metadata.serialized_size - 8
    assert out.read_bytes()[:end] == source.read_bytes()[:end]


def test_a_file_that_is_copied_can_be_copied_again(table: pa.Table, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.parquet" for number in range(3)]
    pq.write_table(table.select(["n", "at"]), paths[0])
    assert copied_with(paths[0], paths[1], "one", ROWS, ids)
    assert copied_with(paths[1], paths[2], "two", ROWS, ids)
    again = pq.read_table(paths[2])
    assert again.column_names == ["n", "at", "one", "two"]
    assert again["one"].to_pylist() == again["two"].to_pylist() == IDS


def test_files_without_rows_are_not_copied(tmp_path: Path) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"n": pa.array([], pa.int32())}), source)
    assert not copied_with(source, out, "id", 0, ids)
    source.write_bytes(b"PAR1 nothing of the kind")
    assert not copied_with(source, out, "id", 0, ids)
    assert [found.name for found in tmp_path.iterdir()] == ["in.parquet"]


def test_other_rows_than_expected_leave_nothing(table: pa.Table, tmp_path: Path) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(table, source)
    broken: list[tuple[int, Callable[[int, int], pa.Array]]] = [
        (ROWS - 1, ids),
        (ROWS, lambda start, stop: pa.array(IDS[start : stop - 1], pa.string())),
    ]
    for rows, column in broken:
        with pytest.raises(FileFormatError):
            copied_with(source, out, "id", rows, column)
    assert [found.name for found in tmp_path.iterdir()] == ["in.parquet"]


def test_structures_are_written_as_they_were_read(table: pa.Table, tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(table, source, row_group_size=5_000, sorting_columns=[pq.SortingColumn(0, descending=True)])
    data = source.read_bytes()
    footer = data[-8 - pq.read_metadata(source).serialized_size : -8]
    assert written_struct(read_struct(footer)) == footer
    made: Struct = {
        1: Field(1, 0),
        2: Field(2, 0),
        3: Field(I64, -(1 << 62)),
        40: Field(7, b"12345678"),
        41: Field(9, Listed(1, [1, 2, 1])),
        -1: Field(9, Listed(5, list(range(-10, 10)))),
        300: Field(12, {4: Field(8, bytes(200)), 5: Field(3, 255)}),
    }
    assert read_struct(written_struct(made)) == made


def footer_of(path: Path) -> tuple[bytes, bytes]:
    """The pages of a file, magic included, and its footer."""
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    return data[: -8 - length], data[-8 - length : -8]


def copied_or_left(pages: bytes, footer: bytes, folder: Path) -> bool:
    """Whether such a file is copied; if anybody can read it, then with what it holds."""
    source, out = folder / "broken.parquet", folder / "out.parquet"
    source.write_bytes(pages + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    try:
        copied = copied_with(source, out, "id", 10, ids)
    except FileFormatError:
        return False
    if not copied:
        return False
    try:
        before = pq.read_table(source)
    except (pa.ArrowException, OSError):
        return True
    if len(before) != 10:
        # Whoever read it has fewer rows to give, and is refused.
        return True
    after = pq.read_table(out)
    assert after.drop_columns(["id"]).equals(before)
    assert after["id"].to_pylist() == IDS[:10]
    return True


@pytest.fixture
def small(tmp_path: Path) -> tuple[bytes, bytes]:
    """Pages and footer of a small file with everything that a footer may have."""
    path = tmp_path / "small.parquet"
    small = pa.table({"n": pa.array(range(10), pa.int32())}, metadata={"maker": "a till"})
    pq.write_table(small, path, row_group_size=6, write_page_index=True)
    return footer_of(path)


def fields(struct: Struct) -> Iterator[Field]:
    for field in struct.values():
        yield field
        if isinstance(field.value, dict):
            yield from fields(field.value)
        elif isinstance(field.value, Listed):
            for item in field.value.items:
                yield from fields(item) if isinstance(item, dict) else ()


def test_a_footer_with_values_of_other_types_is_left_alone(small: tuple[bytes, bytes], tmp_path: Path) -> None:
    pages, footer = small
    assert copied_or_left(pages, footer, tmp_path)
    places = len(list(fields(read_struct(footer))))
    others = (Field(8, b"text"), Field(I64, -5), Field(9, Listed(5, [1, 2])), Field(12, {}), Field(9, Listed(12, [])))
    left = 0
    for place in range(places):
        for other in others:
            said = read_struct(footer)
            field = list(fields(said))[place]
            field.kind, field.value = other.kind, other.value
            left += not copied_or_left(pages, written_struct(said), tmp_path)
    assert places > 40
    assert 0 < left < len(others) * places


def test_a_footer_with_a_wrong_byte_never_makes_another_table(small: tuple[bytes, bytes], tmp_path: Path) -> None:
    pages, footer = small
    found = {
        copied_or_left(pages, footer[:place] + bytes([footer[place] ^ flip]) + footer[place + 1 :], tmp_path)
        for place in range(len(footer))
        for flip in (0x01, 0x80)
    }
    assert found == {True, False}


@pytest.mark.parametrize("reader", ["duckdb", "polars"])
def test_other_readers_find_what_was_written(table: pa.Table, tmp_path: Path, reader: str) -> None:
    library = pytest.importorskip(reader, reason="the extra `compare` is not installed")
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(table.drop_columns(["tags", "at"]), source, row_group_size=40_000, write_page_index=True)
    assert copied_with(source, out, "id", ROWS, ids)
    if reader == "duckdb":
        whole = library.sql(f"SELECT * FROM '{out}'").to_arrow_table()
        one = library.sql(f"SELECT n FROM '{out}' WHERE id = 'GP-00077778'").fetchall()
    else:
        whole = library.read_parquet(out).to_arrow()
        one = library.scan_parquet(out).filter(library.col("id") == "GP-00077778").select("n").collect().rows()
    assert one == [(77_778,)]
    assert whole.column_names == ["n", "town", "born", "long", "id"]
    assert [whole[name].to_pylist() for name in ("n", "born", "id")] == [
        list(range(ROWS)),
        table["born"].to_pylist(),
        IDS,
    ]


@pytest.mark.parametrize("reader", ["duckdb", "polars"])
def test_files_of_other_writers_are_copied(tmp_path: Path, reader: str) -> None:
    library = pytest.importorskip(reader, reason="the extra `compare` is not installed")
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    if reader == "duckdb":
        library.sql(
            "COPY (SELECT i AS a, 'v' || (i % 1000) AS b, [i, i + 1] AS l, {'x': i, 'y': NULL::varchar} AS s, i::decimal(18, 3) AS c "
            f"FROM range({ROWS}) AS t(i)) TO '{source}' (FORMAT parquet, ROW_GROUP_SIZE 40960)"
        )
    else:
        rows = range(ROWS)
        library.DataFrame(
            {"a": rows, "b": [f"v{row % 1000}" for row in rows], "c": [[row] for row in rows]}
        ).write_parquet(source, row_group_size=40_000)
    assert copied_with(source, out, "id", ROWS, ids)
    before, after = pq.read_table(source), pq.read_table(out)
    assert after.drop_columns(["id"]).equals(before)
    assert after["id"].to_pylist() == IDS


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x18\x05ab",
        b"\x1b\x00",
        b"\x19\xfc",
        b"\x16" + b"\xff" * 11 + b"\x01\x00",
        b"\x19\xf3\xff\xff\x7f" + bytes(9),
    ],
)
def test_bytes_that_are_no_structure_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        read_struct(data)

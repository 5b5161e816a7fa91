"""Tables by the batch: read into packed columns, written with one column more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldthread.domain.columns import PackedTexts
from goldthread.files import (
    FileFormatError,
    Mapping,
    append_column,
    read_flat,
    read_sample,
    read_table,
    row_count,
    write_table,
)
from goldthread.files.mapping import ExtraColumn, ExtraKind

TABLE: dict[str, list[str | None]] = {
    "first": ["Ann", None, 'é "x", y', "Bob"],
    "no": ["7", " 8 ", None, None],
    "road": ["High St", None, "Mill Lane", None],
    "y": ["1980", "1981", None, "1983"],
    "m": ["5", None, "7", "8"],
    "sex": ["f", "m", None, "m"],
}
MAPPING = Mapping(
    {"given_name": ("first",), "street": ("no", "road"), "birth_date": ("y", "m")},
    extras={"gender": ExtraColumn("sex", ExtraKind.PERSON)},
)
ENDINGS = ["csv", "csv.gz", "parquet", "arrow"]


@pytest.fixture(params=ENDINGS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / f"in.{request.param}"
    write_table(file, TABLE)
    return file


def flat(path: Path, mapping: Mapping = MAPPING) -> dict[str, list[str | None]]:
    columns: dict[str, list[str | None]] = {}
    for batch in read_flat(path, mapping):
        for name, column in {**batch.columns, **batch.extras}.items():
            assert column.rows == batch.rows
            columns.setdefault(name, []).extend(column.texts())
    return columns


def test_columns_beside_come_as_they_stand_in_the_file(path: Path) -> None:
    seen: dict[str, list[str | None]] = {"no": [], "sex": []}
    for batch in read_flat(path, MAPPING, ["no", "sex", "shoe"]):
        assert batch.beside.keys() == seen.keys()
        for name, column in batch.beside.items():
            seen[name].extend(column.texts())
    assert seen == {"no": TABLE["no"], "sex": TABLE["sex"]}


def test_batches_hold_the_flat_columns_of_the_mapping(path: Path) -> None:
    assert flat(path) == {
        "given_name": TABLE["first"],
        "street": ["7 High St", "8", "Mill Lane", None],
        "birth_date": ["1980-5", None, None, "1983-8"],
        "gender": TABLE["sex"],
    }
    assert flat(path)["street"] == MAPPING.table(TABLE)["street"]
    assert flat(path)["birth_date"] == MAPPING.table(TABLE)["birth_date"]


def test_a_sample_is_the_first_rows(path: Path) -> None:
    some = read_sample(path, rows=2)
    assert some.columns == {name: values[:2] for name, values in TABLE.items()}
    assert read_sample(path, rows=99).columns == TABLE
    assert [some.whole, read_sample(path, rows=4).whole, read_sample(path, rows=99).whole] == [False, True, True]
    assert row_count(path) == (4 if path.suffix == ".parquet" else None)


def ids(rows: int) -> Callable[[int, int], PackedTexts]:
    whole = [f"GP-{row}" if row % 3 else None for row in range(rows)]

    def column(start: int, stop: int) -> PackedTexts:
        data, offsets, bits = b"", [0], bytearray((stop - start + 7) // 8)
        for place, value in enumerate(whole[start:stop]):
            data += (value or "").encode()
            offsets.append(len(data))
            bits[place // 8] |= (value is not None) << place % 8
        return PackedTexts(
            memoryview(pa.array(offsets, pa.int32()).buffers()[1]).tobytes()[: 4 * len(offsets)], data, bytes(bits)
        )

    return column


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_column_is_added_in_every_format(path: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    append_column(path, out, "id", rows=4, column=ids(4))
    assert read_table(out) == {**TABLE, "id": [None, "GP-1", "GP-2", None]}


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    source, out = tmp_path / "a.csv", tmp_path / "b.parquet"
    source.write_text("x,y\n")
    append_column(source, out, "id", rows=0, column=ids(0))
    assert read_table(out) == {"x": [], "y": [], "id": []}
    assert flat(source, Mapping({"city": ("x",)})) == {}
    assert read_sample(source, rows=5).columns == {"x": [], "y": []}


def test_many_batches_stay_in_order(tmp_path: Path) -> None:
    rows = 150_000
    numbers = pa.array(range(rows))
    for ending in ("parquet", "csv"):
        source, out = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
        write_table(source, {"n": [str(row) for row in range(rows)]})
        append_column(source, out, "id", rows=rows, column=ids(rows))
        written = read_table(out)
        assert written["n"] == numbers.cast(pa.string()).to_pylist()
        assert written["id"] == ids(rows)(0, rows).texts()
        assert flat(source, Mapping({"city": ("n",)}))["city"] == written["n"]


def test_typed_columns_keep_their_types_and_are_read_as_text(tmp_path: Path) -> None:
    source, out = tmp_path / "a.parquet", tmp_path / "b.parquet"
    table = pa.table(
        {
            "n": pa.array([1, None, 3], pa.int64()),
            "town": pa.array(["a", "b", "a"]).dictionary_encode(),
            "long": pa.array(["x", None, "z"], pa.large_string()),
        }
    )
    pq.write_table(table, source)
    append_column(source, out, "id", rows=3, column=ids(3))
    assert pq.read_table(out).drop_columns("id").equals(pq.read_table(source))
    mapping = Mapping({"city": ("town",), "phone": ("n",), "email": ("long",)})
    assert flat(source, mapping) == {"city": ["a", "b", "a"], "phone": ["1", None, "3"], "email": ["x", None, "z"]}


def test_a_slice_of_a_batch_is_packed_from_its_first_row(tmp_path: Path) -> None:
    source = tmp_path / "a.arrow"
    values = [None if row % 5 == 0 else f"é{row}" for row in range(70_000)]
    with pa.OSFile(str(source), "wb") as out, pa.ipc.new_stream(out, pa.schema([("n", pa.string())])) as writer:
        writer.write_batch(pa.record_batch({"n": pa.array(values)}))
    assert flat(source, Mapping({"city": ("n",)})) == {"city": values}


def test_long_values_are_read_and_longer_ones_refused_with_their_line(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    values = ["x" * 5_000_000, "short"]
    write_table(source, {"n": values})
    assert flat(source, Mapping({"city": ("n",)}))["city"] == values
    write_table(source, {"n": ["x" * 20_000_000, "short"]})
    with pytest.raises(FileFormatError, match="line 2"):
        flat(source, Mapping({"city": ("n",)}))


def test_a_file_that_breaks_later_is_refused_with_its_line(tmp_path: Path) -> None:
    source, out = tmp_path / "a.csv", tmp_path / "out.csv"
    source.write_text("a,b\n" + "1,2\n" * 5 + "1,2,3\n")
    with pytest.raises(FileFormatError, match=r"a\.csv, line 7: 3 fields, the header has 2"):
        flat(source, Mapping({"city": ("a",)}))
    with pytest.raises(FileFormatError, match="line 7"):
        append_column(source, out, "id", rows=6, column=ids(6))
    for name in ("b.parquet", "b.arrow"):
        broken = tmp_path / name
        broken.write_bytes(b"nothing of the kind")
        with pytest.raises(FileFormatError, match="not readable as"):
            flat(broken, Mapping({"city": ("a",)}))
    assert not [found for found in tmp_path.iterdir() if "out" in found.name]


@pytest.mark.parametrize("rows", [3, 5])
def test_a_file_that_changed_is_not_written(path: Path, tmp_path: Path, rows: int) -> None:
    out = tmp_path / "out.csv"
    with pytest.raises(FileFormatError, match="has changed"):
        append_column(path, out, "id", rows=rows, column=ids(rows))
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))


def test_json_lines_are_read_and_not_written(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"a": "1"}\n{"b": 2}\n')
    assert flat(source, Mapping({"city": ("a",), "street": ("b",)})) == {"city": ["1", None], "street": [None, "2"]}
    with pytest.raises(FileFormatError, match="tables are written as"):
        append_column(source, tmp_path / "out.jsonl", "id", rows=2, column=ids(2))

"""Outputs: what a format cannot hold is refused first, and what cannot be written leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldthread.domain.columns import PackedTexts
from goldthread.files import FileFormatError, append_column, check_storable, read_table

ROWS = 200


def missing(start: int, stop: int) -> PackedTexts:
    return PackedTexts.missing(stop - start)


def parquet(path: Path, *parts: dict[str, object]) -> Path:
    """A file with a row group of each part."""
    tables = [pa.table(part) for part in parts]
    with pq.ParquetWriter(path, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return path


@pytest.mark.parametrize(
    ("column", "what"), [(pa.array([["a"]]), "list"), (pa.array([{"a": 1}]), "struct"), (pa.array(["a"]), None)]
)
def test_csv_holds_no_lists(tmp_path: Path, column: pa.Array, what: str | None) -> None:
    source = parquet(tmp_path / "in.parquet", {"email": ["a@x.org"], "tags": column})
    for name in ("out.parquet", "out.arrow"):
        check_storable(source, tmp_path / name)
    if what is None:
        check_storable(source, tmp_path / "out.csv")
        return
    with pytest.raises(FileFormatError, match=rf"out\.csv: cannot hold column 'tags', whose values are of type {what}"):
        check_storable(source, tmp_path / "out.csv")


def test_text_can_be_written_as_anything(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("email\na@x.org\n")
    for name in ("out.csv.gz", "out.parquet", "out.arrow"):
        check_storable(source, tmp_path / name)


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_views_of_texts_are_texts(tmp_path: Path, ending: str) -> None:
    source, out = tmp_path / "in.arrow", tmp_path / f"out.{ending}"
    table = pa.table({"email": pa.array(["a@x.org", None], pa.string_view())})
    with pa.OSFile(str(source), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)
    check_storable(source, out)
    append_column(source, out, "id", rows=2, column=missing)
    assert read_table(out) == {"email": ["a@x.org", None], "id": [None, None]}


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_row_groups_may_have_dictionaries_of_their_own(tmp_path: Path, ending: str) -> None:
    parts = [{"town": pa.array([f"{group}{row % 3}" for row in range(ROWS)]).dictionary_encode()} for group in "abc"]
    source, out = parquet(tmp_path / "in.parquet", *parts), tmp_path / f"out.{ending}"
    append_column(source, out, "id", rows=3 * ROWS, column=missing)
    assert read_table(out)["town"] == [f"{group}{row % 3}" for group in "abc" for row in range(ROWS)]


def test_a_table_without_rows_keeps_its_types(tmp_path: Path) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"n": pa.array([], pa.int64())}), source)
    append_column(source, out, "id", rows=0, column=missing)
    assert pq.read_schema(out).field("n").type == pa.int64()


ROOM = 1 << 15
"""Bytes that a file of the child may have. Not of this process: its own output may be a file, and longer."""
_CHILD = f"""
import resource, sys
from pathlib import Path

import pyarrow as pa

from goldthread.domain.columns import PackedTexts
from goldthread.files import FileFormatError, append_column

source, out, rows = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def texts(start, stop):
    values = [f"{{row * 104729:020d}}" for row in range(start, stop)]
    offsets = memoryview(pa.array(range(0, 20 * len(values) + 1, 20), pa.int32()).buffers()[1]).tobytes()
    return PackedTexts(offsets[: 4 * (len(values) + 1)], "".join(values).encode(), None)

resource.setrlimit(resource.RLIMIT_FSIZE, ({ROOM}, {ROOM}))
try:
    append_column(source, out, "id", rows=rows, column=texts)
except FileFormatError as error:
    print(error)
"""


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, ending: str) -> None:
    source, out, rows = tmp_path / "in.csv", tmp_path / f"out.{ending}", ROOM // 6
    source.write_text("n\n" + "".join(f"{row * 7919 % 99991}\n" for row in range(rows)))
    told = subprocess.run(
        [sys.executable, "-c", _CHILD, str(source), str(out), str(rows)], capture_output=True, text=True, check=True
    )
    assert f"out.{ending}: cannot be written" in told.stdout
    assert [found.name for found in tmp_path.iterdir()] == ["in.csv"]

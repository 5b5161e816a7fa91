"""Numbers that are identifiers are one text, whatever the type of their column and whichever tool wrote them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldthread.files import FileFormatError, Mapping, read_flat, read_rows, read_sample, read_table
from goldthread.files.texts import whole_number

PHONES = ["13606718751", None, "493012345678"]
COLUMNS = {
    "float": pa.array([13606718751.0, None, 493012345678.0]),
    "single": pa.array([16777216.0, None, 98101.0], pa.float32()),
    "decimal": pa.array([Decimal("13606718751.00"), None, Decimal("493012345678.00")], pa.decimal128(18, 2)),
    "whole": pa.array([13606718751, None, 493012345678]),
    "text": pa.array(["13606718751.0", None, "493012345678"]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table(COLUMNS), file)
    return file


@pytest.mark.parametrize("name", ["float", "decimal", "whole", "text"])
def test_a_number_is_the_same_text_in_every_type(path: Path, name: str) -> None:
    mapping = Mapping({"phone": (name,)})
    [batch] = read_flat(path, mapping)
    assert batch.columns["phone"].texts() == PHONES
    assert read_sample(path, rows=9).columns[name] == PHONES
    assert mapping.table(read_table(path))["phone"] == PHONES
    assert [mapping.row(row).get("phone") for row in read_rows(path)] == PHONES


def test_fractions_that_say_something_stay(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    amounts = [Decimal("12.50"), Decimal("3.00"), Decimal("-4.00")]
    pq.write_table(pa.table({"f": [1.5, float("nan"), 1e300], "d": pa.array(amounts, pa.decimal128(6, 2))}), path)
    assert read_table(path) == {"f": ["1.5", None, "1e+300"], "d": ["12.50", "3", "-4"]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [("98101.0", "98101"), ("98101.00", "98101.00"), ("1.5", "1.5"), ("v1.0", "v1.0"), (".0", ".0"), ("10", "10")],
)
def test_only_a_fraction_of_nothing_goes(value: str, expected: str) -> None:
    assert whole_number(value) == expected


def test_text_files_are_read_likewise(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("zip,house,street\n98101.0,7.0,High St\n98102.0,,Mill Lane\n")
    mapping = Mapping({"postcode": ("zip",), "street": ("house", "street")})
    [batch] = read_flat(path, mapping, ["zip"])
    expected = {"postcode": ["98101", "98102"], "street": ["7 High St", "Mill Lane"]}
    assert {name: column.texts() for name, column in batch.columns.items()} == expected
    assert mapping.table(read_table(path)) == expected
    # Truth and ids are compared with those of other files, which are read as they stand.
    assert batch.beside["zip"].texts() == ["98101.0", "98102.0"]


def test_columns_without_texts_are_told_apart_and_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = {
        "tags": pa.array([["a"], ["b"]]),
        "photo": pa.array([b"\xff\xfe", b"\x00"]),
        "email": ["a@x.org", "b@x.org"],
        "name": pa.array([b"Ann", b"Bob"]),
    }
    pq.write_table(pa.table(table), path)
    sample = read_sample(path, rows=9)
    assert sample.columns == {"email": ["a@x.org", "b@x.org"], "name": ["Ann", "Bob"]}
    assert sample.unreadable == {"tags": "list", "photo": "binary"}
    for column in ("tags", "photo"):
        with pytest.raises(FileFormatError, match=f"t.parquet: column '{column}' cannot be read as text"):
            list(read_flat(path, Mapping({"city": (column,)})))
    pq.write_table(pa.table({name: column for name, column in table.items() if name != "photo"}), path)
    assert read_table(path) == {"email": ["a@x.org", "b@x.org"], "name": ["Ann", "Bob"]}
    assert list(read_rows(path)) == [{"email": "a@x.org", "name": "Ann"}, {"email": "b@x.org", "name": "Bob"}]

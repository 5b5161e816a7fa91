"""Rows of files: every format gives the same rows, and what is broken is told with its line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goldthread.files import (
    FileFormat,
    FileFormatError,
    column_names,
    format_of,
    read_numbered_rows,
    read_rows,
    read_table,
    stem_of,
    write_table,
)

TABLE: dict[str, list[str | None]] = {
    "id": ["1", "2", "3"],
    "name": ["Jörg", None, 'O"Neil, Pat\nsecond line'],
    "zip": ["01234", "", None],
}
ROWS = [{"id": "1", "name": "Jörg", "zip": "01234"}, {"id": "2"}, {"id": "3", "name": 'O"Neil, Pat\nsecond line'}]
COLUMNS = {"id": ["1", "2", "3"], "name": ["Jörg", None, 'O"Neil, Pat\nsecond line'], "zip": ["01234", None, None]}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "T.CSV"])
def test_what_is_written_is_read_back_as_rows_and_as_columns(tmp_path, name):
    path = tmp_path / name
    write_table(path, TABLE)
    assert list(read_rows(path)) == ROWS
    assert read_table(path) == COLUMNS
    assert column_names(path) == ["id", "name", "zip"]
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_gzip_is_really_gzip(tmp_path):
    write_table(tmp_path / "t.csv.gz", TABLE)
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()).startswith(b'"id","name","zip"\n')


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.just("x"), texts, texts), min_size=1, max_size=5))
def test_any_text_survives_csv_and_parquet(tmp_path, rows):
    columns = {name: [row[place] for row in rows] for place, name in enumerate(("a", "b", "c"))}
    expected = {name: [value or None for value in values] for name, values in columns.items()}
    for name in ("t.csv", "t.parquet"):
        write_table(tmp_path / name, columns)
        assert read_table(tmp_path / name) == expected
        assert list(read_rows(tmp_path / name)) == [
            {name: value for name, value in zip("abc", row, strict=True) if value} for row in rows
        ]


def test_json_lines_keep_numbers_as_written_and_leave_nulls_out(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"id": "1", "n": 1.50, "b": true}\n\n{"id": 12345678901234567890, "n": null, "e": ""}\n')
    assert list(read_numbered_rows(path)) == [
        (1, {"id": "1", "n": "1.50", "b": "true"}),
        (3, {"id": "12345678901234567890"}),
    ]
    assert column_names(path) == ["id", "n", "b"]
    assert read_table(path) == {"id": ["1", "12345678901234567890"], "n": ["1.50", None], "b": ["true", None]}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfid,name\r\n1,x\r\n")
    assert list(read_rows(path)) == [{"id": "1", "name": "x"}]
    assert read_table(path) == {"id": ["1"], "name": ["x"]}


def test_lines_are_counted_where_rows_end(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('id,name\n1,"two\nlines"\n\n2,x\n')
    assert [line for line, _ in read_numbered_rows(path)] == [3, 5]


def test_parquet_columns_of_other_types_become_text(tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table(
        {"n": [1, None], "d": pa.array([0, 1], pa.date32()), "c": pa.array(["x", "y"]).dictionary_encode()}
    )
    pq.write_table(table, path)
    assert list(read_rows(path)) == [{"n": "1", "d": "1970-01-01", "c": "x"}, {"d": "1970-01-02", "c": "y"}]


BROKEN = [
    ("t.csv", b"id,name\n1,a\n2,\xff\n", 3, "UTF-8"),
    ("t.csv", b"id,name\n1,a\n2\n", 3, "1 fields"),
    ("t.csv", b"id,name\n1,a,canary\n", 2, "3 fields"),
    ("t.csv", b'id,name\n1,"canary\n', 2, "CSV"),
    ("t.csv", b"id,id\n", 1, "every column once"),
    ("t.csv", b"id,,x\n", 1, "every column once"),
    ("t.csv", b"", 1, "every column once"),
    ("t.csv", b"id;name\n1;canary\n", 1, "parted by ';', not by a comma"),
    ("t.csv", b"id\tname\n1\tcanary\n", 1, "not by a comma"),
    ("t.csv", b'id,name\n1,"' + b"canary" * 30_000 + b'"\n2\n', 2, "a field is too long"),
    ("t.csv.gz", b"not gzip", 1, "gzip"),
    ("t.csv.gz", gzip.compress(b"id\n" + b"1\n" * 50)[:-9], None, "gzip"),
    ("t.jsonl", b'{"id": "1"}\n{"id": \n', 2, "JSON"),
    ("t.jsonl", b'{"id": "1"}\n["canary"]\n', 2, "JSON"),
    ("t.jsonl", b'{"id": {"x": 1}}\n', 1, "neither text nor number"),
    ("t.jsonl", b'{"id": "\\ud800"}\n', 1, "UTF-8"),
    ("t.jsonl", b"[" * 100_000, 1, "JSON"),
    ("t.jsonl", b'{"id": "1"}\n{"id": "\xff"}\n', 2, "UTF-8"),
    ("t.parquet", b"canary", None, "Parquet"),
]


@pytest.mark.parametrize(("name", "content", "line", "message"), BROKEN)
def test_what_is_broken_is_told_with_its_line_and_without_its_values(tmp_path: Path, name, content, line, message):
    path = tmp_path / name
    path.write_bytes(content)
    for read in (lambda: list(read_rows(path)), lambda: read_table(path)):
        with pytest.raises(FileFormatError, match=message) as caught:
            read()
        assert line is None or caught.value.line == line
        assert "canary" not in str(caught.value)


def test_a_lone_quotation_mark_inside_a_field_is_a_character(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('id,name\n1,5" pipe\n2,x\n')
    assert read_table(path) == {"id": ["1", "2"], "name": ['5" pipe', "x"]}


@pytest.mark.parametrize("name", ["t.txt", "t.parquet.gz", "t", "csv"])
def test_a_name_that_tells_no_format_is_refused(name):
    with pytest.raises(FileFormatError):
        format_of(Path(name))


def test_columns_of_one_name_are_refused_in_every_format(tmp_path):
    table = pa.table([["1"], ["2"]], names=["id", "id"])
    pq.write_table(table, tmp_path / "t.parquet")
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    for name in ("t.parquet", "t.arrow"):
        for read in (lambda path: list(read_rows(path)), read_table, column_names):
            with pytest.raises(FileFormatError, match="two columns are called 'id'"):
                read(tmp_path / name)


def test_json_keys_are_columns_wherever_they_first_come(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"email": "a@x.org"}\n' * 1_500 + '{"phone": "1"}\n')
    assert column_names(path) == ["email", "phone"]


def test_the_name_without_its_format():
    names = ("people.csv", "crm.2024.csv.gz", "crm.2024.PARQUET", ".people.csv")
    assert [stem_of(Path(name)) for name in names] == ["people", "crm.2024", "crm.2024", ".people"]


def test_the_format_may_be_given_instead(tmp_path):
    path = tmp_path / "data"
    path.write_text("id\n7\n")
    assert list(read_rows(path, FileFormat.CSV)) == [{"id": "7"}]

"""Rows that cannot be read are told by their lines, and the others are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldthread.files import FileFormatError, column_names, line_count, read_numbered_rows, read_sample

CSV = b'id,email\n1,a@x.org\n2\n3,"c@x"y.org"\n4,d@\xff.org\n5,"two\nlines"\n6,f@x.org,more\n7,g@x.org\n'
JSON = b'{"id": 1}\nnope\n[1]\n{"id": "\xff"}\n\n{"id": {"a": 1}}\n{"id": 7}\n'


def told(path: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Lines and ids of rows, and what was told of others."""
    malformed: list[tuple[int, str]] = []
    rows = [(line, row["id"]) for line, row in read_numbered_rows(path, malformed=lambda *one: malformed.append(one))]
    return rows, malformed


def test_csv_goes_on_behind_rows_that_cannot_be_read(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(CSV)
    rows, malformed = told(path)
    assert rows == [(2, "1"), (7, "5"), (9, "7")]
    assert malformed == [
        (3, "1 fields, the header has 2"),
        (4, "not well-formed CSV"),
        (5, "not UTF-8"),
        (8, "3 fields, the header has 2"),
    ]
    with pytest.raises(FileFormatError, match="line 3"):
        list(read_numbered_rows(path))
    assert line_count(path) == 9


def test_json_lines_go_on_behind_lines_that_cannot_be_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(JSON)
    rows, malformed = told(path)
    assert rows == [(1, "1"), (7, "7")]
    assert malformed == [
        (2, "not a JSON object"),
        (3, "not a JSON object"),
        (4, "not UTF-8"),
        (6, "a value is neither text nor number"),
    ]
    assert column_names(path, malformed=lambda *_: None) == ["id"]


def test_a_quotation_mark_that_is_never_closed_is_told_where_it_stands(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('id,email\n1,a@x.org\n2,"b@x.org\n3,c@x.org\n')
    rows, malformed = told(path)
    assert rows == [(2, "1")]
    assert malformed == [(3, "not well-formed CSV")]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_sample_holds_the_rows_that_can_be_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(CSV if name.endswith("csv") else JSON)
    sample = read_sample(path, rows=100, malformed=lambda *_: None)
    assert sample.whole
    assert sample.columns["id"] == (["1", "5", "7"] if name.endswith("csv") else ["1", "7"])

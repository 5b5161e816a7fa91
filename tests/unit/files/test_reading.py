"""Values that are not written as the flat row format has them, by rows and by columns alike."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from goldthread.files import PASSED_OVER, FileFormatError, Mapping, read_flat, read_numbered_rows

MAPPING = """
event_id = ["day", "till", "receipt"]
occurred_at = "at"
email = { first = ["mail", "other mail"] }
postcode = "zip"
amount_minor = "total"
[values]
missing = ["NULL", "-"]
apostrophes = true
zone = "Europe/Berlin"
decimals = 2
[rows]
needs = ["total"]
unless = ["cancelled"]
"""
COLUMNS = ["day", "till", "receipt", "at", "mail", "other mail", "zip", "total", "cancelled"]


def mapping(tmp_path: Path, text: str = MAPPING) -> Mapping:
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    return Mapping.read(tmp_path / "m.toml")


def both_ways(tmp_path: Path, *rows: dict[str, str]) -> list[dict[str, str]]:
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    said = mapping(tmp_path)
    one_by_one = [said.row(row) for _, row in read_numbered_rows(path)]
    [batch] = read_flat(path, said)
    columns = {name: list(column.texts()) for name, column in batch.columns.items()}
    at_once = [
        {name: value for name, values in columns.items() if (value := values[place])} for place in range(len(rows))
    ]
    assert at_once == one_by_one
    return one_by_one


def test_a_receipt_is_read_as_it_is_meant(tmp_path):
    row = {
        "day": "2026-01-02", "till": "3", "receipt": "77", "at": "2026-07-01 09:30:00.250", "mail": "NULL",
        "other mail": "jane@shop.org", "zip": "'02101", "total": "12.5", "cancelled": "NULL",
    }  # fmt: skip
    assert both_ways(tmp_path, row) == [
        {
            "event_id": "2026-01-02-3-77",
            "occurred_at": "2026-07-01T09:30:00.250000+02:00",
            "email": "jane@shop.org",
            "postcode": "02101",
            "amount_minor": "1250",
        }
    ]


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        ("2026-01-01 11:13:13 -0500", "2026-01-01T11:13:13-05:00"),
        ("2026-01-01T11:13:13Z", "2026-01-01T11:13:13+00:00"),
        ("2026-01-01", "2026-01-01T00:00:00+01:00"),
        ("2026-10-25 02:30:00", "2026-10-25T02:30:00+02:00"),
        ("yesterday", "yesterday"),
    ],
)
def test_times_without_an_offset_are_of_the_zone(tmp_path, at, moment):
    [row] = both_ways(tmp_path, {"at": at, "total": "1"})
    assert row["occurred_at"] == moment


@pytest.mark.parametrize(
    ("total", "minor"),
    [
        ("0", "0"),
        ("12", "1200"),
        ("12.34", "1234"),
        ("-3.10", "-310"),
        ("12.345", "12.345"),
        ("1,200.00", "1,200.00"),
        ("1e3", "1e3"),
    ],
)
def test_amounts_are_made_minor_units_or_stay_to_be_refused(tmp_path, total, minor):
    [row] = both_ways(tmp_path, {"total": total})
    assert row["amount_minor"] == minor


def test_rows_that_are_no_events_are_marked_and_an_event_id_needs_all_its_parts(tmp_path):
    rows = both_ways(
        tmp_path,
        {"mail": "a@x.org", "day": "2026-01-01", "till": "1"},
        {"mail": "a@x.org", "total": "NULL"},
        {"mail": "a@x.org", "total": "1", "cancelled": "2026-01-01"},
        {"mail": "a@x.org", "total": "1", "cancelled": "-"},
    )
    assert [PASSED_OVER in row for row in rows] == [True, True, True, False]
    assert not any("event_id" in row for row in rows)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[values]\nzone = "Atlantis/Capital"', "values.zone"),
        ("[values]\nzone = 5", "values.zone"),
        ("[values]\ndecimals = 9", "values.decimals"),
        ("[values]\ndecimals = true", "values.decimals"),
        ("[values]\nmissing = [5]", "values.missing"),
        ('[values]\napostrophes = "yes"', "values.apostrophes"),
        ("[values]\ncolour = 1", "values.colour"),
        ("[rows]\nneeds = 5", "rows.needs"),
        ("[rows]\nskip = []", "rows.skip"),
        ("rows = 5", "rows"),
        ('email = { last = ["a"] }', "email"),
        ("email = { first = [] }", "email"),
    ],
)
def test_what_is_said_wrongly_of_values_is_refused(tmp_path, text, complaint):
    with pytest.raises(FileFormatError, match=complaint):
        mapping(tmp_path, text)


def test_a_column_that_decides_about_rows_must_be_there(tmp_path):
    with pytest.raises(FileFormatError, match="'cancelled'"):
        mapping(tmp_path).check(tmp_path / "rows.csv", COLUMNS[:-1])

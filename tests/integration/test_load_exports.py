"""Exports of other systems, damaged here and there, loaded by the mappings that ship: the ledger holds the rest, and every bad row is listed by its line."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from fixtures.story import MASTER_KEY
from goldthread.app.generate import GenerateOptions, generate_events, write_events
from goldthread.app.generate.layouts import LAYOUTS

Row = dict[str, str]
_OPTIONS = GenerateOptions(people=150, events=800, seed=11)
_SECONDS = 300


def nameless(row: Row) -> None:
    row.update(dict.fromkeys((name for name in row if name != "Note"), ""))


def set_(column: str, value: str) -> Callable[[Row], None]:
    def damage(row: Row) -> None:
        row[column] = value

    return damage


EXPORTS: dict[str, tuple[tuple[str, ...], list[Callable[[Row], None]]]] = {
    "shopify-orders": (
        (),
        [
            set_("Created at", "yesterday"),
            set_("Total", "12,3x"),
            set_("Created at", "1999-12-31 10:00:00 -0500"),
        ],
    ),
    "shopify-customers": (("--occurred-at", "2026-01-01T00:00:00Z"), [nameless, nameless]),
    "pos-extract": (
        (),
        [
            set_("TRANSACTION_UTC_TS", "2026-13-01 10:00:00"),
            set_("NET_SALES_AMT", "NULL"),
            set_("CURRENCY_CD", "XXX"),
        ],
    ),
}
"""What an export needs to be loaded, and how its rows are damaged."""


@pytest.fixture
def environment(ledger_dsn: str) -> dict[str, str]:
    own = {"GOLDTHREAD_POSTGRES_DSN": ledger_dsn, "GOLDTHREAD_MASTER_KEY": MASTER_KEY.hex()}
    return {key: value for key, value in os.environ.items() if not key.startswith("GOLDTHREAD_")} | own


def rows_of(path: Path) -> dict[int, Row]:
    """Rows that are events by their lines, as an editor counts them: of an order's lines the first, which alone has a total."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = dict(enumerate(csv.DictReader(stream), start=2))
    return {line: row for line, row in rows.items() if row.get("Total", "0")}


def damaged(path: Path, damages: list[Callable[[Row], None]]) -> dict[int, Row]:
    """Damages rows spread over the file; gives what they were, by line."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    lines = list(rows_of(path))
    spread = [lines[(place + 1) * len(lines) // (len(damages) + 1)] for place in range(len(damages))]
    before = {line: dict(rows[line - 2]) for line in spread}
    for line, damage in zip(spread, damages, strict=True):
        damage(rows[line - 2])
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return before


@pytest.mark.parametrize("how", [(), ("--chunks", "--ahead", "0")], ids=["whole", "chunks"])
@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_loads_and_its_bad_rows_are_listed(
    environment: dict[str, str], tmp_path: Path, name: str, how: tuple[str, ...]
) -> None:
    path = tmp_path / f"{name}.csv"
    write_events(generate_events(_OPTIONS), path, tmp_path / "truth.csv", LAYOUTS[name])
    options, damages = EXPORTS[name]
    bad = damaged(path, damages)
    command = [sys.executable, "-m", "goldthread.app.cli", "load", "--mapping", name, *options, *how, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    said = done.stderr
    assert done.returncode == 0, said
    listed = {int(line) for lines in re.findall(r"\(lines ([\d, ]+)", said) for line in lines.split(", ")}
    rows = rows_of(path)
    assert bad.keys() <= listed <= rows.keys(), said
    # No value of a row that was left out is shown.
    mails = [value for row in bad.values() for column, value in row.items() if "mail" in column.lower() and value]
    assert not any(value in said for value in mails if "@" in value)
    # Everything else is in the ledger; an order that the shop lists twice is there once.
    kept = [row.get("Id") or tuple(row.values()) for line, row in rows.items() if line not in listed]
    with psycopg.connect(environment["GOLDTHREAD_POSTGRES_DSN"], autocommit=True) as connection:
        [(taken, records, profiles)] = connection.execute(
            "SELECT (SELECT count(*) FROM inbox), (SELECT count(*) FROM record), (SELECT count(*) FROM profile WHERE live)"
        )
    assert f"{len(kept)} events read, {len(listed)} rows left out" in said
    assert taken == len(set(kept)) > 30
    assert 0 < profiles <= records <= taken

"""Exports of other systems, generated and read with the mappings that ship: every event arrives, and means what was generated."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from goldthread.app.generate import GeneratedEvent, GenerateOptions, command, generate_events, write_events
from goldthread.app.generate.layouts import LAYOUTS
from goldthread.app.load_columns import ColumnReader
from goldthread.app.produce_rows import RowDefaults, RowReader
from goldthread.app.tables import MappingFile
from goldthread.domain.words import CustomerChange, IncomingEvent, Purchase
from goldthread.files import Mapping, read_numbered_rows
from goldthread.matching.holdings import EventKind

OPTIONS = GenerateOptions(people=300, events=1_500, seed=8)
DEFAULTS = RowDefaults(region="US", currency="USD", occurred_at=datetime(2026, 1, 1, tzinfo=UTC))


def shipped(name: str) -> Mapping:
    path = MappingFile().convert(name, None, None)
    assert isinstance(path, Path)
    return Mapping.read(path)


def exported(tmp_path: Path, name: str) -> tuple[Path, list[GeneratedEvent]]:
    path = tmp_path / f"{name}.csv"
    write_events(generate_events(OPTIONS), path, tmp_path / "truth.csv", LAYOUTS[name])
    held = [event for event in generate_events(OPTIONS) if LAYOUTS[name].holds(event)]
    assert len(held) > 50
    return path, held


def read(path: Path, name: str) -> list[IncomingEvent]:
    mapping = shipped(name)
    reader = RowReader(path, defaults=DEFAULTS)
    events = list(reader.events((line, mapping.row(row)) for line, row in read_numbered_rows(path)))
    # Nobody can use a placeholder or nothing at all.
    assert {reason for _, reason in reader.report.unusable} <= {"no usable identifier and no attribute"}
    assert reader.report.events + len(reader.report.unusable) == reader.report.rows
    return events


@pytest.mark.parametrize("name", ["shopify-orders", "pos-extract"])
def test_purchases_arrive_with_their_time_amount_and_id(tmp_path: Path, name: str) -> None:
    path, held = exported(tmp_path, name)
    found = {event.event_id: event for event in read(path, name)}
    expected = {LAYOUTS[name].identity(event)[1]: event for event in held}
    assert len(found) > 0.9 * len(expected)
    assert found.keys() <= expected.keys()
    for event_id, event in found.items():
        made = expected[event_id]
        assert event.occurred_at == datetime.fromisoformat(made.occurred_at)
        assert isinstance(event.payload, Purchase)
        assert event.payload.amount_minor == int(made.amount_minor)
        assert event.attributes.get("postcode", "") in {made.claim.postcode, ""}
        assert "NULL" not in event.attributes.values()


def test_further_lines_of_an_order_are_passed_over_by_rows_and_by_columns(tmp_path: Path) -> None:
    path, held = exported(tmp_path, "shopify-orders")
    mapping = shipped("shopify-orders")
    reader = RowReader(path, defaults=DEFAULTS)
    events = list(reader.events((line, mapping.row(row)) for line, row in read_numbered_rows(path)))
    lines = path.read_text(encoding="utf-8").count("\n") - 1
    assert reader.report.passed_over == lines - len(held) > 0
    columns = ColumnReader(path, mapping=mapping, defaults=DEFAULTS)
    ids = [
        event_id
        for batch in columns.batches()
        for event_id, kind in zip(batch.events.ids, batch.events.kinds, strict=True)
        if kind != EventKind.NONE
    ]
    assert columns.finish().passed_over == reader.report.passed_over
    assert ids == [event.event_id for event in events]


def test_customers_arrive_with_their_number(tmp_path: Path) -> None:
    path, held = exported(tmp_path, "shopify-customers")
    events = read(path, "shopify-customers")
    assert len(events) == len(held)
    assert all(isinstance(event.payload, CustomerChange) for event in events)
    assert all(any(one.path == "customer_number" for one in event.identifiers) for event in events)


def test_the_truth_names_rows_as_the_mapping_does(tmp_path: Path) -> None:
    path, _ = exported(tmp_path, "pos-extract")
    with (tmp_path / "truth.csv").open(encoding="utf-8", newline="") as lines:
        truth = {(row["source"], row["event_id"]) for row in csv.DictReader(lines)}
    assert {(event.source, event.event_id) for event in read(path, "pos-extract")} <= truth


def test_a_format_is_csv_and_a_mapping_is_known_by_its_name(tmp_path: Path) -> None:
    arguments = ["--events", "10", "--format", "shopify-orders", "--out", str(tmp_path / "a.jsonl")]
    assert "written as .csv" in CliRunner().invoke(command, arguments).output
    with pytest.raises(Exception, match="neither a file nor one of pos-extract, shopify-customers, shopify-orders"):
        MappingFile().convert("shopify", None, None)

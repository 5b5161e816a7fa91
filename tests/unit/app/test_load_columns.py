"""Columns of a fill say of every row what `RowReader` says of it, ordinary or not."""

from __future__ import annotations

import csv
import itertools
from array import array
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.story import KEYS
from goldthread.app.load_columns import ColumnReader
from goldthread.app.produce_rows import RowDefaults, RowReader
from goldthread.domain.words import Click, ConsentChange, CustomerChange, IncomingEvent, Purchase
from goldthread.files import Mapping, column_names, read_numbered_rows
from goldthread.matching.holdings import EPOCH, EventKind, LoadEngine
from oracle.models import round_weights

NOW = datetime(2026, 2, 1, tzinfo=UTC)
NAMES = (
    "source",
    "event_id",
    "occurred_at",
    "kind",
    "email",
    "given_name",
    "store",
    "amount_minor",
    "currency",
    "page",
    "purpose",
    "granted",
)
ORDINARY = {"source": "pos", "event_id": "e", "occurred_at": "2026-01-01T00:00:00Z", "email": "jane@shop.org"}
ODD: dict[str, tuple[str, ...]] = {
    "source": ("", "CRM West", "web", "x" * 65),
    "event_id": ("", "é", "x" * 128, "x" * 129, "tab\there", "NULL"),
    "occurred_at": (
        "",
        "soon",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T02:30:00.123456789+02:00",
        "2026-01-01T00:00:00.5Z",
        "20260101T000000Z",
        "1999-12-31T23:59:59Z",
        "2026-02-02T00:00:00Z",
        "2026-02-02T00:00:01Z",
        "0001-01-01T00:00:00+02:00",
    ),
    "kind": ("purchase", "click", "customer_change", "consent", "gift"),
    "amount_minor": ("5", "007", "-5", "1.5", "1000000000000", "1000000000001", "٣", "1" * 19, " 5"),
    "currency": ("USD", "EUR", "usd"),
    "store": ("S1", "Köln", "x" * 65, "x" * 60, "a,b"),
    "page": ("/a?b", "x" * 256, "x" * 257, "é" * 129),
    "purpose": ("sms", "Sms", "x" * 65),
    "granted": ("true", "YES", "no"),
    "email": ("", "n/a", "not one", "Jane@Shop.org"),
    "given_name": ("Jane", "x" * 600, "null\x00", " "),
}


def rows() -> list[dict[str, str]]:
    """Every odd value alone, with every kind, and with an amount."""
    found = [dict(ORDINARY)]
    for name, values in ODD.items():
        for value, more in itertools.product(
            values, ({}, {"kind": "purchase", "amount_minor": "7"}, {"kind": "click"})
        ):
            found.append({**ORDINARY, **more, name: value})
    for kind, name in itertools.product(ODD["kind"], ("purpose", "page", "store", "amount_minor", "granted")):
        found += [{**ORDINARY, "kind": kind, name: value} for value in ODD[name]]
    return found


def told(event: IncomingEvent) -> tuple[object, ...]:
    assert event.occurred_at is not None
    match event.payload:
        case Purchase(amount, _, store):
            rest: tuple[object, ...] = (EventKind.PURCHASE, amount, store)
        case Click():
            rest = (EventKind.CLICK, 0, "")
        case ConsentChange(purpose, granted):
            rest = (EventKind.CONSENT_GIVEN if granted else EventKind.CONSENT_WITHDRAWN, 0, purpose)
        case CustomerChange():
            rest = (EventKind.CUSTOMER_CHANGE, 0, "")
        case None:
            raise AssertionError
    return event.source, event.event_id, event.occurred_at, *rest


@pytest.mark.parametrize(
    "defaults",
    [
        RowDefaults(region="US", currency="USD"),
        RowDefaults(region="US", currency="EUR", source="crm", occurred_at=datetime(2025, 5, 5, tzinfo=UTC)),
    ],
)
def test_rows_are_read_as_row_by_row(tmp_path: Path, defaults: RowDefaults) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, NAMES)
        writer.writeheader()
        writer.writerows(rows())
    plain = RowReader(path, defaults=defaults, now=lambda: NOW)
    mapping = Mapping.automatic(column_names(path))
    flat = ((line, mapping.row(row)) for line, row in read_numbered_rows(path))
    expected = [told(event) for _, event in plain.numbered(flat)]

    engine = LoadEngine(model_text=round_weights(), keys=KEYS, region="US")
    reader = ColumnReader(path, mapping=mapping, defaults=defaults, now=lambda: NOW)
    found: list[tuple[object, ...]] = []
    for batch in reader.batches():
        counts = engine.add(batch.claims, batch.events)
        batch.done(counts)
        events = batch.events
        occurred, amounts = array("q", events.occurred), array("q", events.amounts)
        found += [
            (
                events.sources[row],
                events.ids[row],
                occurred[row],
                EventKind(events.kinds[row]),
                amounts[row],
                events.details[row],
            )
            for row in range(len(events.ids))
            if events.kinds[row] != EventKind.NONE and row not in counts.unusable
        ]
    micro = [(*event[:2], round((event[2] - EPOCH).total_seconds() * 1_000_000), *event[3:]) for event in expected]  # type: ignore[operator, union-attr]
    assert found == micro
    report = reader.finish()
    assert report.unusable == plain.report.unusable
    assert (report.rows, report.events) == (plain.report.rows, plain.report.events)
    assert 30 < report.events < report.rows - 30

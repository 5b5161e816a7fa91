"""Rows become events that carry digests only; what cannot be sent is counted by line and reason."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from goldthread.app.produce import command, produce_file, summary_lines
from goldthread.app.produce_rows import ProduceReport, RowDefaults, RowReader
from goldthread.domain.validation import broken_rules
from goldthread.domain.words import (
    Click,
    ConsentChange,
    CustomerChange,
    DigestForm,
    IdentifierType,
    IncomingEvent,
    Position,
    Purchase,
)
from goldthread.files import FileFormatError, read_numbered_rows
from goldthread.files import Mapping as ColumnMapping
from goldthread.wire import decode_events

DEFAULTS = RowDefaults(region="US", currency="USD")
HEADER = (
    "source,event_id,occurred_at,kind,customer_number,email,phone,loyalty_card,given_name,family_name,store,amount_minor,"
    "currency,truth\n"
)


class Sink:
    """A topic in memory."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, Mapping[str, str]]] = []
        self.flushed = False

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> None:
        self.flushed = False
        self.sent.append((topic, key, value, headers))

    def flush(self) -> None:
        self.flushed = True

    def events(self) -> list[IncomingEvent]:
        messages = [Sent(value, headers["content-type"]) for _, _, value, headers in self.sent]
        batch = decode_events(messages, currency="USD")
        assert batch.rejections == []
        return [event for _, event in batch.events]


class Sent:
    position = Position("t", 0, 0)

    def __init__(self, payload: bytes | None, content_type: str) -> None:
        self.payload = payload
        self.content_type = content_type


def write(tmp_path: Path, text: str, name: str = "rows.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def produce(
    path: Path, defaults: RowDefaults = DEFAULTS, mapping: ColumnMapping | None = None
) -> tuple[Sink, ProduceReport]:
    sink = Sink()
    report = produce_file(path, sink, topic="t", defaults=defaults, mapping=mapping)
    assert sink.flushed
    assert report.events == len(sink.sent)
    assert report.rows == report.events + len(report.unusable)
    return sink, report


ROW = "crm,e-1,2026-01-01T00:00:00Z,purchase,C-7,Jane.Doe+shop@Gmail.com,(415) 265-4321,,Jane,Doe,s1,1250,USD,9\n"


def test_a_row_becomes_an_event_with_digests_attributes_and_payload(tmp_path):
    sink, report = produce(write(tmp_path, HEADER + ROW))
    [event] = sink.events()
    assert (event.source, event.event_id) == ("crm", "e-1")
    assert event.occurred_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert event.payload == Purchase(1250, "USD", "s1")
    assert event.attributes == {"given_name": "Jane", "family_name": "Doe"}
    canonical = {
        (IdentifierType.CUSTOMER_NUMBER, "crm", DigestForm.CANONICAL): b"C7",
        (IdentifierType.EMAIL, "", DigestForm.CANONICAL): b"jane.doe+shop@gmail.com",
        (IdentifierType.EMAIL, "", DigestForm.GMAIL_FOLDED): b"janedoe@gmail.com",
        (IdentifierType.PHONE, "", DigestForm.CANONICAL): b"+14152654321",
    }
    assert {(item.type, item.namespace, item.form): item.digest for item in event.identifiers} == {
        key: hashlib.sha256(value).digest() for key, value in canonical.items()
    }
    assert sink.sent[0][1] == b"crm/e-1"
    assert not report.dropped


def test_raw_identifiers_and_truth_never_reach_the_topic(tmp_path):
    row = "crm,e-1,2026-01-01T00:00:00Z,purchase,CANARY1,canary@shop.org,+1 415 265 4321,CANARY2,Jane,Doe,s1,5,USD,CANARY3\n"
    sink, _ = produce(write(tmp_path, HEADER + row))
    [(_, key, value, _)] = sink.sent
    for blob in (key, value):
        assert blob is not None
        assert b"canary" not in blob.lower()
        assert b"4152654321" not in blob


def test_every_format_gives_the_same_events(tmp_path):
    rows = [ROW.replace("e-1", f"e-{number}") for number in range(3)]
    csv = write(tmp_path, HEADER + "".join(rows))
    zipped = tmp_path / "rows.csv.gz"
    zipped.write_bytes(gzip.compress(csv.read_bytes()))
    names = HEADER.strip().split(",")
    lines = []
    for row in rows:
        pairs = zip(names, row.strip().split(","), strict=True)
        lines.append("{" + ",".join(f'"{name}":"{value}"' for name, value in pairs if value) + "}\n")
    jsonl = write(tmp_path, "".join(lines), "rows.jsonl")
    assert produce(csv)[0].sent == produce(zipped)[0].sent == produce(jsonl)[0].sent


@pytest.mark.parametrize(
    ("columns", "values", "payload"),
    [
        ("amount_minor", "5", Purchase(5, "USD", "")),
        ("kind,amount_minor,currency", "purchase,5,USD", Purchase(5, "USD", "")),
        ("kind,page", "click,/a?x=1", Click("/a")),
        ("kind", "customer_change", CustomerChange()),
        ("store", "s1", CustomerChange()),
        ("kind,purpose,granted", "consent,ads,Yes", ConsentChange("ads", granted=True)),
        ("kind,purpose,granted", "consent,ads,true", ConsentChange("ads", granted=True)),
        ("kind,purpose,granted", "consent,ads,ja", ConsentChange("ads", granted=False)),
        ("kind", "consent", ConsentChange("marketing", granted=False)),
    ],
)
def test_the_kind_of_a_row_decides_its_payload(tmp_path, columns, values, payload):
    text = f"source,event_id,occurred_at,given_name,{columns}\npos,e,2026-01-01T00:00:00Z,Jane,{values}\n"
    sink, _ = produce(write(tmp_path, text))
    assert sink.events()[0].payload == payload


def test_invalid_and_placeholder_identifiers_are_dropped_and_counted(tmp_path):
    row = "crm,e-1,2026-01-01T00:00:00Z,,,not an address,000-000-0000,n/a,Jane,Doe,,,,\n"
    sink, report = produce(write(tmp_path, HEADER + row))
    assert sink.events()[0].identifiers == ()
    assert report.dropped == {
        ("email", "invalid"): 1,
        ("phone", "placeholder"): 1,
        ("loyalty_card", "placeholder"): 1,
    }


def test_strict_leaves_out_rows_with_an_invalid_identifier(tmp_path):
    rows = "crm,e-1,2026-01-01T00:00:00Z,,,not an address,,,Jane,Doe,,,,\n" + ROW.replace("e-1", "e-2")
    strict = RowDefaults(region="US", currency="USD", strict=True)
    sink, report = produce(write(tmp_path, HEADER + rows), strict)
    assert [event.event_id for event in sink.events()] == ["e-2"]
    assert report.unusable == [(2, "invalid email")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",e,2026-01-01T00:00:00Z,,,a@b.org,,,,,,,,", "no source, and no default"),
        ("crm,e,,,,a@b.org,,,,,,,,", "no occurred_at, and no default"),
        ("crm,e,yesterday,,,a@b.org,,,,,,,,", "occurred_at is not an RFC 3339 time"),
        ("crm,e,2026-01-01T00:00:00,,,a@b.org,,,,,,,,", "occurred_at has no offset from UTC"),
        ("crm,e,0001-01-01T00:00:00+14:00,,,a@b.org,,,,,,,,", "occurred_at is not an RFC 3339 time"),
        ("crm,e,2026-01-01T00:00:00Z,,,n/a,,, ,,,,,", "no usable identifier and no attribute"),
        (
            "crm,e,2026-01-01T00:00:00Z,gift,,a@b.org,,,,,,,,",
            "kind is none of purchase, click, customer_change, consent",
        ),
        ("crm,e,2026-01-01T00:00:00Z,purchase,,a@b.org,,,,,,1.5,,", "amount_minor is not a whole number"),
        ("crm,e,2026-01-01T00:00:00Z,purchase,,a@b.org,,,,,,,,", "amount_minor is not a whole number"),
        (f"crm,e,2026-01-01T00:00:00Z,purchase,,a@b.org,,,,,,{'9' * 30},,", "amount_minor is not a whole number"),
    ],
)
def test_a_row_that_cannot_be_an_event_is_listed_with_line_and_reason(tmp_path, row, reason):
    sink, report = produce(write(tmp_path, HEADER + ROW + row + "\n"))
    assert [event.event_id for event in sink.events()] == ["e-1"]
    assert report.unusable == [(3, reason)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("CRM West,e,2026-01-01T00:00:00Z,,,a@b.org,,,,,,,,", "source: must be 1 to 64 characters of a-z 0-9 _ . -"),
        (
            f"crm,{'x' * 129},2026-01-01T00:00:00Z,,,a@b.org,,,,,,,,",
            "event_id: must be 1 to 128 bytes of printable text",
        ),
        (
            "crm,e,1999-12-31T23:59:59Z,,,a@b.org,,,,,,,,",
            "occurred_at: must lie between 2000-01-01 and one day from now",
        ),
        (
            "crm,e,2026-07-02T00:00:01Z,,,a@b.org,,,,,,,,",
            "occurred_at: must lie between 2000-01-01 and one day from now",
        ),
        ("crm,e,2026-01-01T00:00:00Z,purchase,,a@b.org,,,,,,-5,,", "amount_minor: must lie between 0 and 10^12"),
        (
            f"crm,e,2026-01-01T00:00:00Z,purchase,,a@b.org,,,,,{'s' * 65},5,EUR,",
            "currency: must be USD; store: must be at most 64 bytes without null characters",
        ),
    ],
)
def test_a_row_that_the_service_would_refuse_is_listed_with_its_columns_and_not_sent(tmp_path, row, reason):
    path = write(tmp_path, HEADER + ROW + row + "\n")
    reader = RowReader(path, defaults=DEFAULTS, now=lambda: datetime(2026, 7, 1, tzinfo=UTC))
    sent = list(reader.events((line, ColumnMapping.automatic(row).row(row)) for line, row in read_numbered_rows(path)))
    assert [event.event_id for event in sent] == ["e-1"]
    assert reader.report.events == 1
    assert reader.report.unusable == [(3, reason)]


def test_what_produce_sends_breaks_no_rule_of_the_service(tmp_path):
    rows = [
        ROW.replace("e-1", f"e-{amount}").replace("1250", amount) for amount in ("0", "1000000000000", "1000000000001")
    ]
    sink, report = produce(write(tmp_path, HEADER + "".join(rows)))
    for event in sink.events():
        assert broken_rules(event, now=datetime(2026, 7, 1, tzinfo=UTC), currency="USD") == []
    assert [event.event_id for event in sink.events()] == ["e-0", "e-1000000000000"]
    assert report.unusable == [(4, "amount_minor: must lie between 0 and 10^12")]


def test_an_invalid_attribute_is_dropped_and_counted_and_strict_leaves_the_row_out(tmp_path):
    text = "source,event_id,occurred_at,family_name,birth_date\ncrm,e-1,2026-01-01T00:00:00Z,Doe,born 1980\n"
    path = write(tmp_path, text)
    sink, report = produce(path)
    assert sink.events()[0].attributes == {"family_name": "Doe"}
    assert report.dropped == {("birth_date", "invalid"): 1}
    sink, report = produce(path, RowDefaults(region="US", currency="USD", strict=True))
    assert sink.sent == []
    assert report.unusable == [(2, "invalid birth_date")]


def test_placeholders_alone_are_no_claim(tmp_path):
    text = "source,event_id,occurred_at,family_name,birth_date\ncrm,e-1,2026-01-01T00:00:00Z,n/a,born 1980\n"
    sink, report = produce(write(tmp_path, text))
    assert sink.sent == []
    assert report.unusable == [(2, "no usable identifier and no attribute")]


def test_defaults_fill_what_rows_leave_out(tmp_path):
    moment = datetime(2025, 5, 1, tzinfo=UTC)
    defaults = RowDefaults(region="GB", currency="GBP", source="file", occurred_at=moment)
    sink, _ = produce(write(tmp_path, "first_name,phone,amount_minor\nAnn,020 7946 1234,7\n"), defaults)
    [event] = sink.events()
    assert (event.source, event.occurred_at, event.payload) == ("file", moment, Purchase(7, "GBP", ""))
    assert event.identifiers[0].digest == hashlib.sha256(b"+442079461234").digest()


def test_rows_without_ids_get_the_same_ids_whenever_the_file_is_produced(tmp_path):
    defaults = RowDefaults(region="US", currency="USD", source="file", occurred_at=datetime(2025, 5, 1, tzinfo=UTC))
    path = write(tmp_path, "first_name\nAnn\nAnn\n")
    first, again = produce(path, defaults)[0], produce(path, defaults)[0]
    assert first.sent == again.sent
    ids = [event.event_id for event in first.events()]
    assert len(set(ids)) == 2
    other = write(tmp_path, "first_name\nAnn\nBob\n", "other.csv")
    assert not set(ids) & {event.event_id for event in produce(other, defaults)[0].events()}


def test_a_mapping_renames_columns_and_must_fit_the_file(tmp_path):
    path = write(tmp_path, "id,vorname\n1,Ann\n")
    mapping = ColumnMapping(
        {"event_id": ("id",), "given_name": ("vorname",)}, {"source": "crm", "occurred_at": "2026-01-01T00:00:00Z"}
    )
    sink, _ = produce(path, mapping=mapping)
    assert sink.events()[0].attributes == {"given_name": "Ann"}
    with pytest.raises(FileFormatError, match="'missing'"):
        produce(path, mapping=ColumnMapping({"given_name": ("missing",)}))


def test_rows_beyond_one_batch_keep_their_order(tmp_path):
    rows = "".join(ROW.replace("e-1", f"e-{number}") for number in range(2_500))
    sink, report = produce(write(tmp_path, HEADER + rows))
    assert report.events == 2_500
    assert [key for _, key, _, _ in sink.sent] == [f"crm/e-{number}".encode() for number in range(2_500)]


def test_the_summary_counts_and_shows_no_value(tmp_path):
    bad = "crm,e,2026-01-01T00:00:00Z,,,canary,,,,,,,,\n"
    refused = "Canary,e,2026-01-01T00:00:00Z,,,a@b.org,,,,,,,,\n"
    _, report = produce(write(tmp_path, HEADER + ROW + refused + bad * 30 + refused))
    listed = ", ".join(str(line) for line in range(4, 24))
    assert list(summary_lines(report)) == [
        "33 rows, 1 events sent, 32 rows left out",
        "  30 × email: invalid, not sent",
        f"  30 rows left out: no usable identifier and no attribute (lines {listed} and 10 more)",
        "  2 rows left out: source: must be 1 to 64 characters of a-z 0-9 _ . - (lines 3, 34)",
    ]


def test_the_command_wants_a_time_with_an_offset(tmp_path):
    path = write(tmp_path, HEADER + ROW)
    result = CliRunner().invoke(
        command, [str(path), "--kafka-bootstrap", "127.0.0.1:1", "--occurred-at", "2026-01-01T00:00:00"]
    )
    assert result.exit_code == 2
    assert "--occurred-at" in result.output

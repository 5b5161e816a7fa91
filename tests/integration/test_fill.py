"""Filling an empty ledger: what is there afterwards is what streaming the same rows leaves; a fill that is killed has done nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from fixtures.content import Content
from fixtures.content_rows import content_of
from fixtures.filling import SCHEMA, WAITING, NotEmptyError, filled, written
from fixtures.permutations import MODEL, ROWS, decided, play
from fixtures.servers import Postgres
from fixtures.stage import Stage
from fixtures.story import row_events
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights

_SECONDS = 600

_OTHERS = (
    {
        "source": "web",
        "event_id": "v1",
        "occurred_at": "2025-03-01T10:00:00.25+02:00",
        "kind": "click",
        "page": "/x?y",
        "email": "a@b.org",
    },
    {
        "source": "web",
        "event_id": "v2",
        "occurred_at": "2025-03-02T10:00:00Z",
        "kind": "consent",
        "granted": "Yes",
        "email": "a@b.org",
    },
    {
        "source": "web",
        "event_id": "v3",
        "occurred_at": "2025-03-03T10:00:00Z",
        "kind": "consent",
        "purpose": "sms",
        "email": "a@b.org",
    },
    {
        "source": "web",
        "event_id": "v4",
        "occurred_at": "2025-03-04T10:00:00Z",
        "amount_minor": "007",
        "store": "Köln",
        "email": "a@b.org",
    },
    {
        "source": "web",
        "event_id": "v4",
        "occurred_at": "2025-03-04T10:00:00Z",
        "amount_minor": "007",
        "store": "Köln",
        "email": "a@b.org",
    },
)
"""One of every other kind, and a repeat."""


def content(dsn: str) -> Content:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return content_of(connection)


@pytest.fixture
def other(postgres: Postgres) -> Iterator[str]:
    """Another empty ledger."""
    dsn = postgres.clone()
    yield dsn
    postgres.drop(dsn)


def exactly(found: Content) -> dict[str, object]:
    """What the events alone say, whoever took them: no ids that were drawn."""
    standing = {address for address, row in found.records.items() if row.sightings}
    return {
        "events": found.events,
        "conflicts": {row[:3] for row in found.conflicts},
        "purchases": found.purchases,
        "consents": found.consents,
        "carriers": {row for row in found.carriers if row[1] in standing},
        "tokens": {token: row for token, row in found.tokens.items() if not row[5]},
        "blocks": found.blocks,
        "blocked": {row for row in found.blocked if row[1] in standing},
    }


def told(found: Content) -> dict[frozenset[bytes], object]:
    """The last that the journal says of each profile, and the outbox, by the records that it holds."""
    address = {row.birth_id: key for key, row in found.records.items()}
    entries = {entry.profile_id: entry for entry in found.journal}
    heard = {row[0]: row for row in found.outbox}
    return {
        frozenset(address[member] for member in entry.after): (entry.after_survivors, heard[home][2:])
        for home, entry in entries.items()
        if entry.live
    }


def test_a_filled_ledger_holds_what_streaming_leaves(
    ledger: Ledger, ledger_dsn: str, other: str, metrics: Metrics, tmp_path: Path
) -> None:
    rows = [*ROWS, *_OTHERS]
    halves = written(tmp_path / "a.csv", rows[:90]), written(tmp_path / "b.csv", rows[90:])
    reports, counts = filled(ledger, metrics, *halves, model_text=MODEL)
    assert [report.unusable for report in reports] == [[], []]
    assert counts.looked_at > 5
    assert counts.repeated >= 1
    with Ledger(LedgerSettings(dsn=other, pool_max=8), metrics) as streamed:
        play(streamed, metrics, row_events(rows), seed=6)
    one, two = content(ledger_dsn), content(other)
    assert decided(lambda: one) == decided(lambda: two)
    assert exactly(one) == exactly(two)
    assert told(one) == told(two)
    assert {entry.actor for entry in one.journal} <= {"worker", "handed over"}


def test_without_phones_that_change_hands_it_is_as_one_look_leaves_it(
    ledger: Ledger, ledger_dsn: str, other: str, metrics: Metrics, tmp_path: Path
) -> None:
    model = re.sub("phone_gap_days = .*", "phone_gap_days = 9999", round_weights())
    options = GenerateOptions(people=150, events=400, seed=11, households_share=0.6)
    rows = [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]
    _, counts = filled(ledger, metrics, written(tmp_path / "a.csv", rows), model_text=model)
    assert counts.looked_at == 0
    with Ledger(LedgerSettings(dsn=other, pool_max=8), metrics) as streamed:
        Stage(streamed, metrics, model_text=model).ingest(row_events(rows))
    one, two = content(ledger_dsn), content(other)
    assert decided(lambda: one) == decided(lambda: two)
    assert exactly(one) == exactly(two)
    assert told(one) == told(two)
    assert [one.tokens, one.names, one.carriers, one.blocks] == [two.tokens, two.names, two.carriers, two.blocks]
    assert {pair: row[:3] for pair, row in one.pairs.items()} == {pair: row[:3] for pair, row in two.pairs.items()}
    # One entry for every profile, with the same links; of its events the fill names the first, a stream any.
    address = {row.birth_id: key for found in (one, two) for key, row in found.records.items()}

    def entries(found: Content) -> set[tuple[object, ...]]:
        return {
            (frozenset(address[at] for at in e.after), e.live, e.before, e.cause, e.actor, e.links)
            for e in found.journal
        }

    assert len(one.journal) == len(one.profiles)
    assert entries(one) == entries(two)
    assert all(one.events[e.source, e.event_id][1] in {address[at] for at in e.after} for e in one.journal)
    assert [row.version for row in one.journal] == sorted({row.version for row in one.profiles.values()})
    assert one.marks == []


def test_the_schema_is_what_it_was_and_life_goes_on(
    ledger: Ledger, ledger_dsn: str, other: str, metrics: Metrics, tmp_path: Path
) -> None:
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        # As an operator may have left it.
        for statement in (
            "COMMENT ON INDEX record_token_token_idx IS 'who carries it'",
            "COMMENT ON CONSTRAINT record_pkey ON record IS 'it''s the key'",
            "ALTER TABLE token REPLICA IDENTITY USING INDEX token_pkey",
            "ALTER TABLE inbox CLUSTER ON inbox_record_idx",
        ):
            connection.execute(statement)
        before = connection.execute(SCHEMA).fetchall()
        assert {row[-1] for row in before} >= {"who carries it", "it's the key"}
        filled(ledger, metrics, written(tmp_path / "a.csv", ROWS[:100]), model_text=MODEL)
        assert connection.execute(SCHEMA).fetchall() == before
    # Whatever comes next finds identities, versions and key states as after a stream.
    stage = Stage(ledger, metrics, model_text=MODEL, seed=1)
    stage.ingest(row_events(ROWS[100:]))
    stage.drain()
    with Ledger(LedgerSettings(dsn=other, pool_max=8), metrics) as streamed:
        play(streamed, metrics, row_events(ROWS), seed=3)
    assert decided(lambda: content(ledger_dsn)) == decided(lambda: content(other))
    with pytest.raises(NotEmptyError):
        filled(ledger, metrics, written(tmp_path / "b.csv", ROWS[:5]), model_text=MODEL)


def test_of_two_contents_under_one_id_the_lower_digest_counts(
    ledger: Ledger, ledger_dsn: str, other: str, metrics: Metrics, tmp_path: Path
) -> None:
    said = [{**_OTHERS[3], "amount_minor": str(amount), "email": f"p{amount % 3}@b.org"} for amount in range(8)]
    rows = [*said, *said[2:5], *ROWS[:10]]
    _, counts = filled(ledger, metrics, written(tmp_path / "a.csv", rows), model_text=MODEL)
    assert (counts.lost, counts.repeated) == (7, 3)
    with Ledger(LedgerSettings(dsn=other, pool_max=8), metrics) as streamed:
        stage = Stage(streamed, metrics, model_text=MODEL)
        for event in row_events(rows):
            stage.ingest([event])
        stage.drain()
    one, two = content(ledger_dsn), content(other)
    assert exactly(one) == exactly(two)
    assert len(one.conflicts) == 7
    assert decided(lambda: one) == decided(lambda: two)


def test_rows_that_cannot_be_events_are_listed_by_line(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "source,occurred_at,email,given_name,amount_minor,currency\n"
        'crm,2026-01-01T00:00:00Z,jane@shop.org,"Jane\n",5,USD\n'
        "CRM West,1999-01-01T00:00:00Z,john@shop.org,John,-5,EUR\n"
        "crm,2026-01-01T00:00:00Z,n/a,,5,\n"
        "crm,2026-01-02T00:00:00Z,jane@shop.org,Jane,5,USD\n"
    )
    [report], counts = filled(ledger, metrics, path, model_text=MODEL)
    assert (report.rows, report.events, counts.records) == (4, 2, 1)
    assert [line for line, _ in report.unusable] == [4, 5]
    assert report.unusable[1] == (5, "no usable identifier and no attribute")
    found = content(ledger_dsn)
    assert {event_id.split("-")[1] for _, event_id in found.events} == {"3", "6"}
    assert len(found.records) == 1


def test_a_reader_that_goes_from_table_to_table_and_a_fill_do_not_wait_in_a_circle(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.csv", ROWS[:20])
    with (
        psycopg.connect(ledger_dsn, autocommit=True) as watching,
        psycopg.connect(ledger_dsn) as reader,
        ThreadPoolExecutor(1) as beside,
    ):
        reader.execute("SELECT count(*) FROM token")
        filling = beside.submit(filled, ledger, metrics, path, model_text=MODEL)
        until = time.monotonic() + _SECONDS
        # The fill has locked what comes before `token` and waits for that; then the reader asks for what the fill has.
        while watching.execute(WAITING).fetchone() is None:
            assert not filling.done()
            assert time.monotonic() < until
        for table in ("block", "inbox", "record", "journal"):
            reader.execute(f"SELECT count(*) FROM {table}")
        reader.commit()
        _, counts = filling.result()
    assert counts.records == len(content(ledger_dsn).records) > 0
    assert metrics.registry.get_sample_value("goldthread_retries_total", {"operation": "fill_lock"})

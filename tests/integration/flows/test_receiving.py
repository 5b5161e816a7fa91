"""Events that come by streams, on PostgreSQL: durable where an outcome is told, and each told by itself."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import psycopg

from fixtures.partitions import of_batch, of_ledger
from fixtures.story import Story, customer, row_events
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.domain.errors import (
    EventIdConflictError,
    InvalidArgumentError,
    LedgerFaultError,
    LedgerUnavailableError,
)
from goldthread.domain.words import IncomingEvent, IngestOutcome
from goldthread.flows.receive import Fate
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from oracle.models import shipped

TAKEN, DUPLICATE = IngestOutcome.TAKEN, IngestOutcome.DUPLICATE


def person(number: int, amount: int = 100) -> IncomingEvent:
    return customer(f"e{number}", email=f"p{number}@acme.com", amount=amount)


def kinds(fates: list[Fate]) -> list[object]:
    return [fate if isinstance(fate, IngestOutcome) else type(fate) for fate in fates]


def test_what_is_told_is_what_the_ledger_holds(story: Story) -> None:
    broken = customer("e9", email="not an address")
    first, second = story.receive([person(1), broken, person(2)], [person(2), person(3), person(3)])
    assert kinds(first) == [TAKEN, InvalidArgumentError, TAKEN]
    # Of events with one id, whoever sent them, the first is taken and the others are repeats.
    assert kinds(second) == [DUPLICATE, TAKEN, DUPLICATE]
    assert story.receive([person(1), person(2), person(3), person(4)]) == [[DUPLICATE] * 3 + [TAKEN]]
    counts = story.ledger.counts()
    assert (counts.inbox, counts.dirty_marks, counts.dead_letters) == (4, 0, 0)
    refused = first[1]
    assert isinstance(refused, InvalidArgumentError)
    assert [one.field for one in refused.violations] == ["claim.identifiers[0].raw"]
    sample = story.metrics.registry.get_sample_value
    assert sample("goldthread_events_total", {"outcome": "taken"}) == 4
    assert sample("goldthread_events_total", {"outcome": "duplicate"}) == 5
    assert sample("goldthread_events_total", {"outcome": "rejected"}) == 1


def test_two_contents_under_one_id_leave_one_and_the_other_is_told(story: Story) -> None:
    [fates] = story.receive([person(1, amount) for amount in range(100, 140)])
    conflicts = [fate for fate in fates if isinstance(fate, EventIdConflictError)]
    # Whichever comes to count was taken when it came; all that came with a greater digest after it lost.
    assert len(conflicts) + kinds(fates).count(TAKEN) == 40
    assert conflicts
    assert fates[0] is TAKEN
    assert story.ledger.counts().inbox == 1


def test_the_profiles_are_those_of_the_batch_engine(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=shipped())
    options = GenerateOptions(people=300, events=400, seed=41)
    rows = [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]
    rows = list(
        {(row["source"], row["event_id"]): row | {"occurred_at": rows[0]["occurred_at"]} for row in rows}.values()
    )
    expected = of_batch(rows, shipped())
    events = row_events(rows)
    random.Random(3).shuffle(events)
    groups = [[events[at : at + 7], events[at + 7 : at + 20]] for at in range(0, len(events), 20)]
    with ThreadPoolExecutor(3) as threads:
        told = list(threads.map(lambda group: story.receive(*[part for part in group if part]), groups))
    assert {fate for group in told for message in group for fate in message} == {TAKEN}
    story.drain()
    assert of_ledger(story) == expected


def test_a_fault_of_one_event_is_found_by_halves_and_the_others_are_taken(story: Story) -> None:
    with psycopg.connect(story.dsn, autocommit=True) as admin:
        admin.execute("ALTER TABLE record ADD CONSTRAINT record_no_leighton CHECK (family_name <> 'leighton')")
    bad = customer("bad", email="bad@acme.com", family_name="Leighton", given_name="Ann")
    first, second = story.receive([person(1), person(2), bad, person(3)], [person(4)])
    assert kinds(first) == [TAKEN, TAKEN, LedgerFaultError, TAKEN]
    assert kinds(second) == [TAKEN]
    assert story.ledger.counts().inbox == 4


def test_a_ledger_that_is_away_leaves_nothing_half_told(story: Story) -> None:
    token = story.receive([person(1)]) and story.answer("email", "p1@acme.com").token
    with psycopg.connect(story.dsn) as other:
        assert other.execute("SELECT token_id FROM token WHERE token = %s FOR UPDATE", [token]).fetchone()
        held = customer("e7", email="p1@acme.com", given_name="Ann", family_name="Ng")
        [fates] = story.receive([held, person(2)], seconds=0.5)
        assert kinds(fates) == [LedgerUnavailableError] * 2
        other.rollback()
    assert story.receive([held, person(2)]) == [[TAKEN, TAKEN]]

"""Metrics count what was committed: nothing of a preview, nothing twice."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from fixtures.story import Story, customer
from goldthread.domain.errors import EventIdConflictError, LedgerUnavailableError
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from oracle.models import small_limits

FACTS = ("records", "pairs", "merges", "profile_changes", "reviews", "keys_closed", "events", "event_conflicts")


def facts(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every counter of facts with its labels, zeroes left out."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if family.name.removeprefix("goldthread_") in FACTS and sample.name.endswith("_total") and sample.value
    }


@pytest.fixture
def crossing(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> Story:
    """A ledger where one more name closes a phone, parts a profile and ends a review."""
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=small_limits(max_block=2, generic=1))
    for number in range(2):
        story.ingest(
            customer(f"e{number}", source=f"s{number}", phone="512 478 1234", given_name="Ann", family_name="Lee")
        )
    return story


THIRD = customer("e9", phone="512 478 1234", given_name="Boris", family_name="Katz", email="b@acme.com")


def test_a_preview_counts_nothing(crossing: Story) -> None:
    before = facts(crossing.metrics)
    assert before
    for _ in range(2):
        crossing.resolve(THIRD, preview=True)
    assert facts(crossing.metrics) == before
    crossing.resolve(THIRD)
    after = facts(crossing.metrics)
    changed = {name for name, *_ in after if after[name, *_] != before.get((name, *_), 0)}
    assert changed >= {
        "goldthread_records_total",
        "goldthread_profile_changes_total",
        "goldthread_keys_closed_total",
    }


def test_a_preview_on_an_empty_ledger_counts_nothing(story: Story) -> None:
    story.resolve(customer("e1", email="m@acme.com"), preview=True)
    assert facts(story.metrics) == {}
    assert story.ledger.counts().records == 0


def refuse(dsn: str, *, times: int, table: str = "outbox") -> None:
    """Makes the ledger end a transaction that writes the table, so many times; the count outlives each rollback."""
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute("CREATE SEQUENCE attempt")
        admin.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF nextval('attempt') <= {int(times)} THEN RAISE EXCEPTION 'no' USING ERRCODE = 'deadlock_detected'; END IF; "
            "RETURN NULL; END $$".encode()
        )
        admin.execute(
            sql.SQL("CREATE TRIGGER refuse BEFORE INSERT ON {} FOR EACH STATEMENT EXECUTE FUNCTION refuse()").format(
                sql.Identifier(table)
            )
        )


def test_an_attempt_that_was_rolled_back_counts_nothing(story: Story) -> None:
    refuse(story.dsn, times=3)
    story.ingest(customer("e1", email="m@acme.com", given_name="Mary"))
    assert len(story.sleeps) == 3
    assert facts(story.metrics) == {
        ("goldthread_events_total", "taken"): 1,
        ("goldthread_records_total",): 1,
        ("goldthread_profile_changes_total", "event"): 1,
    }


def test_a_batch_that_never_commits_counts_nothing(story: Story) -> None:
    refuse(story.dsn, times=99, table="inbox")
    with pytest.raises(LedgerUnavailableError):
        story.ingest(customer("e1", email="m@acme.com"))
    with pytest.raises(LedgerUnavailableError):
        story.resolve(customer("e1", email="m@acme.com"))
    assert facts(story.metrics) == {}
    assert story.ledger.counts().inbox == 0


def test_a_look_that_never_commits_counts_what_was_taken_and_no_more(story: Story) -> None:
    refuse(story.dsn, times=99)
    report = story.ingest(customer("e1", email="m@acme.com"))
    assert (report.taken, report.new_records, report.profiles_changed) == (1, 1, 0)
    taken = {("goldthread_events_total", "taken"): 1, ("goldthread_records_total",): 1}
    assert facts(story.metrics) == taken
    assert story.drain() == 0
    assert facts(story.metrics) == taken
    assert (story.ledger.counts().dirty_marks, story.ledger.counts().profiles) == (1, 0)


def test_a_conflict_is_counted_once_whichever_side_loses(story: Story) -> None:
    contents = [customer("e1", email="m@acme.com", amount=amount) for amount in (1, 2, 3, 4)]
    for number, event in enumerate(contents):
        story.ingest(event)
        assert facts(story.metrics).get(("goldthread_event_conflicts_total",), 0) == number
    refused = 0
    before = facts(story.metrics)
    for event in contents:
        try:
            story.resolve(event, preview=True)
        except EventIdConflictError:
            refused += 1
    assert refused == 3
    assert facts(story.metrics) == before


def test_counters_agree_with_the_ledger(crossing: Story) -> None:
    crossing.ingest(THIRD)
    for number in range(3):
        crossing.ingest(
            customer(
                f"d{number}", given_name="Dora", family_name="Vogel", birth_date="1980-02-03", city=f"Town{number}"
            )
        )
    crossing.resolve(customer("e10", email="b@acme.com", given_name="Boris"))
    crossing.drain()
    counted = facts(crossing.metrics)
    counts = crossing.ledger.counts()
    assert counted["goldthread_records_total",] == counts.records
    assert counted["goldthread_events_total", "taken"] == 6
    assert sum(
        value for (name, *_), value in counted.items() if name == "goldthread_profile_changes_total"
    ) == counts.outbox - len(crossing.rows("SELECT FROM outbox WHERE profile_id IS NULL"))
    generic = len(crossing.rows("SELECT FROM token WHERE generic"))
    assert counted["goldthread_keys_closed_total", "token_phone"] == generic == 1
    assert counted["goldthread_keys_closed_total", "block"] == len(crossing.rows("SELECT FROM block WHERE crowded"))

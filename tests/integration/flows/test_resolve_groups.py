"""Groups of Resolve calls on PostgreSQL: as one after the other, and whatever befalls one of them is its own affair."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from fixtures.partitions import of_batch, of_ledger
from fixtures.story import Story, customer, row_events
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.domain.errors import (
    DeadlineExceededError,
    EventIdConflictError,
    InvalidArgumentError,
    LedgerFaultError,
    LedgerUnavailableError,
)
from goldthread.domain.ports import ResolveCall, ResolveResult
from goldthread.domain.words import Decision, IncomingEvent
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics
from oracle.models import shipped

RECORDS = 600
THREADS = 4


def generated(seed: int) -> list[dict[str, str]]:
    """Records of one moment, each once."""
    options = GenerateOptions(people=RECORDS * 3 // 4, events=RECORDS * 11 // 10, seed=seed)
    rows = [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]
    return list(
        {(row["source"], row["event_id"]): row | {"occurred_at": rows[0]["occurred_at"]} for row in rows}.values()
    )


def told(outcomes: list[ResolveResult | Exception]) -> list[ResolveResult]:
    found = [outcome for outcome in outcomes if isinstance(outcome, ResolveResult)]
    assert len(found) == len(outcomes), [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    return found


def person(number: int) -> IncomingEvent:
    return customer(f"e{number}", email=f"p{number}@acme.com", amount=100)


def test_many_groups_at_once_decide_as_match_does(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=shipped())
    rows = generated(37)
    expected = of_batch(rows, shipped())
    assert expected.reviews
    events = row_events(rows)
    dice = random.Random(7)
    dice.shuffle(events)
    groups: list[list[IncomingEvent]] = []
    while events:
        size = dice.choice((1, 2, 7, 30))
        groups.append(events[:size])
        del events[:size]
    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(lambda group: told(story.resolve_together(*group)), groups))
    assert not any(answer.duplicate for group in answers for answer in group)
    story.drain()
    assert of_ledger(story) == expected
    # Every id that was answered is one of the profile that holds the record now, and each call asked again says what it is.
    for group, told_then in list(zip(groups, answers, strict=True))[::5]:
        for event, then, now in zip(group, told_then, told(story.resolve_together(*group)), strict=True):
            home = story.profile_of(event.event_id, source=event.source)
            assert now.duplicate
            assert now.profile_id == story.resolve(event).profile_id
            assert then.version <= now.version or then.profile_id != now.profile_id
            assert now.profile_id.endswith(str(home).replace("-", "").upper()) or str(home) in now.profile_id.lower()


def test_bad_input_and_conflicts_are_their_callers_own(story: Story) -> None:
    story.ingest(person(1), person(2))
    clash = [customer("e1", email="other@acme.com", amount=amount) for amount in range(200, 230)]
    # A content that loses to the one that counts; one of thirty has a greater digest for sure.
    loser = next(event for event in clash if isinstance(one(story, event, preview=True), EventIdConflictError))
    outcomes = story.resolve_together(person(3), loser, customer("e4", email="not an address"), person(2), person(5))
    assert [type(outcome) for outcome in outcomes] == [
        ResolveResult,
        EventIdConflictError,
        InvalidArgumentError,
        ResolveResult,
        ResolveResult,
    ]
    assert [outcome.duplicate for outcome in outcomes if isinstance(outcome, ResolveResult)] == [False, True, False]
    assert story.ledger.counts().inbox == 4
    assert story.ledger.counts().dirty_marks == 0


def one(story: Story, event: IncomingEvent, *, preview: bool = False) -> ResolveResult | Exception:
    try:
        return story.resolve(event, preview=preview)
    except EventIdConflictError as error:
        return error


def test_a_fault_of_one_event_is_found_by_halves_and_the_others_are_answered(story: Story) -> None:
    with psycopg.connect(story.dsn, autocommit=True) as admin:
        admin.execute("ALTER TABLE record ADD CONSTRAINT record_no_leighton CHECK (family_name <> 'leighton')")
    events = [person(number) for number in range(7)]
    events[4] = customer("bad", email="bad@acme.com", family_name="Leighton", given_name="Ann")
    outcomes = story.resolve_together(*events)
    assert isinstance(outcomes.pop(4), LedgerFaultError)
    assert [answer.decision for answer in told(outcomes)] == [Decision.SEPARATE] * 6
    assert story.ledger.counts().inbox == 6
    # Seven, then four, then two of them: once for each size.
    assert story.metrics.registry.get_sample_value("goldthread_groups_split_total", {"step": "take"}) == 3


@contextmanager
def held(story: Story, email: str) -> Iterator[None]:
    """Another writer sits on the identifier until the end."""
    token = story.answer("email", email).token
    with psycopg.connect(story.dsn) as other:
        assert other.execute("SELECT token_id FROM token WHERE token = %s FOR UPDATE", [token]).fetchone()
        yield
        other.rollback()


def test_a_call_that_waits_for_somebody_elses_lock_lets_the_others_go_on(
    story: Story, ledger_dsn: str, metrics: Metrics
) -> None:
    story.ingest(customer("e0", email="held@acme.com"))
    blocked = customer("e9", email="held@acme.com", given_name="Ann", family_name="Ng")
    with Ledger(LedgerSettings(dsn=ledger_dsn, lock_timeout_ms=100), metrics) as impatient:
        asking = Story(impatient, metrics, dsn=ledger_dsn)
        with held(story, "held@acme.com"):
            outcomes = asking.resolve_together(person(1), blocked, person(2), person(3))
            assert isinstance(outcomes.pop(1), LedgerUnavailableError)
            assert len(told(outcomes)) == 3
        assert asking.resolve(blocked).duplicate is False


def test_the_deadline_of_one_is_not_that_of_the_others(story: Story) -> None:
    now = time.monotonic()
    calls = [ResolveCall(person(1), now - 1), ResolveCall(person(2), now + 30), ResolveCall(person(3), now + 30)]
    late, *others = story.resolving.resolve(calls)
    assert isinstance(late, DeadlineExceededError)
    assert [answer.decision for answer in told(others)] == [Decision.SEPARATE] * 2
    assert story.ledger.counts().inbox == 2


def test_a_look_that_reaches_too_far_for_one_is_done_for_the_others(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics
) -> None:
    """Together the components of a group are more than one look may concern itself with; each alone is not, but for the crowd's."""
    story = Story(ledger, metrics, dsn=ledger_dsn, inline_records=4)
    for number in range(6):
        story.ingest(customer(f"c{number}", email="crowd@acme.com", given_name="Ann", postcode=f"7870{number}"))
    story.drain()
    crowd = customer("c9", email="crowd@acme.com", given_name="Ann", postcode="78709")
    answers = told(story.resolve_together(person(1), crowd, person(2), person(3)))
    assert [answer.provisional for answer in answers] == [False, True, False, False]
    assert metrics.registry.get_sample_value("goldthread_groups_split_total", {"step": "look"}) == 2
    story.drain()
    assert story.resolve(crowd).decision is Decision.LINK


def test_a_ledger_that_is_away_fails_all_of_a_group_at_once(story: Story) -> None:
    done = threading.Event()
    with psycopg.connect(story.dsn, autocommit=True) as admin:

        def cut() -> None:
            while not done.wait(0.005):
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

        cutter = threading.Thread(target=cut)
        cutter.start()
        try:
            outcomes = story.resolve_together(person(1), person(2), person(3), seconds=0.5)
        finally:
            done.set()
            cutter.join()
    kinds = {type(outcome) for outcome in outcomes}
    assert kinds <= {LedgerUnavailableError, DeadlineExceededError, ResolveResult}
    again = told(story.resolve_together(person(1), person(2), person(3)))
    assert len({answer.profile_id for answer in again}) == 3
    assert story.ledger.counts().inbox == 3


def test_two_calls_of_one_event_make_no_group(story: Story) -> None:
    with pytest.raises(ValueError, match="same event"):
        story.resolve_together(person(1), person(1))

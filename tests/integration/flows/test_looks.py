"""Evidence and looks apart: looks that meet, that are held up, that lose their worker; whatever happens, somebody does what is marked."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta

import psycopg
import pytest

from fixtures.beaten import beat_wide_looks
from fixtures.counted import counted, untold
from fixtures.partitions import of_batch, of_ledger
from fixtures.servers import Postgres
from fixtures.story import NOON, Story, customer, row_events
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.words import Click, Decision, IncomingEvent, LookupOutcome
from goldthread.ledger import Ledger, LedgerSettings, NewMark, Step
from goldthread.telemetry.metrics import Metrics
from oracle.models import shipped, small_limits


def record_of(story: Story, event_id: str) -> int:
    [(record_id,)] = story.rows("SELECT record_id FROM inbox WHERE event_id = %s", event_id)
    return int(record_id)


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"goldthread_{name}", labels) or 0


@contextmanager
def held(dsn: str, record_id: int) -> Iterator[None]:
    """Keeps a record's membership locked, unchanged, as a look that has not written yet does."""
    with psycopg.connect(dsn) as other:
        other.execute("SELECT FROM membership WHERE record_id = %s FOR NO KEY UPDATE", [record_id])
        yield
        other.rollback()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waits_for_a_lock(story: Story) -> bool:
    waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(story.rows(waiting))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for workers that wait."""
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_intake_goes_on_while_a_look_is_held_up(story: Story, pool: ThreadPoolExecutor) -> None:
    story.ingest(customer("e1", email="m@acme.com", amount=100))
    with held(story.dsn, record_of(story, "e1")):
        job = pool.submit(story.ingest, customer("e2", email="m@acme.com", amount=10))
        until(lambda: waits_for_a_lock(story))
        # Its event is in, and so is another one of the same person after it.
        assert story.ledger.counts().inbox == 2
        story.take(customer("e3", email="m@acme.com", amount=1))
        assert story.ledger.counts().inbox == 3
        assert not job.done()
        assert story.rows("SELECT purchase_total_minor FROM profile") == [(100,)]
    assert job.result(10).profiles_changed == 1
    story.drain()
    assert story.rows("SELECT purchase_count, purchase_total_minor FROM profile") == [(3, 111)]


def test_a_look_that_another_one_overtook_is_tried_again_on_what_that_left(
    story: Story, pool: ThreadPoolExecutor
) -> None:
    story.ingest(customer("e1", email="m@acme.com", amount=100))
    record_id = record_of(story, "e1")
    with story.ledger.look() as other:
        other.lock_members([record_id])
        job: Future[object] = pool.submit(story.ingest, customer("e2", source="crm", email="m@acme.com", amount=10))
        until(lambda: waits_for_a_lock(story))
        other.count_looks([record_id])
    job.result(10)
    assert sample(story.metrics, "retries_total", operation="look") >= 1
    assert sample(story.metrics, "looks_total", outcome="deferred") == 0
    assert story.ledger.counts().dirty_marks == 0
    assert story.rows("SELECT purchase_count, purchase_total_minor FROM profile WHERE live") == [(2, 110)]


def test_a_look_that_is_held_up_for_too_long_is_redone(ledger_dsn: str, metrics: Metrics) -> None:
    with Ledger(LedgerSettings(dsn=ledger_dsn, lock_timeout_ms=50), metrics) as ledger:
        story = Story(ledger, metrics, dsn=ledger_dsn)
        story.ingest(customer("e1", email="m@acme.com", amount=100))
        with held(ledger_dsn, record_of(story, "e1")):
            report = story.ingest(customer("e2", source="crm", email="m@acme.com", amount=10))
            assert (report.taken, report.new_records, report.profiles_changed) == (1, 1, 0)
            assert sample(metrics, "looks_total", outcome="deferred") == 1
            assert ledger.counts().dirty_marks == 1
            # Until it is looked at, the new record is nobody's, and nobody's card shows what it bought.
            assert story.rows("SELECT profile_id FROM membership WHERE record_id = %s", record_of(story, "e2")) == [
                (None,)
            ]
            assert story.answer("email", "m@acme.com").outcome is LookupOutcome.FOUND
            # Redo is held up as well, and puts the mark behind the others.
            assert story.flow.redo(10) == 0
            assert story.rows("SELECT attempts, due_at > now() FROM dirty_mark") == [(1, True)]
            assert sample(metrics, "looks_total", outcome="failed") == 1
        with psycopg.connect(ledger_dsn, autocommit=True) as admin:
            admin.execute("UPDATE dirty_mark SET due_at = now()")
        assert story.drain() == 1
        assert sample(metrics, "dirty_marks") == 0
        assert story.rows("SELECT purchase_total_minor FROM profile WHERE live") == [(110,)]
        assert untold(story) == []


def test_a_mark_that_fails_holds_up_no_other(ledger_dsn: str, metrics: Metrics) -> None:
    with Ledger(LedgerSettings(dsn=ledger_dsn, lock_timeout_ms=50), metrics) as ledger:
        story = Story(ledger, metrics, dsn=ledger_dsn)
        story.ingest(customer("e1", email="m@acme.com"))
        with held(ledger_dsn, record_of(story, "e1")):
            story.take(customer("e2", source="crm", email="m@acme.com"))
            for number in range(6):
                story.take(customer(f"other{number}", email=f"o{number}@acme.com"))
            assert story.flow.redo(100) == 6
            assert ledger.counts().profiles == 7
            assert story.rows("SELECT record_id FROM dirty_mark") == [(record_of(story, "e2"),)]


def test_a_look_that_always_loses_is_done_in_halves_at_once(story: Story) -> None:
    beat_wide_looks(story.dsn)
    report = story.ingest(*(customer(f"e{number}", email=f"m{number}@acme.com") for number in range(8)))
    assert (report.new_records, report.profiles_changed) == (8, 8)
    assert story.ledger.counts().dirty_marks == 0
    assert sample(story.metrics, "looks_total", outcome="parted") == 3
    assert sample(story.metrics, "looks_total", outcome="done") == 4
    assert sample(story.metrics, "looks_total", outcome="deferred") == 0
    # Twice again for eight; of the halves none was tried twice.
    assert sample(story.metrics, "retries_total", operation="look") == 2


def test_of_a_batch_only_the_mark_that_is_held_up_waits_for_redo(ledger_dsn: str, metrics: Metrics) -> None:
    with Ledger(LedgerSettings(dsn=ledger_dsn, lock_timeout_ms=50), metrics) as ledger:
        story = Story(ledger, metrics, dsn=ledger_dsn)
        story.ingest(customer("e1", email="m@acme.com"))
        with held(ledger_dsn, record_of(story, "e1")):
            others = [customer(f"other{number}", email=f"o{number}@acme.com") for number in range(6)]
            report = story.ingest(*others[:3], customer("e2", source="crm", email="m@acme.com"), *others[3:])
            assert (report.taken, report.profiles_changed) == (7, 6)
            assert story.rows("SELECT record_id FROM dirty_mark") == [(record_of(story, "e2"),)]
            assert sample(metrics, "looks_total", outcome="deferred") == 1


def test_resolve_behind_a_slow_look_ends_with_its_caller_and_keeps_the_event(story: Story) -> None:
    story.resolve(customer("e1", email="m@acme.com", amount=100))
    event = customer("e2", source="crm", email="m@acme.com", amount=10)
    with held(story.dsn, record_of(story, "e1")):
        started = time.monotonic()
        # With what time is left it may just be able to say that it does not know yet.
        with suppress(LedgerUnavailableError):
            assert story.resolve(event, seconds=0.4).provisional is True
        assert time.monotonic() - started < 2
        assert story.ledger.counts().inbox == 2
        # Asked again, it says that it knows the event, and that more is to come.
        told = story.resolve(event, seconds=5)
        assert (told.duplicate, told.provisional, told.profile_id, told.decision) == (True, True, "", Decision.SEPARATE)
    story.drain()
    told = story.resolve(event)
    assert (told.duplicate, told.provisional, told.decision) == (True, False, Decision.LINK)


def test_marks_of_a_worker_that_died_are_done_by_another(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    """Two people's events and what joins them, each taken by a worker that dies before it looks."""
    dying, living = (Story(ledger, metrics, dsn=ledger_dsn) for _ in range(2))
    dying.take(customer("e1", email="m@acme.com", amount=100), customer("e2", phone="512 478 1234", amount=10))
    dying.take(customer("e3", source="crm", email="m@acme.com", phone="512 478 1234"))
    assert (ledger.counts().inbox, ledger.counts().profiles, ledger.counts().dirty_marks) == (3, 0, 3)
    assert living.answer("email", "m@acme.com").outcome is LookupOutcome.NOT_FOUND
    assert living.flow.redo(1) == 1
    assert living.drain() == 2
    assert living.rows("SELECT purchase_total_minor FROM profile WHERE live") == [(110,)]
    assert untold(living) == []


def test_marks_are_left_to_whoever_took_the_batch_for_a_while(story: Story) -> None:
    marks = story.take(customer("e1", email="m@acme.com"))
    with psycopg.connect(story.dsn, autocommit=True) as admin:
        admin.execute("UPDATE dirty_mark SET due_at = now() + interval '1 hour'")
    assert story.flow.redo(10) == 0
    assert story.looker.look(marks).marks == 1
    assert story.ledger.counts().profiles == 1
    # Done is done: the same marks again are nobody's, and nothing comes of it.
    again = story.looker.look(marks)
    assert (again.marks, again.changed, again.deferred) == (0, [], 1)


def test_a_worker_killed_in_its_look_leaves_marks_that_another_one_does(
    postgres: Postgres, ledger_dsn: str, metrics: Metrics
) -> None:
    """The look's own connection is ended while it waits; nothing is tried again, as if the process were gone."""
    with Ledger(LedgerSettings(dsn=ledger_dsn), Metrics()) as ledger:
        dead = Story(ledger, Metrics(), dsn=ledger_dsn)
        dead.ingest(customer("e1", email="m@acme.com", amount=100))
        marks = dead.take(customer("e2", source="crm", email="m@acme.com", amount=10))
        with held(ledger_dsn, record_of(dead, "e1")):
            died = threading.Event()

            def look() -> None:
                with ledger.look() as tx:
                    try:
                        dead.looker.attempt(tx, marks)
                    finally:
                        died.set()

            with ThreadPoolExecutor(1) as pool:
                job = pool.submit(look)
                until(lambda: waits_for_a_lock(dead))
                dead.rows(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                assert died.wait(10)
                with pytest.raises(LedgerUnavailableError):
                    job.result(10)
    with Ledger(LedgerSettings(dsn=ledger_dsn), metrics) as ledger:
        living = Story(ledger, metrics, dsn=ledger_dsn)
        assert living.drain() == 1
        assert living.rows("SELECT purchase_total_minor FROM profile WHERE live") == [(110,)]
        assert untold(living) == []


def test_of_two_candidates_that_come_at_once_the_later_one_sees_both(story: Story, pool: ThreadPoolExecutor) -> None:
    """The second writer waits at their common key until the first has committed, so both marks are left before any look."""
    one, other = (customer(f"e{number}", source=f"s{number}", email="m@acme.com") for number in range(2))
    with story.ledger.transaction() as tx:
        [admitted] = story._admission.admit([one])
        story.taker.take(tx, [admitted], cause="event", actor="first")  # type: ignore[list-item]
        job = pool.submit(story.take, other)
        until(lambda: waits_for_a_lock(story))
    second = job.result(10)
    # Whichever look comes first, and even if it never heard of the other.
    assert len(story.looker.look(second).changed) == 1
    assert story.drain() == 1
    assert len(of_ledger(story).clusters) == 1
    assert untold(story) == []


def test_a_look_that_was_overtaken_writes_no_older_state_of_the_profile(story: Story, pool: ThreadPoolExecutor) -> None:
    """Two records of one profile are seen again, one look for each. The first look is held up between its snapshot and its locks; meanwhile the
    second sees both sightings and finds the profile as it should be. The first must not write what its old snapshot says."""
    names = {"s1": "Jones", "s2": "Kay"}

    def seen(source: str, days: int) -> IncomingEvent:
        said = {"email": "m@acme.com", "given_name": "Mary", "family_name": names[source]}
        at = NOON + timedelta(days=days)
        return customer(f"{source} {days}", source=source, at=at, payload=Click("home"), **said)

    story.ingest(seen("s1", 0), seen("s2", 0))
    # Locks are taken in record order: the first look must wait before it holds what the second one needs.
    [(first, one), (second, other)] = story.rows("SELECT record_id, source FROM record ORDER BY 1")
    story.ingest(seen(other, 1))
    survivor = "SELECT name_record FROM profile WHERE live"
    assert story.rows(survivor) == [(second,)]
    marks = story.take(seen(one, 5))
    with held(story.dsn, first):
        job = pool.submit(story.looker.look, marks)
        until(lambda: waits_for_a_lock(story))
        later = story.looker.look(story.take(seen(other, 9)))
        assert (later.marks, later.changed) == (1, [])
    job.result(10)
    assert sample(story.metrics, "retries_total", operation="look") >= 1
    assert story.ledger.counts().dirty_marks == 0
    assert story.rows(survivor) == [(second,)]


def history(seed: int) -> list[dict[str, str]]:
    options = GenerateOptions(people=36, events=150, seed=seed, households_share=0.8, claims_per_person=2.8)
    return [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]


def model_of(seed: int) -> str:
    return shipped() if seed % 3 == 0 else small_limits(max_block=3, max_component=6, generic=1)


@pytest.mark.parametrize("seed", range(1, 7))
def test_workers_that_die_before_their_look_change_nothing_in_the_end(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, seed: int
) -> None:
    draw, rows, model = random.Random(seed), history(seed), model_of(seed)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model)
    waiting = draw.sample(row_events(rows), len(rows))
    dead = 0
    while waiting:
        size = draw.randint(1, 12)
        batch, waiting = waiting[:size], waiting[size:]
        if draw.random() < 0.5:
            dead += bool(story.take(*batch))
        else:
            story.ingest(*batch)
        if draw.random() < 0.3:
            story.flow.redo(draw.randint(1, 20))
    assert dead > 3
    story.drain()
    assert ledger.counts().dirty_marks == 0
    assert untold(story) == []
    assert of_ledger(story) == of_batch(rows, model)


@pytest.mark.parametrize("seed", range(1, 5))
def test_workers_on_the_same_people_at_once_end_as_one(postgres: Postgres, seed: int) -> None:
    """Three workers take three cuts of one history, each event twice, while a fourth does what they leave."""
    rows, model = history(seed), model_of(seed)
    events = row_events(rows)
    dsn, alone_dsn = postgres.clone(), postgres.clone()
    metrics = Metrics()
    try:
        with Ledger(LedgerSettings(dsn=dsn, pool_max=6), metrics) as ledger:
            done = threading.Event()

            def work(number: int) -> None:
                draw = random.Random(seed * 10 + number)
                mine = Story(ledger, metrics, dsn=dsn, model_text=model, group=f"g{number}")
                waiting = draw.sample([*events[number::3], *events[(number + 1) % 3 :: 3]], len(events) * 2 // 3)
                while waiting:
                    size = draw.randint(1, 9)
                    mine.ingest(*waiting[:size])
                    waiting = waiting[size:]

            def redo() -> None:
                mine = Story(ledger, metrics, dsn=dsn, model_text=model)
                while not done.is_set():
                    if not mine.flow.redo(20):
                        time.sleep(0.01)

            with ThreadPoolExecutor(4) as pool:
                redoing = pool.submit(redo)
                try:
                    for job in [pool.submit(work, number) for number in range(3)]:
                        job.result(120)
                finally:
                    done.set()
                redoing.result(60)
            story = Story(ledger, metrics, dsn=dsn, model_text=model)
            with psycopg.connect(dsn, autocommit=True) as admin:
                admin.execute("UPDATE dirty_mark SET due_at = now()")
            story.drain()
            assert ledger.counts().dirty_marks == 0
            assert ledger.counts().inbox == len({(event.source, event.event_id) for event in events})
            assert untold(story) == []
            assert of_ledger(story) == of_batch(rows, model)
            together = counted(story)
        with Ledger(LedgerSettings(dsn=alone_dsn), Metrics()) as ledger:
            alone = Story(ledger, Metrics(), dsn=alone_dsn, model_text=model)
            alone.ingest(*events)
            alone.drain()
            assert together == counted(alone)
    finally:
        postgres.drop(dsn)
        postgres.drop(alone_dsn)


def test_a_mark_is_found_around_one_record_as_around_several(story: Story) -> None:
    story.ingest(customer("e1", email="m@acme.com", given_name="mary", family_name="kowalczyk"))
    story.ingest(customer("e2", source="webshop", email="m@acme.com", given_name="mary", family_name="kowalczyk"))
    story.ingest(customer("e3", email="n@acme.com", given_name="bob", family_name="ng"))
    one, other, stranger = (record_of(story, event_id) for event_id in ("e1", "e2", "e3"))
    assert len(story.rows("SELECT FROM profile WHERE live")) == 2

    def marked(*record_ids: int) -> set[int]:
        with story.ledger.transaction() as tx:
            return tx.ask_marked_around(record_ids)()

    assert [marked(one), marked(one, stranger)] == [set(), set()]
    with story.ledger.transaction() as tx:
        tx.leave_marks([NewMark(other, Step.SUM)], cause="event", actor="test")
    assert [marked(one), marked(other), marked(stranger)] == [{one}, {other}, set()]
    assert [marked(one, stranger), marked(one, other, stranger)] == [{one}, {one, other}]

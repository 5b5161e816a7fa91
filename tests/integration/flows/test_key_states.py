"""Generic tokens, crowded blocks, redo marks and lost connections: what many records do to each other."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from fixtures.partitions import of_batch as decided_by_batch
from fixtures.partitions import of_ledger
from fixtures.story import KEYS, NOON, Story, customer, groups, row_events
from fixtures.twins import PublisherTwin
from goldthread.cache import MemoryCardStore
from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.words import IncomingEvent, LookupOutcome
from goldthread.flows.match import match_rows
from goldthread.flows.relay import RelayFlow
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import encode_answer
from oracle.models import round_weights, small_limits

PEOPLE = [
    ("Ann", "Lee"), ("Bob", "Ray"), ("Carla", "Mendez"), ("Dmitri", "Popov"), ("Eve", "Stone"), ("Frank", "Hughes"),
    ("Gita", "Nair"), ("Hugo", "Blanc"), ("Ines", "Torres"), ("Jack", "Quinn"), ("Kira", "Vogel"), ("Leo", "Marsh"),
]  # fmt: skip
STORE_PHONE = "512 478 1234"


def of_batch(rows: Sequence[dict[str, str]], model_text: str) -> set[frozenset[bytes]]:
    """What the batch engine makes of the rows."""
    result = match_rows(rows, keys=KEYS, model_text=model_text, region="US")
    return groups(dict(zip(result.record_addresses, result.record_clusters, strict=True)))


def row(number: int, **said: str) -> dict[str, str]:
    return {"source": "pos", "event_id": f"e{number}", "occurred_at": f"2025-03-{number % 28 + 1:02}T10:00:00Z", **said}


def with_store_phone(number: int) -> IncomingEvent:
    given, family = PEOPLE[number]
    return customer(f"e{number}", given_name=given, family_name=family, phone=STORE_PHONE)


def test_a_phone_of_twelve_people_is_nobodys(story: Story) -> None:
    story.ingest(*(with_store_phone(number) for number in range(8)))
    assert story.rows("SELECT generic, name_keys FROM token") == [(False, 8)]
    story.ingest(customer("lone", source="webshop", phone=STORE_PHONE))
    assert len(story.rows("SELECT FROM pair")) == 8
    assert len(story.rows("SELECT FROM contender")) == 8
    crowd = story.answer("phone", STORE_PHONE)
    assert crowd.outcome is LookupOutcome.AMBIGUOUS
    story.ingest(*(with_store_phone(number) for number in range(8, 12)))
    assert story.rows("SELECT generic FROM token") == [(True,)]
    assert story.rows("SELECT FROM pair") == []
    assert len(set(story.ledger.partition().values())) == 13
    assert story.rows("SELECT FROM profile WHERE ambiguous") == []
    assert story.rows("SELECT FROM contender") == []
    answer = story.answer("phone", STORE_PHONE)
    assert (answer.outcome, answer.card) == (LookupOutcome.AMBIGUOUS, None)
    assert answer.version > crowd.version
    told = [row for row in story.ledger.outbox(1000) if not row.profile_id]
    assert len(told) == 1
    assert len(told[0].token_ids) == 1


def test_the_relay_tells_only_of_profiles(story: Story) -> None:
    """A token that became generic changes answers, so the cache hears of it; the changes topic is about profiles."""
    story.ingest(*(with_store_phone(number) for number in range(12)))
    cards, publisher = MemoryCardStore(), PublisherTwin()
    with ThreadPoolExecutor(1) as executor:
        relay = RelayFlow(story.ledger, cards, publisher, story.metrics, clock=lambda: NOON, executor=executor)
        while relay.step():
            pass
    answer = story.answer("phone", STORE_PHONE)
    [cached] = cards.get_many([answer.token])
    assert cached is not None
    assert cached.encoded == encode_answer(answer)
    assert 0 < cached.version <= answer.version
    assert len(publisher.published) == 12
    assert all(row.profile_id and row.change for row in publisher.published)
    assert story.ledger.counts().outbox == 0


def test_a_token_that_becomes_generic_parts_whom_it_had_joined(story: Story) -> None:
    story.ingest(
        customer("x1", phone=STORE_PHONE, given_name="Ann", family_name="Lee"),
        customer("x2", source="webshop", phone=STORE_PHONE, given_name="Ann"),
    )
    first = story.profile_of("x1")
    assert story.profile_of("x2", source="webshop") == first
    [(last_version,)] = story.rows("SELECT max(version) FROM journal")
    for number in range(1, 12):
        story.ingest(with_store_phone(number))
    homes = {story.profile_of("x1"), story.profile_of("x2", source="webshop")}
    assert len(homes) == 2
    assert first in homes
    split = story.rows(
        "SELECT before_records, after_records FROM journal WHERE profile_id = %s AND version > %s ORDER BY version DESC",
        first,
        last_version,
    )
    assert (len(split[0][0]), split[0][1]) == (2, [first])


def test_a_generic_token_and_a_crowded_block_end_as_in_the_batch_engine(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics
) -> None:
    """Limits of two name keys and six records: nearly every key crosses its limit while the events come one by one."""
    model = small_limits()
    draw = random.Random(5)
    rows = []
    for number in range(90):
        given, family = draw.choice(PEOPLE[:5])
        said = {"given_name": given, "family_name": family, "postcode": draw.choice(["78701", "78702"])}
        if draw.random() < 0.5:
            said["birth_date"] = draw.choice(["1980-02-03", "1991-07-14"])
        if draw.random() < 0.4:
            said["phone"] = draw.choice([STORE_PHONE, "512 478 1235", "512 478 1236"])
        if draw.random() < 0.5:
            said["street"] = f"{draw.randrange(1, 4)} Oak St"
        rows.append(row(number, **said))
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model)
    story.ingest_in_batches(row_events(rows), [1] * 30 + [7] * 5)
    assert len(story.rows("SELECT FROM block WHERE crowded")) > 5
    assert len(story.rows("SELECT FROM block WHERE depth > 0")) > 5
    assert story.rows("SELECT FROM token WHERE generic") != []
    assert groups(ledger.partition()) == of_batch(rows, model)


def nameless(number: int) -> dict[str, str]:
    """A till without names: the store's phone and the customer's own card."""
    return row(number, phone=STORE_PHONE, loyalty_card=f"7771{number:04}")


@pytest.mark.parametrize("size", [1, 5, 40])
def test_a_phone_of_too_many_nameless_records_is_nobodys(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, size: int
) -> None:
    limit = 12
    model = small_limits(max_block=100, max_component=100, generic=8, generic_records=limit)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model)
    rows = [nameless(number) for number in range(40)]
    # Any other key of this customer must outlive the store's phone.
    rows += [row(50, phone=STORE_PHONE, email="m@acme.com"), row(51, email="m@acme.com", given_name="Mary")]
    story.ingest_in_batches(row_events(rows[:limit]), [size] * limit)
    phones = "SELECT generic, records, name_keys FROM token WHERE type = 2"
    assert story.rows(phones) == [(False, limit, 0)]
    assert len(story.rows("SELECT FROM pair")) == limit * (limit - 1) // 2
    before = story.answer("phone", STORE_PHONE)
    story.ingest_in_batches(row_events(rows[limit:]), [size] * 40)
    [(generic, records, _)] = story.rows(phones)
    assert generic
    assert records > limit
    assert story.rows("SELECT count(*) FROM pair") == [(1,)]
    assert story.profile_of("e50") == story.profile_of("e51")
    assert len(groups(ledger.partition())) == 41
    after = story.answer("phone", STORE_PHONE)
    assert (after.outcome, after.card) == (LookupOutcome.AMBIGUOUS, None)
    assert after.version > before.version
    assert groups(ledger.partition()) == of_batch(rows, model)


def test_a_claim_seen_again_is_one_carrier(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=small_limits(generic_records=3))
    for number in range(9):
        story.ingest(customer(f"e{number}", phone=STORE_PHONE))
    assert story.rows("SELECT generic, records FROM token") == [(False, 1)]


def test_a_thousand_nameless_carriers_cost_no_more_than_their_limit(story: Story) -> None:
    """Unbounded, they would make half a million pairs: 15 s and a gigabyte."""
    started = time.monotonic()
    for start in range(0, 1000, 250):
        story.ingest(*row_events([nameless(number) for number in range(start, start + 250)]))
    assert time.monotonic() - started < 10
    assert story.rows("SELECT generic FROM token WHERE type = 2") == [(True,)]
    assert story.rows("SELECT count(*) FROM pair") == [(0,)]
    limit = story.matcher.generic_records
    scored = story.metrics.registry.get_sample_value("goldthread_pairs_total", {"fate": "kept"}) or 0
    assert scored <= limit * limit / 2


def test_blocks_count_their_carriers(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=small_limits(max_block=3))
    for number, (given, family) in enumerate(PEOPLE):
        story.ingest(customer(f"e{number}", given_name=given, family_name=family, street="12 Oak St", postcode="78701"))
    wrong = story.rows(
        "SELECT FROM block LEFT JOIN LATERAL (SELECT count(*) FROM record_block WHERE record_block.key = block.key) AS c ON true "
        "WHERE records <> c.count OR crowded <> (c.count > 3)"
    )
    assert wrong == []
    assert story.rows("SELECT records FROM block WHERE crowded ORDER BY records DESC LIMIT 1") == [(12,)]


def test_a_family_of_records_ends_as_in_the_batch_engine_after_redo(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics
) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn, inline_records=3)
    rows = [
        row(number, email=f"m{number % 4}@acme.com", loyalty_card=f"77712{number % 3}", given_name="Mary")
        for number in range(12)
    ] + [row(20, email="else@acme.com"), row(21, email="else@acme.com", given_name="Else")]
    for one in rows:
        story.ingest(row_events([one])[0])
    assert story.ledger.counts().dirty_marks > 0
    told = story.resolve(*row_events([row(22, email="m1@acme.com", given_name="Mary", postcode="78701")]))
    assert told.provisional is True
    rows.append(row(22, email="m1@acme.com", given_name="Mary", postcode="78701"))
    assert groups(ledger.partition()) != of_batch(rows, round_weights())
    assert story.drain() > 0
    assert story.ledger.counts().dirty_marks == 0
    assert groups(ledger.partition()) == of_batch(rows, round_weights())
    # What redo does is told by the events that asked for it.
    assert story.rows("SELECT count(*) FROM journal WHERE cause NOT IN ('event', 'resolve') OR event_id = ''") == [(0,)]
    assert story.drain() == 0


@pytest.fixture
def killer(ledger_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that ends other connections to the same ledger."""
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


def test_a_lost_connection_is_tried_again_and_counts_once(story: Story, killer: psycopg.Connection[Any]) -> None:
    """The batch waits for a writer that takes evidence back; its connection is ended there, in the middle of its transaction."""
    killed = threading.Event()
    holder = Ledger(LedgerSettings(dsn=story.dsn), Metrics())
    done: list[int] = []

    def ingest() -> None:
        done.append(story.ingest(customer("e1", email="m@acme.com", amount=100)).taken)

    with holder, holder.transaction() as other:
        other.own_evidence()
        worker = threading.Thread(target=ingest)
        worker.start()
        for _ in range(200):
            waiting = killer.execute(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).fetchall()
            if waiting:
                killer.execute("SELECT pg_terminate_backend(%s)", [waiting[0][0]])
                killed.set()
                break
            worker.join(0.02)
    worker.join(20)
    assert killed.is_set()
    assert done == [1]
    assert len(story.sleeps) >= 1
    assert story.rows("SELECT purchase_total_minor FROM profile") == [(100,)]
    retries = story.metrics.registry.get_sample_value("goldthread_retries_total", {"operation": "ingest"})
    assert retries == len(story.sleeps)


def test_retries_end(story: Story, killer: psycopg.Connection[Any]) -> None:
    killer.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'deadlock_detected'; END $$"
    )
    killer.execute("CREATE TRIGGER refuse BEFORE INSERT ON inbox FOR EACH STATEMENT EXECUTE FUNCTION refuse()")
    with pytest.raises(LedgerUnavailableError) as caught:
        story.ingest(customer("e1", email="m@acme.com"))
    assert caught.value.metadata["sqlstate"] == "40P01"
    assert len(story.sleeps) == 4
    assert story.ledger.counts().records == 0
    killer.execute("DROP TRIGGER refuse ON inbox")
    assert story.ingest(customer("e2", email="m@acme.com")).taken == 1


def preview_until_told(story: Story, event: IncomingEvent) -> None:
    """As a client does: a preview shows one snapshot, and where everybody writes to one component it has to ask again."""
    for _ in range(20):
        try:
            story.resolve(event, preview=True)
        except LedgerUnavailableError:
            continue
        return
    raise AssertionError("no preview in 20 calls")


def test_two_workers_on_one_ledger_end_as_one(ledger_dsn: str, ledger: Ledger, metrics: Metrics) -> None:
    """Four threads, each with flows of its own, take parts of one history at the same time."""
    draw = random.Random(9)
    rows = [
        row(number, email=f"m{draw.randrange(25)}@acme.com", loyalty_card=f"7771{draw.randrange(40):02}")
        for number in range(120)
    ]

    def work(part: int) -> None:
        story = Story(ledger, metrics, dsn=ledger_dsn)
        for at, event in enumerate(row_events(rows[part::4])):
            if at % 10 == 9:
                preview_until_told(story, event)
            assert story.resolve(event).duplicate is False

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert ledger.counts().inbox == 120
    story = Story(ledger, metrics, dsn=ledger_dsn)
    story.drain()
    assert ledger.counts().dirty_marks == 0
    assert of_ledger(story) == decided_by_batch(rows, round_weights())

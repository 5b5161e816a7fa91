"""The outbox and the relay's lease: nothing is lost, each profile's changes stay in order, one relay at a time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection

from goldthread.ledger import Ledger


@pytest.fixture
def admin(ledger_dsn: str) -> Iterator[Connection[Any]]:
    """A plain connection to the test's ledger."""
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


def versions(ledger: Ledger) -> list[int]:
    return [row.version for row in ledger.outbox(10_000)]


def write(ledger: Ledger, *numbers: int) -> None:
    with ledger.transaction() as tx:
        tx.write_outbox([(uuid4(), number, True, b"change", ()) for number in numbers])


def test_rows_come_by_version_and_a_late_one_comes_first(ledger: Ledger) -> None:
    with ledger.transaction() as slow:
        slow.write_outbox([(uuid4(), 1, True, b"", ())])
        write(ledger, 3, 2)
        assert versions(ledger) == [2, 3]
    assert versions(ledger) == [1, 2, 3]


def test_a_transaction_that_is_rolled_back_leaves_nothing(ledger: Ledger) -> None:
    with ledger.transaction(preview=True) as slow:
        slow.write_outbox([(uuid4(), 1, True, b"", ())])
        write(ledger, 2)
        assert versions(ledger) == [2]
    assert versions(ledger) == [2]


def test_places_are_paged_in_the_same_order(ledger: Ledger) -> None:
    write(ledger, 5, 3, 9, 7, 1)
    places = ledger.outbox_places(2)
    assert [place.version for place in places] == [1, 3]
    places += ledger.outbox_places(10, after=places[-1])
    assert [place.outbox_id for place in places] == [row.outbox_id for row in ledger.outbox(10)]
    assert ledger.outbox_places(10, after=places[-1]) == []


def test_identifiers_of_rows_are_named_once(ledger: Ledger, admin: Connection[Any]) -> None:
    tokens = [bytes([number]) * 32 for number in range(3)]
    numbers = [
        admin.execute(
            "INSERT INTO token (token, type, namespace, form, key_version, normalizer_version) "
            "VALUES (%s, 1, '', 1, 1, 'n') RETURNING token_id",
            (token,),
        ).fetchone()[0]  # type: ignore[index]
        for token in tokens
    ]
    with ledger.transaction() as tx:
        tx.write_outbox(
            [(uuid4(), 1, True, b"", numbers[:2]), (None, 2, True, b"", numbers[1:]), (uuid4(), 3, True, b"", ())]
        )
    rows = ledger.outbox(10)
    assert [set(row.token_ids) for row in rows] == [set(numbers[:2]), set(numbers[1:]), set()]
    assert sorted(ledger.outbox_token_ids([rows[0].outbox_id, rows[1].outbox_id])) == numbers
    assert ledger.outbox_token_ids([rows[2].outbox_id, 10**9]) == []
    assert {answer.token for answer in ledger.answers_about([*numbers[1:], numbers[1], 10**9])} == set(tokens[1:])


def test_published_rows_are_forgotten_and_only_those(ledger: Ledger) -> None:
    write(ledger, 1, 2, 3)
    first, *_ = ledger.outbox(1)
    ledger.outbox_done([first.outbox_id])
    ledger.outbox_done([first.outbox_id])
    assert versions(ledger) == [2, 3]
    assert ledger.counts().outbox == 2


class Load:
    """Writers of raw outbox rows whose commits are late by chance; versions of one profile are drawn under its lock, as looks do."""

    def __init__(self, dsn: str, *, writers: int, each: int) -> None:
        self.dsn = dsn
        self.writers = writers
        self.each = each
        self.profiles = [uuid4() for _ in range(12)]
        self.done = threading.Event()

    def write(self, seed: int) -> None:
        draw = random.Random(seed)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for _ in range(self.each):
                profile = draw.randrange(len(self.profiles))
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(77, %s)", (profile,))
                    connection.execute(
                        "INSERT INTO outbox (profile_id, version, live, change, token_ids) "
                        "VALUES (%s, nextval('ledger_version'), true, '', '{}')",
                        (self.profiles[profile],),
                    )
                    time.sleep(draw.choice((0, 0.001, 0.004, 0.02)) * draw.random())

    def run(self, read: Callable[[], bool]) -> None:
        """Runs the writers beside `read`, which tells whether it found anything, until they are done and it finds nothing any more."""

        def reading() -> None:
            while True:
                finished = self.done.is_set()
                if not read() and finished:
                    return
                time.sleep(0.001)

        with ThreadPoolExecutor(self.writers + 1) as pool:
            reader = pool.submit(reading)
            try:
                for job in [pool.submit(self.write, seed) for seed in range(self.writers)]:
                    job.result(120)
            finally:
                self.done.set()
            reader.result(120)


def test_sixteen_writers_lose_nothing_and_keep_each_profiles_order_beside_a_long_transaction(
    ledger: Ledger, ledger_dsn: str
) -> None:
    """FAILURES C5: versions are drawn in one order and committed in another, while a transaction that has written something stays open."""
    # Begins a life, if another test's crash has ended the last one: the writers of the load do not.
    ledger.ping()
    load = Load(ledger_dsn, writers=16, each=60)
    seen: list[tuple[str, int]] = []

    def read() -> bool:
        rows = ledger.outbox(25)
        seen.extend((row.profile_id, row.version) for row in rows)
        ledger.outbox_done([row.outbox_id for row in rows])
        return bool(rows)

    with psycopg.connect(ledger_dsn) as long:
        long.execute("CREATE TEMPORARY TABLE held (one integer)")
        assert long.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL").fetchone() == (True,)
        load.run(read)
        assert long.info.transaction_status.name == "INTRANS"
        long.rollback()
    versions = sorted(version for _, version in seen)
    assert versions == list(range(versions[0], versions[0] + 960))
    assert len({profile for profile, _ in seen}) == 12
    for profile in {profile for profile, _ in seen}:
        mine = [version for one, version in seen if one == profile]
        assert mine == sorted(mine)
    assert [version for _, version in seen] != versions, "no commit was late: the test shows nothing"


def test_the_same_load_read_past_the_last_version_loses_rows(ledger_dsn: str) -> None:
    """The control: what `WHERE version > last` misses under this very load."""
    load = Load(ledger_dsn, writers=16, each=60)
    seen: list[int] = []
    with psycopg.connect(ledger_dsn, autocommit=True) as reader:

        def read() -> bool:
            last = seen[-1] if seen else 0
            rows = reader.execute(
                "SELECT version FROM outbox WHERE version > %s ORDER BY version LIMIT 25", (last,)
            ).fetchall()
            seen.extend(version for (version,) in rows)
            return bool(rows)

        load.run(read)
    assert len(seen) < 960


def test_one_relay_holds_the_lease(ledger: Ledger) -> None:
    with ledger.relay_lease() as first:
        with ledger.relay_lease() as second:
            assert (first, second) == (True, False)
        with ledger.relay_lease() as third:
            assert third is False
    with ledger.relay_lease() as fourth:
        assert fourth is True


def test_the_lease_is_lost_with_the_connection(ledger: Ledger, ledger_dsn: str) -> None:
    with psycopg.connect(ledger_dsn, autocommit=True) as dead:
        dead.execute("SELECT pg_try_advisory_lock(7426381003)")
        with ledger.relay_lease() as held:
            assert held is False
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with ledger.relay_lease() as held:
            if held:
                return
        time.sleep(0.02)
    raise AssertionError("the lease never came free")

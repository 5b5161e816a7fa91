"""The outbox and the relay's lease: nothing is lost, nothing appears too early, one relay at a time."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg

from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics


def versions(ledger: Ledger) -> list[int]:
    return [row.version for row in ledger.outbox(10_000)]


def write(ledger: Ledger, *numbers: int) -> None:
    with ledger.transaction() as tx:
        tx.write_outbox([(uuid4(), number, True, b"change", ()) for number in numbers])


def test_a_row_waits_for_every_older_transaction(ledger: Ledger) -> None:
    with ledger.transaction() as slow:
        slow.write_outbox([(uuid4(), 1, True, b"", ())])
        write(ledger, 2, 3)
        assert versions(ledger) == []
    assert versions(ledger) == [1, 2, 3]


def test_a_transaction_that_is_rolled_back_holds_nothing_up_for_good(ledger: Ledger) -> None:
    with ledger.transaction(preview=True) as slow:
        slow.write_outbox([(uuid4(), 1, True, b"", ())])
        write(ledger, 2)
        assert versions(ledger) == []
    assert versions(ledger) == [2]


def test_published_rows_are_forgotten_and_only_those(ledger: Ledger) -> None:
    write(ledger, 1, 2, 3)
    first, *_ = ledger.outbox(1)
    ledger.outbox_done([first.outbox_id])
    ledger.outbox_done([first.outbox_id])
    assert versions(ledger) == [2, 3]
    assert ledger.counts().outbox == 2


def test_eight_writers_with_slow_commits_lose_nothing(ledger_dsn: str, metrics: Metrics) -> None:
    """FAILURES C5: ids are drawn in one order and committed in another; the reader must see every row once, each writer's in its order."""
    writers, each = 8, 40
    done = threading.Event()
    seen: list[int] = []

    def produce(ledger: Ledger, seed: int) -> None:
        draw = random.Random(seed)
        for number in range(each):
            with ledger.transaction() as tx:
                tx.write_outbox([(uuid4(), seed * each + number + 1, True, b"", ())])
                time.sleep(draw.random() * 0.006)

    def consume(ledger: Ledger) -> None:
        while True:
            finished = done.is_set()
            rows = ledger.outbox(25)
            seen.extend(row.version for row in rows)
            ledger.outbox_done([row.outbox_id for row in rows])
            if finished and not rows:
                return
            time.sleep(0.001)

    settings = LedgerSettings(dsn=ledger_dsn, pool_max=writers + 1)
    with Ledger(settings, metrics) as ledger, ThreadPoolExecutor(writers + 1) as pool:
        reading = pool.submit(consume, ledger)
        for job in [pool.submit(produce, ledger, seed) for seed in range(writers)]:
            job.result(60)
        done.set()
        reading.result(60)
    assert sorted(seen) == list(range(1, writers * each + 1))
    assert seen != sorted(seen)
    for seed in range(writers):
        mine = [version for version in seen if (version - 1) // each == seed]
        assert mine == sorted(mine)


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


def test_rows_left_out_do_not_hide_those_that_follow(ledger: Ledger) -> None:
    write(ledger, 1, 2, 3)
    write(ledger, 4)
    first, _, third, _ = ledger.outbox(10)
    assert [row.version for row in ledger.outbox(2, skip=[first.outbox_id, third.outbox_id])] == [2, 4]
    assert versions(ledger) == [1, 2, 3, 4]

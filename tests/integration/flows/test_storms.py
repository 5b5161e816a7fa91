"""Storms of writers on one ledger: nobody is lost, nobody is made twice, nobody waits in a circle. `python -m storms` runs larger ones."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest
from redis import Redis

from goldthread.app.embedded import ValkeyServer
from storms.merges import SHAPES, run_merge
from storms.people import run_round
from storms.writers import deadlocks


@pytest.mark.parametrize("seed", [1])
def test_five_hundred_people_by_sixty_four_writers_are_five_hundred_profiles(ledger_dsn: str, seed: int) -> None:
    found = run_round(ledger_dsn, people=500, writers=64, seed=seed)
    assert (found.profiles, found.events, found.lost, found.effects, found.deadlocks) == (500, 1_500, 0, 0, 0), found
    assert found.as_batch
    assert found.outcome.resolves + found.outcome.batches > 500


@pytest.mark.parametrize("shape", SHAPES)
def test_a_merge_storm_leaves_one_survivor_and_no_dead_id(
    ledger_dsn: str, card_server: ValkeyServer, card_client: Redis, shape: str
) -> None:
    card_client.flushall()
    found = run_merge(ledger_dsn, card_server.endpoint, shape=shape, profiles=60, writers=16, seed=1)
    assert (found.survivors, found.lost, found.deadlocks) == (1, 0, 0), found
    assert (found.circles, found.astray, found.dead) == (0, 0, 0), found
    assert found.ids >= 60
    assert found.cards > 120, "the ledger's answers, and the cache's"
    assert found.lookups > 0


def test_a_deadlock_would_be_counted(ledger_dsn: str) -> None:
    with closing(psycopg.connect(ledger_dsn)) as one, closing(psycopg.connect(ledger_dsn)) as other:
        for connection, lock in ((one, 1), (other, 2)):
            connection.execute("SET deadlock_timeout = '50ms'")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
        other.execute("SET LOCAL deadlock_timeout = '60s'")
        # One waits for the other in the background of its connection, the other closes the circle.
        one.pgconn.send_query(b"SELECT pg_advisory_xact_lock(2)")
        other.pgconn.send_query(b"SELECT pg_advisory_xact_lock(1)")
        assert one.pgconn.get_result() is not None
        one.close()
        assert other.pgconn.get_result() is not None
    assert deadlocks(ledger_dsn) == 1

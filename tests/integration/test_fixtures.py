"""The fixtures themselves: what other tests take for granted."""

from __future__ import annotations

import psycopg
from confluent_kafka.admin import AdminClient
from redis import Redis

from goldthread.bus import BusSettings
from goldthread.ledger import Ledger


def test_every_database_is_migrated_and_its_own(ledger: Ledger, ledger_dsn: str) -> None:
    ledger.check_schema()
    assert ledger.counts().inbox == 0
    with psycopg.connect(ledger_dsn) as connection:
        row = connection.execute("SELECT current_database(), current_setting('server_version_num')::int").fetchone()
    assert row is not None
    assert row[0].startswith("ledger_")
    assert row[0] != "ledger_template"
    assert row[1] >= 150_000


def test_the_cache_is_empty(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_topics_exist_for_this_test_alone(bus: BusSettings) -> None:
    topics = AdminClient({"bootstrap.servers": bus.bootstrap}).list_topics(timeout=10).topics
    assert {bus.events_topic, bus.changes_topic, bus.dead_letters_topic} <= set(topics)
    assert len(topics[bus.events_topic].partitions) == 4

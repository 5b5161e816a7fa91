"""A consumer that sleeps through its eviction and wakes as if nothing had happened: it is fenced, and no event counts twice (FAILURES A2)."""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import Connection

from goldthread.app.settings import Settings
from goldthread.app.up import Up, UpOptions
from goldthread.app.wiring import bus_settings
from goldthread.bus import BusSettings, EventProducer
from goldthread.ledger import Ledger
from goldthread.v1 import event_pb2, identity_pb2

CONSUMERS = ("consume", "consume-2", "consume-3")
VICTIM = "consume-2"
EVENTS = 6_000
SESSION_SECONDS = BusSettings(bootstrap="nowhere:1").session_timeout_ms / 1000


def event(number: int) -> bytes:
    message = event_pb2.CustomerEvent(source="pos", event_id=f"e{number}")
    message.occurred_at.FromDatetime(datetime(2026, 1, 10, tzinfo=UTC))
    message.purchase.amount_minor = 100 + number
    message.purchase.currency = "USD"
    message.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw=f"p{number % 2_000}@acme.com")
    return message.SerializeToString()


def until(condition: Callable[[], bool], what: str, *, seconds: float = 60, pause: float = 0.1) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(pause)


def counted(service: Up, name: str, label: str) -> float:
    """Sum of a counter over the consumers."""
    total = 0.0
    for consumer in CONSUMERS:
        with urllib.request.urlopen(service.endpoints.metrics[consumer], timeout=10) as found:
            page = found.read().decode()
        total += sum(
            float(value) for value in re.findall(rf"^{name}_total\{{{label}\}} ([\d.e+]+)$", page, re.MULTILINE)
        )
    return total


@pytest.fixture
def admin(ledger_dsn: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


def moving(admin: Connection[Any], pid: int) -> list[int]:
    """Backends in which this process has moved an offset and not committed yet."""
    ports = [connection.laddr.port for connection in psutil.Process(pid).net_connections() if connection.raddr]
    rows = admin.execute(
        "SELECT a.pid FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE l.relation = 'consumer_offset'::regclass "
        "AND l.mode = 'RowExclusiveLock' AND a.client_port = ANY(%s)",
        (ports,),
    ).fetchall()
    return [int(row[0]) for row in rows]


def overtaken(admin: Connection[Any], backends: list[int]) -> bool:
    """Whether somebody else has read on in a partition of the zombie's and waits to move its offset."""
    waiting = admin.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%consumer_offset%%' AND pg_blocking_pids(pid) && %s::integer[]",
        (backends,),
    ).fetchone()
    return waiting is not None and waiting[0] > 0


@contextmanager
def held_up(dsn: str) -> Iterator[Connection[Any]]:
    """Lets nobody write records until the connection is rolled back: consumers stand still with their offsets moved and not committed."""
    with psycopg.connect(dsn) as connection:
        connection.execute("LOCK TABLE record IN EXCLUSIVE MODE")
        yield connection
        connection.rollback()


@contextmanager
def stopped(admin: Connection[Any], pid: int, holder: Connection[Any]) -> Iterator[list[int]]:
    """The process, stopped in the middle of a transaction that moves an offset, and then nobody held up any more; goes on at the end."""
    asleep: list[int] = []

    def caught() -> bool:
        if not moving(admin, pid):
            return False
        os.kill(pid, signal.SIGSTOP)
        # What it had sent is carried out; only what then still waits for the next statement is caught.
        time.sleep(0.2)
        asleep.extend(moving(admin, pid))
        if not asleep:
            os.kill(pid, signal.SIGCONT)
        return bool(asleep)

    until(caught, "never caught in a transaction", pause=0.01)
    holder.rollback()
    try:
        yield asleep
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_zombie_is_fenced_and_nothing_counts_twice(
    service_settings: Settings, ledger: Ledger, ledger_dsn: str, admin: Connection[Any], tmp_path: Path
) -> None:
    """Its session is ended while it sleeps, as by the idle limit; whoever takes over reads on from where it stood, and it is fenced when it wakes."""
    bus = bus_settings(service_settings)

    def all_read() -> bool:
        return sum(ledger.offsets(group=bus.group, topic=bus.events_topic).values()) == EVENTS

    with (
        Up(UpOptions(data_dir=tmp_path / "service", workers=3), settings=service_settings) as service,
        held_up(ledger_dsn) as holder,
    ):
        with EventProducer(bus) as producer:
            for number in range(EVENTS):
                value = event(number)
                producer.send(bus.events_topic, key=str(number).encode(), value=value, headers={})
            producer.flush()
        victim = service.endpoints.pids[VICTIM]
        with stopped(admin, victim, holder) as backends:
            time.sleep(SESSION_SECONDS)
            until(lambda: overtaken(admin, backends), "nobody took over", seconds=90)
            for backend in backends:
                admin.execute("SELECT pg_terminate_backend(%s)", (backend,))
            until(all_read, "not read on from where the zombie stood")
        until(all_read, "not all read")
        until(lambda: counted(service, "goldthread_retries", 'operation="fenced"') > 0, "nobody was fenced", seconds=30)
        until(lambda: ledger.counts().dirty_marks == 0, "marks are left")
        assert service.endpoints.pids[VICTIM] == victim
        assert counted(service, "goldthread_events", 'outcome="duplicate"') == 0
        assert counted(service, "goldthread_events", 'outcome="taken"') == EVENTS
    money = sum(100 + number for number in range(EVENTS))
    for statement in (
        "SELECT count(*), sum(amount_minor) FROM purchase",
        "SELECT sum(purchase_count), sum(purchase_total_minor) FROM record",
        "SELECT sum(purchase_count), sum(purchase_total_minor) FROM profile WHERE live",
    ):
        assert admin.execute(statement.encode()).fetchone() == (EVENTS, money)
    assert admin.execute("SELECT sum(sightings) FROM record").fetchone() == (EVENTS,)
    assert ledger.counts().inbox == EVENTS

"""A consumer that sleeps through its eviction and wakes as if nothing had happened is fenced, and no event counts twice (FAILURES A2).

Three consumers, as processes. One of them reaches PostgreSQL through a proxy that keeps back a statement of its batch's transaction: so it has
read a batch, has not committed it, and cannot get any further until it sleeps. It wakes only when somebody else has taken over and read on.
Nothing here happens at a moment: each step waits until the one before is seen to have happened, and what may be lost to a rebalance is sent again.
"""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from fixtures.proxy import Hold, Proxy
from goldthread.app.settings import Settings, process_environment
from goldthread.app.supervise import Child, Supervisor
from goldthread.bus import BusSettings, EventProducer
from goldthread.ledger import Ledger
from goldthread.v1 import event_pb2, identity_pb2

CONSUMERS = ("consume", "consume-2", "consume-3")
VICTIM = CONSUMERS[1]
LOT = 40
PEOPLE = 60
FIRST_STATEMENT = "pg_advisory_xact_lock_shared"
"""Of the transaction that takes a batch, and of no other: the offsets come after it."""
INBOX = "INSERT INTO inbox"
"""In the middle of it: the offsets have been moved, and their rows are locked."""


@pytest.fixture
def admin(ledger_dsn: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def group(bus: BusSettings, ledger: Ledger, ledger_dsn: str, proxy: Proxy, tmp_path: Path) -> Iterator[Group]:
    """Three consumers at work, each with partitions of its own; the victim behind the proxy."""
    settings = Settings(
        postgres_dsn=ledger_dsn,
        kafka_bootstrap=bus.bootstrap,
        consumer_group=bus.group,
        events_topic=bus.events_topic,
        changes_topic=bus.changes_topic,
        dead_letters_topic=bus.dead_letters_topic,
        master_key=secrets.token_hex(32),
        metrics_port=0,
    )

    def child(name: str) -> Child:
        dsn = proxy.dsn(ledger_dsn) if name == VICTIM else ledger_dsn
        environ = process_environment() | dataclasses.replace(settings, postgres_dsn=dsn).environment()
        command = [sys.executable, "-m", "goldthread.app.cli", "consume"]
        return Child(name, command=command, environ=lambda _: environ, folder=tmp_path)

    supervisor = Supervisor([child(name) for name in CONSUMERS], changed=lambda: None)
    try:
        supervisor.start(seconds=120)
        with EventProducer(bus) as producer:
            made = Group(supervisor, producer, bus, ledger)
            made.send_until(
                lambda: all(made.counted("goldthread_events", outcome="taken", by=[name]) for name in CONSUMERS),
                "somebody got no partition",
            )
            yield made
    finally:
        supervisor.stop(grace=10)


class Group:
    """Consumers at work, what they were sent, and what they say they did."""

    def __init__(self, supervisor: Supervisor, producer: EventProducer, bus: BusSettings, ledger: Ledger) -> None:
        self._supervisor = supervisor
        self._producer = producer
        self._bus = bus
        self._ledger = ledger
        self.sent = 0

    @property
    def victim(self) -> int:
        """Process id of the victim in its present life."""
        return self._supervisor.pids()[VICTIM]

    def send_until(self, condition: Callable[[], bool], what: str) -> None:
        """Sends lots, each to all partitions, until the condition holds."""

        def met() -> bool:
            self._send()
            end = time.monotonic() + 2
            while not condition():
                if time.monotonic() >= end:
                    return False
                time.sleep(0.05)
            return True

        until(met, what)

    def all_read(self) -> bool:
        """Whether the ledger's offsets are at the end of what was sent."""
        offsets = self._ledger.offsets(group=self._bus.group, topic=self._bus.events_topic)
        return sum(offsets.values()) == self.sent

    def counted(self, name: str, *, by: list[str] | tuple[str, ...] = CONSUMERS, **labels: str) -> int:
        """Sum of a counter over these consumers."""
        sample = ",".join(f'{label}="{value}"' for label, value in labels.items())
        total = 0.0
        for consumer in by:
            port = self._supervisor.ports()[consumer]["metrics"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as found:
                page = found.read().decode()
            values = re.findall(rf"^{name}_total\{{{re.escape(sample)}\}} (\S+)$", page, re.MULTILINE)
            total += sum(float(value) for value in values)
        return int(total)

    def _send(self) -> None:
        for number in range(self.sent, self.sent + LOT):
            self._producer.send(self._bus.events_topic, key=str(number).encode(), value=event(number), headers={})
        self._producer.flush()
        self.sent += LOT


def amount(number: int) -> int:
    """In minor units; no two sets of events that are easily confused add up to the same."""
    return 100 + number


def event(number: int) -> bytes:
    message = event_pb2.CustomerEvent(source="pos", event_id=f"e{number}")
    message.occurred_at.FromDatetime(datetime(2026, 1, 10, tzinfo=UTC))
    message.purchase.amount_minor = amount(number)
    message.purchase.currency = "USD"
    message.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw=f"p{number % PEOPLE}@acme.com")
    return message.SerializeToString()


def until(condition: Callable[[], bool], what: str, *, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@contextmanager
def asleep(group: Group, proxy: Proxy, statement: str) -> Iterator[Hold]:
    """The victim, stopped with a batch in hand as it sends this statement of it; goes on at the end, and the statement before it."""
    pid = group.victim
    with proxy.hold(statement) as hold:
        group.send_until(hold.caught.is_set, "the victim got nothing to read")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield hold
        finally:
            hold.release()
            os.kill(pid, signal.SIGCONT)


def waited_for(admin: Connection[Any], hold: Hold) -> bool:
    """Whether somebody has read on from where the victim stood and waits for the offset's row that it holds."""
    row = admin.execute(
        "SELECT count(*) FROM pg_stat_activity AS own JOIN pg_stat_activity AS other ON own.pid = ANY(pg_blocking_pids(other.pid)) "
        "WHERE own.client_port = %s AND other.query LIKE '%%consumer_offset%%'",
        (hold.port,),
    ).fetchone()
    return row is not None and row[0] > 0


def check_fenced_and_well(group: Group, ledger: Ledger, admin: Connection[Any], *, pid: int) -> None:
    """The victim was fenced, works on in the same life, and every event that was sent counts once."""
    until(lambda: group.counted("goldthread_retries", operation="fenced", by=[VICTIM]) > 0, "the zombie was not fenced")
    taken = group.counted("goldthread_events", outcome="taken", by=[VICTIM])
    group.send_until(
        lambda: group.counted("goldthread_events", outcome="taken", by=[VICTIM]) > taken, "it takes nothing any more"
    )
    until(group.all_read, "not all read")
    until(lambda: ledger.counts().dirty_marks == 0, "marks are left")
    assert group.victim == pid
    until(lambda: group.counted("goldthread_events", outcome="taken") == group.sent, "the counters differ")
    assert group.counted("goldthread_events", outcome="duplicate") == 0
    assert ledger.counts().inbox == group.sent
    money = sum(amount(number) for number in range(group.sent))
    for statement in (
        "SELECT count(*), sum(amount_minor) FROM purchase",
        "SELECT sum(purchase_count), sum(purchase_total_minor) FROM record",
        "SELECT sum(purchase_count), sum(purchase_total_minor) FROM profile WHERE live",
    ):
        assert admin.execute(statement.encode()).fetchone() == (group.sent, money)
    assert admin.execute("SELECT sum(sightings) FROM record").fetchone() == (group.sent,)


def test_a_zombie_that_wakes_before_its_first_statement_is_fenced(
    group: Group, proxy: Proxy, ledger: Ledger, admin: Connection[Any]
) -> None:
    """Its batch is read, and its transaction has done nothing yet: it goes on to move the offset from a value that is no longer there."""
    pid = group.victim
    with asleep(group, proxy, FIRST_STATEMENT):
        until(group.all_read, "nobody took over")
    check_fenced_and_well(group, ledger, admin, pid=pid)


def test_a_zombie_whose_session_ended_in_the_middle_leaves_nothing_and_is_fenced(
    group: Group, proxy: Proxy, ledger: Ledger, admin: Connection[Any]
) -> None:
    """While its session lives, whoever takes over waits for the offset; what the session had done is gone with it, and the second try is fenced."""
    pid = group.victim
    with asleep(group, proxy, INBOX) as hold:
        # On a machine that is slow enough the server's idle limit ends the session first, and they need not wait.
        until(lambda: waited_for(admin, hold) or group.all_read(), "nobody took over")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = %s", (hold.port,))
        until(group.all_read, "not read on from where the zombie stood")
    check_fenced_and_well(group, ledger, admin, pid=pid)

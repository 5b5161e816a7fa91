"""Many writers at once: threads with connections of their own, resolving and ingesting through the real flows."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from prometheus_client import CollectorRegistry

from fixtures.story import Story
from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.ports import IngestBatch, OffsetMove
from goldthread.domain.words import IncomingEvent, Position
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics

__all__ = ["Outcome", "deadlocks", "drained", "open_story", "storm", "told_metrics"]

_ASKS = 20
_DRAIN_SECONDS = 60.0
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@dataclass
class Outcome:
    """What the writers were told: profile ids that Resolve returned, and calls that gave up and were made again."""

    returned: set[str] = field(default_factory=set)
    resolves: int = 0
    batches: int = 0
    given_up: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def told(self) -> str:
        """In words."""
        again = ", ".join(f"{name} {count}" for name, count in sorted(self.given_up.items())) or "none"
        return f"{self.resolves} resolves and {self.batches} batches in {self.seconds:.1f} s; calls made again: {again}"


@contextmanager
def open_story(dsn: str, *, writers: int, model_text: str | None = None) -> Iterator[Story]:
    """The flows over a pool with a connection for each writer, and a few more for those who look on."""
    metrics = Metrics()
    with Ledger(LedgerSettings(dsn=dsn, pool_max=writers + 8, connect_timeout_s=30), metrics) as ledger:
        yield Story(ledger, metrics, dsn=dsn, model_text=model_text)


def storm(story: Story, shares: Sequence[Sequence[IncomingEvent]], *, seed: int, resolving: float = 0.5) -> Outcome:
    """Lets one writer loose on each share, all at the same moment; returns when all are through.

    So many of the writers resolve event by event, the others ingest batches of one to eight, each from a partition of its own. A call
    that gives up is made again, as a client or a consumer would.
    """
    outcome = Outcome()
    guard = threading.Lock()
    start = threading.Barrier(len(shares))

    def persist(operation: str, call: Callable[[], Iterable[str]]) -> None:
        for left in range(_ASKS, -1, -1):
            try:
                found = set(call())
            except LedgerUnavailableError:
                if not left:
                    raise
                with guard:
                    outcome.given_up[operation] += 1
            else:
                with guard:
                    outcome.returned |= found
                return

    def resolve(events: Sequence[IncomingEvent]) -> None:
        for event in events:
            persist("resolve", lambda event=event: filter(None, [story.resolve(event).profile_id]))  # type: ignore[misc]
        with guard:
            outcome.resolves += len(events)

    def ingest(writer: int, events: Sequence[IncomingEvent]) -> None:
        draw = random.Random(seed * 1_000 + writer)
        at = batches = 0
        while at < len(events):
            part = events[at : at + draw.randint(1, 8)]
            batch = _batch(writer, at, part)

            def run(batch: IngestBatch = batch) -> Iterable[str]:
                story.flow.run(batch)
                return ()

            persist("ingest", run)
            at += len(part)
            batches += 1
        with guard:
            outcome.batches += batches

    def write(writer: int) -> None:
        start.wait(60)
        if writer < resolving * len(shares):
            resolve(shares[writer])
        else:
            ingest(writer, shares[writer])

    began = time.monotonic()
    with ThreadPoolExecutor(len(shares)) as pool:
        list(pool.map(write, range(len(shares))))
    outcome.seconds = time.monotonic() - began
    return outcome


def _batch(partition: int, start: int, events: Sequence[IncomingEvent]) -> IngestBatch:
    return IngestBatch(
        group="storm",
        events=[(Position("events", partition, start + place), event) for place, event in enumerate(events)],
        payloads=[b""] * len(events),
        rejections=[],
        offsets=[OffsetMove(topic="events", partition=partition, start=start, end=start + len(events))],
    )


def drained(story: Story) -> int:
    """Works off every mark, those put back for a while included; returns how many. Raises `TimeoutError` if that takes a minute."""
    done = 0
    deadline = time.monotonic() + _DRAIN_SECONDS
    while True:
        done += (count := story.flow.redo(500))
        if not count and not story.ledger.counts().dirty_marks:
            return done
        if time.monotonic() > deadline:
            raise TimeoutError(f"{story.ledger.counts().dirty_marks} marks are left")
        if not count:
            time.sleep(0.05)


def deadlocks(dsn: str) -> int:
    """How many transactions PostgreSQL ended for a deadlock in this database, once everybody else has left it and so reported."""
    deadline = time.monotonic() + 20
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(_OTHERS).fetchone() != (0,):
            if time.monotonic() > deadline:
                raise TimeoutError("connections are left open")
            time.sleep(0.05)
        row = connection.execute(_DEADLOCKS).fetchone()
    assert row is not None
    return int(row[0])


def told_metrics(registry: CollectorRegistry) -> str:
    """Retries and looks, in words."""
    wanted = ("goldthread_retries_total", "goldthread_looks_total")
    found = [
        f"{sample.name.removeprefix('goldthread_').removesuffix('_total')} {next(iter(sample.labels.values()))} {sample.value:.0f}"
        for family in registry.collect()
        for sample in family.samples
        if sample.name in wanted
    ]
    return ", ".join(found) or "no retries"

"""The master test: the same records through real Kafka in different orders, with the consumer killed mid-way, end as in the batch engine."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.partitions import (
    Cluster,
    Decided,
    addresses_of_rows,
    decided_by,
    expected_of,
    of_batch,
    of_core,
    of_ledger,
)
from fixtures.servers import Postgres
from fixtures.stateful import Length
from fixtures.story import KEYS, MASTER_KEY, Story, row_events
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.app.produce import produce_file
from goldthread.app.produce_rows import RowDefaults
from goldthread.app.settings import Settings, process_environment
from goldthread.bus import BusSettings, EventProducer, ensure_topics
from goldthread.ledger import Ledger, LedgerCounts, LedgerSettings
from goldthread.matching import Matcher
from goldthread.telemetry.metrics import Metrics
from oracle.models import shipped

LIMIT_SECONDS = 150


@dataclass
class Stream:
    """A ledger and topics of one run, and the consumer that joins them."""

    settings: Settings
    ledger: Ledger
    log: Path
    consumer: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def produce(self, rows: list[dict[str, str]], path: Path) -> int:
        """Sends the rows and says how many became events."""
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        settings = BusSettings(bootstrap=self.settings.need("kafka_bootstrap"), events_topic=self.settings.events_topic)
        with EventProducer(settings) as producer:
            report = produce_file(
                path, producer, topic=settings.events_topic, defaults=RowDefaults(region="US", currency="USD")
            )
        assert report.unusable == []
        return report.events

    def start(self) -> None:
        """Starts `goldthread consume`."""
        with self.log.open("ab") as log:
            self.consumer = subprocess.Popen(
                [sys.executable, "-m", "goldthread.app.cli", "consume"],
                env={**process_environment(), **self.settings.environment()},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Ends the consumer by SIGKILL."""
        assert self.consumer is not None
        assert self.consumer.poll() is None
        self.consumer.kill()
        self.consumer.wait(10)
        self.kills += 1

    def wait_for(self, inbox: int, *, seconds: float = LIMIT_SECONDS) -> LedgerCounts:
        """Waits until so many events are in the ledger, or the consumer has ended."""
        deadline = time.monotonic() + seconds
        while (counts := self.ledger.counts()).inbox + counts.dead_letters < inbox:
            assert self.consumer is not None
            assert self.consumer.poll() is None, self.log.read_text(encoding="utf-8")[-2000:]
            assert time.monotonic() < deadline, f"{counts} after {seconds} s"
            time.sleep(0.2)
        return counts

    def finish(self) -> None:
        """Stops the consumer in order, once it has begun and what was left to redo is done."""
        assert self.consumer is not None
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.log.read_text(encoding="utf-8").count('"consumer_started"') <= self.kills or (
            self.ledger.counts().dirty_marks
        ):
            assert self.consumer.poll() is None, self.log.read_text(encoding="utf-8")[-2000:]
            assert time.monotonic() < deadline, self.ledger.counts()
            time.sleep(0.2)
        self.consumer.terminate()
        assert self.consumer.wait(30) == 0, self.log.read_text(encoding="utf-8")[-2000:]


@contextmanager
def stream(postgres: Postgres, bus: BusSettings, tmp_path: Path, name: str) -> Iterator[Stream]:
    """A database and topics of their own; the consumer is ended whatever happens."""
    topics = replace(
        bus,
        group=f"{bus.group}-{name}",
        events_topic=f"{bus.events_topic}-{name}",
        changes_topic=f"{bus.changes_topic}-{name}",
        dead_letters_topic=f"{bus.dead_letters_topic}-{name}",
    )
    ensure_topics(topics)
    dsn = postgres.clone()
    settings = Settings(
        postgres_dsn=dsn,
        kafka_bootstrap=bus.bootstrap,
        consumer_group=topics.group,
        events_topic=topics.events_topic,
        changes_topic=topics.changes_topic,
        dead_letters_topic=topics.dead_letters_topic,
        master_key=MASTER_KEY.hex(),
        metrics_port=0,
    )
    with Ledger(LedgerSettings(dsn=dsn), Metrics()) as ledger:
        running = Stream(settings, ledger, tmp_path / f"{name}.log")
        try:
            yield running
        finally:
            if running.consumer is not None and running.consumer.poll() is None:
                running.consumer.kill()
                running.consumer.wait(10)
    postgres.drop(dsn)


def generate(people: int, events: int, seed: int) -> list[dict[str, str]]:
    options = GenerateOptions(people=people, events=events, seed=seed)
    return [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]


def credited(story: Story) -> dict[Cluster, tuple[Any, ...]]:
    """What each profile's records add up to, by the records' addresses; records that an order withdrew on its way are nobody's."""
    rows = story.rows(
        "SELECT array_agg(address), sum(sightings), sum(record.purchase_count), sum(record.purchase_total_minor), "
        "max(profile.purchase_count), max(profile.purchase_total_minor), max(profile.last_purchase_at) "
        "FROM record JOIN membership USING (record_id) JOIN profile USING (profile_id) "
        "WHERE record.sightings > 0 GROUP BY profile_id"
    )
    return {frozenset(bytes(address) for address in row[0]): row[1:] for row in rows}


def distinct(rows: list[dict[str, str]]) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["source"], row["event_id"]): row for row in rows}


def check_effects(story: Story, rows: list[dict[str, str]]) -> None:
    """Every event had its effect once: sightings, purchases and offsets add up."""
    events = distinct(rows)
    counts = story.ledger.counts()
    assert (counts.inbox, counts.dead_letters, counts.dirty_marks) == (len(events), 0, 0)
    sales = [int(row["amount_minor"]) for row in events.values() if row["kind"] == "purchase"]
    held = list(credited(story).values())
    assert sum(row[0] for row in held) == len(events)
    assert (sum(row[1] for row in held), sum(row[2] for row in held)) == (len(sales), sum(sales))
    assert all(row[1:3] == row[3:5] for row in held)
    assert story.rows("SELECT sum(next_offset) FROM consumer_offset") == [(len(rows),)]


@pytest.mark.timeout(2_000)
def test_two_orders_and_three_kills_end_as_in_the_batch_engine(
    postgres: Postgres, bus: BusSettings, tmp_path: Path, length: Length
) -> None:
    records = length.streamed(20_000)
    limit = LIMIT_SECONDS * max(1.0, records / 20_000)
    rows = generate(records * 3 // 4, records * 6 // 5, seed=7)
    matcher = Matcher(model_text=shipped(), keys=KEYS, region="US")
    expected = of_core(row_events(rows), matcher)
    # Nothing is lost before the comparison begins: another normaliser reads the same claims in the rows, and another clock parts them where phones
    # changed hands.
    assert frozenset().union(*expected.clusters) == addresses_of_rows(rows, shipped())
    assert sum(map(len, expected.clusters)) == len(addresses_of_rows(rows, shipped())) > 0.99 * records
    # Claims alone do not say which phones changed hands; the times of the events do.
    assert expected != of_batch(rows, shipped())
    outcomes: list[tuple[Decided, dict[Cluster, tuple[Any, ...]]]] = []
    for name, order, kills in (("plain", rows, 0), ("killed", random.Random(11).sample(rows, len(rows)), 3)):
        with stream(postgres, bus, tmp_path, name) as running:
            assert running.produce(order, tmp_path / f"{name}.jsonl") == len(rows)
            running.start()
            total = len(distinct(rows))
            for part in range(1, kills + 1):
                running.wait_for(total * part // (kills + 1), seconds=limit)
                running.kill()
                assert running.ledger.counts().inbox < total
                running.start()
            running.wait_for(total, seconds=limit)
            running.finish()
            assert running.kills == kills
            story = Story(running.ledger, Metrics(), dsn=running.settings.need("postgres_dsn"), model_text=shipped())
            check_effects(story, rows)
            outcomes.append((of_ledger(story), credited(story)))
    assert outcomes[0][0] == expected
    assert outcomes[1][0] == expected
    assert outcomes[0][1] == outcomes[1][1]
    print(
        f"\n{len(rows)} events of {records} records in two orders, 3 kills: {len(expected.clusters)} profiles as in the batch engine"
    )


def test_three_thousand_records_end_as_in_the_plain_oracle(
    postgres: Postgres, bus: BusSettings, tmp_path: Path
) -> None:
    rows = random.Random(3).sample(source := generate(2_250, 3_300, seed=8), len(source))
    with stream(postgres, bus, tmp_path, "oracle") as running:
        running.produce(rows, tmp_path / "rows.jsonl")
        running.start()
        running.wait_for(len(distinct(rows)) // 2)
        running.kill()
        running.start()
        running.wait_for(len(distinct(rows)))
        running.finish()
        story = Story(running.ledger, Metrics(), dsn=running.settings.need("postgres_dsn"), model_text=shipped())
        check_effects(story, rows)
        decided = of_ledger(story)
        assert sum(map(len, decided.clusters)) == 3_000
        assert decided == decided_by(expected_of(row_events(rows), story.matcher).outcome)

"""Planted generic values: what a hundred store phones, kiosk e-mails and cashiers' cards do to everybody who left them.

Both arms of the same rows, with the values and with empty cells in their place, go through ingest on fresh databases of one PostgreSQL. The generator
knows whose each row is, so pairs of different people in one profile can be counted. With the values there must be no more than without.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations, islice
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import click
import psycopg

from goldthread.app.leave import leave_in_order
from goldthread.app.produce_rows import RowDefaults, RowReader
from goldthread.app.settings import Settings
from goldthread.app.wiring import build_ingest, build_matcher, migrate, open_ledger
from goldthread.domain.ports import IngestBatch, OffsetMove
from goldthread.domain.words import Position
from goldthread.matching import digest_identifiers
from goldthread.telemetry.metrics import Metrics
from loadtest.databases import Databases, embedded_postgres
from loadtest.planting import Planted, plant

__all__ = ["Arm", "main"]

_BATCH = 500
_EMPTY_ASKS = 600

_HOMES = "SELECT inbox.source, inbox.event_id, profile_id FROM inbox JOIN membership USING (record_id)"
_MERGED = "SELECT count(*), coalesce(max(members), 0) FROM (SELECT count(*) AS members FROM membership GROUP BY profile_id) AS held"
_BUSIEST = """
SELECT count(*) FILTER (WHERE generic), coalesce(min(carriers), 0) FROM (
    SELECT token.generic, count(*) AS carriers FROM record_token JOIN token USING (token_id)
    GROUP BY token.token_id, token.generic ORDER BY count(*) DESC LIMIT %s
) AS busiest
"""
_SIZE = "SELECT pg_database_size(current_database())"


@dataclass(frozen=True)
class Arm:
    """How one arm ended. `generic` counts those of the busiest tokens, as many as were planted, and `least_carriers` says how busy the least is."""

    events: int
    seconds: float
    looks: int
    repeated: int
    drain_seconds: float
    drained: int
    false_pairs: set[tuple[int, int]]
    people_whole: int
    profiles: int
    largest: int
    generic: int
    least_carriers: int
    worker_bytes: int
    ledger_bytes: int

    def told(self) -> str:
        """In words."""
        return (
            f"{self.events:,} events in {self.seconds:.0f} s ({self.events / self.seconds:,.0f}/s), "
            f"{self.looks:,} looks and {self.repeated:,} lost races, "
            f"then {self.drained:,} marks redone in {self.drain_seconds:.1f} s; "
            f"{self.profiles:,} profiles, the largest of {self.largest} records; "
            f"{len(self.false_pairs):,} pairs of different people in one profile, {self.people_whole:,} people in one profile only; "
            f"of the busiest tokens {self.generic} are generic, each on {self.least_carriers:,} records or more; "
            f"a worker at most {self.worker_bytes / 2**20:,.0f} MiB, the ledger {self.ledger_bytes / 2**20:,.0f} MiB"
        )


@dataclass(frozen=True)
class _Fed:
    """What a worker reports."""

    taken: int
    looks: int
    repeated: int
    peak_bytes: int


def _settings(dsn: str) -> Settings:
    return Settings(postgres_dsn=dsn, master_key=bytes(range(32)).hex())


def _batches(path: Path, *, worker: int, workers: int) -> Iterator[IngestBatch]:
    """Every so many batches of the file; a worker's own are numbered through in a partition of its own."""
    reader = RowReader(path, defaults=RowDefaults(region="US", currency="USD"), digest=digest_identifiers)
    offset = 0
    with path.open(encoding="utf-8") as lines:
        for number in range(sys.maxsize):
            part = list(islice(lines, _BATCH))
            if not part:
                return
            if number % workers != worker:
                continue
            events = list(reader.events(enumerate(map(json.loads, part), start=1)))
            yield IngestBatch(
                group="generics",
                events=[(Position("events", worker, offset + place), event) for place, event in enumerate(events)],
                payloads=[b""] * len(events),
                rejections=[],
                offsets=[OffsetMove(topic="events", partition=worker, start=offset, end=offset + len(events))],
            )
            offset += len(events)


def _feed(dsn: str, path: Path, worker: int, workers: int, out: SimpleQueue[_Fed]) -> None:
    """One worker: a process."""
    settings, metrics = _settings(dsn), Metrics()
    taken = 0
    with ExitStack() as stack:
        ledger = open_ledger(stack, settings, metrics)
        flow = build_ingest(ledger, build_matcher(settings), metrics, settings=settings)
        for batch in _batches(path, worker=worker, workers=workers):
            taken += flow.run(batch).taken
    looks, repeated = (
        int(metrics.registry.get_sample_value(name, labels) or 0)
        for name, labels in (
            ("goldthread_looks_total", {"outcome": "done"}),
            ("goldthread_retries_total", {"operation": "look"}),
        )
    )
    out.put(_Fed(taken, looks, repeated, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def _drain(dsn: str) -> tuple[int, float]:
    """Works off what is left: marks, seconds. The time of grace that a batch's own worker has is not waited for twice."""
    settings, metrics = _settings(dsn), Metrics()
    done, began = 0, time.perf_counter()
    with ExitStack() as stack:
        ledger = open_ledger(stack, settings, metrics)
        flow = build_ingest(ledger, build_matcher(settings), metrics, settings=settings)
        for _ in range(_EMPTY_ASKS):
            while count := flow.redo(1_000):
                done += count
            if not ledger.counts().dirty_marks:
                return done, time.perf_counter() - began
            time.sleep(0.5)
    raise click.ClickException("redo does not come to an end")


def _run(databases: Databases, path: Path, planted: Planted, *, workers: int) -> Arm:
    with databases.fresh() as dsn:
        migrate(_settings(dsn))
        spawning = multiprocessing.get_context("spawn")
        out: SimpleQueue[_Fed] = spawning.SimpleQueue()
        crew = [spawning.Process(target=_feed, args=(dsn, path, number, workers, out)) for number in range(workers)]
        began = time.perf_counter()
        for process in crew:
            process.start()
        for process in crew:
            process.join()
        seconds = time.perf_counter() - began
        if any(process.exitcode for process in crew):
            raise click.ClickException("a worker failed")
        fed = [out.get() for _ in crew]
        drained, drain_seconds = _drain(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            false_pairs, whole = _pairs(connection, planted)
            profiles, largest = _row(connection, _MERGED)
            generic, least = _row(connection, _BUSIEST, planted.values)
            [size] = _row(connection, _SIZE)
        return Arm(
            events=sum(one.taken for one in fed),
            seconds=seconds,
            looks=sum(one.looks for one in fed),
            repeated=sum(one.repeated for one in fed),
            drain_seconds=drain_seconds,
            drained=drained,
            false_pairs=false_pairs,
            people_whole=whole,
            profiles=profiles,
            largest=largest,
            generic=generic,
            least_carriers=least,
            worker_bytes=max(one.peak_bytes for one in fed),
            ledger_bytes=size,
        )


def _row(connection: psycopg.Connection[tuple[int, ...]], statement: str, *arguments: object) -> tuple[int, ...]:
    row = connection.execute(statement.encode(), arguments).fetchone()
    if row is None:
        raise LookupError(statement)
    return row


def _pairs(connection: psycopg.Connection[tuple[int, ...]], planted: Planted) -> tuple[set[tuple[int, int]], int]:
    """Pairs of people who share a profile; and people all of whose records stand in one.

    Counted by people, not by records: an empty cell may make a row the same claim as another row of that person, so the arms differ in records.
    """
    homes: dict[object, set[int]] = defaultdict(set)
    spread: dict[int, set[object]] = defaultdict(set)
    with connection.transaction(), connection.cursor(name="homes") as cursor:
        cursor.itersize = 20_000
        for source, event_id, home in cursor.execute(_HOMES):
            person = planted.truth[str(source), str(event_id)]
            homes[home].add(person)
            spread[person].add(home)
    pairs = {pair for people in homes.values() if len(people) > 1 for pair in combinations(sorted(people), 2)}
    return pairs, sum(len(found) == 1 for found in spread.values())


@click.command()
@click.option(
    "--values", default=100, show_default=True, type=click.IntRange(5), help="Planted values, a multiple of 5."
)
@click.option(
    "--people", default=10_000, show_default=True, type=click.IntRange(20), help="People who left each of them."
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True)
@click.option("--statements", is_flag=True, help="Show where PostgreSQL's time went.")
def main(*, values: int, people: int, workers: int, seed: int, statements: bool) -> None:
    """Count false merges with and without planted generic values; exit code 1 if there are more with them."""
    leave_in_order()
    with (
        tempfile.TemporaryDirectory(prefix="goldthread-rows-") as folder,
        embedded_postgres(statements=statements) as databases,
    ):
        with_values, without, planted = plant(Path(folder), values=values, people=people, seed=seed)
        carriers = planted.planted * 5
        click.echo(
            f"{values} values on {people:,} people each: {planted.planted:,} rows of {planted.rows:,} carry one of each kind, {carriers:,} carriers; "
            f"{workers} workers, seed {seed}"
        )
        arms: dict[str, Arm] = {}
        for name, path in (("without", without), ("with", with_values)):
            arms[name] = _run(databases, path, planted, workers=workers)
            click.echo(f"{name} the values: {arms[name].told()}")
            for line in databases.statements():
                click.echo(f"    {line}")
    there, not_there = (arms[name].false_pairs for name in ("with", "without"))
    more = len(there) - len(not_there)
    closed = arms["with"].generic == values and arms["with"].least_carriers >= people
    passed = more <= 0 and closed
    click.echo(
        f"false-merge pairs only with the values {len(there - not_there):,}, only without {len(not_there - there):,}"
    )
    click.echo(f"false-merge pairs with the values against without: {more:+,}; {'PASS' if passed else 'FAIL'}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()

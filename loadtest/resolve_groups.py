"""What a Resolve call costs by the size of its group: processor time, statements and time, on one thread, without doors and Kafka.

One ledger for the whole run, filled by ingest with the reference mix, of which the calls are the rest. Other work on the machine changes
processor time little and statements not at all. How large groups are under load is told by `goldthread_gathered_calls`.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from math import inf
from pathlib import Path

import click
import psycopg

from goldthread.app.generate import COLUMNS, GenerateOptions, Profile, generate_events
from goldthread.app.leave import leave_in_order
from goldthread.app.produce_rows import RowDefaults, RowReader
from goldthread.app.settings import Settings
from goldthread.app.wiring import build_ingest, build_matcher, build_resolve, migrate, open_ledger
from goldthread.domain.ports import IngestBatch, OffsetMove, ResolveCall, ResolveResult
from goldthread.domain.words import IncomingEvent, Position
from goldthread.flows.resolve import ResolveFlow
from goldthread.matching import digest_identifiers
from goldthread.telemetry.metrics import Metrics
from loadtest.databases import embedded_postgres
from loadtest.locust.processors import processor_seconds

__all__ = ["main"]

_BATCH = 500
_CALLED = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements"


def _events(count: int, seed: int) -> list[IncomingEvent]:
    options = GenerateOptions(people=count, events=count, seed=seed, profile=Profile.REFERENCE)
    rows = (
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    )
    reader = RowReader(Path("rows"), defaults=RowDefaults(region="US", currency="USD"), digest=digest_identifiers)
    return list(reader.events(enumerate(rows, start=1)))


def _fill(settings: Settings, events: list[IncomingEvent]) -> None:
    metrics = Metrics()
    with ExitStack() as stack:
        ledger = open_ledger(stack, settings, metrics)
        flow = build_ingest(ledger, build_matcher(settings), metrics, settings=settings)
        for start in range(0, len(events), _BATCH):
            part = events[start : start + _BATCH]
            flow.run(
                IngestBatch(
                    group="bench",
                    events=[(Position("events", 0, start + place), event) for place, event in enumerate(part)],
                    payloads=[b""] * len(part),
                    rejections=[],
                    offsets=[OffsetMove(topic="events", partition=0, start=start, end=start + len(part))],
                )
            )


def _ask(flow: ResolveFlow, events: list[IncomingEvent], size: int) -> list[float]:
    """Seconds of each group. Repeats of one event within a group are left out: a door puts them into another one."""
    seconds: list[float] = []
    for start in range(0, len(events), size):
        part = {(event.source, event.event_id): event for event in events[start : start + size]}
        began = time.perf_counter()
        outcomes = flow.resolve([ResolveCall(event, inf) for event in part.values()])
        seconds.append(time.perf_counter() - began)
        if bad := [outcome for outcome in outcomes if not isinstance(outcome, ResolveResult)]:
            raise click.ClickException(f"{len(bad)} calls were not answered: {type(bad[0]).__name__}")
    return seconds


@click.command()
@click.option("--known", default=10_000, show_default=True, type=click.IntRange(_BATCH), help="Events before.")
@click.option("--calls", default=960, show_default=True, type=click.IntRange(64), help="Calls of each size of group.")
@click.option("--size", "sizes", multiple=True, default=(1, 2, 4, 16), show_default=True, type=click.IntRange(1, 64))
@click.option("--seed", default=1, show_default=True)
def main(*, known: int, calls: int, sizes: tuple[int, ...], seed: int) -> None:
    """Measure what a call costs in groups of these sizes."""
    leave_in_order()
    warm = 64
    events = _events(known + warm + calls * len(sizes), seed)
    with embedded_postgres(statements=True) as databases, databases.fresh() as dsn, ExitStack() as stack:
        settings = Settings(postgres_dsn=dsn, master_key=bytes(range(32)).hex())
        migrate(settings)
        _fill(settings, events[:known])
        metrics = Metrics()
        flow = build_resolve(open_ledger(stack, settings, metrics), build_matcher(settings), metrics, settings=settings)
        _ask(flow, events[known : known + warm], 1)
        rest = events[known + warm :]
        watch = stack.enter_context(psycopg.connect(databases.dsn, autocommit=True))
        for place, size in enumerate(sizes):
            called = watch.execute(_CALLED).fetchone()
            server = processor_seconds({"server": databases.pid or 0})["server"]
            python = time.process_time()
            seconds = _ask(flow, rest[place * calls : (place + 1) * calls], size)
            python = time.process_time() - python
            server = processor_seconds({"server": databases.pid or 0})["server"] - server
            made = watch.execute(_CALLED).fetchone()
            assert called is not None
            assert made is not None
            click.echo(
                f"groups of {size}: {(made[0] - called[0]) / len(seconds):.1f} statements a group, "
                f"a call {python / calls * 1000:.2f} ms of Python and {server / calls * 1000:.2f} ms of PostgreSQL, "
                f"a group {statistics.median(seconds) * 1000:.1f} ms at the median"
            )


if __name__ == "__main__":
    main()

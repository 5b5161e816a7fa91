"""Feeds rows to the ingest flow of whichever checkout's Python runs this file, and prints one line of JSON.

Uses only what every version since the first has: it is the same program on both sides of a comparison. The ledger is named by
GOLDTHREAD_POSTGRES_DSN, must be empty, and is migrated here.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import os
import pstats
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from goldthread.app.produce_rows import RowDefaults, RowReader
from goldthread.app.settings import Settings
from goldthread.app.wiring import build_ingest, build_matcher, migrate, open_ledger
from goldthread.domain.ports import IngestBatch, OffsetMove
from goldthread.domain.words import IncomingEvent, Position
from goldthread.matching import digest_identifiers
from goldthread.telemetry.metrics import Metrics

__all__ = ["main"]

_TOPIC = "events"


def _events(path: Path) -> list[IncomingEvent]:
    reader = RowReader(path, defaults=RowDefaults(region="US", currency="USD"), digest=digest_identifiers)
    with path.open(encoding="utf-8") as lines:
        found = list(reader.events(enumerate(map(json.loads, lines), start=1)))
    if reader.report.unusable:
        raise SystemExit(f"{len(reader.report.unusable)} rows became no events")
    return found


def _batches(events: list[IncomingEvent], size: int) -> Iterator[IngestBatch]:
    for start in range(0, len(events), size):
        part = events[start : start + size]
        yield IngestBatch(
            group="bench",
            events=[(Position(_TOPIC, 0, start + place), event) for place, event in enumerate(part)],
            payloads=[b""] * len(part),
            rejections=[],
            offsets=[OffsetMove(topic=_TOPIC, partition=0, start=start, end=start + len(part))],
        )


def main() -> None:
    """Runs once: `taken` events in `seconds`, the first batch apart, and what was left for redo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path, help="flat rows, JSON lines")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--profile", type=Path, help="write cProfile's tables of processor time here")
    options = parser.parse_args()
    settings = Settings(postgres_dsn=os.environ["GOLDTHREAD_POSTGRES_DSN"], master_key=bytes(range(32)).hex())
    migrate(settings)
    batches = list(_batches(_events(options.rows), options.batch))
    metrics = Metrics()
    with ExitStack() as stack:
        ledger = open_ledger(stack, settings, metrics)
        flow = build_ingest(ledger, build_matcher(settings), metrics, settings=settings)
        flow.run(batches[0])
        gc.collect()
        profiler = cProfile.Profile(time.process_time) if options.profile else None
        taken = 0
        wall, cpu = time.perf_counter(), time.process_time()
        if profiler is not None:
            profiler.enable()
        for batch in batches[1:]:
            taken += flow.run(batch).taken
        if profiler is not None:
            profiler.disable()
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        left = ledger.counts().dirty_marks
    if profiler is not None:
        with options.profile.open("w", encoding="utf-8") as out:
            for order in ("tottime", "cumtime"):
                pstats.Stats(profiler, stream=out).sort_stats(order).print_stats(60)
    stages = {
        sample.labels["stage"]: round(sample.value, 3)
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "goldthread_stage_seconds_sum"
    }
    found = {"taken": taken, "seconds": seconds, "cpu_seconds": cpu_seconds, "marks_left": left, "stages": stages}
    print(json.dumps(found))  # noqa: T201 - this line is the result


if __name__ == "__main__":
    main()

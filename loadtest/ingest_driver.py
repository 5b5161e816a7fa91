"""Feeds messages to the ingest flow of whichever checkout's Python runs this file, and prints one line of JSON.

Rows become protobuf messages beforehand; what is timed begins with their bytes, read as that checkout's consumer reads them. Otherwise it
uses only what every version since the first has: it is the same program on both sides of a comparison. The ledger is named by
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
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from goldthread.app import wiring
from goldthread.app.produce_rows import RowDefaults, RowReader
from goldthread.app.settings import Settings
from goldthread.app.wiring import build_ingest, build_matcher, migrate, open_ledger
from goldthread.bus import Message
from goldthread.domain.ports import IngestBatch, IngestReport, OffsetMove
from goldthread.domain.words import Position
from goldthread.matching import Matcher, digest_identifiers
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import CONTENT_TYPE_PROTOBUF, decode_events, encode_event

__all__ = ["main"]

_TOPIC = "events"


def _messages(path: Path) -> list[Message]:
    reader = RowReader(path, defaults=RowDefaults(region="US", currency="USD"), digest=digest_identifiers)
    with path.open(encoding="utf-8") as lines:
        found = [encode_event(event) for event in reader.events(enumerate(map(json.loads, lines), start=1))]
    if reader.report.unusable:
        raise SystemExit(f"{len(reader.report.unusable)} rows became no events")
    return [Message(Position(_TOPIC, 0, place), payload, CONTENT_TYPE_PROTOBUF) for place, payload in enumerate(found)]


def _read(matcher: Matcher, metrics: Metrics, settings: Settings) -> Callable[[Sequence[Message]], Any]:
    build_reader = getattr(wiring, "build_reader", None)
    if build_reader is None:
        # A checkout whose consumer decodes and leaves admission to the flow.
        return partial(decode_events, currency=settings.currency)
    read: Callable[[Sequence[Message]], Any] = build_reader(matcher, metrics, settings=settings).read
    return read


def _ingest(
    run: Callable[[IngestBatch], IngestReport], read: Callable[[Sequence[Message]], Any], part: Sequence[Message]
) -> int:
    decoded = read(part)
    start, end = part[0].position.offset, part[-1].position.offset + 1
    batch = IngestBatch(
        group="bench",
        events=decoded.events,
        payloads=decoded.payloads,
        rejections=decoded.rejections,
        offsets=[OffsetMove(topic=_TOPIC, partition=0, start=start, end=end)],
    )
    return run(batch).taken


def main() -> None:
    """Runs once: `taken` events in `seconds`, the first batch apart, and what was left for redo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path, help="flat rows, JSON lines")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--profile", type=Path, help="write cProfile's tables of processor time here")
    options = parser.parse_args()
    settings = Settings(postgres_dsn=os.environ["GOLDTHREAD_POSTGRES_DSN"], master_key=bytes(range(32)).hex())
    migrate(settings)
    messages = _messages(options.rows)
    batches = [messages[start : start + options.batch] for start in range(0, len(messages), options.batch)]
    metrics = Metrics()
    with ExitStack() as stack:
        ledger = open_ledger(stack, settings, metrics)
        matcher = build_matcher(settings)
        flow, read = build_ingest(ledger, matcher, metrics, settings=settings), _read(matcher, metrics, settings)
        _ingest(flow.run, read, batches[0])
        gc.collect()
        profiler = cProfile.Profile(time.process_time) if options.profile else None
        taken = 0
        wall, cpu = time.perf_counter(), time.process_time()
        if profiler is not None:
            profiler.enable()
        for batch in batches[1:]:
            taken += _ingest(flow.run, read, batch)
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

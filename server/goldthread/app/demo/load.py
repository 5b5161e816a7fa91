"""Sends the sets through Kafka and waits until the service has dealt with every message.

Done means: the ledger's offsets have passed every message, no redo mark is pending, and the relay has published every change and dead letter.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from goldthread.app.demo.planted import PlantedMessage
from goldthread.app.demo.progress import Progress
from goldthread.app.demo.sets import InputSet
from goldthread.app.produce import EventSink, produce_file
from goldthread.app.produce_rows import RowDefaults
from goldthread.app.settings import Settings
from goldthread.domain.errors import GoldthreadError
from goldthread.ledger import Ledger

__all__ = ["LoadResult", "StalledError", "defaults_of", "load", "settle"]

_STALL_SECONDS = 60.0
_LOOK_SECONDS = 0.25


class StalledError(GoldthreadError):
    """The service made no progress for a minute; its logs say why."""

    reason = "STALLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What was sent and how long it took until all of it was dealt with. Keys are `source/event_id`."""

    messages: int
    keys: frozenset[str] = field(repr=False)
    unkeyed: int
    messages_by_set: Mapping[str, int]
    left_out: Mapping[str, int]
    values_dropped: Mapping[str, int]
    ingest_seconds: float
    relay_seconds: float


class _CountingSink:
    """Passes messages on and remembers their keys: what was produced, told apart from what the service says that it took."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self.messages = 0
        self.keys: set[str] = set()

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> None:
        self._sink.send(topic, key=key, value=value, headers=headers)
        self.messages += 1
        self.keys.add((key or b"").decode())

    def flush(self) -> None:
        self._sink.flush()


def defaults_of(settings: Settings) -> RowDefaults:
    """What holds for rows without region, currency or time of their own."""
    return RowDefaults(region=settings.region, currency=settings.currency, occurred_at=datetime(2026, 1, 1, tzinfo=UTC))


def load(
    sets: Sequence[InputSet],
    planted: Iterable[PlantedMessage],
    *,
    sink: EventSink,
    ledger: Ledger,
    settings: Settings,
    progress: Progress,
) -> LoadResult:
    """Sends everything and waits until it is dealt with. Raises `StalledError`, `BusUnavailableError`."""
    counting = _CountingSink(sink)
    started = time.monotonic()
    by_set: dict[str, int] = {}
    left_out: dict[str, int] = {}
    dropped: dict[str, int] = {}
    for one in sets:
        before = counting.messages
        report = produce_file(
            one.path,
            counting,
            topic=settings.events_topic,
            defaults=defaults_of(settings),
            progress=progress.terminal,
        )
        by_set[one.name] = counting.messages - before
        left_out[one.name] = len(report.unusable)
        for (kind, status), count in report.dropped.items():
            dropped[f"{kind} {status}"] = dropped.get(f"{kind} {status}", 0) + count
        progress.say(f"produced {one.name}: {by_set[one.name]:,} events")
    unkeyed = 0
    for unkeyed, message in enumerate(planted, start=1):
        sink.send(settings.events_topic, key=str(unkeyed).encode(), value=message.payload, headers=message.headers)
    sink.flush()
    messages = counting.messages + unkeyed
    consumed_at = settle(ledger, settings, messages=messages, progress=progress)
    return LoadResult(
        messages=messages,
        keys=frozenset(counting.keys),
        unkeyed=unkeyed,
        messages_by_set=by_set,
        left_out=left_out,
        values_dropped=dropped,
        ingest_seconds=consumed_at - started,
        relay_seconds=time.monotonic() - consumed_at,
    )


def settle(ledger: Ledger, settings: Settings, *, messages: int, progress: Progress) -> float:
    """Waits until `messages` in all are dealt with; returns the moment (`time.monotonic`) when the last one was in the ledger.

    Raises `StalledError` after a minute in which nothing moved.
    """
    consumed_at: float | None = None
    moved_at, seen = time.monotonic(), (-1, -1, -1)
    with progress.bar("ingest", total=messages, unit="messages") as bar:
        while True:
            done = sum(ledger.offsets(group=settings.consumer_group, topic=settings.events_topic).values())
            bar.reach(min(done, messages))
            counts = ledger.counts() if done >= messages else None
            now = time.monotonic()
            left = (0, 0)
            if counts is not None:
                consumed_at = consumed_at or now
                left = (counts.dirty_marks, counts.outbox + counts.unpublished_dead_letters)
                if left == (0, 0):
                    return consumed_at
            if (done, *left) != seen:
                moved_at, seen = now, (done, *left)
            elif now - moved_at > _STALL_SECONDS:
                raise StalledError(
                    "the service makes no progress",
                    metadata={
                        "messages": f"{done} of {messages}",
                        "redo_marks": str(left[0]),
                        "unpublished": str(left[1]),
                    },
                )
            time.sleep(_LOOK_SECONDS)

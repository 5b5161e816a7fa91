"""How long an event takes until a register sees it: from the send to Kafka to the first lookup that finds its identifier.

Probe events carry an identifier that nobody had before and are sent at a steady pace, while a background stream of other customers keeps the
service busy. Every probe is looked up again and again from the moment it is sent, as an impatient cashier would; the first answers are "not
found", which must not hide the real one once it is there.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from goldthread.app.demo.client import Register
from goldthread.app.demo.progress import Progress
from goldthread.app.demo.sets import WantedIdentifier
from goldthread.app.demo.timing import Timing
from goldthread.app.generate import COLUMNS, GenerateOptions, Profile, generate_events
from goldthread.app.produce import EventSink
from goldthread.app.produce_rows import RowDefaults, RowReader
from goldthread.domain.words import IdentifierType, IncomingEvent
from goldthread.v1.lookup_service_pb2 import LOOKUP_OUTCOME_NOT_FOUND
from goldthread.wire import CONTENT_TYPE_PROTOBUF, encode_event

__all__ = [
    "LatencyPlan",
    "LatencyResult",
    "Probe",
    "background_events",
    "make_probes",
    "measure_latency",
    "measure_probes",
    "probe_events",
]

_HEADERS = {"content-type": CONTENT_TYPE_PROTOBUF}
_GIVE_UP_SECONDS = 60.0
_FIRST_WAIT_SECONDS = 0.005
_WAIT_SHARE = 0.1
_SEEDS_APART = 1_000_003
_GROUPED_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPlan:
    """How many probes at which pace, beside how many background events per second. The first `warm_up` probes must be seen like all others, but not timed."""

    probes: int
    probe_rate: float
    background_rate: float
    seed: int
    warm_up: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """An event as it goes to Kafka, and the identifier that nobody had before it."""

    wanted: WantedIdentifier
    key: bytes = field(repr=False)
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyResult:
    """Times of the probes that were found (those of the warm-up left out), how many were not within a minute, and what else was sent meanwhile."""

    probes: int
    missed: int
    probe_rate: float
    background_rate: float
    background_events: int
    timing: Timing

    @property
    def messages(self) -> int:
        """Everything sent."""
        return self.probes + self.background_events


def probe_events(plan: LatencyPlan, *, defaults: RowDefaults) -> list[tuple[WantedIdentifier, IncomingEvent]]:
    """Each probe's fresh identifier and event. The people are made up like the others, so matching has its usual work."""
    options = GenerateOptions(events=plan.probes, people=plan.probes, seed=plan.seed + _SEEDS_APART)
    rows: list[tuple[int, dict[str, str]]] = []
    for place, event in enumerate(generate_events(options), start=1):
        row = dict(zip(COLUMNS, event.row(), strict=True))
        fresh = {"source": "probe", "event_id": f"probe-{place}", "loyalty_card": f"PRB{plan.seed:06d}{place:06d}X"}
        kept = {name: row[name] for name in ("given_name", "family_name", "street", "city", "postcode") if row[name]}
        rows.append((place, {"kind": "customer_change", **kept, **fresh}))
    # The path only serves rows without event ids; there are none.
    reader = RowReader(Path(), defaults=defaults)
    cards = [WantedIdentifier(IdentifierType.LOYALTY_CARD, "", row["loyalty_card"]) for _, row in rows]
    return list(zip(cards, reader.events(rows), strict=True))


def make_probes(plan: LatencyPlan, *, defaults: RowDefaults) -> list[Probe]:
    """The probes, ready to be sent. To make them costs a third of a millisecond of processor each: not while anything is timed."""
    return [Probe(wanted, _key(event), encode_event(event)) for wanted, event in probe_events(plan, defaults=defaults)]


def background_events(plan: LatencyPlan, *, count: int, defaults: RowDefaults) -> Iterator[IncomingEvent]:
    """Other customers' events in the reference mix: a fifth new claims, three quarters repeats, the rest bridges."""
    options = GenerateOptions(
        events=count, people=max(1, count // 4), seed=plan.seed + 2 * _SEEDS_APART, profile=Profile.REFERENCE
    )
    reader = RowReader(Path(), defaults=defaults)
    for event in reader.events(_numbered(options)):
        yield replace(event, event_id=f"background-{event.event_id}")


def measure_latency(
    plan: LatencyPlan,
    *,
    address: str,
    topic: str,
    probe_sink: EventSink,
    background_sink: EventSink,
    defaults: RowDefaults,
    progress: Progress,
) -> LatencyResult:
    """Sends the probes and looks them up. The two sinks are used by two threads."""
    count = max(1, round(plan.background_rate * plan.probes / plan.probe_rate))
    # Made before anything is timed: to make an event takes the processor longer than to send it, and as long as to take it.
    probes = make_probes(plan, defaults=defaults)
    background = [
        (_key(event), encode_event(event)) for event in background_events(plan, count=count, defaults=defaults)
    ]
    with _in_background(background, background_sink, topic=topic, rate=plan.background_rate) as stream:
        times = measure_probes(
            probes, rate=plan.probe_rate, address=address, topic=topic, sink=probe_sink, progress=progress
        )
    found = [seconds for seconds in times if seconds is not None]
    timed = [seconds for seconds in times[plan.warm_up :] if seconds is not None]
    return LatencyResult(
        probes=len(times),
        missed=len(times) - len(found),
        probe_rate=plan.probe_rate,
        background_rate=plan.background_rate,
        background_events=stream.sent,
        timing=Timing.of(timed),
    )


def measure_probes(
    probes: Sequence[Probe], *, rate: float, address: str, topic: str, sink: EventSink, progress: Progress
) -> list[float | None]:
    """Sends so many of the probes a second and looks them up; seconds until each was found, None for one that was not within a minute."""
    return asyncio.run(_probe(probes, rate=rate, address=address, topic=topic, sink=sink, progress=progress))


async def _probe(
    probes: Sequence[Probe], *, rate: float, address: str, topic: str, sink: EventSink, progress: Progress
) -> list[float | None]:
    async with Register(address) as register:

        async def one(place: int, probe: Probe) -> float | None:
            sent = time.perf_counter()
            sink.send(topic, key=probe.key, value=probe.value, headers=_HEADERS)
            while True:
                waited = time.perf_counter() - sent
                response = await register.lookup(probe.wanted)
                if response is not None and response.outcome != LOOKUP_OUTCOME_NOT_FOUND:
                    bar.reach(place + 1)
                    return time.perf_counter() - sent
                if waited >= _GIVE_UP_SECONDS:
                    return None
                # In proportion: probes that asked every few milliseconds while they were many, because others were slow, would be most of the load.
                await asyncio.sleep(min(max(_FIRST_WAIT_SECONDS, waited * _WAIT_SHARE), _GIVE_UP_SECONDS - waited))

        with progress.bar("probes", total=len(probes), unit="events") as bar:
            # A channel that is not connected yet would be counted against the first probe.
            await register.lookup(probes[0].wanted)
            begin = time.perf_counter()
            under_way = []
            async with asyncio.TaskGroup() as group:
                for place, probe in enumerate(probes):
                    await asyncio.sleep(max(0.0, begin + place / rate - time.perf_counter()))
                    under_way.append(group.create_task(one(place, probe)))
            return [task.result() for task in under_way]


class _Stream:
    """Sends messages, each a key and a value, at a steady pace on a thread of its own until told to stop or none is left."""

    def __init__(self, events: Iterable[tuple[bytes, bytes]], sink: EventSink, *, topic: str, rate: float) -> None:
        self._events = events
        self._sink = sink
        self._topic = topic
        self._rate = rate
        self._stopping = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)
        self.sent = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once everything sent is acknowledged; raises what stopped the thread."""
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        begin = time.perf_counter()
        try:
            for key, value in self._events:
                early = begin + self.sent / self._rate - time.perf_counter()
                # To wake up for each of thousands a second costs more than to send it.
                if self._stopping.wait(early + _GROUPED_SECONDS) if early > 0 else self._stopping.is_set():
                    break
                self._sink.send(self._topic, key=key, value=value, headers=_HEADERS)
                self.sent += 1
            self._sink.flush()
        except Exception as failure:  # noqa: BLE001 (raised again by the thread that waits for this one)
            self._failure = failure


@contextmanager
def _in_background(
    events: Iterable[tuple[bytes, bytes]], sink: EventSink, *, topic: str, rate: float
) -> Iterator[_Stream]:
    stream = _Stream(events, sink, topic=topic, rate=rate)
    stream.start()
    try:
        yield stream
    finally:
        stream.stop()


def _key(event: IncomingEvent) -> bytes:
    return f"{event.source}/{event.event_id}".encode()


def _numbered(options: GenerateOptions) -> Iterator[tuple[int, dict[str, str]]]:
    for place, event in enumerate(generate_events(options), start=1):
        row = dict(zip(COLUMNS, event.row(), strict=True))
        yield place, {name: value for name, value in row.items() if value and name != "truth"}

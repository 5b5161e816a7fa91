from __future__ import annotations

import io
import os
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from goldthread.app.demo.latency import LatencyPlan, background_events, make_probes, measure_latency, probe_events
from goldthread.app.demo.memory import resident_mebibytes
from goldthread.app.demo.planted import planted_messages
from goldthread.app.demo.progress import Progress
from goldthread.app.demo.timing import Timing
from goldthread.app.produce_rows import RowDefaults
from goldthread.bus import Message
from goldthread.domain.words import Position, RejectionReason
from goldthread.wire import CONTENT_TYPE_PROTOBUF, decode_events

DEFAULTS = RowDefaults(region="US", currency="USD", occurred_at=datetime(2026, 1, 1, tzinfo=UTC))
PLAN = LatencyPlan(probes=50, probe_rate=10, background_rate=100, seed=3)


def test_percentiles_are_samples() -> None:
    timing = Timing.of([place / 1000 for place in range(200, 0, -1)])
    assert timing == Timing(count=200, p50_ms=100.0, p99_ms=198.0, max_ms=200.0)
    assert Timing.of([0.25]) == Timing(count=1, p50_ms=250.0, p99_ms=250.0, max_ms=250.0)
    assert Timing.of([]) == Timing(count=0, p50_ms=0.0, p99_ms=0.0, max_ms=0.0)


def test_progress_is_plain_lines_now_and_then_without_a_terminal() -> None:
    now = 0.0
    out = io.StringIO()
    progress = Progress(out, clock=lambda: now)
    with progress.bar("ingest", total=2_000, unit="messages") as bar:
        for done in range(100):
            now = done / 10
            bar.reach(done)
    progress.say("done")
    assert out.getvalue().splitlines() == ["[   5.0 s] ingest: 50 of 2,000 messages", "[   9.9 s] done"]


def test_probes_are_new_to_everybody_and_carry_digests_only() -> None:
    probes = probe_events(PLAN, defaults=DEFAULTS)
    assert len({wanted.value for wanted, _ in probes}) == len({event.event_id for _, event in probes}) == 50
    for wanted, event in probes:
        assert [identifier.type for identifier in event.identifiers] == [wanted.type]
        assert all(identifier.raw is None and identifier.digest for identifier in event.identifiers)
        assert wanted.value not in repr(event)
    assert any(event.attributes.get("family_name") for _, event in probes)


def test_probes_are_ready_to_be_sent() -> None:
    given, made = probe_events(PLAN, defaults=DEFAULTS), make_probes(PLAN, defaults=DEFAULTS)
    assert [probe.wanted for probe in made] == [wanted for wanted, _ in given]
    for (wanted, event), probe in zip(given, made, strict=True):
        message = Message(position=Position("t", 0, 0), payload=probe.value, content_type=CONTENT_TYPE_PROTOBUF)
        decoded = decode_events([message], currency="USD")
        assert [one.event_id for _, one in decoded.events] == [event.event_id]
        assert [one.digest for one in decoded.events[0][1].identifiers] == [one.digest for one in event.identifiers]
        assert probe.key == f"{event.source}/{event.event_id}".encode()
        assert wanted.value not in repr(probe)
        assert wanted.value.encode() not in probe.value


def test_background_events_are_others_than_the_load() -> None:
    events = list(background_events(PLAN, count=200, defaults=DEFAULTS))
    assert len(events) == 200
    assert all(event.event_id.startswith("background-") for event in events)
    assert all(identifier.raw is None for event in events for identifier in event.identifiers)


def test_probes_of_the_warm_up_must_be_seen_but_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []

    class Sink:
        def send(self, _topic: str, *, key: bytes, value: bytes, headers: object) -> None:
            assert value
            assert headers
            sent.append(key)

        def flush(self) -> None: ...

    def probes(*_: object, **__: object) -> list[float | None]:
        deadline = time.monotonic() + 10
        while len(sent) < 15 and time.monotonic() < deadline:
            time.sleep(0.01)
        return [9.0, None, 0.1, 0.2, None]

    monkeypatch.setattr("goldthread.app.demo.latency.measure_probes", probes)
    plan = LatencyPlan(probes=5, probe_rate=10, background_rate=400, seed=3, warm_up=2)
    sink: Any = Sink()
    found = measure_latency(
        plan,
        address="",
        topic="events",
        probe_sink=sink,
        background_sink=sink,
        defaults=DEFAULTS,
        progress=Progress(io.StringIO()),
    )
    assert (found.probes, found.missed, found.timing) == (5, 2, Timing.of([0.1, 0.2]))
    assert found.background_events == len(sent) == len(set(sent))
    assert len(sent) >= 15
    assert all(b"/background-" in key for key in sent)


def test_planted_messages_are_as_bad_as_they_promise() -> None:
    planted = planted_messages()
    batch = decode_events(
        [
            Message(position=Position("t", 0, place), payload=message.payload, content_type=message.content_type)
            for place, message in enumerate(planted)
        ],
        currency="USD",
    )
    # What breaks a rule of an event that can be read is told by the ingest flow, if not by the decoder.
    unreadable = {
        RejectionReason.MALFORMED,
        RejectionReason.NOT_UTF8,
        RejectionReason.TOO_LARGE,
        RejectionReason.UNKNOWN_CONTENT_TYPE,
    }
    rejected = {
        rejection.position.offset: rejection.reason for rejection in batch.rejections if rejection.position is not None
    }
    assert rejected == {place: planted[place].reason for place in rejected}
    assert {place for place, message in enumerate(planted) if message.reason in unreadable} <= set(rejected)
    assert {event.event_id for _, event in batch.events} >= {"years-off", "nobody"}
    assert {message.reason for message in planted} == set(RejectionReason) - {RejectionReason.EVENT_ID_CONFLICT}


def test_memory_of_this_process_and_of_one_that_is_gone() -> None:
    found = resident_mebibytes({"here": os.getpid(), "gone": 2**22 + 1})
    assert found["gone"] == 0
    assert found["here"] > 10
    # A child that is named does not count for its parent, nor the other way round.
    assert resident_mebibytes({"parent": os.getppid(), "here": os.getpid()})["here"] > 10

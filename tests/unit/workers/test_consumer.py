"""The consumer's loop against a topic and a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Event

import pytest

from goldthread.bus import BatchLimits, Message, PolledBatch
from goldthread.domain.errors import (
    BusUnavailableError,
    LedgerUnavailableError,
    OffsetFencedError,
    OffsetGapError,
    PoisonLimitError,
    SettingsError,
)
from goldthread.domain.ports import IngestBatch, IngestReport, OffsetMove
from goldthread.domain.words import Position, Rejection, RejectionReason
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import event_pb2
from goldthread.wire import decode_events
from goldthread.workers.consumer import ConsumerSettings, ConsumerWorker

TOPIC = "events"
SETTINGS = ConsumerSettings(batch_events=10, retry_min_ms=100, retry_max_ms=400)
READ = partial(decode_events, currency="USD")


def good(number: int) -> bytes:
    message = event_pb2.CustomerEvent(source="pos", event_id=f"e-{number}")
    message.customer_change.SetInParent()
    return message.SerializeToString()


class Ledger:
    """Inbox, dead letters and one offset, committed together; `failures` are raised before a commit, `lost` after one."""

    def __init__(self) -> None:
        self.offset = 0
        self.taken: list[str] = []
        self.dead: list[RejectionReason] = []
        self.failures: list[Exception] = []
        self.lost = 0
        self.marks = 0
        self.redone: list[int] = []

    def run(self, batch: IngestBatch) -> IngestReport:
        if self.failures:
            raise self.failures.pop(0)
        [move] = batch.offsets
        if move.start != self.offset:
            raise OffsetFencedError(topic=TOPIC, partition=0, expected=move.start)
        self.offset = move.end
        self.taken += [event.event_id for _, event in batch.events if event.event_id not in self.taken]
        self.dead += [rejection.reason for rejection in batch.rejections]
        assert len(batch.payloads) == len(batch.events)
        if self.lost:
            self.lost -= 1
            raise LedgerUnavailableError("the answer to the commit was lost")
        return IngestReport(
            taken=len(batch.events), duplicates=0, rejections=tuple(batch.rejections), new_records=0,
            profiles_changed=0, merges=0, reviews_opened=0,
        )  # fmt: skip

    def redo(self, limit: int) -> int:
        done = min(self.marks, limit)
        self.marks -= done
        self.redone.append(done)
        return done


class Topic:
    """One partition in memory; sets `stop` once everything is read and `calm` polls found nothing."""

    def __init__(self, payloads: list[bytes], ledger: Ledger, stop: Event, *, calm: int = 1) -> None:
        self.payloads = payloads
        self.ledger = ledger
        self.stop = stop
        self.calm = calm
        self.next: int | None = None
        self.calls: list[str] = []
        self.waited = 0.0
        self.limits: list[BatchLimits] = []
        self.failures: list[Exception] = []
        self.before_poll: Callable[[], None] | None = None

    def poll(self, limits: BatchLimits) -> PolledBatch:
        assert self.calls.count("pause") == self.calls.count("resume"), "polled while paused"
        self.limits.append(limits)
        if self.before_poll:
            self.before_poll()
        if self.failures:
            self.next = None
            raise self.failures.pop(0)
        start = self.ledger.offset if self.next is None else self.next
        end = min(start + limits.max_messages, len(self.payloads))
        self.next = end
        if start == end:
            self.calm -= 1
            if self.calm <= 0:
                self.stop.set()
            return PolledBatch(lag={0: 0})
        return PolledBatch(
            messages=tuple(
                Message(Position(TOPIC, 0, offset), self.payloads[offset], None) for offset in range(start, end)
            ),
            offsets=(OffsetMove(topic=TOPIC, partition=0, start=start, end=end),),
            lag={0: len(self.payloads) - end},
        )

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def idle(self, seconds: float) -> None:
        assert self.calls[-1] == "pause"
        self.waited += seconds

    def rewind(self) -> None:
        self.calls.append("rewind")
        self.next = None

    def close(self) -> None:
        self.calls.append("close")


class Stage:
    def __init__(self, payloads: list[bytes], settings: ConsumerSettings = SETTINGS, *, calm: int = 1) -> None:
        self.stop = Event()
        self.ledger = Ledger()
        self.topic = Topic(payloads, self.ledger, self.stop, calm=calm)
        self.metrics = Metrics()
        self.now = 0.0
        self.worker = ConsumerWorker(
            self.topic, self.ledger, self.metrics, settings, read=READ, clock=lambda: self.now, draw=lambda: 1.0
        )

    def run(self) -> None:
        self.worker.run(self.stop)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def test_every_event_is_taken_once_and_the_group_is_left_at_the_end():
    stage = Stage([good(number) for number in range(25)])
    stage.run()
    assert stage.ledger.taken == [f"e-{number}" for number in range(25)]
    assert stage.ledger.offset == 25
    assert stage.topic.calls == ["close"]
    assert stage.metric("goldthread_consumer_lag", partition="0") == 0


def test_batches_begin_apart_and_the_first_is_taken_at_once():
    stage = Stage([good(number) for number in range(25)], replace(SETTINGS, batch_ms=750))
    original = stage.ledger.run
    stage.ledger.run = lambda batch: (setattr(stage, "now", stage.now + len(batch.events) / 16), original(batch))[1]  # type: ignore[method-assign]
    stage.run()
    # What is left of 750 ms since the batch before began, which took 625, 625 and 312.5.
    assert [limits.wait_ms for limits in stage.topic.limits] == [1, 125, 125, 438]


def test_bad_messages_are_rejections_of_the_batch_and_block_nothing():
    stage = Stage([good(0), b"\xff", good(1), b"{", good(2)])
    stage.run()
    assert stage.ledger.taken == ["e-0", "e-1", "e-2"]
    assert stage.ledger.dead == [RejectionReason.MALFORMED, RejectionReason.MALFORMED]
    assert stage.ledger.offset == 5


def test_while_the_ledger_is_down_the_batch_waits_paused_and_ever_longer():
    stage = Stage([good(number) for number in range(5)])
    stage.ledger.failures = [LedgerUnavailableError("down") for _ in range(5)]
    stage.run()
    assert stage.ledger.taken == [f"e-{number}" for number in range(5)]
    assert stage.ledger.dead == []
    assert stage.topic.calls == ["pause", "resume"] * 5 + ["close"]
    assert stage.topic.waited == pytest.approx(0.1 + 0.2 + 0.4 + 0.4 + 0.4)
    assert stage.metric("goldthread_retries_total", operation="consumer") == 5


def test_stopping_while_the_ledger_is_down_drops_the_batch_whole():
    stage = Stage([good(0)])

    class Down(Ledger):
        def run(self, batch: IngestBatch) -> IngestReport:
            stage.stop.set()
            raise LedgerUnavailableError("down")

    stage.worker = ConsumerWorker(stage.topic, Down(), stage.metrics, SETTINGS, read=READ)
    stage.run()
    assert stage.ledger.offset == 0
    assert stage.topic.calls[-1] == "close"


def test_a_commit_whose_answer_was_lost_counts_once():
    stage = Stage([good(number) for number in range(15)])
    stage.ledger.lost = 1
    stage.run()
    assert stage.ledger.taken == [f"e-{number}" for number in range(15)]
    assert stage.topic.calls == ["pause", "resume", "rewind", "close"]
    assert stage.metric("goldthread_retries_total", operation="fenced") == 1


def test_a_batch_that_another_worker_was_faster_with_is_dropped():
    stage = Stage([good(number) for number in range(15)])

    def overtake() -> None:
        stage.topic.before_poll = None
        stage.topic.next = 0
        stage.ledger.offset = 7

    stage.topic.before_poll = overtake
    stage.run()
    assert stage.ledger.taken == [f"e-{number}" for number in range(7, 15)]


def test_trouble_with_kafka_is_waited_for():
    stage = Stage([good(0)])
    stage.topic.failures = [BusUnavailableError("down"), LedgerUnavailableError("no offsets")]
    stage.run()
    assert stage.ledger.taken == ["e-0"]
    assert stage.topic.waited == pytest.approx(0.1 + 0.2)


def test_after_success_waits_begin_small_again():
    stage = Stage([good(number) for number in range(20)])
    stage.ledger.failures = [LedgerUnavailableError("down"), LedgerUnavailableError("down")]
    original = stage.ledger.run

    def run(batch: IngestBatch) -> IngestReport:
        report = original(batch)
        if stage.ledger.offset == 10:
            stage.ledger.failures = [LedgerUnavailableError("again")]
        return report

    stage.ledger.run = run  # type: ignore[method-assign]
    stage.run()
    assert stage.ledger.offset == 20
    assert stage.topic.waited == pytest.approx(0.1 + 0.2 + 0.1)


def test_a_gap_ends_the_worker():
    stage = Stage([good(0)])
    stage.topic.failures = [OffsetGapError(topic=TOPIC, partition=0, expected=1, found=3)]
    with pytest.raises(OffsetGapError):
        stage.run()
    assert stage.topic.calls == ["close"]


def test_an_error_beyond_the_contract_ends_the_worker_with_nothing_taken():
    stage = Stage([good(0)])
    stage.ledger.failures = [KeyError("bug")]
    with pytest.raises(KeyError):
        stage.run()
    assert stage.ledger.offset == 0
    assert stage.topic.calls == ["close"]


def test_redo_marks_are_worked_off_when_there_is_nothing_else_without_waiting_in_between():
    stage = Stage([], calm=4)
    stage.ledger.marks = 250
    stage.run()
    assert stage.ledger.redone == [100, 100, 50, 0]
    assert [limits.idle_ms for limits in stage.topic.limits] == [SETTINGS.idle_ms, 1, 1, 1]


def test_redo_marks_are_worked_off_now_and_then_under_load():
    stage = Stage([good(number) for number in range(40)])
    stage.ledger.marks = 1

    def tick() -> None:
        stage.now += 0.4

    stage.topic.before_poll = tick
    stage.run()
    assert stage.ledger.redone[0] == 1
    assert 2 <= len(stage.ledger.redone) <= 3


def failing_redo(stage: Stage, *, failures: int = 1_000) -> list[float]:
    """Makes the first redos fail and every poll take a second; the times of those that failed."""
    original, tried = stage.ledger.redo, []

    def redo(limit: int) -> int:
        if len(tried) == failures:
            return original(limit)
        tried.append(stage.now)
        raise LedgerUnavailableError("statement timeout")

    def tick() -> None:
        stage.now += 1

    stage.ledger.redo = redo  # type: ignore[method-assign]
    stage.topic.before_poll = tick
    return tried


def test_a_redo_that_fails_never_holds_up_intake_and_is_tried_ever_more_slowly():
    stage = Stage([good(number) for number in range(400)], ConsumerSettings(batch_events=10, redo_retry_max_ms=8_000))
    tried = failing_redo(stage)
    stage.run()
    assert len(stage.ledger.taken) == 400
    assert stage.topic.calls == ["close"], "neither paused nor rewound"
    assert tried == [1, 2, 4, 8, 16, 24, 32, 40]
    assert stage.metric("goldthread_retries_total", operation="redo") == 8
    assert stage.metric("goldthread_retries_total", operation="consumer") is None


def test_a_redo_that_fails_waits_on_an_empty_topic_too():
    stage = Stage([], calm=10)
    tried = failing_redo(stage)
    stage.run()
    assert tried == [1, 2, 4, 8]
    assert {limits.idle_ms for limits in stage.topic.limits} == {SETTINGS.idle_ms}


def test_once_redo_succeeds_it_is_as_eager_as_before():
    stage = Stage([], calm=7)
    stage.ledger.marks = 250
    tried = failing_redo(stage, failures=2)
    stage.run()
    assert (tried, stage.ledger.redone) == ([1, 2], [100, 100, 50, 0])


def test_a_streak_of_bad_messages_stops_the_worker_after_burying_them():
    stage = Stage([good(0), *[b"\xff"] * 50], ConsumerSettings(batch_events=10, poison_streak=25))
    with pytest.raises(PoisonLimitError) as caught:
        stage.run()
    assert caught.value.metadata["streak"] == "29"
    assert stage.ledger.offset == 30
    assert len(stage.ledger.dead) == 29


def test_good_messages_break_a_streak():
    payloads = [b"\xff" if number % 5 else good(number) for number in range(100)]
    stage = Stage(payloads, ConsumerSettings(batch_events=10, poison_streak=5))
    stage.run()
    assert len(stage.ledger.taken) == 20


def test_too_large_a_share_of_bad_messages_stops_the_worker():
    payloads = [good(number) if number % 3 == 0 else b"\xff" for number in range(300)]
    settings = ConsumerSettings(batch_events=10, poison_window=100, poison_ratio=0.5)
    stage = Stage(payloads, settings)
    with pytest.raises(PoisonLimitError):
        stage.run()
    assert stage.ledger.offset == 100


def test_the_share_is_that_of_the_last_messages_only():
    first = [good(number) for number in range(200)]
    last = [b"\xff" if number % 2 else good(number) for number in range(200, 400)]
    stage = Stage(first + last, ConsumerSettings(batch_events=10, poison_window=50, poison_ratio=0.4))
    with pytest.raises(PoisonLimitError):
        stage.run()
    assert 220 <= stage.ledger.offset <= 250


def test_a_reused_event_id_is_not_poison():
    stage = Stage([good(0)] * 50, ConsumerSettings(batch_events=10, poison_streak=5))
    original = stage.ledger.run

    def run(batch: IngestBatch) -> IngestReport:
        original(batch)
        conflicts = tuple(
            Rejection(reason=RejectionReason.EVENT_ID_CONFLICT, violations=(), position=position)
            for position, _ in batch.events
        )
        return IngestReport(
            taken=0, duplicates=0, rejections=conflicts, new_records=0, profiles_changed=0, merges=0, reviews_opened=0
        )

    stage.ledger.run = run  # type: ignore[method-assign]
    stage.run()
    assert stage.ledger.offset == 50


@pytest.mark.parametrize(
    "values",
    [
        {"batch_events": 0},
        {"retry_min_ms": 10, "retry_max_ms": 5},
        {"poison_ratio": 0.0},
        {"redo_limit": 0},
        {"redo_every_ms": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(values):
    with pytest.raises(SettingsError):
        ConsumerSettings(**values)

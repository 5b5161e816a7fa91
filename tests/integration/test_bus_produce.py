"""A file through real Kafka: what was produced is what the consumer's worker takes, bad messages between them."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from goldthread.app.produce import produce_file
from goldthread.app.produce_rows import RowDefaults
from goldthread.app.produce_state import SentLines
from goldthread.bus import BusSettings, EventConsumer, EventProducer
from goldthread.domain.errors import LedgerUnavailableError, OffsetFencedError
from goldthread.domain.ports import IngestBatch, IngestReport, KnownOffset
from goldthread.domain.words import RejectionReason
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import decode_events
from goldthread.workers.consumer import ConsumerSettings, ConsumerWorker

DEFAULTS = RowDefaults(region="US", currency="USD", source="file", occurred_at=datetime(2026, 1, 1, tzinfo=UTC))
ROWS = 2_000
BAD = [b"{oops", b'{"source": "\xff"}', b"{" * 12_000_000]


class MemoryLedger:
    """Inbox and offsets committed together; every third commit fails first, and every seventh loses its answer."""

    def __init__(self, expected: int, stop: Event) -> None:
        self.offsets: dict[int, int] = {}
        self.taken: dict[str, int] = {}
        self.dead: list[RejectionReason] = []
        self.calls = 0
        self._expected = expected
        self._stop = stop

    def committed(self, _topic: str, _partitions: Sequence[int]) -> dict[int, KnownOffset]:
        return {partition: KnownOffset(offset) for partition, offset in self.offsets.items()}

    def run(self, batch: IngestBatch) -> IngestReport:
        self.calls += 1
        if self.calls % 3 == 0:
            raise LedgerUnavailableError("down")
        for move in batch.offsets:
            if self.offsets.setdefault(move.partition, move.start) != move.start:
                raise OffsetFencedError(topic=move.topic, partition=move.partition, expected=move.start)
        self.offsets.update({move.partition: move.end for move in batch.offsets})
        for _, event in batch.events:
            self.taken[event.event_id] = self.taken.get(event.event_id, 0) + 1
        self.dead += [rejection.reason for rejection in batch.rejections]
        if len(self.taken) + len(self.dead) >= self._expected:
            self._stop.set()
        if self.calls % 7 == 0:
            raise LedgerUnavailableError("the answer to the commit was lost")
        return IngestReport(
            taken=len(batch.events), duplicates=0, rejections=tuple(batch.rejections), new_records=0,
            profiles_changed=0, merges=0, reviews_opened=0,
        )  # fmt: skip

    def redo(self, limit: int) -> int:
        return 0


def test_every_row_takes_effect_once_and_every_bad_message_is_a_rejection(tmp_path: Path, bus: BusSettings) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("event_id,email\n" + "".join(f"e-{n},jane{n}@shop.org\n" for n in range(ROWS)))
    with EventProducer(bus) as producer:
        for value in BAD:
            producer.send(bus.events_topic, key=None, value=value, headers={"content-type": "application/json"})
        report = produce_file(path, producer, topic=bus.events_topic, defaults=DEFAULTS)
    assert report.events == ROWS
    stop = Event()
    ledger = MemoryLedger(ROWS + len(BAD), stop)
    metrics = Metrics()
    worker = ConsumerWorker(
        EventConsumer(bus, ledger.committed),
        ledger,
        metrics,
        ConsumerSettings(group=bus.group, batch_events=100, batch_ms=20, retry_min_ms=1, retry_max_ms=20),
        read=partial(decode_events, currency="USD"),
    )
    thread = Thread(target=worker.run, args=(stop,))
    thread.start()
    assert stop.wait(60)
    thread.join(30)
    assert not thread.is_alive()
    assert ledger.taken == {f"e-{n}": 1 for n in range(ROWS)}
    assert sorted(ledger.dead) == [RejectionReason.MALFORMED, RejectionReason.NOT_UTF8, RejectionReason.TOO_LARGE]
    assert sum(ledger.offsets.values()) == ROWS + len(BAD)
    assert metrics.registry.get_sample_value("goldthread_retries_total", {"operation": "fenced"})


def run_produce(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "goldthread.app.cli", "produce", str(path), *options],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def topic_keys(bus: BusSettings) -> Counter[str]:
    """How often each event stands in the topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": bus.bootstrap,
            "group.id": "reader",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    try:
        partitions = consumer.list_topics(bus.events_topic, timeout=10).topics[bus.events_topic].partitions
        consumer.assign([TopicPartition(bus.events_topic, number, OFFSET_BEGINNING) for number in partitions])
        left, found = len(partitions), Counter[str]()
        while left:
            message = consumer.poll(30)
            assert message is not None
            error = message.error()
            if error is None:
                found[(message.key() or b"").decode()] += 1
            else:
                assert error.code() == KafkaError._PARTITION_EOF
                left -= 1
        return found
    finally:
        consumer.close()


def test_a_run_that_is_killed_is_gone_on_with(tmp_path: Path, bus: BusSettings) -> None:
    rows, broken = 15_000, 12_001
    path = tmp_path / "rows.csv"
    lines = [f"e-{n},jane{n}@shop.org" + (",odd" if n == broken else "") for n in range(rows)]
    path.write_text("event_id,email\n" + "\n".join(lines) + "\n")
    arguments = ["--kafka-bootstrap", bus.bootstrap, "--events-topic", bus.events_topic, "--source", "file"]
    arguments += ["--occurred-at", "2026-01-01T00:00:00Z"]
    killed = subprocess.Popen([sys.executable, "-m", "goldthread.app.cli", "produce", str(path), *arguments])
    note = SentLines.beside(path)
    until = monotonic() + 60
    while not note.exists() and monotonic() < until:
        sleep(0.002)
    killed.kill()
    assert killed.wait(10) != 0
    done = run_produce(path, *arguments)
    assert done.returncode == 0, done.stderr
    assert re.search(r"rows.csv: lines up to [\d,]+ were sent before", done.stderr)
    assert f"3 fields, the header has 2 (lines {broken + 2})" in done.stderr
    keys = topic_keys(bus)
    assert keys.keys() == {f"file/e-{n}" for n in range(rows) if n != broken}
    assert max(keys.values()) <= 2
    assert "was sent before" in run_produce(path, *arguments).stderr
    assert topic_keys(bus) == keys


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict",), 1)])
def test_rows_that_would_be_dead_letters_are_listed_and_not_sent(
    tmp_path: Path, bus: BusSettings, options: tuple[str, ...], code: int
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        "source,event_id,occurred_at,email,amount_minor,currency\n"
        "crm,e-1,2026-01-01T00:00:00Z,jane@shop.org,5,USD\n"
        "CRM West,e-2,1999-01-01T00:00:00Z,john@shop.org,-5,EUR\n"
    )
    done = run_produce(path, "--kafka-bootstrap", bus.bootstrap, "--events-topic", bus.events_topic, *options)
    assert done.returncode == code, done.stderr
    summary, left_out, _ = done.stderr.splitlines()
    assert summary == "2 rows, 1 events sent, 1 rows left out"
    assert left_out.startswith("  1 rows left out: source: ")
    assert left_out.endswith(" (lines 3)")
    for column in ("occurred_at", "amount_minor", "currency"):
        assert f"; {column}: " in left_out


def test_a_broker_that_does_not_answer_is_one_error_within_seconds(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("source,event_id,occurred_at,email\n" + "crm,e,2026-01-01T00:00:00Z,jane@shop.org\n")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        began = monotonic()
        done = run_produce(path, "--kafka-bootstrap", address)
    assert monotonic() - began < 15
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"goldthread: BUS_UNAVAILABLE: Kafka does not answer at {address} (bootstrap={address} code=_TRANSPORT)"
    ]

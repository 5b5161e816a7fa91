"""Merge then revert, split then replay, on the demo's own data and through the API: what was must be again, version and as-of apart."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from goldthread.app import wiring
from goldthread.app.demo.load import load, settle
from goldthread.app.demo.planted import planted_messages
from goldthread.app.demo.progress import Progress
from goldthread.app.demo.sets import EventKey, InputSet, WantedIdentifier, febrl_sets, generated_set
from goldthread.app.produce import EventSink
from goldthread.app.settings import Settings
from goldthread.app.up import Up, UpOptions
from goldthread.bus import EventProducer
from goldthread.domain.words import IdentifierType
from goldthread.files import read_rows
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import CONTENT_TYPE_PROTOBUF
from storms.desk import Desk
from storms.undoing import Service, Trial, Undone

__all__ = ["DemoStorm", "run_demo_storm", "whole_service"]

_EVENTS_PER_CUSTOMER = 4
"""As the demo has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStorm:
    """Sizes: so many merges and so many splits, and a sample of so many identifiers beside those of whom they touch."""

    seed: int
    customers: int
    operations: int
    sample: int = 5_000
    febrl: bool = False


class _Recorder:
    """Passes messages on and keeps those of events, to send them again."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self.messages: dict[EventKey, bytes] = {}

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> None:
        self._sink.send(topic, key=key, value=value, headers=headers)
        source, found, event_id = (key or b"").decode().partition("/")
        if found and value is not None:
            self.messages[source, event_id] = value

    def flush(self) -> None:
        self._sink.flush()


def run_demo_storm(up: Up, storm: DemoStorm, *, folder: Path, progress: Progress) -> Undone:
    """Sends the demo's data through a service that holds nothing yet, then merges, splits and undoes. Raises as `app.demo.load`."""
    settings = up.settings
    sets = [
        generated_set(
            folder,
            events=storm.customers * _EVENTS_PER_CUSTOMER,
            people=storm.customers,
            seed=storm.seed,
            progress=progress,
        ),
        *(febrl_sets(folder) if storm.febrl else ()),
    ]
    with ExitStack() as stack:
        ledger = wiring.open_ledger(stack, settings, Metrics())
        producer = stack.enter_context(EventProducer(wiring.bus_settings(settings)))
        desk = stack.enter_context(Desk(up.endpoints.grpc))
        recorder = _Recorder(producer)
        loaded = load(sets, planted_messages(), sink=recorder, ledger=ledger, settings=settings, progress=progress)
        progress.say(f"{loaded.messages:,} messages dealt with in {loaded.ingest_seconds:.1f} s")
        sent = loaded.messages

        def send(events: Iterable[EventKey]) -> None:
            nonlocal sent
            for source, event_id in events:
                producer.send(
                    settings.events_topic,
                    key=f"{source}/{event_id}".encode(),
                    value=recorder.messages[source, event_id],
                    headers={"content-type": CONTENT_TYPE_PROTOBUF},
                )
                sent += 1
            producer.flush()
            settle(ledger, settings, messages=sent, progress=progress)

        service = Service(
            settings=settings,
            address=up.endpoints.grpc,
            desk=desk,
            messages=recorder.messages,
            carried=_carried(sets),
            send=send,
            say=progress.say,
        )
        return Trial(service, seed=storm.seed, sample=storm.sample).run(storm.operations)


@contextmanager
def whole_service(progress: Progress) -> Iterator[tuple[Up, Path]]:
    """Servers and service as the demo starts them, in a temporary folder that goes at the end."""
    folder = Path(tempfile.mkdtemp(prefix="goldthread-storms-"))
    folder.chmod(0o711)
    inputs = folder / "input"
    inputs.mkdir(mode=0o700)
    try:
        with Up(UpOptions(data_dir=folder), settings=Settings(grpc_port=0, metrics_port=0), log=progress.say) as up:
            yield up, inputs
    finally:
        shutil.rmtree(folder)


def _carried(sets: Iterable[InputSet]) -> dict[EventKey, tuple[WantedIdentifier, ...]]:
    """The identifiers of each event, as they stand in the files."""
    found: dict[EventKey, tuple[WantedIdentifier, ...]] = {}
    for row in (row for one in sets for row in read_rows(one.path)):
        found[row["source"], row["event_id"]] = tuple(
            WantedIdentifier(kind, row["source"] if kind is IdentifierType.CUSTOMER_NUMBER else "", value)
            for kind in IdentifierType
            if (value := row.get(kind.label))
        )
    return found

"""The events of a run, as they lie in Kafka beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from goldthread.app.demo.load import defaults_of
from goldthread.app.generate import COLUMNS, GenerateOptions, Profile, generate_events
from goldthread.app.produce_rows import RowReader
from goldthread.app.settings import Settings
from goldthread.bus import EventProducer
from goldthread.domain.words import IncomingEvent
from goldthread.wire import CONTENT_TYPE_PROTOBUF, encode_event

__all__ = ["Mix", "events_of", "send"]

_HEADERS = {"content-type": CONTENT_TYPE_PROTOBUF}


class Mix(StrEnum):
    """What the events are: the reference mix (20 % new claims, 75 % repeats, 5 % bridges), or nearly all of them new claims, 4 of 3 people."""

    REFERENCE = "reference"
    COLD = "cold"


def events_of(mix: Mix, *, count: int, seed: int, settings: Settings) -> Iterator[IncomingEvent]:
    """Generated events; equal arguments give equal events."""
    if mix is Mix.REFERENCE:
        options = GenerateOptions(people=max(1, count // 4), events=count, seed=seed, profile=Profile.REFERENCE)
    else:
        options = GenerateOptions(people=max(1, count * 3 // 4), events=count, seed=seed)
    # The path only serves rows without event ids; there are none.
    return RowReader(Path(), defaults=defaults_of(settings)).events(_rows(options))


def _rows(options: GenerateOptions) -> Iterator[tuple[int, dict[str, str]]]:
    for place, event in enumerate(generate_events(options), start=1):
        row = zip(COLUMNS, event.row(), strict=True)
        yield place, {name: value for name, value in row if value and name != "truth"}


def send(events: Iterator[IncomingEvent], producer: EventProducer, *, topic: str) -> int:
    """Sends all events, each keyed by its source and id, and gives how many; they are acknowledged on return."""
    sent = 0
    for event in events:
        key = f"{event.source}/{event.event_id}".encode()
        producer.send(topic, key=key, value=encode_event(event), headers=_HEADERS)
        sent += 1
    producer.flush()
    return sent

"""What the callers are told: where to call, how often, whom to ask for, and which events to send. A folder, written before they start."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from goldthread.v1.event_pb2 import CustomerEvent

__all__ = ["EVENTS", "KINDS", "RESOLVES", "Feed", "Plan", "Rates", "Target", "write_feed"]

EVENTS, RESOLVES = "events.bin", "resolves.bin"
_PLAN = "plan.json"
_LENGTH = struct.Struct(">I")

KINDS = {"hit": 0.78, "merged": 0.06, "question": 0.05, "shared": 0.03, "miss": 0.08}
"""Kinds of lookups with their shares: a card; a card of somebody whose profiles were merged; one question first; an identifier that several
people share; nobody known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Calls a second at the peak. `rest` and `older` are the two REST faces of lookups."""

    lookups: int = 0
    rest: int = 0
    older: int = 0
    resolves: int = 0
    events: int = 0

    @property
    def total(self) -> int:
        """All calls: the number of callers, each of which makes one a second."""
        return self.lookups + self.rest + self.older + self.resolves + self.events


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An identifier to look up, as a customer says it; of a watched one the witness reads what the ledger holds."""

    kind: str
    type: int
    namespace: str
    value: str = field(repr=False)
    watched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run. Calls due in its first `warm_up` seconds open connections and count for nothing but errors."""

    address: str
    bootstrap: str
    topic: str
    rates: Rates
    shape: str
    seconds: float
    warm_up: float
    seed: int
    targets: tuple[Target, ...]
    sampling: float = 0.3
    """Share of the lookups that ask for a watched identifier, and whose answer is kept."""
    free: bool = False
    """The number of callers is set by whoever sits before the web page, not by the shape."""

    def write(self, folder: Path) -> None:
        """Writes the plan; its feeds are written by `write_feed`."""
        (folder / _PLAN).write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The plan as it was written."""
        found = json.loads((folder / _PLAN).read_text(encoding="utf-8"))
        found["rates"] = Rates(**found["rates"])
        found["targets"] = tuple(Target(**one) for one in found["targets"])
        return cls(**found)


def write_feed(path: Path, events: Iterable[bytes]) -> int:
    """Writes encoded events one after the other; returns how many."""
    count = 0
    with path.open("wb") as stream:
        for event in events:
            stream.write(_LENGTH.pack(len(event)) + event)
            count += 1
    return count


class Feed:
    """Encoded events in the order in which they were written; after the last the first come again, under new ids, as what they are: repeats."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._round = 0
        self._events = self._read()

    def next(self) -> bytes:
        """The next event. Raises `LookupError` if there is none at all."""
        for event in self._events:
            if not self._round:
                return event
            again = CustomerEvent.FromString(event)
            again.event_id = f"{again.event_id}-again-{self._round}"
            return again.SerializeToString()
        if not self._path.stat().st_size:
            raise LookupError("there are no events to send")
        self._round += 1
        self._events = self._read()
        return self.next()

    def _read(self) -> Iterator[bytes]:
        with self._path.open("rb") as stream:
            while head := stream.read(_LENGTH.size):
                yield stream.read(_LENGTH.unpack(head)[0])

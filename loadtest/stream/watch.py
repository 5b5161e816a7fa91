"""What the processes of a run use, second by second, and how far they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Protocol

import psutil

from goldthread.app.settings import Settings
from goldthread.domain.errors import GoldthreadError
from goldthread.ledger import Ledger
from loadtest.beside import every
from loadtest.locust.processors import processor_seconds

__all__ = ["Backlog", "Drained", "Memory", "Sample", "StalledError", "Work", "drain", "memory"]

_LOOK_SECONDS = 0.05
_STALL_SECONDS = 120.0
_MIB = 2**20


class StalledError(GoldthreadError):
    """Nothing moved for two minutes; the logs of the processes say why."""

    reason = "STALLED"


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory of each process in MiB, what it shares with others divided among them, at so many seconds, with so many events taken."""

    seconds: float
    taken: int
    memory: Mapping[str, float]


@dataclass(slots=True)
class Memory:
    """The memory of processes, by the second."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def most(self) -> dict[str, float]:
        """The greatest memory of each process."""
        found: dict[str, float] = {}
        for sample in self.samples:
            for name, value in sample.memory.items():
                found[name] = max(value, found.get(name, 0.0))
        return found

    def told(self) -> list[dict[str, object]]:
        """The samples, for a report."""
        return [asdict(sample) for sample in self.samples]


@contextmanager
def memory(pids: Callable[[], Mapping[str, int]], taken: Callable[[], int]) -> Iterator[Memory]:
    """Reads the memory of processes once a second beside the block, and how many events are taken."""
    found, began = Memory(), time.monotonic()

    def read() -> None:
        sizes = {name: round(_family(pid) / _MIB, 1) for name, pid in pids().items()}
        found.samples.append(Sample(round(time.monotonic() - began, 1), taken(), sizes))

    with every(1.0, read, name="memory"):
        yield found


def _family(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(_alone(one) for one in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


def _alone(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """A backlog that is gone: events, seconds until they were in the ledger, seconds until their changes were published, processor seconds by process."""

    events: int
    taken_seconds: float
    seconds: float
    processor: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Events a second, all published."""
        return self.events / self.seconds

    def milliseconds(self, name: str) -> float:
        """Processor time of a process for one event."""
        return self.processor[name] / self.events * 1000


class Work(Protocol):
    """What is waited for."""

    def taken(self) -> int:
        """Messages whose effect is in the ledger."""
        ...

    def waiting(self) -> int:
        """What follows from them and is not done, 0 once nothing is left."""
        ...


class Backlog:
    """How far a ledger is with a topic."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._group = settings.consumer_group
        self._topic = settings.events_topic

    def taken(self) -> int:
        """Messages whose effect is in the ledger."""
        return sum(self._ledger.offsets(group=self._group, topic=self._topic).values())

    def waiting(self) -> int:
        """Marks, changes and dead letters that wait, counted up to some bound; 0 once nothing is left to do."""
        with self._ledger.transaction() as tx:
            marks, _ = tx.pending_marks()
        return marks + self._ledger.outbox_waiting(1_000) + len(self._ledger.dead_letters_unpublished(1_000))


def drain(backlog: Work, *, messages: int, pids: Callable[[], Mapping[str, int]]) -> Drained:
    """Waits until `messages` are in the ledger and everything that follows is done; counts from the first batch on, which is left out.

    Raises `StalledError`.
    """
    first = _reach(backlog.taken, 1)
    began, before = time.monotonic(), processor_seconds(pids())
    _reach(backlog.taken, messages)
    taken_at = time.monotonic()
    _reach(lambda: -backlog.waiting(), 0)
    ended, after = time.monotonic(), processor_seconds(pids())
    return Drained(
        events=messages - first,
        taken_seconds=taken_at - began,
        seconds=ended - began,
        processor={name: after[name] - before.get(name, 0.0) for name in after},
    )


def _reach(read: Callable[[], int], wanted: int) -> int:
    """Waits until what is read is as great as wanted, and gives it."""
    moved_at, last = time.monotonic(), None
    while (found := read()) < wanted:
        if found != last:
            moved_at, last = time.monotonic(), found
        elif time.monotonic() - moved_at > _STALL_SECONDS:
            raise StalledError("nothing moves", metadata={"at": str(found), "wanted": str(wanted)})
        time.sleep(_LOOK_SECONDS)
    return found

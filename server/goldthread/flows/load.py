"""Files into a ledger that others write too: chunk by chunk, as if the file were one more partition.

A file is named by its digest. How far it has been taken is an offset in the ledger like any other: the next line to read, moved by compare-and-set
in the transaction that takes a chunk's events. So a load that was killed goes on behind its last chunk, two loads of one file cannot both count,
and a line that is read twice meets its own inbox entry. Lines without an event are passed over with the next that has one: a file of which nothing
could be used, for want of an option say, is not taken for one that was loaded.

The relay publishes changes in the order of their versions, so what a load writes stands before what the registers do next. Therefore a load waits
while more than a bounded number of changes are unpublished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from goldthread.domain.errors import OverloadedError
from goldthread.domain.ports import IngestBatch, IngestReport, OffsetMove
from goldthread.domain.words import IncomingEvent, Position
from goldthread.wire import encode_event

__all__ = [
    "FILE_END",
    "LOAD_GROUP",
    "IngestStep",
    "LoadChunk",
    "LoadCounts",
    "LoadFlow",
    "LoadLedger",
    "LoadPace",
    "file_topic",
]

LOAD_GROUP = "load"
"""Group of the offsets that say how far files were taken."""

FILE_END = 1 << 53
"""Where a file stands that was taken whole: behind any line."""

_REDO_MARKS = 500


def file_topic(digest: str) -> str:
    """Names a file where a topic's name stands, by the hexadecimal SHA-256 of its bytes."""
    return f"file:{digest}"


class LoadLedger(Protocol):
    """What a load needs of the ledger beside what ingest does; blocking. Every method raises `LedgerUnavailableError`."""

    def offsets(self, *, group: str, topic: str) -> dict[int, int]:
        """Next offset of each partition."""
        ...

    def outbox_waiting(self, most: int) -> int:
        """How many changes wait to be published, counted up to `most`."""
        ...


class IngestStep(Protocol):
    """`flows.IngestFlow`."""

    def run(self, batch: IngestBatch) -> IngestReport:
        """Commits the batch."""
        ...

    def redo(self, limit: int) -> int | None:
        """Works off up to `limit` marks that are due and returns how many, None if that is not known yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadChunk:
    """Some lines of a file: its usable events with their lines, and the line behind the last one."""

    events: Sequence[tuple[int, IncomingEvent]]
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPace:
    """How far a load may run ahead of the relay: `waiting` changes.

    It looks again after `pause_seconds`, and gives up after `patience_seconds` in which none of them was published.
    """

    waiting: int = 5_000
    pause_seconds: float = 0.05
    patience_seconds: float = 60.0


@dataclass(slots=True)
class LoadCounts:
    """What loads did: events that were new, repeats, and those that lost against another content of their id; records and profiles made."""

    taken: int = 0
    repeated: int = 0
    conflicts: int = 0
    new_records: int = 0

    def add(self, report: IngestReport) -> None:
        """Adds what one batch did."""
        self.taken += report.taken
        self.repeated += report.duplicates
        self.conflicts += len(report.rejections)
        self.new_records += report.new_records


class LoadFlow:
    """Loads files. One instance may be used by one thread; `sleep` takes seconds."""

    def __init__(
        self, *, ledger: LoadLedger, ingest: IngestStep, pace: LoadPace | None, sleep: Callable[[float], None]
    ) -> None:
        self._ledger = ledger
        self._ingest = ingest
        self._pace = pace
        self._sleep = sleep

    def next_line(self, topic: str) -> int:
        """The first line of a file that has not been taken; 0 of one that the ledger does not know."""
        return self._ledger.offsets(group=LOAD_GROUP, topic=topic).get(0, 0)

    def run(self, topic: str, chunks: Iterable[LoadChunk], *, progress: Callable[[int], None]) -> LoadCounts:
        """Takes a file's chunks, the first of which begins at `next_line` or before it, then works off the looks that were put off.

        Events before `next_line` are repeats, unless they were left out then. `progress` is told each line reached.

        Raises `LedgerUnavailableError`; `OffsetFencedError` if somebody else loads the same file; `OverloadedError` if nobody publishes changes. All
        leave what was taken, and the next load goes on behind it.
        """
        counts = LoadCounts()
        stands = self.next_line(topic)
        for chunk in chunks:
            if chunk.events:
                self._wait_for_relay()
                counts.add(self._take(topic, stands, chunk))
                stands = max(stands, chunk.end)
            progress(chunk.end)
        while self._ingest.redo(_REDO_MARKS) != 0:
            pass
        return counts

    def _take(self, topic: str, stands: int, chunk: LoadChunk) -> IngestReport:
        move = OffsetMove(topic=topic, partition=0, start=stands, end=chunk.end)
        return self._ingest.run(
            IngestBatch(
                group=LOAD_GROUP,
                events=[(Position(topic, 0, line), event) for line, event in chunk.events],
                payloads=[encode_event(event) for _, event in chunk.events],
                rejections=(),
                offsets=[move] if chunk.end > stands else [],
            )
        )

    def _wait_for_relay(self) -> None:
        pace = self._pace
        if pace is None:
            return
        # Counted a little further than the bound, so that progress shows.
        fewest = waiting = self._ledger.outbox_waiting(2 * pace.waiting)
        left = pace.patience_seconds
        while waiting > pace.waiting:
            if left <= 0:
                raise OverloadedError(f"{pace.waiting} changes wait for a relay that publishes none")
            self._sleep(pace.pause_seconds)
            left -= pace.pause_seconds
            waiting = self._ledger.outbox_waiting(2 * pace.waiting)
            if waiting < fewest:
                fewest, left = waiting, pace.patience_seconds

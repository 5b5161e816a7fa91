"""The gate's own journal: what the system acknowledged and what it showed, written down when it did, by the gate and not by the system."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

__all__ = ["Journal", "Produced", "Resolved", "Seen"]


class Produced(NamedTuple):
    """Kafka acknowledged a message: where it stands, and the event id it carries (empty for poison)."""

    partition: int
    offset: int
    source: str
    event_id: str


class Resolved(NamedTuple):
    """Resolve answered OK: the event is durable, the profile held its record at that version of the ledger."""

    source: str
    event_id: str
    profile_id: str
    ledger_version: int


class Seen(NamedTuple):
    """A lookup or a preview showed a profile."""

    profile_id: str
    version: int


_KINDS: dict[str, type[Produced] | type[Resolved] | type[Seen]] = {
    "produced": Produced,
    "resolved": Resolved,
    "seen": Seen,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class Journal:
    """An append-only file of one entry a line. Safe to write from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8", buffering=1 << 16)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, entry: Produced | Resolved | Seen) -> None:
        """Adds an entry."""
        line = json.dumps([_NAMES[type(entry)], *entry])
        with self._lock:
            self._file.write(line + "\n")

    def read(self) -> Iterator[Produced | Resolved | Seen]:
        """Every entry so far, in the order in which they were written."""
        with self._lock:
            self._file.flush()
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                name, *values = json.loads(line)
                yield _KINDS[name](*values)

"""What became of every call, as the caller saw it: columns of plain numbers, small enough for all calls of a run."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import NamedTuple, Self

__all__ = ["Call", "Calls", "Sample", "percentile", "read_samples", "write_samples"]

_CALLS, _INDEX, _SAMPLES = "calls.f64", "calls.json", "samples.jsonl"
_WIDTH = 6
FAILED = -1.0


class Call(NamedTuple):
    """One call; seconds since the beginning of the run.

    `source` is the answer's source as in `lookup_service.proto`, -1 for a failed call; `target` who was asked for, -1 for other calls.
    """

    name: str
    due: float
    begun: float
    ended: float
    source: int
    target: int

    @property
    def seconds(self) -> float:
        """From the moment when it was due to its end."""
        return self.ended - self.due

    @property
    def failed(self) -> bool:
        """Whether it ended without an answer."""
        return self.source < 0


class Calls:
    """All calls of a run, and why those that failed did.

    `provisional` counts answers of Resolve that a look may still change, `processor_seconds` what the calling process itself used.
    """

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._rows = array("d")
        self.failures: Counter[str] = Counter()
        self.provisional = 0
        self.processor_seconds = 0.0

    def add(
        self, name: str, *, due: float, begun: float, ended: float, source: int = 0, target: int = -1, failure: str = ""
    ) -> None:
        """Keeps a call; `failure` says in a word why there was no answer."""
        place = self._names.setdefault(name, len(self._names))
        self._rows.extend((place, due, begun, ended, FAILED if failure else source, target))
        if failure:
            self.failures[f"{name}: {failure}"] += 1

    def __len__(self) -> int:
        return len(self._rows) // _WIDTH

    def __iter__(self) -> Iterator[Call]:
        names = list(self._names)
        rows = self._rows
        for at in range(0, len(rows), _WIDTH):
            yield Call(
                names[int(rows[at])], rows[at + 1], rows[at + 2], rows[at + 3], int(rows[at + 4]), int(rows[at + 5])
            )

    def write(self, folder: Path) -> None:
        """Writes them for the process that judges."""
        with (folder / _CALLS).open("wb") as stream:
            self._rows.tofile(stream)
        index = {
            "names": list(self._names),
            "failures": self.failures,
            "calls": len(self),
            "provisional": self.provisional,
            "processor_seconds": self.processor_seconds,
        }
        (folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Calls as they were written. Raises `FileNotFoundError` if the callers did not come to that."""
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        found = cls()
        found._names = {name: place for place, name in enumerate(index["names"])}
        found.failures = Counter(index["failures"])
        found.provisional, found.processor_seconds = index["provisional"], index["processor_seconds"]
        with (folder / _CALLS).open("rb") as stream:
            found._rows.fromfile(stream, index["calls"] * _WIDTH)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The answer to a lookup of a watched identifier: which, when it came (seconds since the epoch), its version (None where the face has none)."""

    target: int
    at: float
    face: str
    version: int | None
    content: bytes = field(repr=False)


def write_samples(folder: Path, samples: Iterable[Sample]) -> None:
    """Writes them for the process that judges."""
    with (folder / _SAMPLES).open("w", encoding="utf-8") as stream:
        for one in samples:
            stream.write(json.dumps([one.target, one.at, one.face, one.version, one.content.hex()]) + "\n")


def read_samples(folder: Path) -> Iterator[Sample]:
    """Samples as they were written."""
    with (folder / _SAMPLES).open(encoding="utf-8") as stream:
        for line in stream:
            target, at, face, version, content = json.loads(line)
            yield Sample(target=target, at=at, face=face, version=version, content=bytes.fromhex(content))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that so many lie at or below; 0 of none."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0

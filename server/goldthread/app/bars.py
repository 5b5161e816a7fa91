"""The progress bars of commands that read files: match, train, evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Never, Self

from tqdm import tqdm

from goldthread.flows.match import MatchStage

__all__ = ["Bars"]


_UNITS = {"block": " rules", "score": " blocks"}
"""What a step counts, if not records."""


class Bars:
    """A bar for every stage on standard error, silent where that is no terminal, and the seconds each stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._bar: tqdm[Never] | None = None
        self._stage = ""
        self._step = ""
        self._rows: int | None = None
        self._start = perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def expect(self, rows: Sequence[int | None]) -> None:
        """How many rows each file has, as far as the files say."""
        known = [count for count in rows if count is not None]
        self._rows = sum(known) if len(known) == len(rows) else None

    def begin(self, stage: MatchStage) -> None:
        """Ends the bar of the stage before."""
        self._end()
        self._stage = stage.value
        self._open(stage.value, self._rows if stage is MatchStage.READ else None)

    def write(self, rows: int) -> None:
        """The results are being written."""
        self._end()
        self._stage = "write"
        self._open("write", rows)

    def report(self, step: str, done: int, total: int) -> None:
        """Moves the bar; every step of a stage has one of its own."""
        if step != self._step:
            self._close()
            self._open(step, total or None)
        if self._bar is not None:
            if total:
                self._bar.total = total
            self._bar.update(done - self._bar.n)

    def _open(self, step: str, total: int | None) -> None:
        self._step = step
        self._bar = tqdm(
            total=total, desc=step, unit=_UNITS.get(step, " records"), unit_scale=True, disable=None, leave=False
        )

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _end(self) -> None:
        self._close()
        now = perf_counter()
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._start
        self._stage, self._start = "", now

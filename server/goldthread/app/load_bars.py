"""The progress of `goldthread load` into an empty ledger."""

from __future__ import annotations

import sys
import threading
from time import perf_counter
from typing import Never, Self

from tqdm import tqdm

__all__ = ["LoadBars"]


class LoadBars:
    """A bar for every step on standard error, and the seconds each step took. Thread-safe: the batch engine reports while rows are copied.

    A step counts until the next one that does not run beside another.
    """

    def __init__(self, shown: bool) -> None:
        self.seconds: dict[str, float] = {}
        self._shown = shown
        self._lock = threading.Lock()
        self._bar: tqdm[Never] | None = None
        self._step = ""
        self._began = perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._end()

    def report(self, step: str, done: int, total: int) -> None:
        """Moves the bar of a step; `total` is 0 where nobody knows."""
        with self._lock:
            if step != self._step:
                self._end()
                self._step = step
                self._bar = tqdm(
                    desc=step,
                    total=total or None,
                    unit_scale=True,
                    file=sys.stderr,
                    disable=not self._shown,
                    leave=False,
                )
            if self._bar is not None:
                if total:
                    self._bar.total = total
                self._bar.update(done - self._bar.n)

    def _end(self) -> None:
        now = perf_counter()
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._step:
            self.seconds[self._step] = self.seconds.get(self._step, 0.0) + now - self._began
        self._step, self._began = "", now

"""What the demo says while it works: bars on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Never, TextIO

from tqdm import tqdm

__all__ = ["Bar", "Progress"]

_EVERY_SECONDS = 5.0


class Bar:
    """How far a step has come; `reach` may be called as often as one likes."""

    def __init__(self, show: Callable[[int], None]) -> None:
        self._show = show

    def reach(self, done: int) -> None:
        """Shows that `done` of the total are done."""
        self._show(done)


class Progress:
    """Writes to one stream. `clock` gives seconds that only grow."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._started = clock()
        self._terminal = stream.isatty()

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return self._clock() - self._started

    @property
    def terminal(self) -> bool:
        """Whether somebody watches."""
        return self._terminal

    def say(self, text: str) -> None:
        """Writes one line with the time since the beginning."""
        tqdm.write(f"[{self.seconds:6.1f} s] {text}", file=self._stream)

    @contextmanager
    def bar(self, label: str, *, total: int, unit: str) -> Iterator[Bar]:
        """Shows a step of `total` units until the block ends."""
        if self._terminal:
            with tqdm(total=total, desc=label, unit=f" {unit}", file=self._stream, leave=False) as shown:
                yield Bar(lambda done: _move(shown, done))
            return
        said = self._clock()

        def show(done: int) -> None:
            nonlocal said
            if self._clock() - said >= _EVERY_SECONDS:
                said = self._clock()
                self.say(f"{label}: {done:,} of {total:,} {unit}")

        yield Bar(show)


def _move(shown: tqdm[Never], done: int) -> None:
    shown.update(done - shown.n)

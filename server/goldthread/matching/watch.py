"""Looks at the core while it works: it counts what it has done, and a thread beside it tells."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from goldthread import _core

__all__ = ["Watch", "watched"]

_LOOK_SECONDS = 0.2

Watch: TypeAlias = Callable[[str, int, int], None]
"""Told what the core is busy with (stages of `_core.Progress`), how much of it is done, and how much there is; 0 where nobody knows."""


@contextmanager
def watched(watch: Watch | None, stopping: threading.Event | None = None) -> Iterator[_core.Progress | None]:
    """What the core is to write its progress to; until the end `watch` is called a few times a second, from another thread. None if nobody watches.

    Once `stopping` is set the core is told to stop.
    """
    if watch is None:
        yield None
        return
    progress, over = _core.Progress(), threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            if stopping is not None and stopping.is_set():
                progress.stop()
            watch(*progress.read())

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        over.set()
        thread.join()

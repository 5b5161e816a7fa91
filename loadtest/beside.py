"""Measuring beside what is measured."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["every"]


@contextmanager
def every(seconds: float, measure: Callable[[], object], *, name: str) -> Iterator[None]:
    """Calls `measure` again and again beside the block, on a thread of that name, with so many seconds in between; first after so many."""
    leave = threading.Event()

    def run() -> None:
        while not leave.wait(seconds):
            measure()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        leave.set()
        thread.join()

"""Reads on while the reader works."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["ahead"]

_DEPTH = 2
_ASK_SECONDS = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    value: T


def ahead(stream: Iterator[T]) -> Iterator[T]:
    """The items of a stream, made by a thread of its own a few items ahead; its errors come where they would have come.

    The thread ends when the stream does, or soon after whoever reads stops.
    """
    made: queue.Queue[_Item[T] | _Failure | None] = queue.Queue(_DEPTH)
    over = threading.Event()

    def put(item: _Item[T] | _Failure | None) -> None:
        while not over.is_set():
            with suppress(queue.Full):
                made.put(item, timeout=_ASK_SECONDS)
                return

    def make() -> None:
        try:
            for value in stream:
                put(_Item(value))
                if over.is_set():
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 (raised again where it would have been)
            put(_Failure(error))

    thread = threading.Thread(target=make, name="read ahead", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, _Failure):
                raise item.error
            yield item.value
    finally:
        over.set()
        thread.join()

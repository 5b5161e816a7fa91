"""Threads for blocking flows, with a bound on what waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, TypeVar

from goldthread.domain.errors import OverloadedError
from goldthread.telemetry.context import remaining_seconds

__all__ = ["BlockingPool"]

_T = TypeVar("_T")


class BlockingPool:
    """Runs blocking calls on `threads`; at most `admitted` run or wait at once.

    A call whose caller has gone keeps its place until it ends: a thread cannot be stopped, and counting it as gone would let calls pile up
    behind a slow ledger. Used from one event loop.
    """

    def __init__(self, *, name: str, threads: int, admitted: int) -> None:
        self._name = name
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._admitted = admitted
        self._pending: set[asyncio.Future[Any]] = set()

    async def run(self, call: Callable[[], _T]) -> _T:
        """Result of `call`. Raises `OverloadedError`, without having called, if no place is free."""
        if len(self._pending) >= self._admitted:
            raise OverloadedError(self._name)
        future = asyncio.get_running_loop().run_in_executor(self._executor, call)
        self._pending.add(future)
        future.add_done_callback(self._release)
        return await asyncio.shield(future)

    async def run_within(self, call: Callable[[float], _T]) -> _T:
        """The same of a call that is told how many seconds its caller still waits; the wait for a thread counts as well."""
        until = monotonic() + remaining_seconds()
        return await self.run(lambda: call(max(0.0, until - monotonic())))

    async def close(self, *, seconds: float) -> int:
        """Refuses new calls and waits for those that run, at most `seconds`; how many still do. Calls not yet begun are dropped."""
        self._admitted = 0
        self._executor.shutdown(wait=False, cancel_futures=True)
        if not self._pending:
            return 0
        _, running = await asyncio.wait(set(self._pending), timeout=seconds)
        return len(running)

    def _release(self, future: asyncio.Future[Any]) -> None:
        self._pending.discard(future)
        if not future.cancelled():
            # Marks a failure as seen, in case its caller has gone.
            future.exception()

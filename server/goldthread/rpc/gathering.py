"""Gathers concurrent calls into groups: while one group is under way, the calls that come make up the next.

Nobody waits for company. A call that finds no group under way begins at once, alone; under load a group is as large as what came while the one
before was at work, so the cost that a group has whatever its size is shared by ever more calls. A further thread begins only beside a group
that is held up: two that share the processors would each take twice as long, and both would be smaller. What waits is bounded by number, and
by age through the callers' own deadlines: a call whose caller has gone, or has no time left, leaves the queue and nothing is done for it.

Calls of one key are never in the same group, nor under way at once: the later one takes part in a later group, as if it had come then. So whoever
repeats a call holds up nobody but himself, and a group's calls can be told apart by their keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

from goldthread.domain.errors import DeadlineExceededError, LedgerUnavailableError, OverloadedError
from goldthread.telemetry.metrics import Metrics

__all__ = ["GatheringPool"]

C = TypeVar("C")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[C, R]):
    call: C
    key: Hashable
    until: float
    future: asyncio.Future[R]
    since: float = field(default_factory=monotonic)


class GatheringPool(Generic[C, R]):
    """Runs groups of at most `most` calls by `work`, on `threads`; at most `admitted` calls run or wait at once. Used from one event loop.

    `work` is blocking; it gives, parallel to its calls, the result of each or the error that its caller gets. If it raises, all of them get that.
    A group begins beside others once the youngest of these has been under way for `patience` seconds.
    """

    def __init__(
        self,
        work: Callable[[Sequence[C]], Sequence[R | Exception]],
        *,
        name: str,
        threads: int,
        admitted: int,
        most: int,
        metrics: Metrics,
        patience: float = 0.0,
    ) -> None:
        self._work = work
        self._name = name
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free = threads
        self._admitted = admitted
        self._most = most
        self._metrics = metrics
        self._waiting: list[_Waiting[C, R]] = []
        self._keys: set[Hashable] = set()
        self._groups: set[asyncio.Task[None]] = set()
        self._patience = patience
        self._begun: dict[int, float] = {}  # of the groups under way, by a number of their own
        self._count = 0
        self._again: asyncio.TimerHandle | None = None

    async def run(self, call: C, *, key: Hashable, until: float) -> R:
        """The call's result; `until` is the moment, of the monotonic clock, from which on it is of no use to its caller.

        Raises `OverloadedError`, without having called, if no place is free, `DeadlineExceededError` if its time was over before it began, and
        what `work` says. A caller who is cancelled leaves the queue; a call under way goes on, and keeps its place until it ends.
        """
        if len(self._waiting) + len(self._keys) >= self._admitted:
            raise OverloadedError(self._name)
        loop = asyncio.get_running_loop()
        waiting: _Waiting[C, R] = _Waiting(call, key, until, loop.create_future())
        waiting.future.add_done_callback(_retrieve)
        self._waiting.append(waiting)
        self._metrics.gathered_waiting.labels(self._name).set(len(self._waiting))
        # Once this turn of the loop is over: calls that arrive in one turn make one group.
        loop.call_soon(self._pump)
        try:
            return await asyncio.shield(waiting.future)
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._metrics.gathered_waiting.labels(self._name).set(len(self._waiting))
            raise

    async def close(self, *, seconds: float) -> int:
        """Refuses new calls and ends those that wait or run, for at most `seconds`; how many were left then. Of these, the waiting ones are refused."""
        self._admitted = 0
        until = monotonic() + seconds
        self._pump()
        while self._groups and (left := until - monotonic()) > 0:
            await asyncio.wait(self._groups, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        unfinished = len(self._waiting) + len(self._keys)
        for waiting in self._waiting:
            waiting.future.set_exception(LedgerUnavailableError("the service is stopping"))
        self._waiting.clear()
        self._executor.shutdown(wait=False)
        return unfinished

    def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        while self._free and self._waiting:
            if self._begun and (left := max(self._begun.values()) + self._patience - monotonic()) > 0:
                self._again = loop.call_later(left, self._pump)
                return
            if not (group := self._next()):
                return
            self._free -= 1
            self._count += 1
            self._begun[self._count] = monotonic()
            task = loop.create_task(self._run(group, self._count))
            self._groups.add(task)
            task.add_done_callback(self._groups.discard)

    def _next(self) -> list[_Waiting[C, R]]:
        """Takes the next group from the queue, in the order of arrival, as far as their keys are free."""
        now = monotonic()
        group: list[_Waiting[C, R]] = []
        rest: list[_Waiting[C, R]] = []
        for waiting in self._waiting:
            if waiting.until <= now:
                waiting.future.set_exception(DeadlineExceededError("the time for this call is over"))
            elif len(group) < self._most and waiting.key not in self._keys:
                self._keys.add(waiting.key)
                group.append(waiting)
            else:
                rest.append(waiting)
        self._waiting = rest
        self._metrics.gathered_waiting.labels(self._name).set(len(rest))
        if group:
            self._metrics.gathered_calls.labels(self._name).observe(len(group))
        waits = self._metrics.gathered_wait_seconds.labels(self._name)
        for waiting in group:
            waits.observe(now - waiting.since)
        return group

    async def _run(self, group: list[_Waiting[C, R]], number: int) -> None:
        loop = asyncio.get_running_loop()
        question = loop.run_in_executor(self._executor, self._work, [waiting.call for waiting in group])
        await asyncio.wait([question])
        self._free += 1
        del self._begun[number]
        self._keys.difference_update(waiting.key for waiting in group)
        error = question.exception()
        outcomes = [error] * len(group) if error is not None else question.result()
        for waiting, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)
        self._pump()


def _retrieve(future: asyncio.Future[R]) -> None:
    """Marks a failure as seen, in case its caller has gone."""
    if not future.cancelled():
        future.exception()

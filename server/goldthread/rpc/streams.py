"""Streams in both directions: several messages are answered at once, and a caller who does not read is not read either.

A stream has a window: so many messages may be unanswered, or answered and unread, before the next one is read. HTTP/2 then holds the caller back.
An item that fails is answered by its failure, and the stream goes on. When the server stops, no more is read, what was read is answered, and the
stream ends as unavailable, so that its caller goes elsewhere with the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import grpc

from goldthread.domain.errors import DeadlineExceededError, LedgerUnavailableError
from goldthread.rpc.status import code_of, failure_of
from goldthread.telemetry.logs import frames_of, get_logger
from goldthread.v1 import failure_pb2

__all__ = ["answered", "failure_told", "in_time"]

Q = TypeVar("Q")
R = TypeVar("R")

_log = get_logger(__name__)


async def answered(
    requests: AsyncIterator[Q],
    answer: Callable[[Q], Awaitable[R]],
    *,
    window: int,
    in_order: bool,
    stopping: asyncio.Event,
) -> AsyncIterator[R]:
    """What `answer` gives for each request: in their order, or as it is ready. `answer` should not raise: that ends the stream.

    What `requests` raises is raised once everything before it is answered; `LedgerUnavailableError` likewise, if the server stops first.
    """
    places = asyncio.Semaphore(window)
    ready: asyncio.Queue[asyncio.Task[R] | None] = asyncio.Queue()
    running: set[asyncio.Task[R]] = set()

    async def read() -> None:
        stop = asyncio.create_task(stopping.wait())
        try:
            while True:
                await places.acquire()
                request = await _next_unless(requests, stop)
                task = asyncio.create_task(_run(answer, request))
                running.add(task)
                if in_order:
                    ready.put_nowait(task)
                else:
                    task.add_done_callback(ready.put_nowait)
        except StopAsyncIteration:
            return
        finally:
            stop.cancel()

    reader = asyncio.create_task(read())
    reader.add_done_callback(lambda _: ready.put_nowait(None))
    ended = False
    try:
        while not ended or running:
            task = await ready.get()
            if task is None:
                ended = True
                continue
            yield await task
            running.discard(task)
            places.release()
        await reader
    finally:
        left = [reader, *running]
        for one in left:
            one.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def in_time(work: Awaitable[R], seconds: float) -> R:
    """The result of `work`. Raises `DeadlineExceededError` if it is not there in time."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise DeadlineExceededError("the time for this call is over") from None


def failure_told(method: str, error: Exception) -> failure_pb2.Failure:
    """What the caller is told of an item that failed; a fault of ours is logged."""
    if code_of(error) is grpc.StatusCode.INTERNAL:
        _log.error("rpc_failed", method=method, error=type(error).__name__, frames=frames_of(error))
    return failure_of(error)


async def _run(answer: Callable[[Q], Awaitable[R]], request: Q) -> R:
    return await answer(request)


async def _next_unless(requests: AsyncIterator[Q], stop: asyncio.Task[bool]) -> Q:
    """The next request. Raises `LedgerUnavailableError` if the server stops first, and `StopAsyncIteration` after the last one."""
    coming = asyncio.ensure_future(anext(requests))
    try:
        await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            raise LedgerUnavailableError("the service is stopping")
        return coming.result()
    finally:
        if not coming.done():
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

"""Calls by gRPC beside Locust's greenlets: an event loop on a thread of its own.

grpcio can be put under gevent (`grpc.experimental.gevent`), but then every call under way keeps a thread that wakes five times a second and wants the
interpreter. That is well while answers are quick. When they are not, the callers come to a stand by themselves: they would be slow exactly when the
server is, and call it the server. So nothing here is patched, and times are taken on this thread. `make load-ceiling` has a slow server as well.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from goldthread.v1 import lookup_service_pb2, resolver_service_pb2
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceStub

if TYPE_CHECKING:
    from goldthread.v1.lookup_service_pb2_grpc import LookupServiceAsyncStub
    from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceAsyncStub

__all__ = ["Ended", "Wire"]

_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that ended: when it was begun and when it ended (`time.perf_counter`), its answer, or in a word why there is none."""

    begun: float
    ended: float
    answer: Any = field(repr=False)
    failure: str
    done: Callable[[Ended], None] = field(repr=False)


class Wire:
    """Several connections to one address. Calls are made from any thread; `fetch` hands over to the thread that asks for it."""

    def __init__(self, address: str, *, channels: int = 8) -> None:
        self._address = address
        self._count = channels
        self._ended: deque[Ended] = deque()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._lookups: itertools.cycle[LookupServiceAsyncStub]
        self._resolvers: itertools.cycle[ResolverServiceAsyncStub]
        self._failure: BaseException | None = None
        threading.Thread(target=self._run, name="wire", daemon=True).start()
        if not self._ready.wait(_CONNECT_SECONDS) or self._failure is not None:
            raise ConnectionError("the service does not answer") from self._failure

    def lookup(
        self, request: lookup_service_pb2.LookupRequest, *, seconds: float, done: Callable[[Ended], None]
    ) -> None:
        """Asks; `done` is called by `fetch` once there is an answer or none."""
        self._start(lambda: next(self._lookups).Lookup(request, timeout=seconds), done)

    def resolve(
        self, request: resolver_service_pb2.ResolveRequest, *, seconds: float, done: Callable[[Ended], None]
    ) -> None:
        """Hands an event over; likewise."""
        self._start(lambda: next(self._resolvers).Resolve(request, timeout=seconds), done)

    def fetch(self) -> int:
        """Calls `done` of every call that has ended since; returns how many."""
        count = 0
        while self._ended:
            ended = self._ended.popleft()
            ended.done(ended)
            count += 1
        return count

    def _start(self, call: Callable[[], Awaitable[Any]], done: Callable[[Ended], None]) -> None:
        self._loop.call_soon_threadsafe(self._begin, call, done)

    def _begin(self, call: Callable[[], Awaitable[Any]], done: Callable[[Ended], None]) -> None:
        task = self._loop.create_task(self._call(call, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, call: Callable[[], Awaitable[Any]], done: Callable[[Ended], None]) -> None:
        begun = time.perf_counter()
        answer, failure = None, ""
        try:
            answer = await call()
        except grpc.aio.AioRpcError as error:
            failure = error.code().name
        self._ended.append(Ended(begun, time.perf_counter(), answer, failure, done))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            self._failure = failure
            self._ready.set()
            raise

    async def _serve(self) -> None:
        # Each is a connection of its own: without that option gRPC puts equal channels onto one.
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.aio.insecure_channel(self._address, options=options) for _ in range(self._count)]
        for channel in channels:
            await asyncio.wait_for(channel.channel_ready(), _CONNECT_SECONDS)
        self._loop = asyncio.get_running_loop()
        self._lookups = itertools.cycle([LookupServiceStub(channel) for channel in channels])
        self._resolvers = itertools.cycle([ResolverServiceStub(channel) for channel in channels])
        self._ready.set()
        await asyncio.Event().wait()

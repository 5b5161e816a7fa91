"""Tills and web shops: callers of Resolve and Lookup on every server, who try again as a client may, and write down what they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import grpc
from grpc import aio

from gate.feed import Pace, Sent
from gate.journal import Journal, Resolved, Seen
from gate.messages import lookup_request, raw_event
from gate.plan import Delivery, Door, Plan, Said
from gate.world import World
from goldthread.v1 import resolver_service_pb2
from goldthread.v1.lookup_service_pb2 import LOOKUP_OUTCOME_NOT_FOUND, LookupResponse
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread.v1.resolver_service_pb2 import ResolveResponse
from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceStub

__all__ = ["Registers"]

_CALLERS = 8
_RESOLVE_SECONDS = 10.0
_LOOKUP_SECONDS = 2.0
_NAP_SECONDS = 0.01
_READ_BACK = 0.2
"""Share of Resolve calls after which what was written is read through another server."""
_AGAIN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        # Nobody here cancels a call: it reached a server in the moment in which that stopped.
        grpc.StatusCode.CANCELLED,
    }
)
_CUSTOMER = 8


class _RefusedError(Exception):
    """An answer that no retry may cure."""

    def __init__(self, method: str, error: aio.AioRpcError) -> None:
        super().__init__(f"{method} was answered {error.code().name}: {error.details()}")
        self.code = error.code()


class Registers:
    """Runs the Resolve part of a plan and lookups beside it; `trouble` collects answers that are wrong whatever happened."""

    def __init__(
        self, world: World, plan: Plan, *, journal: Journal, pace: Pace, sent: Sent, seed: int, rate: int
    ) -> None:
        self._world, self._plan = world, plan
        self._work: Sequence[Delivery] = [one for one in plan.deliveries if one.door is not Door.KAFKA]
        self._journal, self._pace, self._sent = journal, pace, sent
        self._random = Random(f"{seed} registers")
        self._rate = rate
        self._resolvers: list[ResolverServiceStub] = []
        self._lookups: list[LookupServiceStub] = []
        self.trouble: list[str] = []

    def run(self) -> None:
        """Returns once every call is answered, or the stream was ended. Owns an event loop of its own."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
        channels = [aio.insecure_channel(address, options=options) for address in self._world.addresses]
        self._resolvers = [ResolverServiceStub(channel) for channel in channels]
        self._lookups = [LookupServiceStub(channel) for channel in channels]
        work = iter(self._work)
        done = asyncio.Event()
        looking = asyncio.create_task(self._look_around(done))
        try:
            await asyncio.gather(*(self._caller(work) for _ in range(_CALLERS)))
        finally:
            self._pace.wants(Door.RESOLVE, 1.0)
            done.set()
            await looking
            for channel in channels:
                await channel.close()

    async def _caller(self, work: Iterator[Delivery]) -> None:
        for delivery in work:
            self._pace.wants(Door.RESOLVE, delivery.at)
            while not self._pace.may(Door.RESOLVE, delivery.at):
                if self._pace.stopped.is_set():
                    return
                await asyncio.sleep(_NAP_SECONDS)
            assert delivery.said is not None
            try:
                await self._resolve(delivery.said, preview=delivery.door is Door.PREVIEW)
            except _RefusedError as error:
                self.trouble.append(f"event {delivery.said.event_id}: {error}")
            except TimeoutError:
                return

    async def _resolve(self, said: Said, *, preview: bool) -> None:
        request = resolver_service_pb2.ResolveRequest(event=raw_event(said, self._random), preview=preview)
        response: ResolveResponse = await self._persist(
            "Resolve", lambda at: self._resolvers[at].Resolve(request, timeout=_RESOLVE_SECONDS)
        )
        if preview:
            self._sent.add("previewed")
            if response.profile_id:
                self._journal.write(Seen(response.profile_id, 0))
            return
        self._journal.write(Resolved(*said.key, response.profile_id, response.ledger_version))
        self._sent.add("resolved")
        if response.provisional:
            self._sent.add("resolved_provisional" if response.profile_id else "resolved_unplaced")
        if self._random.random() < _READ_BACK:
            await self._read_back(said, response)

    async def _read_back(self, said: Said, resolved: ResolveResponse) -> None:
        """What Resolve made durable must be seen by whoever asks for its version, on whatever server.

        A record that no look has placed yet (the answer was provisional and named nobody) may still be unknown. A phone that more than
        one has in turn says nothing of a record: who has it now may not be placed yet.
        """
        known = [one for one in said.claim.identifiers if one[0] != _CUSTOMER and one[1] not in self._plan.recycled]
        if not known:
            return
        version = resolved.ledger_version
        request = lookup_request(self._random.choice(known), min_version=version)
        answer: LookupResponse = await self._persist(
            "Lookup", lambda at: self._lookups[at].Lookup(request, timeout=_LOOKUP_SECONDS)
        )
        self._saw(answer)
        unknown = answer.outcome == LOOKUP_OUTCOME_NOT_FOUND
        if unknown and resolved.provisional and not resolved.profile_id:
            self._sent.add("read_back_unplaced")
            return
        self._sent.add("read_back")
        if unknown or answer.version < version:
            self.trouble.append(
                f"event {said.event_id}: resolved at version {version}, then looked up at {answer.version} "
                f"with outcome {answer.outcome}"
            )

    async def _look_around(self, done: asyncio.Event) -> None:
        """Asks for anybody, known already or not yet; every profile shown is written down."""
        while not done.is_set():
            request = lookup_request(self._random.choice(self._plan.identifiers))
            started = time.monotonic()
            try:
                at = self._random.randrange(len(self._lookups))
                asking: Any = self._lookups[at].Lookup(request, timeout=_LOOKUP_SECONDS)
                answer = await asking
            except aio.AioRpcError as error:
                self._sent.add("lookup_failed")
                if error.code() not in _AGAIN:
                    self.trouble.append(str(_RefusedError("Lookup", error)))
            else:
                self._sent.add("looked_up")
                self._saw(answer)
            await asyncio.sleep(max(0.0, 1 / self._rate - (time.monotonic() - started)))

    def _saw(self, answer: LookupResponse) -> None:
        if answer.HasField("card"):
            self._journal.write(Seen(answer.card.profile_id, answer.version))

    async def _persist(self, method: str, call: Callable[[int], Any]) -> Any:
        """The answer of some server, however often it takes. Raises `TimeoutError` if the stream was ended."""
        for attempt in range(1_000_000):
            at = self._random.randrange(len(self._resolvers))
            try:
                return await call(at)
            except aio.AioRpcError as error:
                if error.code() not in _AGAIN:
                    raise _RefusedError(method, error) from None
                self._sent.add(f"{method.lower()}_again")
            if self._pace.stopped.is_set():
                break
            await asyncio.sleep(min(1.0, 0.05 * 2 ** min(attempt, 5)) * self._random.uniform(0.5, 1.0))
        raise TimeoutError(f"{method}: no answer before the stream was ended")

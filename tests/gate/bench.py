"""What the scenarios of the known bugs share: one set of servers, a small world each, and short ways to send, drain and compare."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeAlias

import grpc
from grpc import aio

from gate.checks import Violation, check_ledger
from gate.expectation import Expectation, expect
from gate.feed import KafkaFeed, Pace, Sent
from gate.journal import Journal
from gate.messages import raw_event
from gate.options import GateOptions
from gate.plan import Delivery, Door, Plan, Said, draw_plan
from gate.run import master_key, model_text, quiet
from gate.towns import Claim
from gate.view import View, read_view
from gate.world import Servers, Shape, World
from goldthread.v1.resolver_service_pb2 import ResolveRequest, ResolveResponse
from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceStub

__all__ = ["Bench", "Expected", "Scenario", "purchases_of", "resolve_all", "send"]

_RESOLVE_SECONDS = 20.0
_DRAIN_SECONDS = 90.0
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)


Expected: TypeAlias = tuple[Plan, Expectation]


@dataclass(slots=True)
class Bench:
    """Where one scenario runs; `bug` is planted in every process of the service, none if it is None."""

    servers: Servers
    name: str
    seed: int
    bug: str | None
    expected: dict[int, Expected] = field(default_factory=dict)

    def world(self, *, consumers: int = 0, servers: int = 0, relays: int = 0, **extra: object) -> World:
        """An empty world, not started; `extra` are settings of the service."""
        shape = Shape(consumers=consumers, servers=servers, relays=relays, bug=self.bug, extra=extra)
        return World(self.servers, self.name, shape, model_text=model_text(), master_key=master_key(self.seed))

    def plan(self, events: int) -> Expected:
        """A small stream, all through Kafka, and what it must come to; worked out once for all scenarios that use the same."""
        known = self.expected.get(events)
        if known is None:
            plan = draw_plan(GateOptions(seed=self.seed, events=events, kills=0, resolve_share=0.0))
            known = self.expected[events] = plan, self.expect(plan.said)
        return known

    def expect(self, said: Sequence[Said]) -> Expectation:
        """What the oracle says to all this."""
        return expect(said, master_key=master_key(self.seed), model_text=model_text(), processes=1)

    def compare(self, world: World, expectation: Expectation) -> str | None:
        """What the ledger of a drained world, in which nobody relays, does otherwise than the oracle; None if nothing."""
        view = read_view(world.settings.need("postgres_dsn"))
        return _words(check_ledger(_unrelayed(view), expectation))

    def drain(self, world: World, *, relayed: bool = False) -> None:
        """Waits until everything sent is read and looked at."""
        quiet(world, seconds=_DRAIN_SECONDS, relayed=relayed)


def send(world: World, deliveries: Sequence[Delivery], *, seed: int) -> None:
    """Sends messages to Kafka and returns once it has them all, whether anybody reads them or not."""
    pace = Pace()
    pace.wants(Door.RESOLVE, 1.0)
    plan = Plan([], [dataclasses.replace(one, at=0.0) for one in deliveries], [], 0)
    with Journal(world.folder / "sent.jsonl") as journal:
        KafkaFeed(world, plan, journal=journal, pace=pace, sent=Sent(), seed=seed, most_behind=10**9).run()


def purchases_of(claims: Iterable[Claim], *, prefix: str) -> list[Said]:
    """One purchase of each claim, an hour apart."""
    return [
        Said(
            town=0,
            event_id=f"{prefix}-{place}",
            claim=claim,
            occurred_at=_FIRST + timedelta(hours=30 * place),
            kind="purchase",
            amount=100 + place,
        )
        for place, claim in enumerate(claims)
    ]


def resolve_all(addresses: Sequence[str], said: Iterable[Said], *, callers: int) -> list[ResolveResponse]:
    """Resolves everything from so many callers at once, tried again where that may help; answers in the order they came."""
    return asyncio.run(_resolve_all(addresses, list(said), callers))


async def _resolve_all(addresses: Sequence[str], said: Sequence[Said], callers: int) -> list[ResolveResponse]:
    work, answers, random = iter(said), [], Random("callers")
    channels = [aio.insecure_channel(address) for address in addresses]
    stubs = [ResolverServiceStub(channel) for channel in channels]

    async def call(place: int) -> None:
        stub = stubs[place % len(stubs)]
        for one in work:
            request = ResolveRequest(event=raw_event(one, random))
            for _ in range(100):
                try:
                    answers.append(await stub.Resolve(request, timeout=_RESOLVE_SECONDS))
                except aio.AioRpcError as error:
                    if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
                        raise
                    await asyncio.sleep(0.05)
                else:
                    break

    try:
        await asyncio.gather(*(call(place) for place in range(callers)))
    finally:
        for channel in channels:
            await channel.close()
    return answers


def _unrelayed(view: View) -> View:
    left: Mapping[str, int] = {
        name: count for name, count in view.left.items() if name in ("marks", "records never looked at")
    }
    return dataclasses.replace(view, left=left)


def _words(violations: Sequence[Violation]) -> str | None:
    if not violations:
        return None
    return "; ".join(f"{one.check} ({one.count}): {one.shown[0][:160]}" for one in violations)


Scenario: TypeAlias = Callable[[Bench], str | None]
"""Runs in a bench and gives what it found, in words; None if all is well."""

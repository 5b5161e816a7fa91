"""Workloads in which the bugs of relay, cache and reverts bite: callers of the doors, and what the cache and the changes topic say afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from grpc import aio

from gate.bench import Bench, purchases_of, resolve_all
from gate.messages import lookup_request
from gate.outside import check_cache, check_changes
from gate.run import quiet
from gate.towns import Claim
from gate.view import read_view
from gate.world import World
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub

__all__ = ["late_fills", "many_writers", "reverted"]

_EMAIL, _PHONE, _LOYALTY = 1, 2, 3
_SLOW_QUEUE = """
CREATE FUNCTION held_up() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(random() * 0.03); RETURN NULL; END';
CREATE TRIGGER held_up AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION held_up();
"""
_NEWEST = 2**60
"""A version that no answer has yet: asks the ledger whatever the cache holds."""


def many_writers(bench: Bench) -> str | None:
    """Sixteen callers at once while the relay works: every change must be published, in whatever order they commit.

    Whoever queues changes is held up for a moment before he commits, so that others overtake him however quick the machine is.
    """
    claims = [_claim("pos", place) for place in range(40)]
    said = [one for round_ in range(40) for one in purchases_of(claims, prefix=f"r{round_}")]
    with bench.world(consumers=1, servers=2, relays=1) as world:
        world.start()
        with world.connect() as connection:
            connection.execute(_SLOW_QUEUE)
        for start in range(0, len(said), 200):
            resolve_all(world.addresses, said[start : start + 200], callers=16)
            if (found := _outside(world, seconds=6.0)) is not None:
                return found
    return None


def late_fills(bench: Bench) -> str | None:
    """A server is stopped while it fills the cache, the cards change meanwhile, and it goes on: what it read before must not cover what is newer."""
    claims = [_claim("pos", place) for place in range(24)]
    identifiers = [claim.identifiers[0] for claim in claims]
    with bench.world(consumers=1, servers=2, relays=1) as world:
        world.start()
        resolve_all(world.addresses, purchases_of(claims, prefix="first"), callers=8)
        for round_ in range(8):
            later = purchases_of(claims * (round_ + 2), prefix=f"later{round_}")[-len(claims) :]
            asyncio.run(_stop_while_asking(world, identifiers))
            resolve_all(world.addresses[1:], later, callers=8)
            quiet(world, seconds=30)
            world.act("serve-0", lambda worker: worker.resume())
            time.sleep(0.7)
            if (found := _outside(world, seconds=10.0)) is not None:
                return found
    return None


def reverted(bench: Bench) -> str | None:
    """Two people whom a third claim joined are parted again: cards and the changes topic must say so."""
    from goldthread.v1 import steward_service_pb2 as steward
    from goldthread.v1.steward_service_pb2_grpc import StewardServiceStub

    one = Claim(source="pos", identifiers=((_LOYALTY, "70110000001"),), attributes=(("given_name", "ann"),))
    other = Claim(source="web", identifiers=((_EMAIL, "ann@post-r.net"),), attributes=(("family_name", "papato"),))
    bridge = Claim(source="crm", identifiers=(*one.identifiers, *other.identifiers), attributes=())
    with bench.world(consumers=1, servers=1, relays=1) as world:
        world.start()
        resolve_all(world.addresses, purchases_of([one], prefix="one"), callers=1)
        resolve_all(world.addresses, purchases_of([other], prefix="other"), callers=1)
        [joined] = resolve_all(world.addresses, purchases_of([bridge], prefix="bridge"), callers=1)
        _look_up(world, [*one.identifiers, *other.identifiers])
        quiet(world, seconds=30)
        action = steward.StewardAction(request_id="gate", actor="gate", actor_rank=50, reason="they are two")

        async def revert() -> steward.RevertResponse:
            async with aio.insecure_channel(world.addresses[0]) as channel:
                request = steward.RevertRequest(action=action, entry_version=joined.version)
                return await StewardServiceStub(channel).Revert(request, timeout=20)

        done = asyncio.run(revert())
        assert done.result.changed, "the revert changed nothing, so it shows nothing"
        return _outside(world, seconds=15.0)


def _claim(source: str, place: int) -> Claim:
    """Somebody whom nobody else resembles."""
    name = "".join("ptfklmnrs"[place // power % 9] + "ao"[place % 2] for power in (81, 9, 1))
    identifiers = ((_PHONE, f"+1212{3_000_000 + place:07d}"),)
    return Claim(source=source, identifiers=identifiers, attributes=(("family_name", f"{name}m"), ("given_name", name)))


def _outside(world: World, *, seconds: float) -> str | None:
    """What cache and changes topic say otherwise than the ledger once nothing is left to relay; or that something always is."""
    quiet(world, seconds=60, relayed=False)
    try:
        quiet(world, seconds=seconds)
    except TimeoutError as error:
        return f"changes are never published ({error})"
    violations = [
        *check_cache(world.settings),
        *check_changes(world.settings, read_view(world.settings.need("postgres_dsn"))),
    ]
    return "; ".join(f"{one.check} ({one.count}): {one.shown[0]}" for one in violations) or None


async def _stop_while_asking(world: World, identifiers: list[tuple[int, str]]) -> None:
    """Asks the first server for everybody, again and again, past the cache; stops it in the midst of that and gives the calls up."""
    pid = world.workers["serve-0"].pid
    assert pid is not None
    async with aio.insecure_channel(world.addresses[0]) as channel:
        stub = LookupServiceStub(channel)

        async def ask(identifier: tuple[int, str]) -> None:
            while True:
                await stub.Lookup(lookup_request(identifier, min_version=_NEWEST), timeout=5)

        asking = [asyncio.create_task(ask(identifier)) for identifier in identifiers]
        await asyncio.sleep(0.5)
        world.act("serve-0", lambda worker: worker.pause())
        os.kill(pid, signal.SIGSTOP)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


def _look_up(world: World, identifiers: list[tuple[int, str]]) -> None:
    async def ask() -> None:
        async with aio.insecure_channel(world.addresses[0]) as channel:
            for identifier in identifiers:
                await LookupServiceStub(channel).Lookup(lookup_request(identifier), timeout=5)

    asyncio.run(ask())

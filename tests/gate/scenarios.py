"""Workloads in which the bugs of evidence, partition and locks bite: a stream through Kafka, compared with the oracle."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import psycopg

from gate.bench import Bench, purchases_of, send
from gate.plan import Delivery, Door
from gate.towns import Claim
from gate.world import World, wait_until
from goldthread.ledger import LedgerTransaction

__all__ = ["compared", "crossed", "crowded", "offsets_and_inbox", "unseen_marks"]

_EVENTS = 800
_KILLS = 12
_ROUNDS = 3
_CONSUMER = "consume-0"
_LOYALTY, _PHONE = 3, 2
_WAITING = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_HELD_UP = "SELECT count(*) FROM pg_locks WHERE relation = 'journal'::regclass AND NOT granted"
_END_HELD_UP = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'journal'::regclass AND NOT granted"


def compared(bench: Bench) -> str | None:
    """A small stream, one consumer, no fault: the ledger is the oracle's or not."""
    plan, expectation = bench.plan(_EVENTS)
    with bench.world(consumers=1) as world:
        send(world, [one for one in plan.deliveries if one.door is Door.KAFKA], seed=bench.seed)
        world.start()
        bench.drain(world)
        return bench.compare(world, expectation)


def crowded(bench: Bench) -> str | None:
    """A family of one postcode that grows until its block is crowded: what brought its first members together is no evidence any more."""
    home = (("family_name", "papatoko"), ("postcode", "10000"))
    middle = ("lee", "ann", "louise", "grace")
    early = [Claim(source="crm", identifiers=(), attributes=(*home, ("middle_name", name))) for name in middle]
    early += [
        Claim(source="web", identifiers=(), attributes=(*home, ("given_name", given), ("middle_name", name)))
        for given, name in zip(("maria", "susan", "jenny", "kate"), middle, strict=True)
    ]
    late = [
        Claim(source="pos", identifiers=(), attributes=(*home, ("given_name", given)))
        for given in ("robert", "james", "john", "michael", "thomas", "joseph", "stephen", "sean", "william", "zoltan")
    ]
    said = purchases_of([*early, *late], prefix="crowd")
    expectation = bench.expect(said)
    with bench.world(consumers=1) as world:
        world.start()
        for part in (said[: len(early)], said[len(early) :]):
            send(world, [Delivery(at=0.0, door=Door.KAFKA, partition=0, said=one) for one in part], seed=bench.seed)
            bench.drain(world)
        return bench.compare(world, expectation)


def offsets_and_inbox(bench: Bench) -> str | None:
    """A consumer that is killed again and again over events that are each sent once: offsets and inbox must agree whenever it is dead.

    Once it is killed while it waits for the evidence, so in the midst of its transaction however the machine is scheduled; then anywhere.
    """
    plan, _ = bench.plan(4 * _EVENTS)
    once = {one.said.key: one for one in plan.deliveries if one.said is not None and one.door is Door.KAFKA}
    contested = {one.key for one in plan.said if sum(other.key == one.key for other in plan.said) > 1}
    with bench.world(consumers=1, batch_events=40) as world:
        world.start(_CONSUMER)
        with world.connect() as holder, holder.transaction():
            LedgerTransaction(holder).own_evidence()
            send(world, [one for key, one in once.items() if key not in contested], seed=bench.seed)
            wait_until(lambda: _waiting(holder) == 1, seconds=60, what="the consumer wants to write")
            world.act(_CONSUMER, lambda worker: worker.kill())
        return _lost(world) or _kill_until(world, bench, lambda: _lost(world))


def unseen_marks(bench: Bench) -> str | None:
    """A consumer that is killed when it left evidence which it did not look at: somebody must look at it all the same.

    Its look is held up where it writes what it found, so that it is killed in the midst of it however the machine is scheduled.
    """
    plan, expectation = bench.plan(_EVENTS)
    with bench.world(consumers=1, batch_events=40) as world:
        world.start(_CONSUMER)
        with world.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE journal IN SHARE MODE")
            send(world, [one for one in plan.deliveries if one.door is Door.KAFKA], seed=bench.seed)
            wait_until(
                lambda: _marked(world) and _count(world, _HELD_UP), seconds=60, what="a look waits with marks left"
            )
            world.act(_CONSUMER, lambda worker: worker.kill())
            # PostgreSQL would carry out what it had been told, COMMIT too, before it notices.
            holder.execute(_END_HELD_UP)
        bench.drain(world)
        return bench.compare(world, expectation)


def crossed(bench: Bench) -> str | None:
    """Three consumers whose new records share identifiers, met in different orders: nobody may wait in a circle.

    The evidence is held until all three want to write it, so that they do so side by side however busy the machine is.
    """
    before = len(bench.servers.deadlocks())
    with bench.world(consumers=3, batch_events=500) as world:
        world.start()
        # All take their share at the same time.
        world.assigned(3)
        for round_ in range(_ROUNDS):
            with world.connect() as holder, holder.transaction():
                LedgerTransaction(holder).own_evidence()
                send(world, _crossing(round_, Random(f"{bench.seed} crossed {round_}")), seed=bench.seed)
                wait_until(
                    lambda: _waiting(holder) == 3,  # called before the next round
                    seconds=60,
                    what="three consumers want to write",
                )
            bench.drain(world)
            if found := bench.servers.deadlocks()[before:]:
                return f"PostgreSQL ended {len(found)} transactions: {found[0]}"
    return None


def _waiting(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """How many wait for the evidence."""
    row = connection.execute(_WAITING).fetchone()
    assert row is not None
    return int(str(row[0]))


def _crossing(round_: int, random: Random) -> list[Delivery]:
    """Four sources that tell of the same people in four orders, shuffled into all partitions."""
    first = 1_000 * round_
    shared = [
        ((_PHONE, f"+1212{2_300_000 + place:07d}"), (_LOYALTY, f"71{place:08d}")) for place in range(first, first + 500)
    ]
    deliveries = []
    for source in ("pos", "crm", "web", "app"):
        claims = [
            Claim(source=source, identifiers=pair, attributes=(("given_name", random.choice(("ann", "maria", "joe"))),))
            for pair in shared
        ]
        random.shuffle(claims)
        deliveries += [
            Delivery(at=0.0, door=Door.KAFKA, partition=random.randrange(8), said=said)
            for said in purchases_of(claims, prefix=f"{source}-{round_}")
        ]
    random.shuffle(deliveries)
    return deliveries


def _kill_until(world: World, bench: Bench, sign: Callable[[], str | None]) -> str | None:
    """Kills the consumer in the midst of its work until there is a sign of it, or its work is done; gives the sign."""
    random = Random(f"{bench.seed} kills")
    found: str | None = None
    for _ in range(_KILLS):
        before = _inbox(world)
        until = time.monotonic() + 20
        while _inbox(world) == before and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(random.uniform(0.0, 0.25))
        world.hold(_CONSUMER)
        found = sign()
        world.release(_CONSUMER)
        if found is not None or time.monotonic() >= until:
            break
    return found


def _inbox(world: World) -> int:
    return _count(world, "SELECT count(*) FROM inbox")


def _lost(world: World) -> str | None:
    """Nothing is sent twice and nothing is refused, so every message that counts as read is an event in the inbox."""
    with psycopg.connect(world.settings.need("postgres_dsn")) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = connection.execute(
            "SELECT (SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_offset), (SELECT count(*) FROM inbox)"
        ).fetchone()
    assert row is not None
    read, taken = int(row[0]), int(row[1])
    return None if read == taken else f"{read} messages count as read, {taken} events are taken"


def _marked(world: World) -> str | None:
    count = _count(world, "SELECT count(*) FROM dirty_mark")
    return f"{count} marks left by a dead worker" if count else None


def _count(world: World, statement: str) -> int:
    with world.connect() as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return int(str(row[0]))

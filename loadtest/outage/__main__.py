"""Lookups by the clock while the cache stalls, or is killed and comes back empty. Ends with 1 if anything was not as it must be.

A whole service process answers, with a ledger behind it. Everybody asked for is known, so "unknown" is a wrong answer like any other; the
time of a lookup counts from when it should have begun.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click
import grpc
from grpc import aio

from goldthread.app.embedded import ValkeyServer
from goldthread.app.embedded.ports import free_ports
from goldthread.app.leave import leave_in_order
from goldthread.app.settings import Settings, process_environment
from goldthread.app.wiring import migrate
from goldthread.v1 import event_pb2, identity_pb2, resolver_service_pb2
from goldthread.v1 import lookup_service_pb2 as pb
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceStub
from loadtest.databases import embedded_postgres
from loadtest.lookup.people import phone

_PROMISE_MS = 48.0
_WRITERS = 8
_PATIENCE_SECONDS = 10.0
_READY_SECONDS = 60.0
_CHANNELS = 4
_QUERIES = 'goldthread_stage_seconds_count{stage="lookup_ledger"}'


@dataclass
class Phase:
    """What was answered in one part of the run."""

    milliseconds: list[float] = field(default_factory=list)
    wrong: int = 0
    unknown: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    queries: int = 0
    """What the ledger was asked; a question may be for many at once."""

    def at(self, share: float) -> float:
        """The time that this share of the answers kept within."""
        times = sorted(self.milliseconds)
        return times[min(len(times) - 1, int(len(times) * share))] if times else 0.0

    def told(self) -> str:
        """One line."""
        failed = ", ".join(f"{count} {code}" for code, count in self.failed.items()) or "none"
        sources = ", ".join(f"{count} by {source}" for source, count in sorted(self.sources.items()))
        return (
            f"{len(self.milliseconds):,} answers ({sources}; {self.queries:,} queries), {self.wrong} wrong, {self.unknown} unknown, failed: {failed}; "
            f"p50 {self.at(0.5):.1f}, p99 {self.at(0.99):.1f}, p99.9 {self.at(0.999):.1f}, longest {self.at(1):.1f} ms"
        )

    @property
    def good(self) -> bool:
        """Whether every answer was right and nearly all in time."""
        return not (self.wrong or self.unknown or self.failed) and self.at(0.99) < _PROMISE_MS


@dataclass(frozen=True)
class Cache:
    """The cache, and how it goes and comes back."""

    server: ValkeyServer
    folder: Path
    kill: bool

    def go(self) -> None:
        """Stops answering: with its connections open, or for good and with all it had."""
        if self.kill:
            self.server.kill()
        else:
            os.kill(self.server.pid or 0, signal.SIGSTOP)

    def come_back(self) -> None:
        """Answers again; after a kill it has nothing."""
        if self.kill:
            for kept in self.folder.glob("redis/data/*/*"):
                kept.unlink()
            self.server.start()
        else:
            os.kill(self.server.pid or 0, signal.SIGCONT)


@contextmanager
def serving(settings: Settings) -> Iterator[None]:
    """The service process, once it listens."""
    command = [sys.executable, "-m", "goldthread.app.cli", "serve"]
    with subprocess.Popen(command, env=process_environment() | settings.environment()) as process:
        try:
            channel = grpc.insecure_channel(f"127.0.0.1:{settings.grpc_port}")
            grpc.channel_ready_future(channel).result(timeout=_READY_SECONDS)
            channel.close()
            yield
        finally:
            process.terminate()


def queries(port: int) -> int:
    """How often the service has asked its ledger for lookups."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    counts = (line for line in page.splitlines() if line.startswith(_QUERIES))
    return int(sum(float(line.rpartition(" ")[2]) for line in counts))


def _identifier(number: int) -> identity_pb2.Identifier:
    return identity_pb2.Identifier(type=identity_pb2.IDENTIFIER_TYPE_PHONE, raw=phone(number))


async def learn(address: str, people: int) -> list[str]:
    """Makes the people known; the profile of each."""
    profiles = [""] * people
    rest = iter(range(people))
    async with aio.insecure_channel(address) as channel:
        resolve = ResolverServiceStub(channel).Resolve

        async def writer() -> None:
            for number in rest:
                claim = identity_pb2.CustomerClaim(identifiers=[_identifier(number)])
                event = event_pb2.CustomerEvent(
                    source="till",
                    event_id=f"e{number}",
                    claim=claim,
                    click=event_pb2.Click(page="/"),
                )
                event.occurred_at.GetCurrentTime()
                answer: resolver_service_pb2.ResolveResponse = await resolve(
                    resolver_service_pb2.ResolveRequest(event=event), timeout=_PATIENCE_SECONDS
                )
                profiles[number] = answer.profile_id

        await asyncio.gather(*(writer() for _ in range(_WRITERS)))
    return profiles


async def ask(
    address: str,
    profiles: Sequence[str],
    *,
    rate: int,
    phases: Sequence[tuple[str, float, Callable[[], None]]],
    count: Callable[[], int],
) -> dict[str, Phase]:
    """Lookups by the clock through all phases; each begins with what happens to the cache then."""
    found = {name: Phase() for name, _, _ in phases}
    channels = [aio.insecure_channel(address) for _ in range(_CHANNELS)]
    calls = [LookupServiceStub(channel).Lookup for channel in channels]
    draw = random.Random(7)  # noqa: S311 (no secret)
    running: set[asyncio.Task[None]] = set()

    async def one(phase: Phase, due: float, number: int, call: int) -> None:
        try:
            answer: pb.LookupResponse = await calls[call](
                pb.LookupRequest(identifier=_identifier(number)), timeout=_PATIENCE_SECONDS
            )
        except aio.AioRpcError as error:
            phase.failed[error.code().name] += 1
            return
        phase.milliseconds.append((time.perf_counter() - due) * 1000)
        phase.unknown += answer.outcome == pb.LOOKUP_OUTCOME_NOT_FOUND
        phase.wrong += answer.card.profile_id != profiles[number]
        phase.sources[pb.AnswerSource.Name(answer.answer_source).removeprefix("ANSWER_SOURCE_").lower()] += 1

    asked = await asyncio.to_thread(count)
    due = time.perf_counter()
    for name, seconds, happens in phases:
        until = due + seconds
        change = asyncio.create_task(asyncio.to_thread(happens))
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(one(found[name], due, draw.randrange(len(profiles)), len(running) % _CHANNELS))
            running.add(task)
            task.add_done_callback(running.discard)
            due += 1 / rate
        await change
        before, asked = asked, await asyncio.to_thread(count)
        found[name].queries = asked - before
    await asyncio.gather(*running)
    for channel in channels:
        await channel.close()
    return found


@click.command()
@click.option("--fault", type=click.Choice(["stop", "kill"]), default="stop", show_default=True)
@click.option("--people", default=1_000, show_default=True)
@click.option("--rate", default=200, show_default=True, help="Lookups a second.")
@click.option("--before", default=10.0, show_default=True, help="Seconds with the cache.")
@click.option("--away", default=60.0, show_default=True, help="Seconds without it.")
@click.option("--after", default=20.0, show_default=True, help="Seconds with it again.")
def main(*, fault: str, people: int, rate: int, before: float, away: float, after: float) -> None:
    """Runs once and prints a line for each part."""
    leave_in_order()
    with tempfile.TemporaryDirectory() as name, embedded_postgres() as databases, databases.fresh() as dsn:
        cache = Cache(ValkeyServer(Path(name), environ=os.environ), Path(name), kill=fault == "kill")
        port, metrics_port = free_ports(2, rng=random.SystemRandom())
        try:
            settings = Settings(
                postgres_dsn=dsn,
                redis_url=cache.server.start(),
                master_key=bytes(range(32)).hex(),
                grpc_port=port,
                metrics_port=metrics_port,
            )
            migrate(settings)
            address = f"127.0.0.1:{port}"
            with serving(settings):
                profiles = asyncio.run(learn(address, people))
                phases = [
                    ("warm", before, _nothing),
                    ("before", before, _nothing),
                    ("away", away, cache.go),
                    ("after", after, cache.come_back),
                ]
                count = partial(queries, metrics_port)
                found = asyncio.run(ask(address, profiles, rate=rate, phases=phases, count=count))
        finally:
            cache.server.stop()
    for part, phase in found.items():
        click.echo(f"{part:7}{phase.told()}")
    last = found["after"].sources
    good = all(phase.good for phase in found.values()) and last["cache"] > last["ledger"]
    click.echo("good" if good else "BAD")
    sys.exit(int(not good))


def _nothing() -> None:
    """Nothing happens to the cache."""


if __name__ == "__main__":
    main()

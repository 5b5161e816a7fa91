"""`python -m loadtest.locust.ceiling`: how much the callers themselves can do, against a server that does nothing.

Locust's callers are one Python process. Where that is at its end, a run measures the callers, so a scenario must stay well below what this
prints: for each rate how late calls were begun, their time, and what the process used of its core.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import grpc
import grpc.aio

from goldthread.app.leave import leave_in_order
from goldthread.v1 import lookup_service_pb2, lookup_service_pb2_grpc
from loadtest.locust.calls import Calls
from loadtest.locust.figures import figures_of
from loadtest.locust.plan import EVENTS, RESOLVES, Plan, Rates, Target, write_feed
from loadtest.locust.process import calling

__all__ = ["main"]

_RATES = (400, 800, 1_200, 1_600, 2_000)
_WARM_UP = 3.0
_START_SECONDS = 20.0
_ARGUMENT = "--serve"


class _Empty(lookup_service_pb2_grpc.LookupServiceServicer):
    """Answers with nothing, after a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def Lookup(self, request: object, context: object) -> lookup_service_pb2.LookupResponse:  # noqa: ARG002, N802
        """The same to everybody."""
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return lookup_service_pb2.LookupResponse(outcome=lookup_service_pb2.LOOKUP_OUTCOME_NOT_FOUND)

    async def BatchLookup(self, request: object, context: object) -> lookup_service_pb2.BatchLookupResponse:  # noqa: ARG002, N802
        """Nothing to everybody."""
        return lookup_service_pb2.BatchLookupResponse()


async def _serve(port: int, seconds: float) -> None:
    server = grpc.aio.server()
    lookup_service_pb2_grpc.add_LookupServiceServicer_to_server(_Empty(seconds), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


@click.command()
@click.option("--seconds", type=click.FloatRange(min=5), default=15.0, show_default=True, help="For each rate.")
@click.option(
    "--rate", "rates", type=click.IntRange(min=1), multiple=True, help="Lookups a second.  [default: 400 to 2,000]"
)
@click.option(
    "--slow-ms", type=click.IntRange(0, 900), default=0, show_default=True, help="How long the server thinks."
)
def main(*, seconds: float, rates: tuple[int, ...], slow_ms: int) -> None:
    """Measure the callers themselves."""
    leave_in_order()
    port = _free_port()
    server = subprocess.Popen([sys.executable, "-m", "loadtest.locust.ceiling", _ARGUMENT, str(port), str(slow_ms)])
    try:
        _wait_for(port)
        click.echo("| lookups/s | p50 ms | p99 ms | p99.9 ms | begun late p99.9 ms | processor µs a call | of a core |")
        click.echo("|---:|---:|---:|---:|---:|---:|---:|")
        for rate in rates or _RATES:
            click.echo(_row(rate, port=port, seconds=seconds))
    finally:
        server.kill()
        server.wait()


def _row(rate: int, *, port: int, seconds: float) -> str:
    targets = tuple(Target(kind="miss", type=3, namespace="", value=f"NOBODY{place:06d}") for place in range(1_000))
    plan = Plan(
        address=f"127.0.0.1:{port}",
        bootstrap="127.0.0.1:9",
        topic="none",
        rates=Rates(lookups=rate),
        shape="steady",
        seconds=seconds,
        warm_up=_WARM_UP,
        seed=1,
        targets=targets,
    )
    with tempfile.TemporaryDirectory(prefix="goldthread-ceiling-") as name:
        folder = Path(name)
        plan.write(folder)
        for feed in (EVENTS, RESOLVES):
            write_feed(folder / feed, ())
        with calling(plan, folder, web_port=None):
            pass
        calls = Calls.read(folder)
    found = figures_of(list(calls), timed=(_WARM_UP, seconds), planned=rate * seconds)
    times = [found[f"lookup.{name}"] for name in ("p50_ms", "p99_ms", "p999_ms", "late_p999_ms")]
    spent = calls.processor_seconds
    shown = " | ".join(f"{value:.1f}" for value in times)
    return f"| {len(calls) / seconds:,.0f} | {shown} | {spent / len(calls) * 1e6:.0f} | {spent / seconds:.0%} |"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise click.ClickException("the empty server did not start")


if __name__ == "__main__":
    if sys.argv[1:2] == [_ARGUMENT]:
        asyncio.run(_serve(int(sys.argv[2]), float(sys.argv[3]) / 1000))
    else:
        main()

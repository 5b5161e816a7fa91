"""Lookups per second on one core, beside servers that do less or the same on the same core, in rounds by turns; medians.

The server that is measured has one core for itself; the load generator and the cache share the other. Every request asks for somebody else
of those in the cache, and every answer is looked at: one that is not that person's voids the run. After the rounds the two faces are asked
at half the rate that they reached, by the clock, in as many rounds.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import psutil

from goldthread.app.embedded import ValkeyServer
from goldthread.app.leave import leave_in_order
from loadtest.lookup.contestants import Contestant, contestants, fill_express
from loadtest.lookup.people import asked, fill, settle

_SERVER_CORE, _OTHER_CORE = 0, 1
_START_SECONDS = 30.0
_ASKED = 200_000
_EXPRESS_AT_LEAST = 5_000
_GOALS = (
    ("Lookup, gRPC", "tonic echo", 0.60),
    ("Lookup, gRPC", "Express", 7.0),
    ("Lookup, REST", "Express", 5.0),
)


@dataclass(frozen=True)
class Measured:
    """One measurement: answers a second, the server's time on its core for one, and the callers' times in microseconds."""

    rate: float
    cpu_us: float
    p50_us: int
    p99_us: int
    p999_us: int
    longest_us: int


@dataclass(frozen=True)
class Result:
    """What a contestant reached in the rounds, and at half of it, if that was asked."""

    name: str
    rounds: list[Measured] = field(default_factory=list)
    half: list[Measured] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median."""
        return statistics.median(one.rate for one in self.rounds)


@dataclass(frozen=True)
class Bench:
    """Where and how long is measured."""

    folder: Path
    numbers: Sequence[int]
    load: Path
    port: int
    seconds: float
    cache: str
    cache_pid: int | None

    def measure(self, contestant: Contestant, *, rate: float | None = None) -> Measured:
        """Starts the server, asks it, and ends it."""
        questions = contestant.questions_file(self.folder, self.numbers)
        with self._running(contestant) as (server, port):
            words = [contestant.protocol, port, questions, *contestant.under_way, self.seconds]
            command = ["taskset", "-c", str(_OTHER_CORE), str(self.load), *map(str, words)]
            before = _cpu_seconds(server)
            answer = subprocess.run(
                command if rate is None else [*command, str(rate)],
                capture_output=True,
                text=True,
                check=False,
                env=os.environ | contestant.environ,
            )
            spent = _cpu_seconds(server) - before
        if answer.returncode:
            raise click.ClickException(f"{contestant.name}: {answer.stderr.strip()}")
        said = json.loads(answer.stdout)
        if said["wrong"]:
            raise click.ClickException(f"{contestant.name}: {said['wrong']} answers were wrong")
        # The warming up is not counted, and costs as much.
        seconds = said["seconds"]
        cpu = spent * 1e6 / (said["answers"] * (seconds + 1) / seconds)
        times = {name: said[name] for name in ("p50_us", "p99_us", "p999_us", "longest_us")}
        return Measured(rate=said["answers"] / seconds, cpu_us=cpu, **times)

    @contextmanager
    def _running(self, contestant: Contestant) -> Iterator[tuple[psutil.Process, int]]:
        if not contestant.command:
            if self.cache_pid is None:
                raise click.ClickException("the cache is somebody else's")
            cache = psutil.Process(self.cache_pid)
            cache.cpu_affinity([_SERVER_CORE])
            try:
                yield cache, int(self.cache.rpartition(":")[2].partition("/")[0])
            finally:
                cache.cpu_affinity([_OTHER_CORE])
            return
        command = ["taskset", "-c", str(_SERVER_CORE), *contestant.command]
        with subprocess.Popen(command, env=os.environ | contestant.environ) as process:
            try:
                _await(process, self.port)
                yield psutil.Process(process.pid), self.port
            finally:
                process.kill()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise click.ClickException(f"the server did not start: {process.args!r}")


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@click.command()
@click.option("--people", default=1_800_000, show_default=True, help="Cards in the cache.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=4.0, show_default=True, help="Of one measurement, after a second of warming up.")
@click.option("--connections", default=20, show_default=True)
@click.option("--streams", default=10, show_default=True, help="Requests at once on one connection.")
@click.option("--port", default=51_515, show_default=True)
@click.option("--echo", type=click.Path(exists=True, path_type=Path), required=True, help="The echo by tonic.")
@click.option("--load", type=click.Path(exists=True, path_type=Path), required=True, help="The load generator.")
@click.option("--only", multiple=True, help="Name of a contestant; may be repeated.")
@click.option("--cache", help="URL of a cache that holds the cards already.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the figures go as JSON.")
def main(
    *,
    people: int,
    rounds: int,
    seconds: float,
    connections: int,
    streams: int,
    port: int,
    echo: Path,
    load: Path,
    only: Sequence[str],
    cache: str | None,
    out: Path | None,
) -> None:
    """Measures and prints a table."""
    leave_in_order()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.sched_setaffinity(0, {_OTHER_CORE})
        cache_pid = None
        numbers = asked(people, _ASKED)
        if cache is None:
            server = ValkeyServer(folder, environ=os.environ)
            cache = server.start()
            stack.callback(server.stop)
            cache_pid = server.pid
            fill(cache, people)
        everybody = contestants(port=port, echo=echo, cache=cache, connections=connections, streams=streams)
        # A cache that is somebody else's is not moved to the server's core, so it is no contestant.
        chosen = [one for one in everybody if (not only or one.name in only) and (one.command or cache_pid)]
        if any(one.name == "Express" for one in chosen):
            fill_express(cache, numbers)
        settle(cache)
        bench = Bench(folder, numbers, load, port, seconds, cache, cache_pid)
        results = {one.name: Result(one.name) for one in chosen}
        for _ in range(rounds):
            for one in chosen:
                results[one.name].rounds.append(bench.measure(one))
        faces = [one for one in chosen if one.name in {"Lookup, gRPC", "Lookup, REST"}]
        for _ in range(rounds):
            for one in faces:
                results[one.name].half.append(bench.measure(one, rate=results[one.name].rate / 2))
    _show(results)
    judged = judge(results)
    for goal in judged.goals:
        click.echo(f"{goal.name} / {goal.peer}: {goal.ratio:.2f} (goal {goal.goal:.2f})")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        figures = {"people": people, "results": [asdict(result) for result in results.values()], **asdict(judged)}
        out.write_text(json.dumps(figures, indent=2))
    if wrong := judged.wrong():
        raise click.ClickException("; ".join(wrong))


def _show(results: dict[str, Result]) -> None:
    for result in results.values():
        rates = [one.rate for one in result.rounds]
        cpu = statistics.median(one.cpu_us for one in result.rounds)
        p99 = statistics.median(one.p99_us for one in result.rounds)
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        click.echo(
            f"{result.name:21}{result.rate:9,.0f}/s  ({spread:20})  {cpu:6.1f} us of CPU each, p99 {p99:6,.0f} us"
        )
        if result.half:
            p50, p99, p999 = (
                statistics.median(times)
                for times in zip(*((one.p50_us, one.p99_us, one.p999_us) for one in result.half), strict=True)
            )
            worst = max(one.p99_us for one in result.half)
            rate = statistics.median(one.rate for one in result.half)
            click.echo(
                f"{'':8}at half: {rate:9,.0f}/s, p50 {p50:,.0f} us, p99 {p99:,.0f} us (worst round {worst:,.0f}), p99.9 {p999:,.0f} us"
            )


@dataclass(frozen=True)
class Goal:
    """A ratio of rates that is to be reached, and what was."""

    name: str
    peer: str
    goal: float
    ratio: float


@dataclass(frozen=True)
class Judged:
    """Goals whose two contestants were measured, and why the run says nothing, if it does."""

    goals: list[Goal]
    void: str | None

    def wrong(self) -> list[str]:
        """Why the run is no success; empty if it is one."""
        missed = [f"{one.name} / {one.peer}: {one.ratio:.2f} is below {one.goal:.2f}" for one in self.goals]
        below = [text for text, one in zip(missed, self.goals, strict=True) if one.ratio < one.goal]
        return below if self.void is None else [f"void: {self.void}", *below]


def judge(results: Mapping[str, Result]) -> Judged:
    """Compares round by round: what slows the machine down slows both."""
    goals = []
    for name, peer, goal in _GOALS:
        if name in results and peer in results:
            pairs = zip(results[name].rounds, results[peer].rounds, strict=True)
            goals.append(Goal(name, peer, goal, statistics.median(one.rate / other.rate for one, other in pairs)))
    slow = "Express" in results and results["Express"].rate < _EXPRESS_AT_LEAST
    return Judged(goals, f"Express reached less than {_EXPRESS_AT_LEAST:,}/s" if slow else None)


if __name__ == "__main__":
    main()

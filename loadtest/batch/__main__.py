"""`make bench-batch`: measures the batch engine and prints tables in Markdown.

Every run is a process of its own: seconds, processor seconds and peak memory are those of the whole process, reading and writing included. Ours is the
command line as users run it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from pathlib import Path

import click

from goldthread.app.settings import Settings
from loadtest.batch.bounds import EXTREMES
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
        click.echo(_python("loadtest.batch.metrics", str(people(folder, sizes[0]))))
    if "extremes" in parts:
        _extremes(folder)


def people(folder: Path, records: int) -> Path:
    """A table of generated retail records, made once; without the truth."""
    table, raw = folder / f"retail-{records}.parquet", folder / f"retail-{records}.csv"
    if not table.exists():
        count = str(int(records * _PEOPLE_PER_RECORD))
        _python(_CLI, "generate", "--events", str(records), "--people", count, "--out", str(raw))
        _python("loadtest.batch.tables", str(raw), str(table))
        raw.unlink()
    return table


def _python(module: str, *arguments: str) -> str:
    run = run_measured([sys.executable, "-m", module, *arguments], timeout=_SECONDS, keep_error=True)
    if not run.ended:
        raise click.ClickException(f"{module}: {run.output}")
    return run.output


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
    used = {line.split()[1] for _, _, run in runs for line in run.output.splitlines() if line.startswith("model ")}
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
    click.echo(f"\nOurs used {', '.join(sorted(used))}.\n")


def _extremes(folder: Path) -> None:
    click.echo("| input | CPU s | peak MiB | bounds | |\n|---|---|---|---|---|")
    table = folder / "extreme.parquet"
    for number, extreme in enumerate(EXTREMES):
        _python("loadtest.batch.extremes", str(number), str(table))
        run = ours(table, folder / "out.parquet", model=None)
        held = run.ended and run.cpu_seconds <= extreme.cpu_seconds and run.peak_bytes <= extreme.peak_mib * 2**20
        click.echo(
            f"| {extreme.name} | {run.cpu_seconds:.1f} | {run.peak_bytes / 2**20:,.0f} "
            f"| {extreme.cpu_seconds:.0f} s, {extreme.peak_mib:,} MiB | {'held' if held else 'BROKEN'} |"
        )
    click.echo("")


if __name__ == "__main__":
    main()

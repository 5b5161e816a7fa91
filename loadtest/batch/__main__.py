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
from collections.abc import Mapping
from dataclasses import dataclass
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
_PLANS = {"Splink": (), "Splink lean": ("--lean",)}
"""Splink's plans: the rules of its published figures, and without the costliest of them."""


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
    """A table of generated retail records, made once; its truth stands beside it, where nobody who matches it looks."""
    table, raw = folder / f"retail-{records}.parquet", folder / f"retail-{records}.csv"
    truth = truth_of(table)
    if not (table.exists() and truth.exists()):
        count = str(int(records * _PEOPLE_PER_RECORD))
        _python(_CLI, "generate", "--events", str(records), "--people", count, "--out", str(raw))
        _python("loadtest.batch.tables", str(raw), str(table), str(truth))
        raw.unlink()
    return table


def truth_of(table: Path) -> Path:
    """Where the truth of a table stands."""
    return table.with_suffix(".truth.parquet")


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


def splink(python: str, table: Path, out: Path, model: Path, *flags: str) -> Measured:
    """Splink in a process of its own, under a Python that has it; trains first, or reads the model that the same plan trained before."""
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
    table, shipped, theirs = people(folder, size), folder / "shipped.toml", folder / "splink.parquet"
    shipped.write_text(Settings().model_text(), encoding="utf-8")
    found: dict[str, _Found] = {}
    for plan, flags in _PLANS.items():
        model = folder / f"{plan.replace(' ', '-').lower()}.json"
        for learned, more in (("training", []), ("trained", ["--trained"])):
            run = splink(python, table, theirs, model, *flags, *more)
            found[f"{plan}, {learned}"] = _Found.of(run, table, theirs, "cluster_id")
    out = folder / "out.parquet"
    for name, given in (("ours, training", None), ("ours, trained", shipped)):
        found[name] = _Found.of(ours(table, out, model=given), table, out, "profile_id")
    plans = " | ".join(f"times faster than {plan}" for plan in _PLANS)
    click.echo(f"{size:,} records:\n\n| run | seconds | CPU s | peak MiB | precision | recall | F1 | {plans} |")
    click.echo("|---" * (7 + len(_PLANS)) + "|")
    for name, one in found.items():
        rivals = [found[f"{plan}, {name.split(', ')[1]}"] for plan in _PLANS] if name.startswith("ours") else []
        click.echo(
            f"| {name} | {one.cells()} | {' | '.join(map(one.times_faster, rivals)) or ' | '.join('' for _ in _PLANS)} |"
        )
    for name, one in found.items():
        if one.run.ended and not name.startswith("ours"):
            told = json.loads(one.run.output.splitlines()[-1])
            click.echo(f"\n{name}: " + ", ".join(f"{key} {value:,.1f}" for key, value in told.items()))
    used = {
        line.split()[1] for one in found.values() for line in one.run.output.splitlines() if line.startswith("model ")
    }
    click.echo(
        f"\nOurs used {', '.join(sorted(used))}. Precision, recall and F1 are those of all pairs of rows that end in one cluster.\n"
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """A run, and how right it was: one that is faster may have found less."""

    run: Measured
    quality: Mapping[str, float]

    @classmethod
    def of(cls, run: Measured, table: Path, out: Path, column: str) -> _Found:
        told = _python("loadtest.batch.found", str(truth_of(table)), str(out), column) if run.ended else "{}"
        return cls(run, json.loads(told))

    def cells(self) -> str:
        if not self.run.ended:
            return f"{self.run.told()} | | | | |"
        shares = " | ".join(f"{self.quality[name]:.4f}" for name in ("precision", "recall", "f1"))
        return f"{self.run.seconds:.1f} | {self.run.cpu_seconds:.1f} | {self.run.peak_bytes / 2**20:,.0f} | {shares}"

    def times_faster(self, rival: _Found) -> str:
        return f"{rival.run.seconds / self.run.seconds:.1f}" if self.run.ended and rival.run.ended else ""


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

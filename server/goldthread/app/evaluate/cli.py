"""The command itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from goldthread.app.bars import Bars
from goldthread.app.evaluate.inputs import count_reviews, flat_columns, read_labelled, read_pairs, take_clusters
from goldthread.app.evaluate.page import render_page
from goldthread.app.evaluate.report import as_json, as_text
from goldthread.app.evaluate.systems import SystemReport, evaluate_clusters, evaluate_ours, evaluate_peer
from goldthread.app.match_files import PROFILE_COLUMN, model_wish
from goldthread.app.outputs import check_outputs, write_text
from goldthread.app.peers import Peer, automatic_plan, prepared
from goldthread.app.settings import Settings
from goldthread.app.tables import Tables, ignore_option, mapping_option, model_option
from goldthread.domain.errors import SettingsError
from goldthread.files import Mapping as ColumnMapping
from goldthread.files import Table
from goldthread.flows.match import CLAIM_COLUMNS
from goldthread.matching.evaluation import Resampling

__all__ = ["command"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("evaluate")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@click.option("--truth", required=True, help="Column with the true person, or a file that has it.")
@click.option("--id", "key", help="Column that FILE and the truth file share.  [default: rows are in one order]")
@click.option("--clusters", default=PROFILE_COLUMN, show_default=True, help="Column with the cluster of each row.")
@click.option("--pairs", type=_FILE, help="Scored pairs: row, other_row (from 1), probability.")
@click.option("--candidates", type=_FILE, help="Pairs that blocking found: row, other_row (from 1).")
@click.option("--reviews", type=_FILE, help="Reviews as `goldthread match --reviews` writes them.")
@click.option("--match", "matched", is_flag=True, help="Match FILE here and measure that, with pairs and blocking.")
@mapping_option
@ignore_option
@model_option
@click.option("--region", help="Country of phone numbers and dates written without one.")
@click.option("--compare", type=click.Choice([peer.value for peer in Peer]), multiple=True, help="Run this tool too.")
@click.option(
    "--timeout",
    default=3_600.0,
    show_default=True,
    type=click.FloatRange(1.0),
    help="Longest run of a peer, in seconds.",
)
@click.option(
    "--resamples", default=1_000, show_default=True, type=click.IntRange(0, 100_000), help="Draws for the intervals."
)
@click.option("--seed", default=1, show_default=True, help="Seed of the draws.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Write everything as JSON; - for standard output instead of the table.",
)
@click.option("--report", type=_NEW_FILE, help="Write an HTML page with plots.")
def command(
    *,
    files: tuple[Path, ...],
    truth: str,
    key: str | None,
    clusters: str,
    pairs: Path | None,
    candidates: Path | None,
    reviews: Path | None,
    matched: bool,
    mapping: Path | None,
    ignored: tuple[str, ...],
    compare: tuple[str, ...],
    timeout: float,
    resamples: int,
    seed: int,
    json_file: Path | None,
    report: Path | None,
    **overrides: object,
) -> None:
    """Measure clusters against the truth: pairs, B-cubed, exact persons, calibration, blocking, with intervals.

    FILE has a column with the true person and one with the cluster, such as `goldthread match` writes. Rows without a truth are left out;
    rows without a cluster stand alone. Several files are read as one.
    """
    settings = Settings.read(overrides=overrides)
    resampling = Resampling(resamples=resamples, seed=seed)
    for option, path in (("pairs", pairs), ("candidates", candidates), ("reviews", reviews)):
        if matched and path is not None:
            raise SettingsError(option, "is for clusters of FILE; --match makes its own")
    truth_file = None if not Path(truth).is_file() else Path(truth)
    check_outputs(
        {"json": json_file, "report": report}.items(),
        inputs=[*files, truth_file, mapping, pairs, candidates, reviews],
    )
    labelled = read_labelled(files, truth=truth, key=key)
    rows = len(labelled.truth)
    tables = Tables.understood(
        files,
        mapping=ColumnMapping.read(mapping) if mapping else None,
        ignored=ignored,
        hidden={clusters, *labelled.truth_columns},
    )
    if matched or compare:
        tables.check()
    if matched:
        with Bars() as bars:
            bars.expect(tables.expected_rows())
            first = evaluate_ours(
                "goldthread",
                labelled.truth,
                tables,
                wish=model_wish(settings),
                region=settings.region,
                resampling=resampling,
                progress=bars,
            )
    else:
        first = evaluate_clusters(
            clusters,
            labelled.truth,
            take_clusters(labelled.table, clusters),
            scored=None if pairs is None else read_pairs(pairs, rows=rows, probabilities=True),
            candidates=None if candidates is None else read_pairs(candidates, rows=rows, probabilities=False),
            reviews=None if reviews is None else count_reviews(reviews),
            resampling=resampling,
        )
    columns = flat_columns(tables) if compare else {}
    others = [_peer(Peer(name), labelled.truth, columns, timeout, resampling) for name in dict.fromkeys(compare)]
    _write([first, *others], resampling, json_file=json_file, report=report)


def _peer(
    peer: Peer, truth: Sequence[str | None], columns: Table, timeout_seconds: float, resampling: Resampling
) -> SystemReport:
    _tell(f"running {peer.value}")
    table = prepared({name: column for name, column in columns.items() if name in CLAIM_COLUMNS})
    return evaluate_peer(
        peer, truth, table, plan=automatic_plan(peer, table), timeout_seconds=timeout_seconds, resampling=resampling
    )


def _tell(what: str) -> None:
    """Says on a terminal what takes its time."""
    if sys.stderr.isatty():
        click.echo(f"{what} …", err=True)


def _write(systems: list[SystemReport], resampling: Resampling, *, json_file: Path | None, report: Path | None) -> None:
    written = json.dumps(as_json(systems, resampling), indent=2) + "\n" if json_file else ""
    if json_file is not None and str(json_file) != "-":
        write_text("json", json_file, written)
    if report is not None:
        write_text("report", report, render_page(systems, resampling))
    click.echo(written if str(json_file) == "-" else as_text(systems, resampling), nl=str(json_file) != "-")

"""`goldthread match`: profiles for the rows of files, without any server."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

import click

from goldthread.app.match_files import MatchFiles, MatchRun, explained, match_files
from goldthread.app.settings import Settings
from goldthread.app.tables import explain_option, ignore_option, mapping_option, model_option
from goldthread.flows.batch import ModelOrigin
from goldthread.flows.match import DEFAULT_SOURCE
from goldthread.flows.train import LEAST_RECORDS

__all__ = ["command"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_NEW_PATH = click.Path(path_type=Path)


@click.command("match")
@click.argument("tables", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@click.option(
    "--out", type=_NEW_PATH, help="File to write: FILE's columns and profile_id. Of several FILEs: a directory."
)
@mapping_option
@ignore_option
@explain_option
@click.option("--reviews", type=_NEW_FILE, help="File to write the pairs of profiles that need a decision to.")
@click.option(
    "--source",
    help=f"Source of rows that do not name theirs.  [default: {DEFAULT_SOURCE}, or of several FILEs their names]",
)
@model_option
@click.option("--region", help="Country of phone numbers and dates written without one.")
@click.option(
    "--master-key-file",
    type=_FILE,
    help="A ledger's master key, for the record ids of that ledger; further columns are not compared then, as in the ledger.",
)
def command(
    *,
    tables: tuple[Path, ...],
    out: Path | None,
    mapping: Path | None,
    ignored: tuple[str, ...],
    explain_columns: bool,
    reviews: Path | None,
    source: str | None,
    **overrides: object,
) -> None:
    """Find out which rows of FILE, or of several, are one person.

    FILE and the outputs are CSV, Parquet or Arrow IPC. Rows keep their order. A row without any usable identifier or attribute has no
    profile. Columns are understood by their headers and values; --explain-columns says how. Without --model, one is trained on the rows.
    """
    settings = Settings.read(overrides=overrides)
    files = MatchFiles(tables=tables, out=out or Path(), mapping=mapping, reviews=reviews, ignored=frozenset(ignored))
    if explain_columns:
        click.echo(explained(files, settings=settings, source=source))
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    click.echo(_report(match_files(files, settings=settings, source=source)), err=True)


def _report(run: MatchRun) -> str:
    found = run.summary
    lines = [
        f"rows        {found.rows:,}" + (f" ({found.unusable:,} without a usable claim)" if found.unusable else ""),
        f"records     {found.records:,} distinct claims",
        f"candidates  {found.candidates:,} pairs ({2 * found.candidates / max(1, found.records):.1f} for each record)",
        f"profiles    {found.profiles:,} (largest: {found.largest_profile:,} records)",
        f"reviews     {found.reviews:,}",
        f"ambiguous   {found.ambiguous:,}",
    ]
    for title, counts in (("invalid", found.invalid), ("placeholder", found.placeholders)):
        if counts:
            lines.append(f"{title:<11} " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
    lines.append(f"model       {run.model_version} ({', '.join(_model_notes(run))})")
    lines += [f"no names    in {path}: say by --mapping which columns they are" for path in run.nameless]
    lines.append("seconds     " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in run.seconds.items()))
    return "\n".join(lines)


def _model_notes(run: MatchRun) -> list[str]:
    """Why this model, and what is to be known of it."""
    notes = []
    match run.model.origin:
        case ModelOrigin.GIVEN:
            notes.append("as asked")
        case ModelOrigin.TOO_FEW:
            notes.append(f"the shipped one, for few records: it takes {LEAST_RECORDS} to learn from")
        case ModelOrigin.TRAINED:
            training = run.model.training
            found = 0.0 if training is None else training.matches
            notes.append(f"trained on these records, with about {found:,.0f} pairs of one person")
        case ModelOrigin.NOT_CREDIBLE:
            notes.append("the shipped one: hardly anybody seems to be there twice, so there is nothing to learn from")
        case _:
            assert_never(run.model.origin)
    if not run.calibrated:
        notes.append("uncalibrated: probabilities are judgement")
    return notes

"""`goldthread match`: profiles for the rows of files, without any server."""

from __future__ import annotations

from pathlib import Path

import click

from goldthread.app.match_files import MatchFiles, MatchRun, Table, match_files, tables_of
from goldthread.app.settings import Settings
from goldthread.files import Finding, Role
from goldthread.flows.match import DEFAULT_SOURCE

__all__ = ["command"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_NEW_PATH = click.Path(path_type=Path)


@click.command("match")
@click.argument("tables", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@click.option(
    "--out", type=_NEW_PATH, help="File to write: FILE's columns and profile_id. Of several FILEs: a directory."
)
@click.option("--mapping", type=_FILE, help="TOML file that says which column of FILE is what.")
@click.option(
    "--ignore", "ignored", metavar="COLUMN", multiple=True, help="Column that is not looked at; may be repeated."
)
@click.option("--explain-columns", is_flag=True, help="Print what the columns are taken for, and stop.")
@click.option("--reviews", type=_NEW_FILE, help="File to write the pairs of profiles that need a decision to.")
@click.option(
    "--source",
    help=f"Source of rows that do not name theirs.  [default: {DEFAULT_SOURCE}, or of several FILEs their names]",
)
@click.option("--model", type=_FILE, help="Match model file.  [default: the shipped one]")
@click.option("--region", help="Country of phone numbers and dates written without one.")
@click.option("--master-key-file", type=_FILE, help="A ledger's master key, for the record ids of that ledger.")
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
    profile. Columns are understood by their headers and values; --explain-columns says how.
    """
    settings = Settings.read(overrides=overrides)
    files = MatchFiles(tables=tables, out=out or Path(), mapping=mapping, reviews=reviews, ignored=frozenset(ignored))
    if explain_columns:
        click.echo("\n\n".join(_explained(table) for table in tables_of(files, source=source)))
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    click.echo(_report(match_files(files, settings=settings, source=source)), err=True)


def _explained(table: Table) -> str:
    """A table of columns, roles and reasons. No value is shown."""
    rows = [("column", "is", "because", "filled", "different", "looks like")]
    mapped = [(target, names) for target, names in table.mapping.columns.items()]
    mapped += [(f"{name} ({extra.kind})", (extra.column,)) for name, extra in table.mapping.extras.items()]
    detected = {finding.column for finding in table.understanding.findings} if table.understanding else set()
    for target, names in mapped:
        rows += [(name, target, "mapping", "", "", "") for name in names if name not in detected]
    if table.understanding is not None:
        rows += [_line(finding) for finding in table.understanding.findings]
    rows += [("", f"{target} = {value!r}", "mapping", "", "", "") for target, value in table.mapping.constants.items()]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([table.path.name, *lines])


def _line(finding: Finding) -> tuple[str, str, str, str, str, str]:
    profile = finding.profile
    role = {Role.CLAIM: str(finding.target), Role.EXTRA: f"{finding.target} ({finding.kind})"}.get(
        finding.role, finding.role.value
    )
    return (
        finding.column,
        role,
        finding.reason,
        f"{profile.coverage:.0%}",
        f"{profile.distinct:,}",
        profile.pattern.value if profile.present else "",
    )


def _report(run: MatchRun) -> str:
    found = run.summary
    lines = [
        f"rows        {found.rows:,}" + (f" ({found.unusable:,} without a usable claim)" if found.unusable else ""),
        f"records     {found.records:,} distinct claims",
        f"profiles    {found.profiles:,} (largest: {found.largest_profile:,} records)",
        f"reviews     {found.reviews:,}",
        f"ambiguous   {found.ambiguous:,}",
    ]
    for title, counts in (("invalid", found.invalid), ("placeholder", found.placeholders)):
        if counts:
            lines.append(f"{title:<11} " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
    lines.append(
        f"model       {run.model_version}" + ("" if run.calibrated else " (uncalibrated: probabilities are judgement)")
    )
    lines.append("seconds     " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in run.seconds.items()))
    return "\n".join(lines)

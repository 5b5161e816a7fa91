"""`goldthread match`: profiles for the rows of a file, without any server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Self

import click
from tqdm import tqdm

from goldthread.app.settings import Settings
from goldthread.domain.errors import SettingsError
from goldthread.files import FileFormat, format_of, read_table, write_table
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.match import (
    CLAIM_COLUMNS,
    DEFAULT_SOURCE,
    MatchStage,
    MatchSummary,
    batch_keys,
    match_columns,
    profile_ids,
    summarize,
)
from goldthread.matching import Keys
from goldthread.matching.batch import BatchResult

__all__ = ["PROFILE_COLUMN", "MatchFiles", "MatchRun", "command", "match_file", "review_columns"]

PROFILE_COLUMN = "profile_id"
"""Column that the output has beside those of the input."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchFiles:
    """What a run reads and writes; formats follow from the names (`.csv`, `.csv.gz`, `.parquet`)."""

    table: Path
    out: Path
    mapping: Path | None = None
    reviews: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRun:
    """What a run found, under which model, and the seconds of each step."""

    summary: MatchSummary
    model_version: str
    calibrated: bool
    seconds: Mapping[str, float]


@click.command("match")
@click.argument("file", type=_FILE)
@click.option("--out", required=True, type=_NEW_FILE, help="File to write: FILE's columns and profile_id.")
@click.option("--mapping", type=_FILE, help="TOML file that says which column of FILE is what.")
@click.option("--reviews", type=_NEW_FILE, help="File to write the pairs of profiles that need a decision to.")
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, help="Source of rows that do not name theirs.")
@click.option("--model", type=_FILE, help="Match model file.  [default: the shipped one]")
@click.option("--region", help="Country of phone numbers and dates written without one.")
@click.option("--master-key-file", type=_FILE, help="A ledger's master key, for the record ids of that ledger.")
def command(
    *, file: Path, out: Path, mapping: Path | None, reviews: Path | None, source: str, **overrides: object
) -> None:
    """Find out which rows of FILE are one person.

    FILE and the outputs are CSV or Parquet. Rows keep their order. A row without any usable identifier or attribute has no profile.
    """
    settings = Settings.read(overrides=overrides)
    files = MatchFiles(table=file, out=out, mapping=mapping, reviews=reviews)
    run = match_file(files, settings=settings, source=source)
    click.echo(_report(run), err=True)


def match_file(files: MatchFiles, *, settings: Settings, source: str = DEFAULT_SOURCE) -> MatchRun:
    """Matches a table and writes it with its profile ids; outputs appear whole or not at all.

    Uses the master key of the settings if there is one, else the fixed keys of batch runs. A bar on standard error shows progress if
    that is a terminal. Raises `FileFormatError` for files that are not what their names or the mapping promise, and `SettingsError` for a
    table without claims, one that has a `profile_id` already, or an output that is another of the files.
    """
    _check_outputs(files)
    clock = _Clock()
    with clock.step("read"):
        table = read_table(files.table)
        mapping = ColumnMapping.read(files.mapping) if files.mapping else ColumnMapping.automatic(table)
        mapping.check(files.table, list(table))
        claims = mapping.table(table)
    if PROFILE_COLUMN in table:
        raise SettingsError("FILE", f"has a column {PROFILE_COLUMN} already")
    if CLAIM_COLUMNS.isdisjoint(claims):
        raise SettingsError("mapping", "no column of the file is an identifier or an attribute; name them in a mapping")
    with _Bars(rows=len(next(iter(table.values()))), clock=clock) as bars:
        result = match_columns(
            claims,
            keys=_keys(settings),
            model_text=settings.model_text(),
            region=settings.region,
            default_source=source,
            progress=bars.report,
        )
    ids = profile_ids(result)
    with clock.step("write"):
        write_table(files.out, {**table, PROFILE_COLUMN: ids})
        if files.reviews is not None:
            write_table(files.reviews, review_columns(result, ids))
    return MatchRun(
        summary=summarize(result),
        model_version=result.model_version,
        calibrated=result.calibrated,
        seconds=clock.seconds,
    )


def review_columns(result: BatchResult, ids: Sequence[str | None]) -> dict[str, list[str | None]]:
    """The open questions of a result as a table without personal data, strongest first.

    `kind` is `review` (two profiles that may be one person; `bits` and `probability` of it) or `ambiguous` (a profile of one record that
    fits both this and another profile, which contradict each other). `row` and `other_row` are rows to compare, counted from 1 without
    the header.
    """
    first_row: dict[int, int] = {}
    for row, record in enumerate(result.row_records):
        first_row.setdefault(record, row)
    lines = [
        (
            "review",
            first_row[review.record],
            first_row[review.other_record],
            f"{review.strength / 1000:.3f}",
            f"{review.probability:.4f}",
        )
        for review in sorted(result.reviews, key=lambda review: -review.strength)
    ]
    lines += [
        ("ambiguous", first_row[cluster], first_row[contender], "", "") for cluster, contender in result.contenders
    ]
    return {
        "kind": [line[0] for line in lines],
        PROFILE_COLUMN: [ids[line[1]] for line in lines],
        f"other_{PROFILE_COLUMN}": [ids[line[2]] for line in lines],
        "row": [str(line[1] + 1) for line in lines],
        "other_row": [str(line[2] + 1) for line in lines],
        "bits": [line[3] or None for line in lines],
        "probability": [line[4] or None for line in lines],
    }


def _check_outputs(files: MatchFiles) -> None:
    outputs = {"out": files.out} if files.reviews is None else {"out": files.out, "reviews": files.reviews}
    taken = {files.table.resolve()}
    for option, path in outputs.items():
        if path.resolve() in taken:
            raise SettingsError(option, "must not be another file of this run")
        taken.add(path.resolve())
        if format_of(path) is FileFormat.JSONL:
            raise SettingsError(option, "must be a .csv, .csv.gz or .parquet file")


def _keys(settings: Settings) -> Keys:
    if settings.master_key is None and settings.master_key_file is None:
        return batch_keys()
    return Keys.derive(settings.master_secret(), version=settings.key_version)


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


@dataclass(slots=True)
class _Clock:
    """Seconds spent in each step."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Adds the time of the block to the step."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - start


class _Bars:
    """A bar for the rows normalised, then a line while the core resolves; silent where standard error is no terminal."""

    def __init__(self, *, rows: int, clock: _Clock) -> None:
        self._bar = tqdm(total=rows, desc="normalize", unit=" rows", disable=None, leave=False)
        self._clock = clock
        self._start = perf_counter()
        self._stage = MatchStage.NORMALIZE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lap()
        self._bar.close()

    def report(self, stage: MatchStage, done: int) -> None:
        """Moves the bar or begins the next stage."""
        if stage is MatchStage.NORMALIZE:
            self._bar.update(done - self._bar.n)
            return
        self._lap()
        self._stage = stage
        self._bar.set_description(f"resolve {done:,} records")

    def _lap(self) -> None:
        now = perf_counter()
        self._clock.seconds[self._stage.value] = now - self._start
        self._start = now

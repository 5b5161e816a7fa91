"""`goldthread train`: a match model learned from files, without any server and without labels unless there are some."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from goldthread.app.bars import Bars
from goldthread.app.labels import JudgedIds, read_labels
from goldthread.app.outputs import check_outputs, write_text
from goldthread.app.settings import Settings
from goldthread.app.tables import Beside, Tables, explain_option, ignore_option, mapping_option
from goldthread.app.train_report import report_page
from goldthread.domain.errors import SettingsError
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.match import DEFAULT_SOURCE, batch_keys, gather_batches
from goldthread.flows.train import LEAST_RECORDS, UNKNOWN_PERSON, train_gathered
from goldthread.matching.training import DEFAULT_SEED, Training

__all__ = ["TrainFiles", "command", "train_files"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainFiles:
    """What a training reads and writes. `truth` and `id_column` name columns of the tables; the truth is nothing that records are compared by."""

    tables: Sequence[Path]
    out: Path
    report: Path | None = None
    mapping: Path | None = None
    labels: Path | None = None
    id_column: str = "id"
    truth: str | None = None
    ignored: frozenset[str] = frozenset()


@click.command("train")
@click.argument("tables", metavar="FILE...", type=_FILE, nargs=-1, required=True)
@click.option("--out", type=_NEW_FILE, help="Model file (TOML) to write.")
@click.option(
    "--report",
    type=_NEW_FILE,
    help="HTML page to write: weights, histogram, blocking, calibration, precision and recall.",
)
@mapping_option
@ignore_option
@explain_option
@click.option(
    "--labels",
    type=_FILE,
    help="Judged pairs: id_left, id_right, same (1 or 0); or --reviews of a match with decisions (same or different).",
)
@click.option("--id", "id_column", default="id", show_default=True, help="Column that --labels means by an id.")
@click.option("--truth", help="Column that names the person of a row; empty where unknown.")
@click.option("--blueprint", type=_FILE, help="Model file to start from.  [default: the shipped beginning]")
@click.option(
    "--population", type=click.IntRange(min=1), help="Records the model is meant for.  [default: those of the files]"
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**63 - 1),
    default=DEFAULT_SEED,
    show_default=True,
    help="Seed of every draw.",
)
@click.option(
    "--name",
    default="trained",
    show_default=True,
    help="Beginning of the model's version; a digest of the model follows.",
)
@click.option("--version", help="Version of the model, instead of a name and a digest.")
@click.option(
    "--source",
    help=f"Source of rows that do not name theirs.  [default: {DEFAULT_SOURCE}, or of several FILEs their names]",
)
@click.option("--region", help="Country of phone numbers and dates written without one.")
def command(
    *,
    tables: tuple[Path, ...],
    out: Path | None,
    ignored: tuple[str, ...],
    explain_columns: bool,
    truth: str | None,
    blueprint: Path | None,
    population: int | None,
    seed: int,
    name: str,
    version: str | None,
    source: str | None,
    region: str | None,
    **files: object,
) -> None:
    """Learn a match model from the rows of the FILEs.

    Nothing needs to be labelled. The model says how much each agreement and difference weighs in data like these, and its probabilities are
    calibrated. FILEs are CSV, Parquet, Arrow IPC or JSON lines; several are taken together. Columns are understood as by `goldthread match`.
    """
    settings = Settings.read(overrides={"region": region})
    wanted = TrainFiles(tables=tables, out=out or Path(), ignored=frozenset(ignored), truth=truth, **files)  # type: ignore[arg-type]
    if explain_columns:
        click.echo(_tables(wanted, source=source).explained())
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    training = train_files(
        wanted,
        settings=settings,
        source=source,
        blueprint=_text(blueprint),
        population=population,
        seed=seed,
        name=name,
        version=version,
    )
    click.echo(_summary(training), err=True)


def train_files(
    files: TrainFiles,
    *,
    settings: Settings,
    source: str | None = None,
    blueprint: str | None = None,
    population: int | None = None,
    seed: int = DEFAULT_SEED,
    name: str = "trained",
    version: str | None = None,
) -> Training:
    """Trains on tables and writes the model, and the report if one is wanted; each appears whole or not at all.

    A bar on standard error shows progress if that is a terminal. Raises `FileFormatError` for files that are not what their names, the mapping
    or the labels promise, `ModelFileError` for a blueprint that is not valid, and `SettingsError` for options that do not fit the files.
    """
    check_outputs(
        {"out": files.out, "report": files.report}.items(), inputs=[*files.tables, files.mapping, files.labels]
    )
    persons, pairs = _Persons(), read_labels(files.labels, files.tables)
    beside = {} if files.truth is None else {files.truth: ("truth", persons.add)}
    if isinstance(pairs, JudgedIds) and pairs.judged:
        if files.id_column in beside:
            raise SettingsError("id", "is the column of the truth")
        beside[files.id_column] = ("id", pairs.add)
    tables = _tables(files, source=source, beside={column: add for column, (_, add) in beside.items()})
    tables.check(beside={column: option for column, (option, _) in beside.items()})
    with Bars() as bars:
        bars.expect(tables.expected_rows())
        claims = tables.claims(tables.extra_kinds)
        gathered = gather_batches(claims, keys=batch_keys(), region=settings.region, progress=bars)
        training = train_gathered(
            gathered,
            extras=tables.extra_kinds,
            blueprint=blueprint,
            persons=persons.numbers,
            labels=pairs.labels(tables.row_counts),
            seed=seed,
            population=population,
            name=name,
            version=version,
            provenance=tables.provenance,
            progress=bars,
        )
    write_text("out", files.out, training.model_text)
    if files.report is not None:
        write_text("report", files.report, report_page(training))
    return training


def _tables(files: TrainFiles, *, source: str | None, beside: Beside | None = None) -> Tables:
    mapping = ColumnMapping.read(files.mapping) if files.mapping else None
    hidden = () if files.truth is None else (files.truth,)
    return Tables.understood(
        files.tables, mapping=mapping, ignored=files.ignored, hidden=hidden, source=source, beside=beside
    )


@dataclass(slots=True)
class _Persons:
    """Numbers for the persons of the rows."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    _known: dict[str, int] = field(default_factory=dict)

    def add(self, values: Sequence[str | None]) -> None:
        known = self._known
        self.numbers.extend(known.setdefault(name, len(known)) if name else UNKNOWN_PERSON for name in values)


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("blueprint", f"cannot be read ({type(error).__name__})") from None


def _summary(training: Training) -> str:
    looked = "" if training.probes == training.records else f" (looked at from {training.probes:,} of them)"
    few = "" if training.records >= LEAST_RECORDS else f"; it takes {LEAST_RECORDS} records to learn much"
    evidence = f"{training.labels:,} labels" if training.labels else f"{training.votes:,} votes of third records"
    doubt = "" if training.calibrated else ": uncalibrated, since nothing sure was heard"
    distrusted = [found.name for found in training.passes if found.distrusted]
    lines = [
        f"records     {training.records:,}, {training.candidates:,.0f} candidate pairs{looked}{few}",
        f"estimated   {training.matches:,.0f} pairs of one person, {training.households:,.0f} of one household",
        f"estimation  {training.rounds} rounds" + ("" if training.settled else ", not settled"),
        f"calibration slope {training.slope:.3f}, intercept {training.intercept:+.3f} bits, from {evidence}{doubt}",
        f"passes      {sum(found.kept for found in training.passes)} kept of {len(training.passes)}",
    ]
    if not training.credible:
        lines.append(
            "doubtful    pairs taken for one person mostly differ in names or birth date: is anybody there twice?"
        )
    if distrusted:
        lines.append(
            f"households  mostly found by {', '.join(distrusted)}: nothing was learned from them about one person"
        )
    lines.append(f"model       {training.version}")
    return "\n".join(lines)

"""`goldthread train`: a match model learned from files, without any server and without labels unless there are some."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from goldthread.app.settings import Settings
from goldthread.app.train_report import report_page
from goldthread.domain.errors import SettingsError
from goldthread.files import Mapping as ColumnMapping
from goldthread.files import Table, read_table
from goldthread.flows.match import CLAIM_COLUMNS, DEFAULT_SOURCE, batch_keys
from goldthread.flows.train import RowLabel, train_columns
from goldthread.matching.model_file import extra_name
from goldthread.matching.training import DEFAULT_SEED, Training

__all__ = ["TrainFiles", "command", "train_files"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_LABEL_COLUMNS = ("id_left", "id_right", "same")
_JUDGED = {
    "1": True,
    "true": True,
    "yes": True,
    "same": True,
    "0": False,
    "false": False,
    "no": False,
    "different": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainFiles:
    """What a training reads and writes. `persons` and `households` are columns to compare beyond the flat row format."""

    tables: Sequence[Path]
    out: Path
    report: Path | None = None
    mapping: Path | None = None
    labels: Path | None = None
    id_column: str = "id"
    truth: str | None = None
    person_columns: Sequence[str] = ()
    household_columns: Sequence[str] = ()


@click.command("train")
@click.argument("tables", metavar="FILE...", type=_FILE, nargs=-1, required=True)
@click.option("--out", required=True, type=_NEW_FILE, help="Model file (TOML) to write.")
@click.option(
    "--report",
    type=_NEW_FILE,
    help="HTML page to write: weights, histogram, blocking, calibration, precision and recall.",
)
@click.option("--mapping", type=_FILE, help="TOML file that says which column is what.")
@click.option("--labels", type=_FILE, help="CSV of judged pairs: id_left, id_right, same (1 or 0).")
@click.option("--id", "id_column", default="id", show_default=True, help="Column that --labels means by an id.")
@click.option("--truth", help="Column that names the person of a row; empty where unknown.")
@click.option(
    "--person-column",
    "person_columns",
    multiple=True,
    help="Further column to compare that describes a person, as sex does.",
)
@click.option(
    "--household-column",
    "household_columns",
    multiple=True,
    help="Further column to compare that a household shares, as a state is.",
)
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
@click.option("--source", default=DEFAULT_SOURCE, show_default=True, help="Source of rows that do not name theirs.")
@click.option("--region", help="Country of phone numbers and dates written without one.")
def command(
    *,
    blueprint: Path | None,
    population: int | None,
    seed: int,
    name: str,
    version: str | None,
    source: str,
    region: str | None,
    **files: object,
) -> None:
    """Learn a match model from the rows of the FILEs.

    Nothing needs to be labelled. The model says how much each agreement and difference weighs in data like these, and its probabilities are
    calibrated. FILEs are CSV, Parquet or JSON lines; several are taken together.
    """
    settings = Settings.read(overrides={"region": region})
    training = train_files(
        TrainFiles(**files),  # type: ignore[arg-type]
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
    source: str = DEFAULT_SOURCE,
    blueprint: str | None = None,
    population: int | None = None,
    seed: int = DEFAULT_SEED,
    name: str = "trained",
    version: str | None = None,
) -> Training:
    """Trains on tables and writes the model, and the report if one is wanted; each appears whole or not at all.

    Raises `FileFormatError` for files that are not what their names, the mapping or the labels promise, `ModelFileError` for a blueprint
    that is not valid, and `SettingsError` for options that do not fit the files.
    """
    _check_outputs(files)
    table = _joined([read_table(path) for path in files.tables])
    mapping = ColumnMapping.read(files.mapping) if files.mapping else ColumnMapping.automatic(table)
    mapping.check(files.tables[0], list(table))
    claims = mapping.table(table)
    claims.pop("truth", None)
    if CLAIM_COLUMNS.isdisjoint(claims):
        raise SettingsError(
            "mapping", "no column of the files is an identifier or an attribute; name them in a mapping"
        )
    training = train_columns(
        claims,
        keys=batch_keys(),
        region=settings.region,
        blueprint=blueprint,
        extras=_extras(files, table),
        truth=_column(table, files.truth, option="truth") if files.truth else None,
        labels=_labels(files, table),
        default_source=source,
        seed=seed,
        population=population,
        name=name,
        version=version,
        provenance=", ".join(path.name for path in files.tables),
    )
    _write(files.out, training.model_text)
    if files.report is not None:
        _write(files.report, report_page(training))
    return training


def _joined(tables: Sequence[Table]) -> Table:
    """Tables one below the other; a column that one of them lacks is missing there."""
    names = dict.fromkeys(name for table in tables for name in table)
    joined: Table = {name: [] for name in names}
    for table in tables:
        rows = len(next(iter(table.values()), ()))
        for name, column in joined.items():
            column.extend(table.get(name) or [None] * rows)
    return joined


def _column(table: Table, name: str, *, option: str) -> Sequence[str | None]:
    if name not in table:
        raise SettingsError(option, f"the files have no column {name!r}")
    return table[name]


def _extras(files: TrainFiles, table: Table) -> dict[str, tuple[str, Sequence[str | None]]]:
    extras: dict[str, tuple[str, Sequence[str | None]]] = {}
    for option, kind, names in (
        ("person-column", "person", files.person_columns),
        ("household-column", "household", files.household_columns),
    ):
        for name in names:
            plain = extra_name(name)
            if plain in extras:
                raise SettingsError(option, f"the column {name!r} is given twice")
            extras[plain] = (kind, _column(table, name, option=option))
    return extras


def _labels(files: TrainFiles, table: Table) -> list[RowLabel]:
    """Judged pairs by row. An id that several rows have means the first of them; pairs of unknown ids are refused."""
    if files.labels is None:
        return []
    judged = read_table(files.labels)
    for column in _LABEL_COLUMNS:
        if column not in judged:
            raise SettingsError("labels", f"the file has no column {column}")
    rows: dict[str, int] = {}
    for row, value in enumerate(_column(table, files.id_column, option="id")):
        if value is not None:
            rows.setdefault(value, row)
    labels = []
    for line, (left, right, same) in enumerate(
        zip(*(judged[column] for column in _LABEL_COLUMNS), strict=True), start=2
    ):
        if left not in rows or right not in rows:
            raise SettingsError("labels", f"line {line} names an id that no row has")
        verdict = _JUDGED.get((same or "").strip().lower())
        if verdict is None:
            raise SettingsError("labels", f"line {line}: same must be 1 or 0")
        labels.append((rows[left], rows[right], verdict))
    return labels


def _check_outputs(files: TrainFiles) -> None:
    inputs = [*files.tables, *(path for path in (files.mapping, files.labels) if path is not None)]
    taken = {path.resolve() for path in inputs}
    for option, path in {"out": files.out, "report": files.report}.items():
        if path is None:
            continue
        if path.resolve() in taken:
            raise SettingsError(option, "must not be another file of this run")
        taken.add(path.resolve())


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise SettingsError("out", f"{path.name} cannot be written ({type(error).__name__})") from None
    finally:
        draft.unlink(missing_ok=True)


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("blueprint", f"cannot be read ({type(error).__name__})") from None


def _summary(training: Training) -> str:
    looked = "" if training.probes == training.records else f" (looked at from {training.probes:,} of them)"
    evidence = f"{training.labels:,} labels" if training.labels else f"{training.votes:,} votes of third records"
    distrusted = [found.name for found in training.passes if found.distrusted]
    lines = [
        f"records     {training.records:,}, {training.candidates:,.0f} candidate pairs{looked}",
        f"estimated   {training.matches:,.0f} pairs of one person, {training.households:,.0f} of one household",
        f"estimation  {training.rounds} rounds" + ("" if training.settled else ", not settled"),
        f"calibration slope {training.slope:.3f}, intercept {training.intercept:+.3f} bits, from {evidence}",
        f"passes      {sum(found.kept for found in training.passes)} kept of {len(training.passes)}",
    ]
    if distrusted:
        lines.append(
            f"households  mostly found by {', '.join(distrusted)}: nothing was learned from them about one person"
        )
    lines.append(f"model       {training.version}")
    return "\n".join(lines)

"""What `goldthread match` does with files: understands their columns, matches them, and writes them with their profile ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from goldthread.app.match_progress import Bars
from goldthread.app.settings import Settings
from goldthread.domain.columns import PackedTexts
from goldthread.domain.errors import SettingsError
from goldthread.files import (
    FileFormat,
    Understanding,
    append_column,
    column_names,
    format_of,
    read_flat,
    read_sample,
    row_count,
    understand,
    write_table,
)
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.match import (
    CLAIM_COLUMNS,
    DEFAULT_SOURCE,
    MatchProgress,
    MatchSummary,
    batch_keys,
    claim_columns,
    match_batches,
    summarize,
)
from goldthread.matching import Keys
from goldthread.matching.batch import BatchResult, ClaimColumns, GatheredRecords, model_extras

__all__ = ["PROFILE_COLUMN", "MatchFiles", "MatchRun", "Table", "Trainer", "match_files", "review_columns", "tables_of"]

PROFILE_COLUMN = "profile_id"
"""Column that the output has beside those of the input."""

_SAMPLE_ROWS = 5_000

Trainer = Callable[[GatheredRecords, Mapping[str, str], MatchProgress], str]
"""Trains a model on gathered records: given the further columns and their kinds (`person`, `household`), gives the model's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchFiles:
    """What a run reads and writes; formats follow from the names (`.csv`, `.csv.gz`, `.parquet`, `.arrow`; read also `.jsonl`).

    `out` is a file for one table and a directory for several, in which every table's output has the table's name.
    """

    tables: tuple[Path, ...]
    out: Path
    mapping: Path | None = None
    reviews: Path | None = None
    ignored: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file, what its columns are, and the source of rows that do not name theirs."""

    path: Path
    mapping: ColumnMapping
    source: str
    understanding: Understanding | None
    """None where a mapping says everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRun:
    """What a run found, under which model, and the seconds of each step."""

    summary: MatchSummary
    model_version: str
    calibrated: bool
    seconds: Mapping[str, float]


def tables_of(files: MatchFiles, *, source: str | None = None) -> tuple[Table, ...]:
    """The tables of a run and what their columns are, as the mapping says or as they look.

    Rows without a source have `source`; if that is None, `DEFAULT_SOURCE`, or of several files the name of theirs. Raises `FileFormatError`.
    """
    said = ColumnMapping.read(files.mapping) if files.mapping else None
    return tuple(
        _table(
            path, said, files.ignored, source or (DEFAULT_SOURCE if len(files.tables) == 1 else path.name.split(".")[0])
        )
        for path in files.tables
    )


def match_files(
    files: MatchFiles, *, settings: Settings, source: str | None = None, trainer: Trainer | None = None
) -> MatchRun:
    """Matches tables and writes them with their profile ids; every output appears whole or not at all.

    The model is that of the settings; if they name none, `trainer` makes one from the tables, and without a trainer it is the shipped one. Uses the
    master key of the settings if there is one, else the fixed keys of batch runs. A bar on standard error shows progress if that is a
    terminal. Raises `FileFormatError` for files that are not what their names or the mapping promise, `ModelFileError`, and `SettingsError`
    for a table without claims, one that has a `profile_id` already, or an output that is another of the files.
    """
    outputs = _outputs(files)
    with Bars() as bars:
        tables = tables_of(files, source=source)
        trained = trainer if settings.model is None else None
        compared = None if trained else model_extras(settings.model_text())
        tables = tuple(_with_extras(table, compared) for table in tables)
        for table in tables:
            _check_columns(table)
        bars.expect([row_count(table.path) for table in tables])
        rows: list[int] = []
        result = match_batches(
            _claims(tables, rows),
            keys=_keys(settings),
            region=settings.region,
            model=lambda gathered, told: trained(gathered, _kinds(tables), told) if trained else settings.model_text(),
            progress=bars,
        )
        summary = summarize(result)
        bars.write(sum(rows))
        start = 0
        for table, out, count in zip(tables, outputs, rows, strict=True):
            append_column(table.path, out, PROFILE_COLUMN, rows=count, column=_ids(result, start, bars))
            start += count
        if files.reviews is not None:
            names = [table.path.name for table in tables] if len(tables) > 1 else None
            write_table(files.reviews, review_columns(result, rows, names))
    return MatchRun(
        summary=summary, model_version=result.model_version, calibrated=result.calibrated, seconds=bars.seconds
    )


def review_columns(
    result: BatchResult, rows: Sequence[int], names: Sequence[str] | None = None
) -> dict[str, list[str | None]]:
    """The open questions of a result as a table without personal data, strongest first.

    `kind` is `review` (two profiles that may be one person; `bits` and `probability` of it) or `ambiguous` (a profile of one record that
    fits both this and another profile, which contradict each other). `row` and `other_row` are rows to compare, counted from 1 without
    the header, in each file if there are several; `rows` says how many each file has, and with `names` the table has columns `file` and `other_file`.
    """
    first_row: dict[int, int] = {}
    for row, record in enumerate(result.row_records):
        first_row.setdefault(record, row)
    questions = [
        _Question("review", review.record, review.other_record, review.strength, review.probability)
        for review in sorted(result.reviews, key=lambda review: -review.strength)
    ]
    questions += [_Question("ambiguous", cluster, contender) for cluster, contender in result.contenders]
    ends = [[first_row[one.record] for one in questions], [first_row[one.other_record] for one in questions]]
    table: dict[str, list[str | None]] = {"kind": [one.kind for one in questions]}
    for prefix, places in zip(("", "other_"), ends, strict=True):
        table[f"{prefix}{PROFILE_COLUMN}"] = result.profile_ids.of_rows(places)
    for prefix, places in zip(("", "other_"), ends, strict=True):
        homes = [_home(place, rows) for place in places]
        if names is not None:
            table[f"{prefix}file"] = [names[file] for file, _ in homes]
        table[f"{prefix}row"] = [str(row + 1) for _, row in homes]
    table["bits"] = [None if one.strength is None else f"{one.strength / 1000:.3f}" for one in questions]
    table["probability"] = [None if one.probability is None else f"{one.probability:.4f}" for one in questions]
    return table


@dataclass(frozen=True, slots=True)
class _Question:
    kind: str
    record: int
    other_record: int
    strength: int | None = None
    probability: float | None = None


def _home(row: int, rows: Sequence[int]) -> tuple[int, int]:
    """File and row there of a row of all files."""
    for file, count in enumerate(rows):
        if row < count:
            return file, row
        row -= count
    raise IndexError(row)


def _table(path: Path, said: ColumnMapping | None, ignored: frozenset[str], source: str) -> Table:
    if said is not None and not said.detect:
        return Table(path=path, mapping=said, source=source, understanding=None)
    sample = read_sample(path, rows=_SAMPLE_ROWS)
    own = said or ColumnMapping({})
    named = {name for names in own.columns.values() for name in names} | {extra.column for extra in own.extras.values()}
    found = understand({name: sample[name] for name in sample if name not in named}, ignored=ignored | own.ignored)
    given = own.columns.keys() | own.constants.keys()
    mapping = replace(
        own,
        columns={target: names for target, names in found.mapping.columns.items() if target not in given}
        | dict(own.columns),
        extras={**found.mapping.extras, **own.extras},
    )
    return Table(path=path, mapping=mapping, source=source, understanding=found)


def _with_extras(table: Table, compared: frozenset[str] | None) -> Table:
    """The table without the further columns that the model does not compare: they would only keep equal claims apart."""
    if compared is None:
        return table
    extras = {name: extra for name, extra in table.mapping.extras.items() if name in compared}
    return replace(table, mapping=replace(table.mapping, extras=extras))


def _kinds(tables: Sequence[Table]) -> dict[str, str]:
    return {name: extra.kind.value for table in tables for name, extra in table.mapping.extras.items()}


def _check_columns(table: Table) -> None:
    names = column_names(table.path)
    table.mapping.check(table.path, names)
    if PROFILE_COLUMN in names:
        raise SettingsError("FILE", f"has a column {PROFILE_COLUMN} already")
    if CLAIM_COLUMNS.isdisjoint({*table.mapping.columns, *table.mapping.constants}):
        raise SettingsError("mapping", "no column of the file is an identifier or an attribute; name them in a mapping")


def _claims(tables: Sequence[Table], rows: list[int]) -> Iterator[ClaimColumns]:
    """The claims of all tables, batch by batch; `rows` receives how many rows each has."""
    for table in tables:
        rows.append(0)
        constants = dict(table.mapping.constants)
        for batch in read_flat(table.path, table.mapping):
            rows[-1] += batch.rows
            repeated = {target: [value] * batch.rows for target, value in constants.items() if target != "source"}
            yield claim_columns(
                {**repeated, **batch.columns},
                rows=batch.rows,
                default_source=constants.get("source", table.source),
                extras=batch.extras,
            )


def _ids(result: BatchResult, first: int, bars: Bars) -> Callable[[int, int], PackedTexts]:
    def column(start: int, stop: int) -> PackedTexts:
        bars.report("write", first + start, 0)
        return result.profile_ids.column(first + start, first + stop)

    return column


def _outputs(files: MatchFiles) -> list[Path]:
    """Where each table is written to; refuses what would overwrite anything of this run."""
    if len(files.tables) == 1:
        outputs = [files.out]
    else:
        if files.out.exists() and not files.out.is_dir():
            raise SettingsError("out", "must be a directory where several files are matched")
        outputs = [files.out / _out_name(path) for path in files.tables]
    named = [("out", path) for path in outputs]
    if files.reviews is not None:
        named.append(("reviews", files.reviews))
    taken = {path.resolve() for path in files.tables}
    if len(taken) < len(files.tables):
        raise SettingsError("FILE", "is named twice")
    for option, path in named:
        if path.resolve() in taken:
            raise SettingsError(option, "must not be another file of this run")
        taken.add(path.resolve())
        if format_of(path) is FileFormat.JSONL:
            raise SettingsError(option, "must be a .csv, .csv.gz, .parquet or .arrow file")
    if len(files.tables) > 1:
        files.out.mkdir(parents=True, exist_ok=True)
    return outputs


def _out_name(path: Path) -> str:
    return f"{path.name.split('.')[0]}.csv" if format_of(path) is FileFormat.JSONL else path.name


def _keys(settings: Settings) -> Keys:
    if settings.master_key is None and settings.master_key_file is None:
        return batch_keys()
    return Keys.derive(settings.master_secret(), version=settings.key_version)

"""What `goldthread match` does with files: matches their rows and writes them with their profile ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from goldthread.app.bars import Bars
from goldthread.app.labels import DECISION_COLUMN
from goldthread.app.outputs import check_outputs
from goldthread.app.settings import Settings
from goldthread.app.tables import Tables
from goldthread.domain.columns import PackedTexts
from goldthread.domain.errors import SettingsError
from goldthread.files import FileFormat, append_column, check_storable, format_of, stem_of, write_table
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.batch import ChosenModel, ModelWish, run_batch
from goldthread.flows.match import MatchSummary, batch_keys, summarize
from goldthread.matching import Keys
from goldthread.matching.batch import BatchResult, model_extras

__all__ = ["PROFILE_COLUMN", "MatchFiles", "MatchRun", "explained", "match_files", "model_wish", "review_columns"]

PROFILE_COLUMN = "profile_id"
"""Column that the output has beside those of the input."""


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
class MatchRun:
    """What a run found, under which model, and the seconds of each step."""

    summary: MatchSummary
    model: ChosenModel
    model_version: str
    calibrated: bool
    nameless: Sequence[str]
    """Files none of whose columns is a name."""
    seconds: Mapping[str, float]


def tables_of(files: MatchFiles, *, settings: Settings, source: str | None = None) -> Tables:
    """The tables of a run, without further columns if it has the keys of a ledger; raises `FileFormatError` and `SettingsError`."""
    mapping = ColumnMapping.read(files.mapping) if files.mapping else None
    tables = Tables.understood(files.tables, mapping=mapping, ignored=files.ignored, source=source)
    return tables.without_extras() if _has_key(settings) else tables


def explained(files: MatchFiles, *, settings: Settings, source: str | None = None) -> str:
    """What the columns of a run are taken for, as lines of text. Raises `FileFormatError`, `ModelFileError` and `SettingsError`."""
    given = model_wish(settings).given
    return tables_of(files, settings=settings, source=source).explained(None if given is None else model_extras(given))


def model_wish(settings: Settings) -> ModelWish:
    """The model that the settings name, if they name one, and the shipped one. Raises `SettingsError`."""
    given = None if settings.model is None else settings.model_text()
    return ModelWish(given=given, shipped=Settings().model_text())


def match_files(files: MatchFiles, *, settings: Settings, source: str | None = None) -> MatchRun:
    """Matches tables and writes them with their profile ids; every output appears whole or not at all.

    The model is that of the settings; if they name none, it is trained on the tables (see `run_batch`). Uses the master key of the settings
    if there is one, else the fixed keys of batch runs. A bar on standard error shows progress if that is a terminal. Raises `FileFormatError`
    for files that are not what their names or the mapping promise, `ModelFileError`, and `SettingsError` for a table without claims, one
    that has a `profile_id` already, or an output that is another of the files.
    """
    outputs = _outputs(files)
    with Bars() as bars:
        tables = tables_of(files, settings=settings, source=source)
        tables.check(taken={PROFILE_COLUMN})
        bars.expect(tables.expected_rows())
        run = run_batch(tables, keys=_keys(settings), region=settings.region, wish=model_wish(settings), progress=bars)
        result, rows = run.result, tables.row_counts
        summary = summarize(result)
        bars.write(sum(rows))
        start = 0
        for path, out, count in zip(files.tables, outputs, rows, strict=True):
            append_column(path, out, PROFILE_COLUMN, rows=count, column=_ids(result, start, bars))
            start += count
        if files.reviews is not None:
            names = [path.name for path in files.tables] if len(files.tables) > 1 else None
            write_table(files.reviews, review_columns(result, rows, names))
    return MatchRun(
        summary=summary,
        model=run.model,
        model_version=result.model_version,
        calibrated=result.calibrated,
        nameless=tables.nameless,
        seconds=bars.seconds,
    )


def review_columns(
    result: BatchResult, rows: Sequence[int], names: Sequence[str] | None = None
) -> dict[str, list[str | None]]:
    """The open questions of a result as a table without personal data, strongest first.

    `kind` is `review` (two profiles that may be one person; `bits` and `probability` of it) or `ambiguous` (a profile of one record that
    fits both this and another profile, which contradict each other). `row` and `other_row` are rows to compare, counted from 1 without
    the header, in each file if there are several; `rows` says how many each file has, and with `names` the table has columns `file` and `other_file`.
    `decision` is empty, for whoever answers: `goldthread train --labels` reads the answers.
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
    table[DECISION_COLUMN] = [None] * len(questions)
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
    if len({path.resolve() for path in files.tables}) < len(files.tables):
        raise SettingsError("FILE", "is named twice")
    named = [("out", path) for path in outputs]
    if files.reviews is not None:
        named.append(("reviews", files.reviews))
    for option, path in named:
        if format_of(path) is FileFormat.JSONL:
            raise SettingsError(option, "must be a .csv, .csv.gz, .parquet or .arrow file")
    if len(files.tables) > 1:
        files.out.mkdir(parents=True, exist_ok=True)
    check_outputs(named, inputs=[*files.tables, files.mapping])
    for path, out in zip(files.tables, outputs, strict=True):
        check_storable(path, out)
    return outputs


def _out_name(path: Path) -> str:
    return f"{stem_of(path)}.csv" if format_of(path) is FileFormat.JSONL else path.name


def _keys(settings: Settings) -> Keys:
    if not _has_key(settings):
        return batch_keys()
    return Keys.derive(settings.master_secret(), version=settings.key_version)


def _has_key(settings: Settings) -> bool:
    return settings.master_key is not None or settings.master_key_file is not None

"""Reads what is evaluated: rows with truth and clusters, and pairs and reviews that another run wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goldthread.app.tables import Tables
from goldthread.domain.errors import SettingsError
from goldthread.files import FileFormatError, Table, read_table
from goldthread.matching.evaluation import PairColumns

__all__ = ["LabelledTable", "count_reviews", "flat_columns", "read_labelled", "read_pairs", "take_clusters"]

TRUTH_COLUMN = "truth"


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """Rows and their truth, which is no longer a column of the table. Personal data."""

    table: Table = field(repr=False)
    truth: Sequence[str | None] = field(repr=False)
    truth_columns: frozenset[str]
    """The column of the files that has the truth, if it is one of them."""


def read_labelled(paths: Sequence[Path], *, truth: str, key: str | None) -> LabelledTable:
    """The rows of all files, one after the other, and who each is.

    `truth` names a column of the files, or else a file: there the column `truth` (or its only column) is taken, of the row with the same value
    in column `key`, or of the same row where no key is given. A row whose key the file lacks has no truth. Raises `SettingsError` that
    names the option, and `FileFormatError`.
    """
    table = _concatenated([read_table(path) for path in paths])
    rows = len(next(iter(table.values()), ()))
    if not rows:
        raise SettingsError("FILE", "has no rows")
    if truth in table:
        people, taken = table.pop(truth), frozenset({truth})
    elif Path(truth).is_file():
        people, taken = _truth_of(Path(truth), table, rows=rows, key=key), frozenset()
    else:
        raise SettingsError("truth", "is neither a column of FILE nor a file")
    if all(person is None for person in people):
        raise SettingsError("truth", "is empty in every row")
    return LabelledTable(table, people, taken)


def flat_columns(tables: Tables) -> Table:
    """The rows of all tables in the flat row format, in memory: as other tools need them."""
    return _concatenated([table.mapping.table(read_table(table.path)) for table in tables.tables])


def take_clusters(table: Table, column: str) -> list[str | None]:
    """Takes the column with the clusters off a table; raises `SettingsError` if there is none."""
    if column not in table:
        raise SettingsError("clusters", f"FILE has no column {column}; name another, or match FILE here with --match")
    return table.pop(column)


def read_pairs(path: Path, *, rows: int, probabilities: bool) -> PairColumns:
    """Pairs of rows of a file with the columns `row` and `other_row`, counted from 1, and `probability` where it is asked for.

    Raises `FileFormatError` naming the column and the line of the first value that is none.
    """
    table = read_table(path)
    wanted = ("row", "other_row", "probability")[: 2 + probabilities]
    for name in wanted:
        if name not in table:
            raise FileFormatError(path, f"has no column {name}")
    left, right = (_rows(path, name, table[name], rows=rows) for name in ("row", "other_row"))
    seen: set[tuple[int, int]] = set()
    for line, (a, b) in enumerate(zip(left, right, strict=True), start=2):
        if a == b:
            raise FileFormatError(path, "row and other_row are one row", line=line)
        # Either way round it is one pair, and counts once.
        if (pair := (min(a, b), max(a, b))) in seen:
            raise FileFormatError(path, "these two rows are a pair already", line=line)
        seen.add(pair)
    values = _probabilities(path, table["probability"]) if probabilities else ()
    return PairColumns(left=left, right=right, probabilities=values)


def count_reviews(path: Path) -> int:
    """Open questions in a file that `goldthread match --reviews` wrote: its lines of kind `review`."""
    table = read_table(path)
    if "kind" not in table:
        raise FileFormatError(path, "has no column kind")
    return sum(kind == "review" for kind in table["kind"])


def _concatenated(tables: Sequence[Table]) -> Table:
    names = dict.fromkeys(name for table in tables for name in table)
    joined: Table = {name: [] for name in names}
    for table in tables:
        rows = len(next(iter(table.values()), ()))
        for name, column in joined.items():
            column.extend(table.get(name, [None] * rows))
    return joined


def _truth_of(path: Path, table: Table, *, rows: int, key: str | None) -> list[str | None]:
    truths = read_table(path)
    others = [name for name in truths if name != key]
    column = TRUTH_COLUMN if TRUTH_COLUMN in truths else others[0] if len(others) == 1 else None
    if column is None:
        raise FileFormatError(path, f"has no column {TRUTH_COLUMN}")
    if key is None:
        if len(truths[column]) != rows:
            raise SettingsError("truth", f"has {len(truths[column]):,} rows and FILE {rows:,}; join them with --id")
        return truths[column]
    for place, columns in (("FILE", table), ("the truth file", truths)):
        if key not in columns:
            raise SettingsError("id", f"{place} has no column {key}")
    known: dict[str, str | None] = {}
    for name, person in zip(truths[key], truths[column], strict=True):
        if name is not None and known.setdefault(name, person) != person:
            raise SettingsError("id", f"the truth file has one {key} for two persons")
    return [None if name is None else known.get(name) for name in table[key]]


def _rows(path: Path, name: str, values: Sequence[str | None], *, rows: int) -> list[int]:
    found = []
    for line, value in enumerate(values, start=2):
        if value is None or not (value.isascii() and value.isdecimal()) or not 1 <= int(value) <= rows:
            raise FileFormatError(path, f"{name} must be a row number from 1 to {rows}", line=line)
        found.append(int(value) - 1)
    return found


def _probabilities(path: Path, values: Sequence[str | None]) -> list[float]:
    found = []
    for line, value in enumerate(values, start=2):
        try:
            number = float(value or "")
        except ValueError:
            number = -1.0
        if not 0.0 <= number <= 1.0:
            raise FileFormatError(path, "probability must be a number from 0 to 1", line=line)
        found.append(number)
    return found

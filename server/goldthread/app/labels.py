"""Judged pairs of rows for a training: a list of ids, or the reviews of a match with what somebody decided about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from goldthread.domain.errors import SettingsError
from goldthread.files import Table, read_table
from goldthread.flows.train import RowLabel

__all__ = ["DECISION_COLUMN", "JudgedIds", "JudgedRows", "read_labels"]

DECISION_COLUMN = "decision"
"""Column of a file of reviews for what somebody decided: `same`, `different`, or nothing yet."""

_ID_COLUMNS = ("id_left", "id_right", "same")
_ROW_COLUMNS = ("row", "other_row", DECISION_COLUMN)
_FILE_COLUMNS = ("file", "other_file")
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


@dataclass(slots=True)
class JudgedIds:
    """Judged pairs by the ids of their rows, and where those rows are. An id that several rows have means the first of them."""

    judged: Sequence[tuple[int, str, str, bool]] = ()
    """Line, ids and verdict."""
    _rows: dict[str, int] = field(default_factory=dict)
    _wanted: frozenset[str] = frozenset()
    _seen: int = 0

    @classmethod
    def read(cls, table: Table) -> JudgedIds:
        """The pairs of a table with the columns `id_left`, `id_right` and `same`. Raises `SettingsError`."""
        judged = []
        for line, (left, right, said) in enumerate(zip(*(table[name] for name in _ID_COLUMNS), strict=True), start=2):
            same = _verdict(line, "same", said)
            if not left or not right:
                raise SettingsError("labels", f"line {line} names an id that no row has")
            judged.append((line, left, right, same))
        return cls(judged, _wanted=frozenset(name for _, left, right, _ in judged for name in (left, right)))

    def add(self, values: Sequence[str | None]) -> None:
        """The ids of the next rows."""
        for row, name in enumerate(values, start=self._seen):
            if name in self._wanted:
                self._rows.setdefault(name, row)
        self._seen += len(values)

    def labels(self, _row_counts: Sequence[int]) -> list[RowLabel]:
        """The pairs by row; pairs of unknown ids are refused."""
        rows = self._rows
        for line, left, right, _ in self.judged:
            if left not in rows or right not in rows:
                raise SettingsError("labels", f"line {line} names an id that no row has")
        return [(rows[left], rows[right], same) for _, left, right, same in self.judged]


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """Judged pairs by file and row there, counted from 0."""

    judged: Sequence[tuple[int, tuple[int, int], tuple[int, int], bool]]
    """Line, both rows, and verdict."""

    @classmethod
    def read(cls, table: Table, tables: Sequence[Path]) -> JudgedRows:
        """The decided lines of reviews as `goldthread match --reviews` writes them for these tables. Raises `SettingsError`."""
        files = {path.name: place for place, path in enumerate(tables)}
        if len(tables) == 1:
            homes: list[list[int]] = [[0] * len(table["row"])] * 2
        elif not all(name in table for name in _FILE_COLUMNS):
            raise SettingsError("labels", "the file does not say of which file a row is; match the same files for it")
        elif len(files) < len(tables):
            raise SettingsError("labels", "two files have one name, so their rows cannot be told apart")
        else:
            homes = [
                [_home(line, name, files) for line, name in enumerate(table[column], start=2)]
                for column in _FILE_COLUMNS
            ]
        judged = []
        lines = zip(*(table[name] for name in _ROW_COLUMNS), *homes, strict=True)
        for line, (left, right, said, home, other) in enumerate(lines, start=2):
            if said and said.strip():
                verdict = _verdict(line, DECISION_COLUMN, said)
                judged.append((line, (home, _row(line, left)), (other, _row(line, right)), verdict))
        return cls(judged)

    def labels(self, row_counts: Sequence[int]) -> list[RowLabel]:
        """The pairs by row of all tables together, which have so many rows each."""
        starts = [0, *accumulate(row_counts)]
        for line, *ends, _ in self.judged:
            if any(row >= row_counts[home] for home, row in ends):
                raise SettingsError("labels", f"line {line} names a row that its file does not have")
        return [(starts[a] + row, starts[b] + other, same) for _, (a, row), (b, other), same in self.judged]


def read_labels(path: Path | None, tables: Sequence[Path]) -> JudgedIds | JudgedRows:
    """The judged pairs of a file about rows of these tables; raises `FileFormatError`, and `SettingsError` for a file that holds something else."""
    if path is None:
        return JudgedIds()
    table = read_table(path)
    if all(name in table for name in _ROW_COLUMNS):
        return JudgedRows.read(table, tables)
    for column in _ID_COLUMNS:
        if column not in table:
            raise SettingsError("labels", f"the file has no column {column}")
    return JudgedIds.read(table)


def _verdict(line: int, column: str, said: str | None) -> bool:
    verdict = _JUDGED.get((said or "").strip().lower())
    if verdict is None:
        raise SettingsError("labels", f"line {line}: {column} must be 1 or 0, or same or different")
    return verdict


def _home(line: int, name: str | None, files: Mapping[str, int]) -> int:
    if name is None or name not in files:
        raise SettingsError("labels", f"line {line} names a file that is none of these")
    return files[name]


def _row(line: int, said: str | None) -> int:
    if said is None or not (said.isascii() and said.isdecimal()) or int(said) < 1:
        raise SettingsError("labels", f"line {line}: rows are numbers from 1")
    return int(said) - 1

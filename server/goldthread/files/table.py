"""Whole tables in memory, column by column: what the batch engine reads and writes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from goldthread.files.failure import arrow_errors
from goldthread.files.formats import FileFormat, column_names, format_of, has_odd_quotes, read_numbered_rows
from goldthread.files.sink import written
from goldthread.files.texts import as_text, holds_texts

__all__ = ["Table", "read_table", "write_table"]

Table: TypeAlias = dict[str, list[str | None]]
"""Columns of equal length in the file's order; None is missing."""


def read_table(path: Path, kind: FileFormat | None = None) -> Table:
    """All rows of a file as text; empty values are missing, columns of lists are left out. Raises `FileFormatError`, for text formats with the line."""
    match kind or format_of(path):
        case FileFormat.CSV:
            return _read_csv(path)
        case FileFormat.PARQUET:
            return _read_parquet(path)
        case FileFormat.JSONL:
            return _read_json(path)
        case FileFormat.ARROW:
            return _transposed(column_names(path), (row for _, row in read_numbered_rows(path)))


def write_table(path: Path, columns: Mapping[str, Sequence[str | None]]) -> None:
    """Writes CSV (also `.csv.gz`), Parquet or Arrow IPC, told by the name; the file appears under its name only when it is complete."""
    import pyarrow as pa

    table = pa.table({name: pa.array(values, type=pa.string()) for name, values in columns.items()})
    with written(path) as write:
        for batch in table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]:
            write(batch)


def _read_csv(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.csv as pc

    names = column_names(path, FileFormat.CSV)
    try:
        # Arrow's reader takes a quote that is never closed for the end of the file; well-formed quoting has an even number of marks.
        if has_odd_quotes(path):
            raise pa.ArrowInvalid("an odd number of quotation marks")
        table = pc.read_csv(
            path,
            parse_options=pc.ParseOptions(newlines_in_values=True),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=True,
            ),
        )
    except (pa.ArrowException, OSError, EOFError, zlib.error):
        # The streaming reader is slower, but says where the file is broken; what it can read after all, it gives.
        return _transposed(names, (row for _, row in read_numbered_rows(path, FileFormat.CSV)))
    return {name: table.column(name).to_pylist() for name in names}


def _read_parquet(path: Path) -> Table:
    import pyarrow.parquet as pq

    with arrow_errors(path, "not readable as Parquet"), pq.ParquetFile(path) as file:
        table = file.read()
    return {
        name: [value or None for chunk in column.chunks for value in as_text(path, name, chunk).to_pylist()]
        for name, column in zip(column_names(path, FileFormat.PARQUET), table.columns, strict=True)
        if holds_texts(column.type)
    }


def _read_json(path: Path) -> Table:
    rows = [row for _, row in read_numbered_rows(path, FileFormat.JSONL)]
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    return _transposed(list(names), rows)


def _transposed(names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Table:
    table: Table = {name: [] for name in names}
    for row in rows:
        for name, column in table.items():
            column.append(row.get(name))
    return table

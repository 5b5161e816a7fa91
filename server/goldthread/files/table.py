"""Whole tables in memory, column by column: what the batch engine reads and writes."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from goldthread.files.failure import FileFormatError
from goldthread.files.formats import FileFormat, column_names, format_of, opened, read_numbered_rows
from goldthread.files.texts import as_text, holds_texts

__all__ = ["Table", "read_table", "write_table"]

Table: TypeAlias = dict[str, list[str | None]]
"""Columns of equal length in the file's order; None is missing."""

_CHUNK_BYTES = 1 << 20


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
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    kind = format_of(path)
    if kind is FileFormat.JSONL:
        raise FileFormatError(path, "tables are written as .csv, .csv.gz, .parquet or .arrow")
    table = pa.table({name: pa.array(values, type=pa.string()) for name, values in columns.items()})
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if kind is FileFormat.PARQUET:
            pq.write_table(table, draft, compression="zstd")
        elif kind is FileFormat.ARROW:
            with pa.OSFile(str(draft), "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
                writer.write_table(table)
        else:
            compression = "gzip" if path.name.lower().endswith(".gz") else None
            with pa.CompressedOutputStream(draft, compression) if compression else pa.OSFile(str(draft), "wb") as out:
                pc.write_csv(table, out, pc.WriteOptions(quoting_style="needed"))
        draft.replace(path)
    except OSError as error:
        raise FileFormatError(path, f"cannot be written ({type(error).__name__})") from None
    finally:
        draft.unlink(missing_ok=True)


def _read_csv(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.csv as pc

    names = column_names(path, FileFormat.CSV)
    try:
        # Arrow's reader takes a quote that is never closed for the end of the file; well-formed quoting has an even number of marks.
        with opened(path) as stream:
            odd = sum(chunk.count(b'"') for chunk in iter(partial(stream.read, _CHUNK_BYTES), b"")) % 2
        if odd:
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
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FileFormatError(path, f"not readable as Parquet ({type(error).__name__})") from None
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

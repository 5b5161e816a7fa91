"""Tables in files: CSV, JSON lines, Parquet and Arrow IPC. The only importer of pyarrow."""

from __future__ import annotations

from goldthread.files.columns import Finding, Role, Understanding, understand
from goldthread.files.failure import FileFormatError
from goldthread.files.formats import FileFormat, column_names, format_of, read_numbered_rows, read_rows
from goldthread.files.mapping import FLAT_COLUMNS, ExtraColumn, ExtraKind, Mapping
from goldthread.files.stream import FlatBatch, append_column, read_flat, read_sample, row_count
from goldthread.files.table import Table, read_table, write_table

__all__ = [
    "FLAT_COLUMNS",
    "ExtraColumn",
    "ExtraKind",
    "FileFormat",
    "FileFormatError",
    "Finding",
    "FlatBatch",
    "Mapping",
    "Role",
    "Table",
    "Understanding",
    "append_column",
    "column_names",
    "format_of",
    "read_flat",
    "read_numbered_rows",
    "read_rows",
    "read_sample",
    "read_table",
    "row_count",
    "understand",
    "write_table",
]

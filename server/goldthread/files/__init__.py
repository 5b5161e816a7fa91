"""Tables in files: CSV, JSON lines, Parquet and Arrow IPC. The only importer of pyarrow."""

from __future__ import annotations

from goldthread.files.ahead import ahead
from goldthread.files.columns import MOST_EXTRAS, Finding, Role, Understanding, understand
from goldthread.files.failure import FileFormatError
from goldthread.files.formats import (
    FileFormat,
    Malformed,
    column_names,
    format_of,
    line_count,
    read_numbered_rows,
    read_rows,
    stem_of,
)
from goldthread.files.mapping import FLAT_COLUMNS, ExtraColumn, ExtraKind, Mapping
from goldthread.files.patterns import profile_of
from goldthread.files.reading import PASSED_OVER
from goldthread.files.stream import FlatBatch, Sample, append_column, check_storable, read_flat, read_sample, row_count
from goldthread.files.table import Table, read_table, write_table

__all__ = [
    "FLAT_COLUMNS",
    "MOST_EXTRAS",
    "PASSED_OVER",
    "ExtraColumn",
    "ExtraKind",
    "FileFormat",
    "FileFormatError",
    "Finding",
    "FlatBatch",
    "Malformed",
    "Mapping",
    "Role",
    "Sample",
    "Table",
    "Understanding",
    "ahead",
    "append_column",
    "check_storable",
    "column_names",
    "format_of",
    "line_count",
    "profile_of",
    "read_flat",
    "read_numbered_rows",
    "read_rows",
    "read_sample",
    "read_table",
    "row_count",
    "stem_of",
    "understand",
    "write_table",
]

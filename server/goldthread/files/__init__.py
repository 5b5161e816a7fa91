"""Tables in files: CSV, JSON lines and Parquet. The only importer of pyarrow."""

from __future__ import annotations

from goldthread.files.failure import FileFormatError
from goldthread.files.formats import FileFormat, column_names, format_of, read_numbered_rows, read_rows
from goldthread.files.mapping import FLAT_COLUMNS, Mapping
from goldthread.files.table import Table, read_table, write_table

__all__ = [
    "FLAT_COLUMNS",
    "FileFormat",
    "FileFormatError",
    "Mapping",
    "Table",
    "column_names",
    "format_of",
    "read_numbered_rows",
    "read_rows",
    "read_table",
    "write_table",
]

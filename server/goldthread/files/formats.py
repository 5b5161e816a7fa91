"""Rows of CSV, JSON lines, Parquet and Arrow IPC files, streamed; everything is text, and a missing value is an absent key."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from goldthread.files.batches import group_batches, pieces
from goldthread.files.failure import FileFormatError, arrow_errors
from goldthread.files.texts import as_text, holds_texts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FileFormat",
    "Malformed",
    "arrow_table",
    "column_names",
    "format_of",
    "has_odd_quotes",
    "line_count",
    "opened",
    "read_numbered_rows",
    "read_rows",
    "stem_of",
]

Malformed: TypeAlias = Callable[[int, str], None]
"""Who is told of a row that cannot be read: the line where it begins, and what is wrong with it, never with a value."""

_OTHER_SEPARATORS = ";\t|"
_CHUNK_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"


class FileFormat(StrEnum):
    """Formats of tables. CSV and JSON lines may be gzip-compressed, told by the ending of the name."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"


_TEXT = frozenset({FileFormat.CSV, FileFormat.JSONL})
_ENDINGS = {
    ".csv": FileFormat.CSV,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
    ".parquet": FileFormat.PARQUET,
    ".arrow": FileFormat.ARROW,
    ".feather": FileFormat.ARROW,
}


def format_of(path: Path) -> FileFormat:
    """The format that the file's name ends in; raises `FileFormatError` for any other ending."""
    name = path.name.lower().removesuffix(".gz")
    for ending, kind in _ENDINGS.items():
        if name.endswith(ending) and (kind in _TEXT or not path.name.lower().endswith(".gz")):
            return kind
    raise FileFormatError(path, f"the name must end in one of {', '.join(_ENDINGS)}, or in .gz after a text format")


def stem_of(path: Path) -> str:
    """The name of a file without what tells its format: `crm.2024` of `crm.2024.csv.gz`."""
    format_of(path)
    name = path.name[: -len(".gz")] if path.name.lower().endswith(".gz") else path.name
    return name[: name.rindex(".")]


def read_rows(path: Path, kind: FileFormat | None = None) -> Iterator[dict[str, str]]:
    """Each row's values by column; empty ones are left out. Raises `FileFormatError` naming the line."""
    for _, row in read_numbered_rows(path, kind):
        yield row


def read_numbered_rows(
    path: Path, kind: FileFormat | None = None, *, malformed: Malformed | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The same with the number of the line where the row ends, counted from 1; rows of Parquet are counted from 1.

    With `malformed`, a row of CSV or a line of JSON lines that cannot be read is told there, by the line where it begins, and passed over. A quotation
    mark that is never closed makes one such row of everything up to the next mark, or to as much as a field may hold.
    """
    match kind or format_of(path):
        case FileFormat.CSV:
            return _csv_rows(path, malformed)
        case FileFormat.JSONL:
            return _json_rows(path, malformed)
        case FileFormat.PARQUET:
            return _parquet_rows(path)
        case FileFormat.ARROW:
            return _arrow_rows(path)


def line_count(path: Path) -> int | None:
    """Lines of a text file, which is read for it; None for other formats."""
    if format_of(path) not in _TEXT:
        return None
    with opened(path) as stream:
        return sum(chunk.count(b"\n") for chunk in iter(partial(stream.read, _CHUNK_BYTES), b""))


def column_names(path: Path, kind: FileFormat | None = None, *, malformed: Malformed | None = None) -> list[str]:
    """Columns in the file's order; raises `FileFormatError` if two have one name. For JSON lines, those of all rows, in order of appearance."""
    match kind or format_of(path):
        case FileFormat.CSV:
            with opened(path) as stream:
                return _header(path, csv.reader(_Lines(path, stream)))
        case FileFormat.JSONL:
            names: dict[str, None] = {}
            for _, row in _json_rows(path, malformed):
                names.update(dict.fromkeys(row))
            return list(names)
        case FileFormat.PARQUET:
            import pyarrow.parquet as pq

            with arrow_errors(path, "not readable as Parquet"):
                return _once(path, pq.read_schema(path).names)
        case FileFormat.ARROW:
            with arrow_table(path) as reader:
                return _once(path, reader.schema.names)


def _once(path: Path, names: Sequence[str]) -> list[str]:
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise FileFormatError(path, f"two columns are called {twice!r}")
    return list(names)


def _csv_rows(path: Path, malformed: Malformed | None) -> Iterator[tuple[int, dict[str, str]]]:
    with opened(path) as stream:
        lines = _Lines(path, stream, tolerant=malformed is not None)
        reader = csv.reader(lines, strict=True)
        header = _header(path, reader)
        width = len(header)
        while True:
            began = reader.line_num
            wrong = None
            try:
                fields = next(reader, None)
            except csv.Error as error:
                # The reader's message is about sizes and marks, but may quote one day: it is looked at, not shown.
                wrong = "a field is too long" if "field larger" in str(error) else "not well-formed CSV"
                fields = []
            if fields is None:
                return
            if fields and len(fields) != width:
                wrong = f"{len(fields)} fields, the header has {width}"
            if not wrong and lines.unreadable > began:
                wrong = "not UTF-8"
            if not wrong and fields:
                yield reader.line_num, {name: value for name, value in zip(header, fields, strict=True) if value}
            elif wrong and malformed is None:
                raise FileFormatError(path, wrong, line=reader.line_num)
            elif wrong and malformed is not None:
                malformed(began + 1, wrong)


def _header(path: Path, reader: Iterator[list[str]]) -> list[str]:
    try:
        header = next(reader, [])
    except csv.Error:
        raise FileFormatError(path, "not well-formed CSV", line=1) from None
    if not header or not all(header) or len(set(header)) != len(header):
        raise FileFormatError(path, "the first line must name every column once", line=1)
    if len(header) == 1 and (separator := next((sign for sign in _OTHER_SEPARATORS if sign in header[0]), None)):
        raise FileFormatError(path, f"columns are parted by {separator!r}, not by a comma", line=1)
    return header


def _json_rows(path: Path, malformed: Malformed | None) -> Iterator[tuple[int, dict[str, str]]]:
    with opened(path) as stream:
        lines = _Lines(path, stream, tolerant=malformed is not None)
        for line, text in enumerate(lines, start=1):
            if not text.strip():
                continue
            try:
                yield line, _json_row(path, text, line, readable=lines.unreadable < line)
            except FileFormatError as error:
                if malformed is None:
                    raise
                malformed(line, error.complaint)


def _json_row(path: Path, text: str, line: int, *, readable: bool) -> dict[str, str]:
    if not readable:
        raise FileFormatError(path, "not UTF-8", line=line)
    try:
        content = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise FileFormatError(path, "not a JSON object", line=line) from None
    if not isinstance(content, dict):
        raise FileFormatError(path, "not a JSON object", line=line)
    return _flat(path, content, line)


def _flat(path: Path, content: dict[str, object], line: int) -> dict[str, str]:
    row: dict[str, str] = {}
    for name, value in content.items():
        match value:
            case str():
                if value:
                    row[name] = value
            case bool():
                row[name] = "true" if value else "false"
            case None:
                pass
            case _:
                raise FileFormatError(path, "a value is neither text nor number", line=line)
    try:
        "".join(row.values()).encode()
    except UnicodeEncodeError:
        raise FileFormatError(path, "a text is not UTF-8", line=line) from None
    return row


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            _once(path, file.schema_arrow.names)
            for group in range(file.num_row_groups):
                for batch in group_batches(file, group, None):
                    yield from _batch_rows(path, batch, number)
                    number += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FileFormatError(path, f"not readable as Parquet ({type(error).__name__})", line=number + 1) from None


def _arrow_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    number = 0
    with arrow_table(path) as reader:
        _once(path, reader.schema.names)
        for batch in reader:
            for piece in pieces(batch):
                yield from _batch_rows(path, piece, number)
                number += piece.num_rows


def _batch_rows(path: Path, batch: pa.RecordBatch, before: int) -> Iterator[tuple[int, dict[str, str]]]:
    texts = {
        name: as_text(path, name, column).to_pylist()
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
        if holds_texts(column.type)
    }
    if not texts:
        yield from ((number, {}) for number in range(before + 1, before + batch.num_rows + 1))
    for number, values in enumerate(zip(*texts.values(), strict=True), start=before + 1):
        yield number, {name: value for name, value in zip(texts, values, strict=True) if value}


@contextmanager
def arrow_table(path: Path) -> Iterator[pa.RecordBatchReader]:
    """The batches of an Arrow IPC file, which ends in an index, or stream."""
    import pyarrow as pa

    with (
        arrow_errors(path, "not readable as Arrow IPC"),
        pa.memory_map(str(path)) as source,
        _ipc_reader(source) as reader,
    ):
        yield reader


def _ipc_reader(source: pa.NativeFile) -> pa.RecordBatchReader:
    import pyarrow as pa

    try:
        file = pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)
    batches = (file.get_batch(index) for index in range(file.num_record_batches))
    return pa.RecordBatchReader.from_batches(file.schema, batches)


def has_odd_quotes(path: Path) -> bool:
    """Whether a file has an odd number of quotation marks; in well-formed CSV it is even."""
    with opened(path) as stream:
        return sum(chunk.count(b'"') for chunk in iter(partial(stream.read, _CHUNK_BYTES), b"")) % 2 == 1


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed if its name ends in .gz."""
    with gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        yield cast("BinaryIO", stream)


class _Lines:
    """Lines as text; decoding line by line tells where a file is not UTF-8. A tolerant reader replaces what is not, and says in which line that was."""

    def __init__(self, path: Path, stream: BinaryIO, *, tolerant: bool = False) -> None:
        self.unreadable = 0
        """The last line so far that is not UTF-8."""
        self._path = path
        self._lines = self._decoded(stream, tolerant=tolerant)

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def _decoded(self, stream: BinaryIO, *, tolerant: bool) -> Iterator[str]:
        line = 0
        try:
            for line, raw in enumerate(stream, start=1):
                plain = raw.removeprefix(_BOM) if line == 1 else raw
                try:
                    text = plain.decode()
                except UnicodeDecodeError:
                    if not tolerant:
                        raise FileFormatError(self._path, "not UTF-8", line=line) from None
                    self.unreadable = line
                    text = plain.decode(errors="replace")
                yield text
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise FileFormatError(self._path, "not well-formed gzip", line=line + 1) from None

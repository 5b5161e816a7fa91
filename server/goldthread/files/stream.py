"""Tables read and written batch by batch, so that memory does not grow with the file."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from goldthread.domain.columns import PackedTexts
from goldthread.files.ahead import ahead
from goldthread.files.failure import FileFormatError
from goldthread.files.formats import FileFormat, arrow_table, column_names, format_of, opened, read_numbered_rows
from goldthread.files.mapping import Mapping as ColumnMapping
from goldthread.files.mapping import joint_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FlatBatch", "append_column", "read_flat", "read_sample", "row_count"]

_ROWS = 65_536
_BLOCK_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatBatch:
    """Some rows of a table in flat columns, its further columns by the names of `Mapping.extras`, and columns beside them by their own."""

    rows: int
    columns: Mapping[str, PackedTexts]
    extras: Mapping[str, PackedTexts]
    beside: Mapping[str, PackedTexts]


def row_count(path: Path) -> int | None:
    """Rows of a file that says so without being read; None for text."""
    import pyarrow.parquet as pq

    if format_of(path) is not FileFormat.PARQUET:
        return None
    with _arrow_errors(path, "not readable as Parquet"):
        return int(pq.read_metadata(path).num_rows)


def read_sample(path: Path, *, rows: int) -> dict[str, list[str | None]]:
    """The first rows of a file by column, as text; at least the names if it has none."""
    sample: dict[str, list[str | None]] = {name: [] for name in column_names(path)}
    left = rows
    for batch in _batches(path):
        part = batch.slice(0, left)
        for name, column in zip(part.schema.names, part.columns, strict=True):
            sample.setdefault(name, [None] * (rows - left)).extend(
                value or None for value in _as_text(column).to_pylist()
            )
        left -= part.num_rows
        if left <= 0:
            break
    return sample


def read_flat(path: Path, mapping: ColumnMapping, beside: Collection[str] = ()) -> Iterator[FlatBatch]:
    """A file's rows in the flat columns of a mapping, in order, some ten thousand at a time. Constants are left to the caller.

    Columns of the file named in `beside` come as they are, where the file has them. Raises `FileFormatError`, for text formats with the line; rows
    before that line have been given by then.
    """
    needed = [*dict.fromkeys([*_needed(mapping), *beside])]
    for batch in ahead(_batches(path, check=True, wanted=needed or None)):
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        texts = {name: _as_text(columns[name]) for name in needed if name in columns}
        yield FlatBatch(
            rows=batch.num_rows,
            columns={
                target: _packed(_joined(target, [texts[name] for name in sources]))
                for target, sources in mapping.columns.items()
                if all(name in texts for name in sources)
            },
            extras={
                name: _packed(texts[extra.column]) for name, extra in mapping.extras.items() if extra.column in texts
            },
            beside={name: _packed(texts[name]) for name in beside if name in texts},
        )


def append_column(source: Path, out: Path, name: str, *, rows: int, column: Callable[[int, int], PackedTexts]) -> None:
    """Writes the rows of a file with one column more: `column(start, stop)` gives its values for a range of the `rows` there are.

    The format is that of `out`'s name; between formats that know types, types stay. The file appears under its name only when it is
    complete. Raises `FileFormatError` as well if the file has another number of rows by now.
    """
    import pyarrow as pa

    row = stop = 0
    with _writer(out) as write:
        first = True
        for batch in ahead(_batches(source, empty=True)):
            stop = row + batch.num_rows
            if stop > rows:
                break
            values = column(row, stop)
            buffers = [
                pa.py_buffer(part) if part is not None else None
                for part in (values.validity, values.offsets, values.data)
            ]
            added = pa.Array.from_buffers(pa.string(), batch.num_rows, buffers)
            if batch.num_rows or first:
                write(pa.RecordBatch.from_arrays([*batch.columns, added], names=[*batch.schema.names, name]))
            first, row = False, stop
        if row != rows or stop != rows:
            raise FileFormatError(source, "has changed since it was read")


def _needed(mapping: ColumnMapping) -> list[str]:
    names = [name for sources in mapping.columns.values() for name in sources]
    return [*dict.fromkeys([*names, *(extra.column for extra in mapping.extras.values())])]


def _batches(
    path: Path, *, empty: bool = False, check: bool = False, wanted: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Batches of a file; with `empty` a file without rows gives one batch without rows, with `check` quotes that are never closed are found.

    Columns that are not `wanted` are left out where that saves the reading of them.
    """
    match format_of(path):
        case FileFormat.CSV:
            found = _csv_batches(path, check=check, wanted=wanted)
        case FileFormat.PARQUET:
            found = _parquet_batches(path, wanted)
        case FileFormat.ARROW:
            found = _arrow_batches(path)
        case FileFormat.JSONL:
            found = _text_batches(column_names(path), (row for _, row in read_numbered_rows(path)))
    any_rows = False
    for batch in found:
        any_rows = any_rows or batch.num_rows > 0
        if batch.num_rows:
            yield batch
    if empty and not any_rows:
        yield _text_batch(column_names(path), [])


def _csv_batches(path: Path, *, check: bool, wanted: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pc

    names = column_names(path, FileFormat.CSV)
    done = 0
    try:
        # Arrow's reader takes a quote that is never closed for the end of the file; well-formed quoting has an even number of marks.
        if check and _has_odd_quotes(path):
            raise pa.ArrowInvalid("an odd number of quotation marks")
        reader = pc.open_csv(
            path,
            read_options=pc.ReadOptions(block_size=_BLOCK_BYTES),
            parse_options=pc.ParseOptions(newlines_in_values=True),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=None if wanted is None else [name for name in names if name in wanted],
                strings_can_be_null=True,
                null_values=[""],
                quoted_strings_can_be_null=True,
            ),
        )
        for batch in reader:
            yield batch
            done += batch.num_rows
    except (pa.ArrowException, OSError, EOFError, zlib.error):
        # The reader of rows is slower, but says where the file is broken; what it can read after all, it gives.
        rest = islice((row for _, row in read_numbered_rows(path, FileFormat.CSV)), done, None)
        yield from _text_batches(names, rest)


def _has_odd_quotes(path: Path) -> bool:
    with opened(path) as stream:
        return sum(chunk.count(b'"') for chunk in iter(partial(stream.read, _CHUNK_BYTES), b"")) % 2 == 1


def _parquet_batches(path: Path, wanted: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with _arrow_errors(path, "not readable as Parquet"), pq.ParquetFile(path) as file:
        names = None if wanted is None else [name for name in file.schema_arrow.names if name in wanted]
        yield from file.iter_batches(batch_size=_ROWS, columns=names)


def _arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    with arrow_table(path) as reader:
        for batch in reader:
            for start in range(0, batch.num_rows, _ROWS):
                yield batch.slice(start, _ROWS)


def _text_batches(names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Iterator[pa.RecordBatch]:
    stream = iter(rows)
    while chunk := list(islice(stream, _ROWS)):
        yield _text_batch(names, chunk)


def _text_batch(names: Sequence[str], rows: Sequence[Mapping[str, str]]) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [pa.array([row.get(name) for row in rows], pa.string()) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _as_text(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    return column if column.type == pa.string() else column.cast(pa.string())


def _joined(target: str, columns: Sequence[pa.Array]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(columns) == 1:
        return columns[0]
    trimmed = [pc.utf8_trim_whitespace(column) for column in columns]
    parts = [pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column) for column in trimmed]
    joint = joint_of(target)
    if target == "birth_date":
        return pc.binary_join_element_wise(*parts, joint)
    # Arrow's own way of passing over nulls loses rows in which all are null.
    return reduce(lambda left, right: pc.coalesce(pc.binary_join_element_wise(left, right, joint), left, right), parts)


def _packed(column: pa.Array) -> PackedTexts:
    import pyarrow as pa

    if column.offset:
        column = column.take(pa.array(range(len(column)), pa.int64()))
    validity, offsets, data = column.buffers()
    rows = len(column)
    packed = (
        offsets.slice(0, 4 * (rows + 1)).to_pybytes() if offsets is not None and offsets.size else bytes(4 * (rows + 1))
    )
    end = int.from_bytes(packed[-4:], sys.byteorder)
    return PackedTexts(
        packed,
        data.slice(0, end).to_pybytes() if data is not None and end else b"",
        validity.slice(0, (rows + 7) // 8).to_pybytes() if validity is not None and column.null_count else None,
    )


@contextmanager
def _arrow_errors(path: Path, complaint: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FileFormatError(path, f"{complaint} ({type(error).__name__})") from None


@contextmanager
def _writer(path: Path) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Writes batches of one schema, which the first one brings; nothing is left of the file if anything goes wrong."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    kind = format_of(path)
    if kind is FileFormat.JSONL:
        raise FileFormatError(path, "tables are written as .csv, .csv.gz, .parquet or .arrow")
    try:
        with ExitStack() as stack, _arrow_errors(path, "cannot be written"):
            sinks: list[Callable[[pa.RecordBatch], object]] = []

            def write(batch: pa.RecordBatch) -> None:
                if not sinks:
                    sinks.append(_sink(stack, kind, draft, batch.schema, zipped=path.name.lower().endswith(".gz")))
                sinks[0](batch)

            yield write
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _sink(
    stack: ExitStack, kind: FileFormat, draft: Path, schema: pa.Schema, *, zipped: bool
) -> Callable[[pa.RecordBatch], object]:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    sink: Callable[[pa.RecordBatch], object]
    if kind is FileFormat.PARQUET:
        # Profile ids hardly repeat within a batch: a dictionary of them would be built and thrown away.
        repeating = schema.names[:-1]
        writer = pq.ParquetWriter(draft, schema, compression="zstd", compression_level=1, use_dictionary=repeating)
        sink = stack.enter_context(writer).write_batch
    else:
        out = stack.enter_context(pa.CompressedOutputStream(draft, "gzip") if zipped else pa.OSFile(str(draft), "wb"))
        if kind is FileFormat.ARROW:
            sink = stack.enter_context(pa.ipc.new_file(out, schema)).write_batch
        else:
            sink = stack.enter_context(
                pc.CSVWriter(out, schema, write_options=pc.WriteOptions(quoting_style="needed"))
            ).write
    return sink

"""Tables read and written batch by batch, so that memory does not grow with the file."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from goldthread.domain.columns import PackedTexts
from goldthread.files.ahead import ahead
from goldthread.files.batches import BATCH_BYTES, BATCH_ROWS, even, group_batches, parquet_batches
from goldthread.files.failure import FileFormatError, arrow_errors
from goldthread.files.formats import (
    FileFormat,
    Malformed,
    arrow_table,
    column_names,
    format_of,
    has_odd_quotes,
    read_numbered_rows,
)
from goldthread.files.mapping import Mapping as ColumnMapping
from goldthread.files.mapping import is_whole, joint_of
from goldthread.files.parquet_pages import CHANGED, copied_with
from goldthread.files.reading import PASSED_OVER, PLAIN_VALUES, Reading
from goldthread.files.sink import check_storable_schema, written
from goldthread.files.texts import as_text, without_fractions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FlatBatch", "Sample", "append_column", "check_storable", "read_flat", "read_sample", "row_count"]

_MOST_HEADS = 100
"""Row groups that a sample looks into."""
_SAMPLE_CHARACTERS = 200
_BLOCK_BYTES = 8 << 20


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
    with arrow_errors(path, "not readable as Parquet"):
        return int(pq.read_metadata(path).num_rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Some rows of a file. Personal data."""

    columns: Mapping[str, Sequence[str | None]] = field(repr=False)
    """Values as text, cut where they are long, in the order of the file."""
    unreadable: Mapping[str, str]
    """Columns whose values are no texts, and of what type they are."""
    whole: bool
    """Whether these are all rows there are."""


def read_sample(path: Path, *, rows: int, malformed: Malformed | None = None) -> Sample:
    """At most so many rows of a file: the first, of a longer Parquet file the first of its row groups. At least the names if it has none.

    With `malformed`, what cannot be read of a text file is told there and passed over.
    """
    names = column_names(path, malformed=malformed)
    columns: dict[str, list[str | None]] = {name: [] for name in names}
    unreadable: dict[str, str] = {}
    seen = 0
    if format_of(path) is FileFormat.PARQUET:
        batches = _heads(path, rows)
    elif malformed is not None and format_of(path) is not FileFormat.ARROW:
        batches = _text_batches(names, (row for _, row in read_numbered_rows(path, malformed=malformed)))
    else:
        batches = _batches(path)
    for batch in batches:
        part = batch.slice(0, max(rows - seen, 0))
        seen += batch.num_rows
        for name, column in zip(part.schema.names, part.columns, strict=True):
            if name in columns:
                try:
                    columns[name] += _short_texts(path, name, column)
                except FileFormatError:
                    unreadable[name] = str(column.type).split("<", maxsplit=1)[0]
                    del columns[name]
        if seen > rows:
            break
    total = row_count(path)
    return Sample(columns=columns, unreadable=unreadable, whole=(seen if total is None else total) <= rows)


def read_flat(path: Path, mapping: ColumnMapping, beside: Collection[str] = ()) -> Iterator[FlatBatch]:
    """A file's rows in the flat columns of a mapping, in order, some ten thousand at a time. Constants are left to the caller.

    Columns of the file named in `beside` come as they are, where the file has them. Raises `FileFormatError`, for text formats with the line; rows
    before that line have been given by then.
    """
    claimed = _needed(mapping)
    needed = [*dict.fromkeys([*claimed, *beside])]
    for batch in ahead(_batches(path, check=True, wanted=needed or None)):
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        told = {name: as_text(path, name, columns[name]) for name in needed if name in columns}
        texts = {name: _meant(without_fractions(told[name]), mapping.reading) for name in claimed if name in told}
        yield FlatBatch(
            rows=batch.num_rows,
            columns={name: _packed(column) for name, column in _flat(texts, mapping)},
            extras={
                name: _packed(texts[extra.column]) for name, extra in mapping.extras.items() if extra.column in texts
            },
            beside={name: _packed(told[name]) for name in beside if name in told},
        )


def _flat(texts: Mapping[str, pa.Array], mapping: ColumnMapping) -> Iterator[tuple[str, pa.Array]]:
    import pyarrow as pa

    reading = mapping.reading
    for target, sources in mapping.columns.items():
        if all(name in texts for name in sources):
            made = _joined(target, [texts[name] for name in sources], first=target in mapping.firsts)
            if reading is not PLAIN_VALUES and reading.makes(target):
                values = (reading.made(target, value) if value else None for value in made.to_pylist())
                made = pa.array(values, pa.string())
            yield target, made
    passing = mapping.passing
    if passing.columns:
        cells = [texts[name].to_pylist() if name in texts else [] for name in passing.columns]
        rows = (dict(zip(passing.columns, row, strict=True)) for row in zip_longest(*cells))
        yield PASSED_OVER, pa.array(["true" if passing.over(row) else None for row in rows], pa.string())


def _meant(column: pa.Array, reading: Reading) -> pa.Array:
    import pyarrow as pa

    if reading.plain:
        return column
    return pa.array((reading.cell(value) if value else None for value in column.to_pylist()), pa.string())


def check_storable(source: Path, out: Path) -> None:
    """Refuses an output whose format cannot hold the columns of the source, naming the first that it cannot. Raises `FileFormatError`."""
    schema = _schema_of(source)
    if schema is not None:
        check_storable_schema(out, schema)


def append_column(source: Path, out: Path, name: str, *, rows: int, column: Callable[[int, int], PackedTexts]) -> None:
    """Writes the rows of a file with one column more: `column(start, stop)` gives its values for a range of the `rows` there are.

    The format is that of `out`'s name; between formats that know types, types stay. The file appears under its name only when it is
    complete. Raises `FileFormatError` as well if the file has another number of rows by now.
    """
    import pyarrow as pa

    added = partial(_texts, column)
    if {format_of(source), format_of(out)} == {FileFormat.PARQUET} and copied_with(source, out, name, rows, added):
        return
    row = stop = 0
    with written(out) as write:
        first = True
        for batch in ahead(_batches(source, empty=True)):
            stop = row + batch.num_rows
            if stop > rows:
                break
            if batch.num_rows or first:
                columns = [*batch.columns, added(row, stop)]
                write(pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, name]))
            first, row = False, stop
        if row != rows or stop != rows:
            raise FileFormatError(source, CHANGED)


def _texts(column: Callable[[int, int], PackedTexts], start: int, stop: int) -> pa.Array:
    import pyarrow as pa

    values = column(start, stop)
    buffers = [
        pa.py_buffer(part) if part is not None else None for part in (values.validity, values.offsets, values.data)
    ]
    return pa.Array.from_buffers(pa.string(), stop - start, buffers)


def _needed(mapping: ColumnMapping) -> list[str]:
    names = [name for sources in mapping.columns.values() for name in sources]
    return [*dict.fromkeys([*names, *(extra.column for extra in mapping.extras.values()), *mapping.passing.columns])]


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
            found = even(parquet_batches(path, wanted))
        case FileFormat.ARROW:
            found = even(_arrow_batches(path))
        case FileFormat.JSONL:
            found = _text_batches(column_names(path), (row for _, row in read_numbered_rows(path)))
    any_rows = False
    for batch in found:
        any_rows = any_rows or batch.num_rows > 0
        if batch.num_rows:
            yield batch
    if empty and not any_rows:
        import pyarrow as pa

        schema = _schema_of(path)
        yield _text_batch(column_names(path), []) if schema is None else pa.RecordBatch.from_pylist([], schema)


def _schema_of(path: Path) -> pa.Schema | None:
    """Columns and types of a file that knows types; None for text."""
    import pyarrow.parquet as pq

    match format_of(path):
        case FileFormat.PARQUET:
            with arrow_errors(path, "not readable as Parquet"):
                return pq.read_schema(path)
        case FileFormat.ARROW:
            with arrow_table(path) as reader:
                return reader.schema
        case _:
            return None


def _csv_batches(path: Path, *, check: bool, wanted: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv as pc

    names = column_names(path, FileFormat.CSV)
    done = 0
    try:
        # Arrow's reader takes a quote that is never closed for the end of the file; well-formed quoting has an even number of marks.
        if check and has_odd_quotes(path):
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


def _heads(path: Path, rows: int) -> Iterator[pa.RecordBatch]:
    """Rows from all over a Parquet file, about so many: files are often sorted."""
    import pyarrow.parquet as pq

    with arrow_errors(path, "not readable as Parquet"), pq.ParquetFile(path) as file:
        groups, few = file.num_row_groups, file.metadata.num_rows <= rows
        chosen = range(0, groups, 1 if few else max(groups // _MOST_HEADS, 1))
        share = rows if few else -(-rows // len(chosen))
        for group in chosen:
            left = share
            for batch in group_batches(file, group, None):
                yield batch.slice(0, left)
                left -= batch.num_rows
                if left <= 0:
                    break


def _arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    with arrow_table(path) as reader:
        yield from reader


def _text_batches(names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> Iterator[pa.RecordBatch]:
    chunk: list[Mapping[str, str]] = []
    weight = 0
    for row in rows:
        added = sum(map(len, row.values()))
        if chunk and (len(chunk) >= BATCH_ROWS or weight + added > BATCH_BYTES):
            yield _text_batch(names, chunk)
            chunk, weight = [], 0
        chunk.append(row)
        weight += added
    if chunk:
        yield _text_batch(names, chunk)


def _text_batch(names: Sequence[str], rows: Sequence[Mapping[str, str]]) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [pa.array([row.get(name) for row in rows], pa.string()) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _short_texts(path: Path, name: str, column: pa.Array) -> list[str | None]:
    import pyarrow.compute as pc

    texts = without_fractions(as_text(path, name, column))
    return [value or None for value in pc.utf8_slice_codeunits(texts, 0, _SAMPLE_CHARACTERS).to_pylist()]


def _joined(target: str, columns: Sequence[pa.Array], *, first: bool) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(columns) == 1:
        return columns[0]
    trimmed = [pc.utf8_trim_whitespace(column) for column in columns]
    parts = [pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column) for column in trimmed]
    joint = joint_of(target)
    if first:
        return pc.coalesce(*parts)
    if is_whole(target):
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

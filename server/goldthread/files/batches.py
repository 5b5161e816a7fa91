"""Batches of rows that are bounded by their bytes: a few kilobytes of a file can be thousands of values of a megabyte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

from goldthread.files.failure import arrow_errors

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["BATCH_BYTES", "BATCH_ROWS", "even", "group_batches", "parquet_batches", "pieces"]

BATCH_ROWS = 65_536
BATCH_BYTES = 32 << 20
"""A batch of fewer rows than `BATCH_ROWS` is not made longer than this: several are on their way at once."""
_STEP_ROWS = 256
"""Rows that Parquet is asked for at once. How long values are is known when they have been read: this many of the longest are in memory."""
_PROBE_ROWS = 16


def parquet_batches(path: Path, wanted: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file in small batches; columns that are not `wanted` are not read. Raises `FileFormatError`."""
    import pyarrow.parquet as pq

    with arrow_errors(path, "not readable as Parquet"), pq.ParquetFile(path) as file:
        names = None if wanted is None else [name for name in file.schema_arrow.names if name in wanted]
        for group in range(file.num_row_groups):
            yield from group_batches(file, group, names)


def group_batches(file: pq.ParquetFile, group: int, names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    """The rows of one row group in small batches."""
    # What the file says of its size is the size of its codes: only reading some rows tells how long their values are.
    probe = next(file.iter_batches(batch_size=_PROBE_ROWS, row_groups=[group], columns=names), None)
    if probe is not None and probe.num_rows:
        most = BATCH_BYTES * probe.num_rows // max(_weight(probe), 1)
        step = min(max(most, 1), _STEP_ROWS)
        yield from file.iter_batches(batch_size=step, row_groups=[group], columns=names)


def even(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches that are neither long nor heavy, nor needlessly short."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    rows = weight = 0
    for batch in batches:
        for part in pieces(batch):
            added = _weight(part)
            if held and (rows + part.num_rows > BATCH_ROWS or weight + added > BATCH_BYTES):
                yield held[0] if len(held) == 1 else pa.concat_batches(held)
                held, rows, weight = [], 0, 0
            held.append(part)
            rows, weight = rows + part.num_rows, weight + added
    if held:
        yield held[0] if len(held) == 1 else pa.concat_batches(held)


def pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows of a batch in parts that are neither long nor heavy. They share its memory."""
    if batch.num_rows > 1 and (batch.num_rows > BATCH_ROWS or _weight(batch) > BATCH_BYTES):
        half = batch.num_rows // 2
        yield from pieces(batch.slice(0, half))
        yield from pieces(batch.slice(half))
    else:
        yield batch


def _weight(batch: pa.RecordBatch) -> int:
    """Bytes of the values of a batch, of values that are stored once as often as they come."""
    return sum(map(_column_bytes, batch.columns))


def _column_bytes(column: pa.Array) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        words, codes = column.dictionary, column.indices
        if pa.types.is_string(words.type) or pa.types.is_large_string(words.type):
            return int(codes.nbytes + (pc.sum(pc.binary_length(words).take(codes)).as_py() or 0))
        return int(codes.nbytes + words.nbytes * len(codes) // max(len(words), 1))
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        # A slice has the values of all its batch. A view is 16 bytes, of which the first four are the length.
        _, views, *_ = column.buffers()
        lengths = memoryview(views).cast("i")[4 * column.offset :: 4][: len(column)] if views else ()
        return 16 * len(column) + sum(
            compress(lengths, column.is_valid().to_pylist()) if column.null_count else lengths
        )
    return int(column.nbytes)

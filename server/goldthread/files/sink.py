"""Tables written batch by batch: a file appears under its name when it is complete, and nothing is left of one that is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from goldthread.files.failure import FileFormatError, arrow_errors
from goldthread.files.formats import FileFormat, format_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check_storable_schema", "drafted", "written"]


def check_storable_schema(path: Path, schema: pa.Schema) -> None:
    """Refuses columns that a file of this name cannot hold; raises `FileFormatError` naming the first."""
    import pyarrow as pa

    kind = format_of(path)
    for field in schema:
        one = _storable(kind, pa.schema([field]))
        try:
            with ExitStack() as stack:
                _sink(stack, kind, pa.BufferOutputStream(), one, repeating=())
        except pa.ArrowException:
            what = str(field.type).split("<", maxsplit=1)[0]
            message = f"cannot hold column {field.name!r}, whose values are of type {what}; another format may"
            raise FileFormatError(path, message) from None


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A file beside the one of this name, which it becomes at the end; nothing is left of one that was not finished."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with arrow_errors(path, "cannot be written"):
            yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def written(path: Path) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Writes batches of one schema, which the first one brings.

    Types stay as far as the format has them: CSV has texts only, and Arrow files hold the values of dictionaries, since a file has one dictionary
    and batches may have several.
    """
    import pyarrow as pa

    kind = format_of(path)
    if kind is FileFormat.JSONL:
        raise FileFormatError(path, "tables are written as .csv, .csv.gz, .parquet or .arrow")
    # Errors outside: the ends of files are written, and a disk is full, when the sinks are closed.
    with drafted(path) as draft, ExitStack() as stack:
        sinks: list[Callable[[pa.RecordBatch], object]] = []
        schema: list[pa.Schema] = []

        def write(batch: pa.RecordBatch) -> None:
            if not sinks:
                schema.append(_storable(kind, batch.schema))
                zipped = path.name.lower().endswith(".gz")
                out = pa.CompressedOutputStream(draft, "gzip") if zipped else pa.OSFile(str(draft), "wb")
                # Profile ids hardly repeat within a batch: a dictionary of them would be built and thrown away.
                sinks.append(_sink(stack, kind, stack.enter_context(out), schema[0], repeating=schema[0].names[:-1]))
            sinks[0](batch if batch.schema.equals(schema[0]) else _recast(batch, schema[0]))

        yield write


def _storable(kind: FileFormat, schema: pa.Schema) -> pa.Schema:
    """The types in which columns are written."""
    import pyarrow as pa

    if kind is FileFormat.CSV:
        views = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
        return pa.schema([field.with_type(views.get(field.type, field.type)) for field in schema])
    if kind is FileFormat.ARROW:
        return pa.schema(
            [
                field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
                for field in schema
            ],
            schema.metadata,
        )
    return schema


def _recast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _sink(
    stack: ExitStack, kind: FileFormat, out: pa.NativeFile, schema: pa.Schema, *, repeating: list[str] | tuple[str, ...]
) -> Callable[[pa.RecordBatch], object]:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    sink: Callable[[pa.RecordBatch], object]
    match kind:
        case FileFormat.PARQUET:
            writer = pq.ParquetWriter(
                out, schema, compression="zstd", compression_level=1, use_dictionary=list(repeating)
            )
            sink = stack.enter_context(writer).write_batch
        case FileFormat.ARROW:
            sink = stack.enter_context(pa.ipc.new_file(out, schema)).write_batch
        case _:
            options = pc.WriteOptions(quoting_style="needed")
            sink = stack.enter_context(pc.CSVWriter(out, schema, write_options=options)).write
    return sink

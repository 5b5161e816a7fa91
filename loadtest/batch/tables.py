"""Tables of generated retail records, and their truth in a file of its own.

Usage: python -m loadtest.batch.tables RAW.csv OUT.parquet TRUTH.parquet
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from goldthread.files import column_names

__all__ = ["main"]

_BLOCK_BYTES = 32 << 20
_TRUTH = "truth"


def main(raw: Path, out: Path, truth: Path) -> None:
    """Writes a generated file as Parquet, everything as text: its claims, and the persons they are of."""
    names = column_names(raw)
    convert = pc.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=True,
    )
    reader = pc.open_csv(raw, read_options=pc.ReadOptions(block_size=_BLOCK_BYTES), convert_options=convert)
    parts = {out: [name for name in names if name != _TRUTH], truth: [_TRUTH]}
    with ExitStack() as stack:
        writers = {
            path: stack.enter_context(_drafted(path, _part(reader.schema, kept))) for path, kept in parts.items()
        }
        for batch in reader:
            for path, kept in parts.items():
                writers[path].write_batch(batch.select(kept))


def _part(schema: pa.Schema, names: list[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names])


@contextmanager
def _drafted(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Whoever finds the table takes it for whole."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
            yield writer
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

"""Tables of generated retail records, without the truth.

Usage: python -m loadtest.batch.tables RAW.csv OUT.parquet
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from goldthread.files import column_names

__all__ = ["main"]

_BLOCK_BYTES = 32 << 20


def main(raw: Path, out: Path) -> None:
    """Writes a generated file as Parquet, everything as text, without its truth."""
    names = [name for name in column_names(raw) if name != "truth"]
    convert = pc.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=names,
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=True,
    )
    reader = pc.open_csv(raw, read_options=pc.ReadOptions(block_size=_BLOCK_BYTES), convert_options=convert)
    # Whoever finds the table takes it for whole.
    draft = out.with_name(f".{out.name}.part")
    try:
        with pq.ParquetWriter(draft, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

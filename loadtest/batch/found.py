"""How right the clusters of a run are.

Usage: python -m loadtest.batch.found TRUTH.parquet OUT.parquet COLUMN. `COLUMN` names the cluster of each row, in the order of the truth unless `OUT` has
an `id` that tells the row; a row without a cluster is alone. Prints a line of JSON: precision, recall and F1 of all pairs of rows in one cluster.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from goldthread.matching.evaluation import compare_partitions

__all__ = ["found", "main"]

_ID = "id"


def found(truth: Path, out: Path, column: str) -> dict[str, float]:
    """Precision, recall and F1 of a run."""
    persons = pq.read_table(truth).column(0)
    table = pq.read_table(out, columns=[name for name in (_ID, column) if name in pq.read_schema(out).names])
    if _ID in table.column_names:
        table = table.sort_by(_ID)
    if table.num_rows != len(persons):
        raise SystemExit(f"{table.num_rows} rows, the truth has {len(persons)}")
    quality = compare_partitions(_numbers(persons), _numbers(table.column(column)))
    return {"precision": quality.precision, "recall": quality.recall, "f1": quality.f1}


def _numbers(column: pa.ChunkedArray) -> Sequence[int]:
    """Numbers of the values; a row without one has its own."""
    codes = column.combine_chunks().dictionary_encode().indices
    alone = pa.array(range(-1, -1 - len(codes), -1), pa.int32())
    numbers: list[int] = pc.coalesce(codes, alone).to_pylist()
    return numbers


def main(arguments: Sequence[str]) -> int:
    """Prints what was found; returns the exit code."""
    truth, out, column = arguments
    sys.stdout.write(json.dumps(found(Path(truth), Path(out), column)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

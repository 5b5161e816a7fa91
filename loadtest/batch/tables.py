"""Tables of generated retail records, without the truth.

Usage: python -m loadtest.batch.tables RAW.csv OUT.parquet
"""

from __future__ import annotations

import sys
from pathlib import Path

from goldthread.files import read_table, write_table

__all__ = ["main"]


def main(raw: Path, out: Path) -> None:
    """Writes a generated file as Parquet, without its truth."""
    columns = read_table(raw)
    del columns["truth"]
    write_table(out, columns)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

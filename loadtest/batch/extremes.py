"""Inputs made to hurt.

Usage: python -m loadtest.batch.extremes NUMBER OUT.parquet
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from goldthread.files import write_table

__all__ = ["main"]

_MIB = 1 << 20
_LONG = 1_000
Table = dict[str, list[str | None]]


def _long_names(out: Path) -> None:
    """A few kilobytes that are two thousand names of a mebibyte each; whoever reads all rows at once has two gibibytes."""
    given = [chr(97 + letter) * _MIB for letter in range(26)]
    table = {
        "given_name": pa.DictionaryArray.from_arrays(pa.array([row % 26 for row in range(_LONG)]), given),
        "family_name": pa.DictionaryArray.from_arrays(pa.array([0] * _LONG), ["Smith " * (_MIB // 6)]),
        "email": [f"person{row % 20}@shop.org" for row in range(_LONG)],
    }
    pq.write_table(pa.table(table), out, compression="zstd", store_schema=False)


def _identical() -> Table:
    rows = 100_000
    return {
        "source": [f"till {row}" for row in range(rows)],
        "given_name": ["Ann"] * rows,
        "family_name": ["Smith"] * rows,
        "street": ["1 Main St"] * rows,
        "city": ["Springfield"] * rows,
        "postcode": ["98204"] * rows,
        "birth_date": ["1980-05-12"] * rows,
    }


def _one_block() -> Table:
    rows = 100_000
    return {
        "given_name": ["Ann"] * rows,
        "family_name": ["Smith"] * rows,
        "email": [f"ann{row}@shop.org" for row in range(rows)],
    }


def _one_phone() -> Table:
    rows = 100_000
    return {"phone": ["(360) 671-8751"] * rows, "email": [f"ann{row}@shop.org" for row in range(rows)]}


def _chain() -> Table:
    """Every record shares its e-mail with the one before and its phone with the one after."""
    rows = 100_000
    return {
        "email": [f"ann{row // 2}@shop.org" for row in range(rows)],
        "phone": [f"+1360{2_000_000 + (row + 1) // 2:07}" for row in range(rows)],
    }


_TABLES = (_identical, _one_block, _one_phone, _chain)


def main(number: int, out: Path) -> None:
    """Writes the input of a number, counted as in `loadtest.batch.bounds.EXTREMES`."""
    if number:
        write_table(out, _TABLES[number - 1]())
    else:
        _long_names(out)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

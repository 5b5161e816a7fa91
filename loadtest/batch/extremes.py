"""Inputs made to hurt: each is written as a table, matched in a process of its own, and held against bounds on time and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from goldthread.files import write_table

__all__ = ["EXTREMES", "Extreme"]

_MIB = 1 << 20
Table = dict[str, list[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extreme:
    """An input and the most that it may take."""

    name: str
    make: Callable[[], Table]
    cpu_seconds: float
    peak_bytes: int

    def write(self, folder: Path) -> Path:
        """Writes the table; gives its path."""
        path = folder / f"{self.name.replace(' ', '_')}.parquet"
        write_table(path, self.make())
        return path


def _long_names() -> Table:
    return {
        "given_name": [chr(97 + row % 26) * _MIB for row in range(40)],
        "family_name": [("Smith " * (_MIB // 6)) for _ in range(40)],
        "email": [f"person{row % 20}@shop.org" for row in range(40)],
    }


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


EXTREMES = (
    Extreme(name="names of 1 MiB", make=_long_names, cpu_seconds=60, peak_bytes=1024 * _MIB),
    Extreme(name="100,000 records that are equal", make=_identical, cpu_seconds=60, peak_bytes=1024 * _MIB),
    Extreme(name="100,000 records in one block", make=_one_block, cpu_seconds=60, peak_bytes=1024 * _MIB),
    Extreme(name="100,000 records of one phone", make=_one_phone, cpu_seconds=60, peak_bytes=1024 * _MIB),
    Extreme(name="a chain of 100,000 records", make=_chain, cpu_seconds=60, peak_bytes=1024 * _MIB),
)

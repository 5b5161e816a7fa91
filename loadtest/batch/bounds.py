"""What inputs made to hurt may take."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXTREMES", "Extreme"]


@dataclass(frozen=True, slots=True)
class Extreme:
    """An input and the most that it may take."""

    name: str
    cpu_seconds: float
    peak_mib: int


EXTREMES = (
    Extreme("names of 1 MiB", 30, 1024),
    Extreme("100,000 records that are equal", 30, 1024),
    Extreme("100,000 records in one block", 30, 1024),
    Extreme("100,000 records of one phone", 30, 1024),
    Extreme("a chain of 100,000 records", 30, 1024),
)
"""In the order in which `loadtest.batch.extremes` makes them."""

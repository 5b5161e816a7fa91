"""Reproducible draws: the only place of the generator that turns a seed into choices.

Every choice comes from ``random.Random.random``, whose sequence for a seed Python promises to keep. No other method of
``Random`` and no transcendental function of the platform's C library is used, so the same seed and options give the
same bytes on every machine and Python version.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar
from zlib import crc32

__all__ = ["Dice", "Seen", "WeightedTable"]

T = TypeVar("T")


class WeightedTable(Generic[T]):
    """Values to be drawn in proportion to whole-number weights, in O(log n). ``bounds`` are the summed weights."""

    __slots__ = ("bounds", "total", "values")

    def __init__(self, pairs: Sequence[tuple[T, int]]) -> None:
        if not pairs or any(weight <= 0 for _, weight in pairs):
            raise ValueError("a weighted table needs at least one value and positive weights")
        self.values = [value for value, _ in pairs]
        self.bounds = list(accumulate(weight for _, weight in pairs))
        self.total = self.bounds[-1]


class Dice:
    """A seeded stream of choices."""

    __slots__ = ("roll",)

    def __init__(self, seed: int) -> None:
        self.roll = Random(seed).random  # noqa: S311 -- reproducible on purpose, guards nothing

    def chance(self, probability: float) -> bool:
        """Returns true with the given probability."""
        return self.roll() < probability

    def below(self, limit: int) -> int:
        """Returns a whole number from 0 to ``limit - 1``."""
        return int(self.roll() * limit)

    def between(self, low: int, high: int) -> int:
        """Returns a whole number from ``low`` to ``high``, both included."""
        return low + int(self.roll() * (high - low + 1))

    def pick(self, values: Sequence[T]) -> T:
        """Returns one of the values, all equally likely."""
        return values[int(self.roll() * len(values))]

    def weighted(self, table: WeightedTable[T]) -> T:
        """Returns one of the table's values by weight."""
        return table.values[bisect_right(table.bounds, int(self.roll() * table.total))]

    def digits(self, count: int) -> str:
        """Returns ``count`` decimal digits (at most 15)."""
        return f"{int(self.roll() * 10**count):0{count}d}"

    def hexadecimal(self, count: int) -> str:
        """Returns ``count`` lower-case hexadecimal digits (at most 13)."""
        return f"{int(self.roll() * 16**count):0{count}x}"


class Seen:
    """Remembers values in a bitmap of fixed size: never calls a used value fresh, may call a fresh one used.

    This keeps e-mails and phones of millions of people unique without keeping them.
    """

    __slots__ = ("_bits", "_mask")

    def __init__(self, expected: int) -> None:
        width = max(16, min(32, (expected * 64).bit_length()))
        self._bits = bytearray(1 << (width - 3))
        self._mask = (1 << width) - 1

    def add(self, value: str) -> bool:
        """Marks the value as used. Returns whether it was certainly fresh."""
        place = crc32(value.encode()) & self._mask
        byte, bit = place >> 3, 1 << (place & 7)
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        return True

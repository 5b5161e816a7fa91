"""Columns of texts packed into bytes: how tables too large for objects pass from floor to floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

__all__ = ["PackedTexts", "TextColumn"]

_OFFSET_BYTES = 4


class PackedTexts(NamedTuple):
    """Optional texts of many rows as Apache Arrow lays them out.

    `offsets` are 32-bit integers in the order of the machine, one more than there are rows; row i is `data[offsets[i]:offsets[i + 1]]` in UTF-8. In
    `validity`, if there is one, bit i (lowest first) tells whether row i has a value.
    """

    offsets: bytes
    data: bytes
    validity: bytes | None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.offsets) // _OFFSET_BYTES - 1

    @classmethod
    def missing(cls, rows: int) -> PackedTexts:
        """A column without any value."""
        return cls(bytes(_OFFSET_BYTES * (rows + 1)), b"", bytes((rows + 7) // 8))

    def texts(self) -> list[str | None]:
        """The column as a list."""
        offsets = memoryview(self.offsets).cast("i")
        bits = self.validity
        return [
            self.data[offsets[row] : offsets[row + 1]].decode()
            if bits is None or bits[row // 8] >> row % 8 & 1
            else None
            for row in range(self.rows)
        ]


TextColumn: TypeAlias = Sequence[str | None] | PackedTexts
"""A column as a list, or packed."""

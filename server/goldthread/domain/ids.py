"""Ids that are given out: UUID version 7 (RFC 9562 section 5.7), from a clock and a random source that are passed in."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

__all__ = ["BirthIds"]

_RANDOM_BYTES = 10


class BirthIds:
    """Makes birth ids: 48 bits of milliseconds since 1970, 74 random bits. Callable from several threads if its sources are."""

    def __init__(self, *, milliseconds: Callable[[], int], entropy: Callable[[int], bytes]) -> None:
        self._milliseconds = milliseconds
        self._entropy = entropy

    def new(self) -> UUID:
        """A fresh id."""
        value = (self._milliseconds() & (2**48 - 1)) << 80 | int.from_bytes(self._entropy(_RANDOM_BYTES), "big")
        value = value & ~(0xF << 76) | 0x7 << 76
        return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)

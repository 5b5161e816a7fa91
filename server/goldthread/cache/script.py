"""The compare-and-set script and the arguments of its calls."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files

from goldthread.cache.entries import Lifetimes, card_key, pack
from goldthread.domain.ports import CachedAnswer

__all__ = ["CompareAndSet"]

_CHUNK = 256
"""Entries per call: the server runs a script in one piece, so this bounds how long others wait (well under a millisecond)."""


class CompareAndSet:
    """Text and digest of the script; entries cut into calls."""

    def __init__(self, lifetimes: Lifetimes) -> None:
        self.text = files("goldthread.cache").joinpath("compare_and_set.lua").read_text("utf-8")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self._lifetimes = lifetimes

    def calls(self, entries: Sequence[tuple[bytes, CachedAnswer]]) -> Iterator[tuple[int, list[bytes | int]]]:
        """Number of keys, and keys followed by arguments, of each call, in the order of the entries."""
        for start in range(0, len(entries), _CHUNK):
            part = entries[start : start + _CHUNK]
            arguments: list[bytes | int] = [card_key(token) for token, _ in part]
            for _, entry in part:
                arguments += (pack(entry), self._lifetimes.milliseconds(entry))
            yield len(part), arguments

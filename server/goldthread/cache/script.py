"""The scripts that run in the cache's server, and the arguments of their calls."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files

from goldthread.cache.entries import GENERATION_KEY, Lifetimes, card_key, pack, pack_version
from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import CachedAnswer, CardVersion

__all__ = ["CompareAndDelete", "CompareAndSet", "Script"]

_CHUNK = 256
"""Entries per call: the server runs a script in one piece, so this bounds how long others wait (well under a millisecond)."""


class Script:
    """Text and digest of a script."""

    def __init__(self, name: str) -> None:
        self.text = files("goldthread.cache").joinpath(name).read_text("utf-8")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class CompareAndSet(Script):
    """Writes entries by version; entries cut into calls."""

    def __init__(self, lifetimes: Lifetimes) -> None:
        super().__init__("compare_and_set.lua")
        self._lifetimes = lifetimes

    def calls(
        self, entries: Sequence[tuple[bytes, CachedAnswer]], generation: bytes
    ) -> Iterator[tuple[int, list[bytes | int]]]:
        """Number of keys, and keys followed by arguments, of each call, in the order of the entries."""
        for start in range(0, len(entries), _CHUNK):
            part = entries[start : start + _CHUNK]
            arguments: list[bytes | int] = [GENERATION_KEY, *(card_key(token) for token, _ in part), generation]
            for _, entry in part:
                arguments += (pack(entry), self._lifetimes.milliseconds(entry))
            yield len(part) + 1, arguments

    @staticmethod
    def written(result: int) -> int:
        """How many entries a call wrote; raises `CacheUnavailableError` if the cache was emptied meanwhile."""
        if result < 0:
            raise CacheUnavailableError(
                "the cache was emptied meanwhile", metadata={"operation": "put", "cause": "generation"}
            )
        return result


class CompareAndDelete(Script):
    """Removes cards by version; cards cut into calls."""

    def __init__(self) -> None:
        super().__init__("compare_and_delete.lua")

    def calls(self, cards: Sequence[CardVersion]) -> Iterator[tuple[int, list[bytes | int]]]:
        """Number of keys, and keys followed by arguments, of each call."""
        for start in range(0, len(cards), _CHUNK):
            part = cards[start : start + _CHUNK]
            arguments: list[bytes | int] = [card_key(card.token) for card in part]
            arguments += (pack_version(card.version) for card in part)
            yield len(part), arguments

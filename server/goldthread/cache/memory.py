"""Memory twins of the card cache, for tests; held to the same contract as the real ones (tests/contract/test_card_store.py)."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from goldthread.domain.ports import CachedAnswer

__all__ = ["MemoryCardCache", "MemoryCardStore"]


class MemoryCardStore:
    """A `CardStore` in a dictionary, without expiry; thread-safe."""

    def __init__(self) -> None:
        self._entries: dict[bytes, CachedAnswer] = {}
        self._lock = Lock()

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]]) -> int:
        """See `CardStore`."""
        written = 0
        with self._lock:
            for token, entry in entries:
                stored = self._entries.get(token)
                if stored is None or entry.version > stored.version or entry.version == stored.version != 0:
                    self._entries[token] = entry
                    written += 1
        return written

    def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]:
        """Entries in the order of the tokens; None where there is none."""
        with self._lock:
            return [self._entries.get(token) for token in tokens]

    def forget(self) -> None:
        """Drops everything, as a flushed or restarted cache would."""
        with self._lock:
            self._entries.clear()


class MemoryCardCache:
    """The same store seen by a lookup."""

    def __init__(self, store: MemoryCardStore) -> None:
        self._store = store

    async def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]:
        """See `AsyncCardCache.get_many`."""
        return self._store.get_many(tokens)

    async def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]]) -> int:
        """See `AsyncCardCache.put_many`."""
        return self._store.put_many(entries)

"""Memory twins of the card cache, for tests; held to the same contract as the real ones (tests/contract/test_card_store.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock

from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import CachedAnswer, CardVersion

__all__ = ["MemoryCardCache", "MemoryCardStore"]


class MemoryCardStore:
    """A `CardShelf` in a dictionary, without expiry; thread-safe."""

    def __init__(self) -> None:
        self._entries: dict[bytes, CachedAnswer] = {}
        self._lock = Lock()
        self._generation = 1

    def generation(self) -> bytes:
        """See `CardStore`."""
        return self._generation.to_bytes(16)

    def begin_generation(self) -> None:
        """See `CardShelf`."""
        with self._lock:
            self._generation += 1

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int:
        """See `CardStore`."""
        written = 0
        with self._lock:
            if generation != self.generation():
                raise CacheUnavailableError("the cache was emptied meanwhile")
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

    def cards(self) -> Iterator[list[CardVersion]]:
        """See `CardShelf`."""
        with self._lock:
            found = [CardVersion(token, entry.version) for token, entry in self._entries.items()]
        for start in range(0, len(found), 100):
            yield found[start : start + 100]

    def remove_many(self, cards: Sequence[CardVersion]) -> int:
        """See `CardShelf`."""
        with self._lock:
            same = {
                card.token
                for card in cards
                if (entry := self._entries.get(card.token)) is not None and entry.version == card.version
            }
            for token in same:
                del self._entries[token]
        return len(same)

    def forget(self) -> None:
        """Drops everything, as a flushed or restarted cache would."""
        with self._lock:
            self._entries.clear()
            self._generation += 1


class MemoryCardCache:
    """The same store seen by a lookup."""

    def __init__(self, store: MemoryCardStore) -> None:
        self._store = store

    async def read(self, tokens: Sequence[bytes]) -> tuple[bytes, list[CachedAnswer | None]]:
        """The generation, and entries in the order of the tokens, as the data plane reads them."""
        return self._store.generation(), self._store.get_many(tokens)

    async def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int:
        """See `CardFiller.put_many`."""
        return self._store.put_many(entries, generation=generation)

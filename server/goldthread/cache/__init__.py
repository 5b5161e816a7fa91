"""The card cache: encoded answers by token, written by compare-and-set. The only importer of redis."""

from __future__ import annotations

from goldthread.cache.breaker import Breaker
from goldthread.cache.entries import card_key
from goldthread.cache.filler import CardFiller
from goldthread.cache.memory import MemoryCardCache, MemoryCardStore
from goldthread.cache.settings import CacheSettings
from goldthread.cache.store import RedisCardStore

__all__ = [
    "Breaker",
    "CacheSettings",
    "CardFiller",
    "MemoryCardCache",
    "MemoryCardStore",
    "RedisCardStore",
    "card_key",
]

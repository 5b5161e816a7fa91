"""How an answer lies in the cache: `gt:card:<disclosure class>:<token in hex>` holds eight bytes of version and the encoded answer.

There is one disclosure class today, `register`: what a till may show. A card that shows more gets keys of its own, so the class is
decided when a card is written and no reader can ask for more than its class.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from goldthread.cache.settings import CacheSettings
from goldthread.domain.ports import CachedAnswer

__all__ = ["Lifetimes", "card_key", "pack", "unpack"]

_PREFIX = b"gt:card:register:"
_VERSION = struct.Struct(">Q")


def card_key(token: bytes) -> bytes:
    """Cache key of a token's card."""
    return _PREFIX + token.hex().encode()


def pack(entry: CachedAnswer) -> bytes:
    """Stored form of an entry."""
    return _VERSION.pack(entry.version) + entry.encoded


def unpack(value: bytes | None) -> CachedAnswer | None:
    """The entry of a stored value; None if there is none or it is too short to be one (it then counts as absent and is overwritten)."""
    if value is None or len(value) < _VERSION.size:
        return None
    return CachedAnswer(_VERSION.unpack_from(value)[0], value[_VERSION.size :])


class Lifetimes:
    """Times to live with jitter; `draw` gives numbers from 0 to below 1."""

    def __init__(self, settings: CacheSettings, *, draw: Callable[[], float]) -> None:
        self._settings = settings
        self._draw = draw

    def milliseconds(self, entry: CachedAnswer) -> int:
        """Time to live of an entry, at least 1."""
        settings = self._settings
        seconds = settings.ttl_seconds if entry.version else settings.negative_ttl_seconds
        factor = 1 + settings.ttl_jitter * (2 * self._draw() - 1)
        return max(1, round(seconds * 1000 * factor))

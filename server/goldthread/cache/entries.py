"""How an answer lies in the cache: `gt:card:<disclosure class>:<token in hex>` holds eight bytes of version and the encoded answer.

Nothing after the version means NOT_FOUND. `gt:cards` holds the generation, a random name that is lost when the cache is emptied: a write says
under which generation its answers were read, so an answer read before the cache was emptied, and overtaken since, is not written after it.

There is one disclosure class today, `register`: what a till may show. A card that shows more gets keys of its own, so the class is
decided when a card is written and no reader can ask for more than its class.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from goldthread.cache.settings import CacheSettings
from goldthread.domain.ports import CachedAnswer, CardVersion

__all__ = ["CARD_PATTERN", "GENERATION_KEY", "Lifetimes", "card_key", "card_version", "pack", "pack_version", "unpack"]

GENERATION_KEY = b"gt:cards"
_PREFIX = b"gt:card:register:"
_VERSION = struct.Struct(">Q")
CARD_PATTERN = _PREFIX + b"*"


def card_key(token: bytes) -> bytes:
    """Cache key of a token's card."""
    return _PREFIX + token.hex().encode()


def pack(entry: CachedAnswer) -> bytes:
    """Stored form of an entry."""
    return _VERSION.pack(entry.version) + entry.encoded


def pack_version(version: int) -> bytes:
    """Stored form of a version: the beginning of a stored entry."""
    return _VERSION.pack(version)


def card_version(key: bytes, value: bytes) -> CardVersion | None:
    """The token and version of a card's key and the beginning of its value; None if either is damaged."""
    try:
        return CardVersion(bytes.fromhex(key.removeprefix(_PREFIX).decode()), _VERSION.unpack_from(value)[0])
    except (ValueError, struct.error):
        return None


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
        seconds = settings.negative_ttl_seconds if entry.negative or not entry.version else settings.ttl_seconds
        factor = 1 + settings.ttl_jitter * (2 * self._draw() - 1)
        return max(1, round(seconds * 1000 * factor))

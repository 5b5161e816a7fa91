"""Settings of the card cache."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from goldthread.domain.errors import SettingsError

__all__ = ["CacheSettings"]

_PARAMETERS = {"db", "username", "password", "ssl_ca_certs"}
"""What means the same to every process that uses the cache: lookups read it through a client of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """Where the cache is and how long it may take and keep.

    `timeout_ms` bounds one read or write at a lookup's side, `relay_timeout_ms` one batch of the relay. Entries live `ttl_seconds`, negative
    ones `negative_ttl_seconds`, each drawn ± `ttl_jitter` apart so that entries written together do not expire together. After
    `breaker_failures` failures in a row readers leave the cache alone for `breaker_seconds`.
    """

    url: str = field(repr=False)
    timeout_ms: int = 20
    relay_timeout_ms: int = 2_000
    max_connections: int = 64
    ttl_seconds: int = 24 * 3600
    negative_ttl_seconds: int = 60
    ttl_jitter: float = 0.2
    breaker_failures: int = 3
    breaker_seconds: float = 0.5

    def __post_init__(self) -> None:
        if not self.url.startswith(("redis://", "rediss://", "unix://")):
            raise SettingsError("cache.url", "must start with redis://, rediss:// or unix://")
        asked = parse_qs(urlsplit(self.url).query, keep_blank_values=True)
        if not asked.keys() <= _PARAMETERS:
            raise SettingsError("cache.url", "after ? only db, username, password and ssl_ca_certs are known")
        if not all(number.isdecimal() for number in asked.get("db", ())):
            raise SettingsError("cache.url", "db must be a number")
        for name in (
            "timeout_ms",
            "relay_timeout_ms",
            "max_connections",
            "ttl_seconds",
            "negative_ttl_seconds",
            "breaker_failures",
        ):
            if getattr(self, name) < 1:
                raise SettingsError(f"cache.{name}", "must be at least 1")
        if not 0 <= self.ttl_jitter < 1:
            raise SettingsError("cache.ttl_jitter", "must be from 0 to below 1")
        if self.breaker_seconds <= 0:
            raise SettingsError("cache.breaker_seconds", "must be above 0")

"""The cache seen by who asks the ledger for lookups: filled asynchronously, bounded in time, guarded by a breaker. Rust reads it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from goldthread.cache.breaker import Breaker
from goldthread.cache.entries import Lifetimes
from goldthread.cache.script import CompareAndSet
from goldthread.cache.settings import CacheSettings
from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import CachedAnswer

__all__ = ["CardFiller"]


class CardFiller:
    """Fills cards from one event loop. Every call ends within `timeout_ms` and raises `CacheUnavailableError` if it could not."""

    def __init__(
        self,
        settings: CacheSettings,
        *,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = settings.timeout_ms / 1000
        pool = BlockingConnectionPool.from_url(
            settings.url,
            max_connections=settings.max_connections,
            timeout=self._seconds,
            socket_timeout=self._seconds,
            socket_connect_timeout=self._seconds,
            # One retry at once, for a pooled connection that a restarted server left half closed; never after a timeout.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self._client = Redis.from_pool(pool)
        self._script = CompareAndSet(Lifetimes(settings, draw=draw))
        self._breaker = Breaker(failures=settings.breaker_failures, seconds=settings.breaker_seconds, clock=clock)

    async def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int:
        """Compare-and-set as `CardStore.put_many`; returns how many were written."""
        return sum(map(self._script.written, await self._bounded(lambda: self._put(entries, generation))))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _put(self, entries: Sequence[tuple[bytes, CachedAnswer]], generation: bytes) -> list[int]:
        results: list[int] = []
        for count, arguments in self._script.calls(entries, generation):
            try:
                result = await cast("Awaitable[int]", self._client.evalsha(self._script.sha, count, *arguments))
            except NoScriptError:
                result = await cast("Awaitable[int]", self._client.eval(self._script.text, count, *arguments))
            results.append(result)
        return results

    async def _bounded(self, call: Callable[[], Awaitable[list[int]]]) -> list[int]:
        if not self._breaker.allows():
            raise CacheUnavailableError(
                "the cache is left alone after failures", metadata={"operation": "put", "cause": "breaker"}
            )
        try:
            async with asyncio.timeout(self._seconds):
                result = await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed()
            raise CacheUnavailableError(
                "the cache does not answer", metadata={"operation": "put", "cause": type(error).__name__}
            ) from error
        self._breaker.succeeded()
        return result

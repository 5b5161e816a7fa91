"""The cache seen by a lookup: asynchronous, bounded in time, guarded by a breaker."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from goldthread.cache.breaker import Breaker
from goldthread.cache.entries import GENERATION_KEY, Lifetimes, card_key, unpack
from goldthread.cache.script import CompareAndSet
from goldthread.cache.settings import CacheSettings
from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import CachedAnswer

__all__ = ["AsyncCardCache"]

_T = TypeVar("_T")


class AsyncCardCache:
    """Reads and fills cards from one event loop. Every call ends within `timeout_ms` and raises `CacheUnavailableError` if it could not."""

    def __init__(
        self,
        settings: CacheSettings,
        *,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        name: Callable[[], bytes] = lambda: os.urandom(16),
    ) -> None:
        self._name = name
        self._generation = b""
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

    async def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]:
        """Entries in the order of the tokens; None where there is none."""
        if not tokens:
            return []
        generation, *values = await self._bounded("get", lambda: self._get(tokens))
        self._generation = generation or b""
        return [unpack(value) for value in values]

    def generation(self) -> bytes:
        """The generation that the last `get_many` found; empty, and good for no write, if there was none."""
        return self._generation

    async def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int:
        """Compare-and-set as `CardStore.put_many`; returns how many were written."""
        return sum(map(self._script.written, await self._bounded("put", lambda: self._put(entries, generation))))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _get(self, tokens: Sequence[bytes]) -> list[bytes | None]:
        """The generation, and the stored values in the order of the tokens. A cache without a generation is empty: it gets one."""
        keys = [GENERATION_KEY, *(card_key(token) for token in tokens)]
        values = await cast("Awaitable[list[bytes | None]]", self._client.mget(keys))
        if values[0] is None:
            await cast("Awaitable[bool | None]", self._client.set(GENERATION_KEY, self._name(), nx=True))
            values = await cast("Awaitable[list[bytes | None]]", self._client.mget(keys))
        return values

    async def _put(self, entries: Sequence[tuple[bytes, CachedAnswer]], generation: bytes) -> list[int]:
        results: list[int] = []
        for count, arguments in self._script.calls(entries, generation):
            try:
                result = await cast("Awaitable[int]", self._client.evalsha(self._script.sha, count, *arguments))
            except NoScriptError:
                result = await cast("Awaitable[int]", self._client.eval(self._script.text, count, *arguments))
            results.append(result)
        return results

    async def _bounded(self, operation: str, call: Callable[[], Awaitable[_T]]) -> _T:
        if not self._breaker.allows():
            raise CacheUnavailableError(
                "the cache is left alone after failures", metadata={"operation": operation, "cause": "breaker"}
            )
        try:
            async with asyncio.timeout(self._seconds):
                result = await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed()
            raise CacheUnavailableError(
                "the cache does not answer", metadata={"operation": operation, "cause": type(error).__name__}
            ) from error
        self._breaker.succeeded()
        return result

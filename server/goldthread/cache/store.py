"""The cache seen by the relay: blocking, thread-safe, batches only."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from goldthread.cache.entries import Lifetimes, card_key, unpack
from goldthread.cache.script import CompareAndSet
from goldthread.cache.settings import CacheSettings
from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import CachedAnswer

__all__ = ["RedisCardStore"]


class RedisCardStore:
    """A `CardStore` on a Redis-compatible server. `draw` gives the jitter of lifetimes."""

    def __init__(self, settings: CacheSettings, *, draw: Callable[[], float] = random.random) -> None:
        seconds = settings.relay_timeout_ms / 1000
        self._client = Redis.from_url(
            settings.url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            # One retry at once, for a pooled connection that a restarted server left half closed; never after a timeout.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self._script = CompareAndSet(Lifetimes(settings, draw=draw))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]]) -> int:
        """See `CardStore`. Each call to the server is atomic for at most 256 entries, the batch as a whole is not."""
        written = 0
        with _translated("put"):
            for count, arguments in self._script.calls(entries):
                try:
                    written += cast("int", self._client.evalsha(self._script.sha, count, *arguments))
                except NoScriptError:
                    written += cast("int", self._client.eval(self._script.text, count, *arguments))
        return written

    def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]:
        """Entries in the order of the tokens; None where there is none. Raises `CacheUnavailableError`."""
        if not tokens:
            return []
        with _translated("get"):
            values = self._client.mget([card_key(token) for token in tokens])
        return [unpack(cast("bytes | None", value)) for value in values]

    def ping(self) -> None:
        """Returns if the server answers; raises `CacheUnavailableError` if not."""
        with _translated("ping"):
            self._client.ping()

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


@contextmanager
def _translated(operation: str) -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise CacheUnavailableError(
            "the cache does not answer", metadata={"operation": operation, "cause": type(error).__name__}
        ) from error

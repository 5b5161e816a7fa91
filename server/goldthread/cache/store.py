"""The cache seen by the relay and its rebuild: blocking, thread-safe, batches only."""

from __future__ import annotations

import os
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

from goldthread.cache.entries import CARD_PATTERN, GENERATION_KEY, Lifetimes, card_key, card_version, unpack
from goldthread.cache.script import CompareAndDelete, CompareAndSet, Script
from goldthread.cache.settings import CacheSettings
from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import CachedAnswer, CardVersion

__all__ = ["RedisCardStore"]

_SCAN_KEYS = 1_000


class RedisCardStore:
    """A `CardShelf` on a Redis-compatible server. `draw` gives the jitter of lifetimes, `name` 16 random bytes."""

    def __init__(
        self,
        settings: CacheSettings,
        *,
        draw: Callable[[], float] = random.random,
        name: Callable[[], bytes] = lambda: os.urandom(16),
    ) -> None:
        self._name = name
        seconds = settings.relay_timeout_ms / 1000
        self._client = Redis.from_url(
            settings.url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            # One retry at once, for a pooled connection that a restarted server left half closed; never after a timeout.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self._set = CompareAndSet(Lifetimes(settings, draw=draw))
        self._delete = CompareAndDelete()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def generation(self) -> bytes:
        """See `CardStore`: one round trip."""
        with _translated("generation"):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.set(GENERATION_KEY, self._name(), nx=True)
            pipeline.get(GENERATION_KEY)
            return cast("bytes", pipeline.execute()[1] or b"")

    def begin_generation(self) -> None:
        """See `CardShelf`."""
        with _translated("generation"):
            self._client.set(GENERATION_KEY, self._name())

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int:
        """See `CardStore`. Each call to the server is atomic for at most 256 entries, the batch as a whole is not."""
        written = 0
        with _translated("put"):
            for count, arguments in self._set.calls(entries, generation):
                written += self._set.written(self._run(self._set, count, arguments))
        return written

    def cards(self) -> Iterator[list[CardVersion]]:
        """See `CardShelf`: pages of about 1,000 by SCAN, which takes no longer than a call each."""
        cursor = 0
        while True:
            with _translated("scan"):
                cursor, keys = cast(
                    "tuple[int, list[bytes]]", self._client.scan(cursor, match=CARD_PATTERN, count=_SCAN_KEYS)
                )
                pipeline = self._client.pipeline(transaction=False)
                for key in keys:
                    pipeline.getrange(key, 0, 7)
                values = cast("list[bytes]", pipeline.execute()) if keys else []
            found = (card_version(key, value) for key, value in zip(keys, values, strict=True))
            yield [card for card in found if card is not None]
            if not cursor:
                return

    def remove_many(self, cards: Sequence[CardVersion]) -> int:
        """See `CardShelf`."""
        with _translated("remove"):
            return sum(self._run(self._delete, count, arguments) for count, arguments in self._delete.calls(cards))

    def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]:
        """Entries in the order of the tokens; None where there is none. Raises `CacheUnavailableError`."""
        if not tokens:
            return []
        with _translated("get"):
            values = self._client.mget([card_key(token) for token in tokens])
        return [unpack(cast("bytes | None", value)) for value in values]

    def _run(self, script: Script, count: int, arguments: Sequence[bytes | int]) -> int:
        try:
            return cast("int", self._client.evalsha(script.sha, count, *arguments))
        except NoScriptError:
            return cast("int", self._client.eval(script.text, count, *arguments))

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

"""One contract for every card cache: the memory twin, the relay's blocking store and the lookup's asynchronous one on a real server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Protocol

import pytest

from goldthread.cache import AsyncCardCache, CacheSettings, MemoryCardCache, MemoryCardStore, RedisCardStore
from goldthread.domain.ports import CachedAnswer

TOKEN = bytes(range(32))
OTHER = bytes(range(1, 33))


class Store(Protocol):
    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]]) -> int: ...

    def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]: ...


class Blocking:
    """An asynchronous cache behind the blocking face; one connection pool per loop, so one loop for all calls."""

    def __init__(self, cache: AsyncCardCache | MemoryCardCache, loop: asyncio.AbstractEventLoop) -> None:
        self._cache = cache
        self._loop = loop

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]]) -> int:
        return self._loop.run_until_complete(self._cache.put_many(entries))

    def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]:
        return self._loop.run_until_complete(self._cache.get_many(tokens))


@pytest.fixture(params=["memory", "memory-async", "redis", "redis-async"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryCardStore()
        return
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        if request.param == "memory-async":
            yield Blocking(MemoryCardCache(MemoryCardStore()), loop)
            return
        request.getfixturevalue("card_client")
        settings = CacheSettings(url=request.getfixturevalue("card_server").endpoint, timeout_ms=2_000)
        if request.param == "redis":
            with RedisCardStore(settings) as real:
                yield real
        else:
            cache = AsyncCardCache(settings)
            yield Blocking(cache, loop)
            loop.run_until_complete(cache.close())


def entry(version: int, text: bytes = b"card") -> CachedAnswer:
    return CachedAnswer(version, text)


def test_absent_is_none_in_order(store: Store) -> None:
    store.put_many([(OTHER, entry(3))])
    assert store.get_many([TOKEN, OTHER]) == [None, entry(3)]
    assert store.get_many([]) == []


def test_empty_batch_writes_nothing(store: Store) -> None:
    assert store.put_many([]) == 0


def test_binary_answers_come_back_unchanged(store: Store) -> None:
    value = entry(1, bytes(range(256)))
    assert store.put_many([(TOKEN, value), (OTHER, entry(1, b""))]) == 2
    assert store.get_many([TOKEN, OTHER]) == [value, entry(1, b"")]


@pytest.mark.parametrize(
    ("stored", "new", "wins"),
    [
        (None, 0, True),
        (None, 7, True),
        (0, 0, False),
        (0, 1, True),
        (7, 0, False),
        (7, 6, False),
        (7, 7, True),
        (7, 8, True),
        (255, 256, True),
        (256, 255, False),
        (2**32 - 1, 2**32, True),
        (2**32, 2**32 - 1, False),
        (2**53, 2**53 + 1, True),
        (2**53 + 1, 2**53, False),
        (2**63 - 1, 2**63 - 1, True),
    ],
)
def test_newer_or_equal_wins_unless_negative(store: Store, stored: int | None, new: int, wins: bool) -> None:
    if stored is not None:
        assert store.put_many([(TOKEN, entry(stored, b"old"))]) == 1
    assert store.put_many([(TOKEN, entry(new, b"new"))]) == int(wins)
    expected = entry(new, b"new") if wins or stored is None else entry(stored, b"old")
    assert store.get_many([TOKEN]) == [expected]


def test_any_order_of_writes_ends_at_the_greatest_version(store: Store) -> None:
    generator = random.Random(7)
    tokens = [generator.randbytes(32) for _ in range(40)]
    writes = [(token, entry(version, b"%d" % version)) for token in tokens for version in range(12)]
    generator.shuffle(writes)
    for start in range(0, len(writes), 100):
        store.put_many(writes[start : start + 100])
    assert store.get_many(tokens) == [entry(11, b"11")] * 40


def test_a_batch_larger_than_one_call_to_the_server(store: Store) -> None:
    tokens = [number.to_bytes(32) for number in range(1, 701)]
    assert store.put_many([(token, entry(5, token)) for token in tokens]) == 700
    assert store.put_many([(token, entry(4, b"late")) for token in tokens]) == 0
    assert store.get_many(tokens) == [entry(5, token) for token in tokens]


def test_one_batch_may_name_a_token_twice(store: Store) -> None:
    assert store.put_many([(TOKEN, entry(2, b"b")), (TOKEN, entry(1, b"a"))]) == 1
    assert store.get_many([TOKEN]) == [entry(2, b"b")]

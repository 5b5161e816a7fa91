"""One contract for every card cache: the memory twin, the relay's blocking store and the filler of lookups on a real server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pytest

from goldthread.cache import CacheSettings, CardFiller, MemoryCardCache, MemoryCardStore, RedisCardStore
from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import CachedAnswer, CardVersion

TOKEN = bytes(range(32))
OTHER = bytes(range(1, 33))


class Store(Protocol):
    def generation(self) -> bytes: ...

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int: ...

    def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]: ...


class Blocking:
    """The caches that are filled asynchronously, behind the blocking face; one connection pool per loop, so one loop for all calls."""

    def __init__(self, cache: CardFiller | MemoryCardCache, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self._cache = cache
        self._store = store
        self._loop = loop

    def generation(self) -> bytes:
        return self._store.generation()

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int:
        return self._loop.run_until_complete(self._cache.put_many(entries, generation=generation))

    def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]:
        return self._store.get_many(tokens)


@pytest.fixture(params=["memory", "memory-async", "redis", "redis-async"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryCardStore()
        return
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        if request.param == "memory-async":
            memory = MemoryCardStore()
            yield Blocking(MemoryCardCache(memory), memory, loop)
            return
        request.getfixturevalue("card_client")
        settings = CacheSettings(url=request.getfixturevalue("card_server").endpoint, timeout_ms=2_000)
        with RedisCardStore(settings) as real:
            if request.param == "redis":
                yield real
                return
            filler = CardFiller(settings)
            yield Blocking(filler, real, loop)
            loop.run_until_complete(filler.close())


@dataclass
class Shelf:
    """A store, and what empties it as a restart would."""

    store: MemoryCardStore | RedisCardStore
    empty: Callable[[], object]


@pytest.fixture(params=["memory", "redis"])
def shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    if request.param == "memory":
        memory = MemoryCardStore()
        yield Shelf(memory, memory.forget)
        return
    client = request.getfixturevalue("card_client")
    with RedisCardStore(CacheSettings(url=request.getfixturevalue("card_server").endpoint)) as real:
        yield Shelf(real, client.flushall)


def put(store: Store, entries: Sequence[tuple[bytes, CachedAnswer]]) -> int:
    return store.put_many(entries, generation=store.generation())


def entry(version: int, text: bytes = b"card") -> CachedAnswer:
    return CachedAnswer(version, text)


def test_absent_is_none_in_order(store: Store) -> None:
    put(store, [(OTHER, entry(3))])
    assert store.get_many([TOKEN, OTHER]) == [None, entry(3)]
    assert store.get_many([]) == []


def test_empty_batch_writes_nothing(store: Store) -> None:
    assert put(store, []) == 0


def test_binary_answers_come_back_unchanged(store: Store) -> None:
    value = entry(1, bytes(range(256)))
    assert put(store, [(TOKEN, value), (OTHER, entry(1, b""))]) == 2
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
        assert put(store, [(TOKEN, entry(stored, b"old"))]) == 1
    assert put(store, [(TOKEN, entry(new, b"new"))]) == int(wins)
    expected = entry(new, b"new") if wins or stored is None else entry(stored, b"old")
    assert store.get_many([TOKEN]) == [expected]


def test_any_order_of_writes_ends_at_the_greatest_version(store: Store) -> None:
    generator = random.Random(7)
    tokens = [generator.randbytes(32) for _ in range(40)]
    writes = [(token, entry(version, b"%d" % version)) for token in tokens for version in range(12)]
    generator.shuffle(writes)
    for start in range(0, len(writes), 100):
        put(store, writes[start : start + 100])
    assert store.get_many(tokens) == [entry(11, b"11")] * 40


def test_a_batch_larger_than_one_call_to_the_server(store: Store) -> None:
    tokens = [number.to_bytes(32) for number in range(1, 701)]
    assert put(store, [(token, entry(5, token)) for token in tokens]) == 700
    assert put(store, [(token, entry(4, b"late")) for token in tokens]) == 0
    assert store.get_many(tokens) == [entry(5, token) for token in tokens]


def test_one_batch_may_name_a_token_twice(store: Store) -> None:
    assert put(store, [(TOKEN, entry(2, b"b")), (TOKEN, entry(1, b"a"))]) == 1
    assert store.get_many([TOKEN]) == [entry(2, b"b")]


def test_negative_entries_come_back_and_obey_the_same_order(store: Store) -> None:
    assert put(store, [(TOKEN, entry(7)), (OTHER, entry(0, b""))]) == 2
    assert put(store, [(TOKEN, entry(6, b"")), (OTHER, entry(0, b""))]) == 0
    assert put(store, [(TOKEN, entry(8, b""))]) == 1
    found = store.get_many([TOKEN, OTHER])
    assert found == [entry(8, b""), entry(0, b"")]
    assert [card is not None and card.negative for card in found] == [True, True]
    assert put(store, [(TOKEN, entry(7))]) == 0


def test_a_write_under_another_generation_is_refused(store: Store) -> None:
    put(store, [(TOKEN, entry(3))])
    with pytest.raises(CacheUnavailableError):
        store.put_many([(TOKEN, entry(9)), (OTHER, entry(9))], generation=b"another")
    with pytest.raises(CacheUnavailableError):
        store.put_many([(TOKEN, entry(9))], generation=b"")
    assert store.get_many([TOKEN, OTHER]) == [entry(3), None]


def test_the_generation_stays_until_the_cache_is_emptied(shelf: Shelf) -> None:
    store = shelf.store
    before = store.generation()
    put(store, [(TOKEN, entry(5))])
    assert store.generation() == before
    shelf.empty()
    with pytest.raises(CacheUnavailableError):
        store.put_many([(TOKEN, entry(4))], generation=before)
    assert store.get_many([TOKEN]) == [None]
    after = store.generation()
    assert after != before
    assert store.put_many([(TOKEN, entry(5))], generation=after) == 1


def test_a_new_generation_keeps_the_cards(shelf: Shelf) -> None:
    store = shelf.store
    before = store.generation()
    put(store, [(TOKEN, entry(5))])
    store.begin_generation()
    with pytest.raises(CacheUnavailableError):
        store.put_many([(TOKEN, entry(6))], generation=before)
    assert store.get_many([TOKEN]) == [entry(5)]
    assert put(store, [(TOKEN, entry(6))]) == 1


def test_cards_lists_every_card_with_its_version(shelf: Shelf) -> None:
    assert [card for page in shelf.store.cards() for card in page] == []
    tokens = [number.to_bytes(32) for number in range(1, 2_501)]
    put(shelf.store, [(token, entry(number % 3, token)) for number, token in enumerate(tokens)])
    found = [card for page in shelf.store.cards() for card in page]
    assert set(found) == {CardVersion(token, number % 3) for number, token in enumerate(tokens)}


def test_cards_are_removed_by_version(shelf: Shelf) -> None:
    store = shelf.store
    put(store, [(TOKEN, entry(2**40 + 1)), (OTHER, entry(7))])
    assert store.remove_many([CardVersion(TOKEN, 2**40), CardVersion(OTHER, 7), CardVersion(bytes(32), 1)]) == 1
    assert store.get_many([TOKEN, OTHER]) == [entry(2**40 + 1), None]
    assert store.remove_many([CardVersion(OTHER, 7)]) == 0
    assert store.remove_many([]) == 0


def test_more_cards_are_removed_than_one_call_takes(shelf: Shelf) -> None:
    cards = [CardVersion(number.to_bytes(32), 5) for number in range(1, 701)]
    put(shelf.store, [(card.token, entry(5)) for card in cards])
    assert shelf.store.remove_many(cards) == 700
    assert [card for page in shelf.store.cards() for card in page] == []

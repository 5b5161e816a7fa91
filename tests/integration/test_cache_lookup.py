"""Lookups over a real cache that is flushed and killed under them: slower, never wrong, never unknown."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from redis import Redis

from fixtures.twins import LedgerTwin, MatcherTwin, found, token_of
from goldthread.app.embedded import ValkeyServer
from goldthread.cache import AsyncCardCache, CacheSettings, RedisCardStore
from goldthread.domain.ports import Answer, CachedAnswer
from goldthread.domain.words import IdentifierType, IncomingIdentifier
from goldthread.flows.loader import AnswerLoader
from goldthread.flows.lookup import AnswerSource, FoundAnswer, LookupFlow
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import cached_answer, encode_answer

NAMES = [f"{number}@shop.example" for number in range(60)]


def under_load(ledger: LedgerTwin, url: str, trouble: Callable[[], Awaitable[None]]) -> list[tuple[str, FoundAnswer]]:
    """Answers of eight callers who look everybody up, again and again, until `trouble` has been through and once more after it."""

    async def tell() -> list[tuple[str, FoundAnswer]]:
        answers: list[tuple[str, FoundAnswer]] = []
        over = asyncio.Event()
        cache = AsyncCardCache(CacheSettings(url=url, timeout_ms=500, breaker_seconds=0.05))
        with ThreadPoolExecutor(4) as executor:
            metrics = Metrics()
            loader = AnswerLoader(ledger, cache, metrics, executor=executor, seconds=5)
            flow = LookupFlow(MatcherTwin(), cache, loader, metrics)

            async def caller(seed: int) -> None:
                order = random.Random(seed)
                last = False
                while not last:
                    last = over.is_set()
                    for name in order.sample(NAMES, len(NAMES)):
                        identifier = IncomingIdentifier(path="", type=IdentifierType.EMAIL, namespace="", raw=name)
                        answers.append((name, await flow.lookup(identifier, min_version=0, seconds=10)))

            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                for seed in range(8):
                    group.create_task(caller(seed))
                await trouble()
                over.set()
            await loader.close()
            await cache.close()
        return answers

    return asyncio.run(tell())


def known_ledger() -> LedgerTwin:
    ledger = LedgerTwin()
    ledger.tell(*(found(token_of(name), 5, f"GP-{name}") for name in NAMES))
    return ledger


def assert_right(answers: list[tuple[str, FoundAnswer]]) -> None:
    expected = {name: CachedAnswer(5, encode_answer(found(token_of(name), 5, f"GP-{name}"))) for name in NAMES}
    assert {(name, answer.answer.version) for name, answer in answers} == {(name, 5) for name in NAMES}
    assert all(answer.answer == expected[name] for name, answer in answers)


def test_flushes_under_load_make_nobody_unknown(card_server: ValkeyServer, card_client: Redis) -> None:
    async def flush() -> None:
        for _ in range(20):
            await asyncio.sleep(0.02)
            await asyncio.to_thread(card_client.flushall)

    answers = under_load(known_ledger(), card_server.endpoint, flush)
    assert_right(answers)
    assert {answer.source for _, answer in answers} == {AnswerSource.CACHE, AnswerSource.LEDGER}


def test_a_killed_cache_makes_nobody_unknown_and_is_used_again(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, environ=os.environ)
    server.start()
    url = server.endpoint

    async def kill() -> None:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.start)
        await asyncio.sleep(0.3)

    try:
        answers = under_load(known_ledger(), url, kill)
    finally:
        server.stop()
    assert_right(answers)
    assert answers[-1][1].source is AnswerSource.CACHE


def write(store: RedisCardStore, entry: tuple[bytes, CachedAnswer]) -> None:
    store.put_many([entry], generation=store.generation())


def test_fills_and_relay_writes_in_any_order_end_at_the_newest(card_server: ValkeyServer, card_client: Redis) -> None:
    """Late fills race with newer writes; once all is quiet no entry is older than the ledger."""
    ledger = known_ledger()
    newest = {name: found(token_of(name), 9, "GP-new") for name in NAMES}

    async def relay() -> None:
        with RedisCardStore(CacheSettings(url=card_server.endpoint)) as store:
            for _ in range(10):
                await asyncio.to_thread(card_client.flushall)
                for answer in newest.values():
                    ledger.tell(answer)
                    entry = CachedAnswer(answer.version, encode_answer(answer))
                    await asyncio.to_thread(write, store, (answer.token, entry))

    answers = under_load(ledger, card_server.endpoint, relay)
    assert {answer.answer.version for _, answer in answers} <= {5, 9}
    with RedisCardStore(CacheSettings(url=card_server.endpoint)) as store:
        entries = store.get_many([token_of(name) for name in NAMES])
    assert entries == [CachedAnswer(9, encode_answer(newest[name])) for name in NAMES]


class LateLedger(LedgerTwin):
    """Reads a snapshot at once and answers up to 150 ms later."""

    def __init__(self) -> None:
        super().__init__()
        self.draw = random.Random(3)

    def answers(self, tokens: Sequence[bytes], *, timeout: float | None = None) -> list[Answer]:
        read = super().answers(tokens, timeout=timeout)
        time.sleep(self.draw.random() * 0.15)
        return read


def test_late_fills_and_flushes_leave_no_stale_card(card_server: ValkeyServer, card_client: Redis) -> None:
    """FAILURES C1 and C2 at once: while fills are under way everybody becomes known, then changes, and the cache is emptied right after.

    A fill that began before finds nothing newer to yield to, and must not stay.
    """
    ledger = LateLedger()
    stale: list[tuple[int, int]] = []

    def change() -> None:
        with RedisCardStore(CacheSettings(url=card_server.endpoint)) as store:
            for version in range(1, 16):
                for name in NAMES:
                    answer = found(token_of(name), version, f"GP-{version}")
                    ledger.tell(answer)
                    write(store, (answer.token, cached_answer(answer)))
                card_client.flushall()
                time.sleep(0.2)
                entries = store.get_many([token_of(name) for name in NAMES])
                stale.extend((version, entry.version) for entry in entries if entry and entry.version != version)
                card_client.flushall()

    async def trouble() -> None:
        await asyncio.to_thread(change)

    answers = under_load(ledger, card_server.endpoint, trouble)
    assert {answer.answer.version for _, answer in answers} == set(range(16))
    assert stale == []

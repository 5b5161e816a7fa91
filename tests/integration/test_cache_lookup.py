"""Lookups over a real cache that is flushed, killed and stalled under them: slower, never wrong, never unknown."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis

from fixtures.certificates import certificate
from fixtures.door import Door, token_of
from fixtures.twins import LedgerTwin, found
from goldthread.app.embedded import ValkeyServer
from goldthread.cache import CacheSettings, RedisCardStore
from goldthread.domain.ports import Answer, CachedAnswer
from goldthread.rpc import CallLimits, RpcSettings
from goldthread.v1.lookup_service_pb2 import ANSWER_SOURCE_CACHE, ANSWER_SOURCE_LEDGER, LookupResponse
from goldthread.wire import cached_answer, encode_answer

NAMES = [f"{number}@shop.example" for number in range(60)]
TOKENS = {name: token_of(name) for name in NAMES}
PATIENT = RpcSettings(lookup=CallLimits(in_flight=64, seconds=10, request_bytes=1_000))

Answers = list[tuple[str, LookupResponse]]


def under_load(ledger: LedgerTwin, url: str, trouble: Callable[[], Awaitable[None]]) -> Answers:
    """Answers of eight callers who look everybody up, again and again, until `trouble` has been through and once more after it."""

    async def tell() -> Answers:
        answers: Answers = []
        over = asyncio.Event()
        door = Door(url)
        door.ledger = ledger

        async def caller(seed: int) -> None:
            order = random.Random(seed)
            last = False
            while not last:
                last = over.is_set()
                for name in order.sample(NAMES, len(NAMES)):
                    answers.append((name, await door.lookup(name)))

        async with asyncio.timeout(60), door.open(PATIENT), asyncio.TaskGroup() as group:
            for seed in range(8):
                group.create_task(caller(seed))
            await trouble()
            over.set()
        return answers

    return asyncio.run(tell())


def known_ledger() -> LedgerTwin:
    ledger = LedgerTwin()
    ledger.tell(*(found(TOKENS[name], 5, f"GP-{name}") for name in NAMES))
    return ledger


def assert_right(answers: Answers) -> None:
    for name, answer in answers:
        expected = LookupResponse.FromString(encode_answer(found(TOKENS[name], 5, f"GP-{name}")))
        expected.version, expected.answer_source = 5, answer.answer_source
        assert answer == expected
    assert {name for name, _ in answers} == set(NAMES)


def test_flushes_under_load_make_nobody_unknown(card_server: ValkeyServer, card_client: Redis) -> None:
    async def flush() -> None:
        for _ in range(20):
            await asyncio.sleep(0.02)
            await asyncio.to_thread(card_client.flushall)

    answers = under_load(known_ledger(), card_server.endpoint, flush)
    assert_right(answers)
    assert {answer.answer_source for _, answer in answers} == {ANSWER_SOURCE_CACHE, ANSWER_SOURCE_LEDGER}


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
    assert answers[-1][1].answer_source == ANSWER_SOURCE_CACHE


def test_a_stalled_cache_costs_a_timeout_and_is_then_left_alone(tmp_path: Path) -> None:
    """FAILURES C4: everybody is answered by the ledger, few of them late, and the cache is used again once it goes on."""
    server = ValkeyServer(tmp_path, environ=os.environ)
    server.start()
    with Redis.from_url(server.endpoint) as client:
        process = int(client.info("server")["process_id"])

    async def stall() -> None:
        await asyncio.sleep(0.2)
        os.kill(process, signal.SIGSTOP)
        await asyncio.sleep(2)
        os.kill(process, signal.SIGCONT)
        await asyncio.sleep(1)

    try:
        answers = under_load(known_ledger(), server.endpoint, stall)
    finally:
        server.stop()
    assert_right(answers)
    assert {answer.answer_source for _, answer in answers} == {ANSWER_SOURCE_CACHE, ANSWER_SOURCE_LEDGER}
    assert answers[-1][1].answer_source == ANSWER_SOURCE_CACHE


def write(store: RedisCardStore, entry: tuple[bytes, CachedAnswer]) -> None:
    store.put_many([entry], generation=store.generation())


def test_fills_and_relay_writes_in_any_order_end_at_the_newest(card_server: ValkeyServer, card_client: Redis) -> None:
    """Late fills race with newer writes; once all is quiet no entry is older than the ledger."""
    ledger = known_ledger()
    newest = {name: found(TOKENS[name], 9, "GP-new") for name in NAMES}

    async def relay() -> None:
        with RedisCardStore(CacheSettings(url=card_server.endpoint)) as store:
            for _ in range(10):
                await asyncio.to_thread(card_client.flushall)
                for answer in newest.values():
                    ledger.tell(answer)
                    entry = CachedAnswer(answer.version, encode_answer(answer))
                    await asyncio.to_thread(write, store, (answer.token, entry))

    answers = under_load(ledger, card_server.endpoint, relay)
    assert {answer.version for _, answer in answers} <= {5, 9}
    with RedisCardStore(CacheSettings(url=card_server.endpoint)) as store:
        entries = store.get_many([TOKENS[name] for name in NAMES])
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
                    answer = found(TOKENS[name], version, f"GP-{version}")
                    ledger.tell(answer)
                    write(store, (answer.token, cached_answer(answer)))
                card_client.flushall()
                time.sleep(0.2)
                entries = store.get_many([TOKENS[name] for name in NAMES])
                stale.extend((version, entry.version) for entry in entries if entry and entry.version != version)
                card_client.flushall()

    async def trouble() -> None:
        await asyncio.to_thread(change)

    answers = under_load(ledger, card_server.endpoint, trouble)
    assert {answer.version for _, answer in answers} == set(range(16))
    assert stale == []


async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes from one connection to another until the first ends."""
    while part := await reader.read(65_536):
        writer.write(part)
        await writer.drain()
    writer.close()


def test_a_cache_with_a_private_authority_is_read_over_tls(
    tmp_path: Path, card_server: ValkeyServer, card_client: Redis
) -> None:
    authority, _ = certificate(tmp_path, "authority")
    chain, key = certificate(tmp_path, "server", signer="authority")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    plain = urlsplit(card_server.endpoint)
    assert plain.hostname is not None

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection(plain.hostname, plain.port)
        await asyncio.gather(passed_on(reader, to), passed_on(there, writer), return_exceptions=True)

    async def tell() -> None:
        server = await asyncio.start_server(through, "127.0.0.1", 0, ssl=context)
        tls_port = server.sockets[0].getsockname()[1]
        door = Door(f"rediss://:{plain.password}@localhost:{tls_port}/0?ssl_ca_certs={authority}")
        door.ledger = known_ledger()
        async with asyncio.timeout(30), server, door.open(PATIENT):
            sources = []
            while ANSWER_SOURCE_CACHE not in sources:
                sources.append((await door.lookup(NAMES[0])).answer_source)
        assert set(sources) == {ANSWER_SOURCE_LEDGER, ANSWER_SOURCE_CACHE}

    asyncio.run(tell())

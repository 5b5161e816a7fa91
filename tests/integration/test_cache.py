"""The card cache on a real server: keys, lifetimes, lost scripts, trouble."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from goldthread.app.embedded import ValkeyServer
from goldthread.cache import CacheSettings, CardFiller, RedisCardStore, card_key
from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import CachedAnswer

TOKEN = bytes(range(32))


@contextmanager
def silent_server() -> Iterator[int]:
    """Accepts connections and never answers; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in held:
            connection.close()


def test_key_and_value_as_the_data_plane_will_read_them(card_server: ValkeyServer, card_client: Redis) -> None:
    with RedisCardStore(CacheSettings(url=card_server.endpoint)) as store:
        store.put_many([(TOKEN, CachedAnswer(258, b"card"))], generation=store.generation())
    assert sorted(card_client.keys()) == [b"gt:card:register:" + TOKEN.hex().encode(), b"gt:cards"]
    assert (len(card_client.get("gt:cards")), card_client.ttl("gt:cards")) == (16, -1)
    assert card_client.get(card_key(TOKEN)) == b"\0\0\0\0\0\0\x01\x02card"


@pytest.mark.parametrize(("draw", "factor"), [(0.0, 0.8), (0.5, 1.0), (0.999_999, 1.2)])
def test_lifetimes_with_jitter(card_server: ValkeyServer, card_client: Redis, draw: float, factor: float) -> None:
    with RedisCardStore(CacheSettings(url=card_server.endpoint), draw=lambda: draw) as store:
        store.put_many(
            [(TOKEN, CachedAnswer(1, b"card")), (bytes(32), CachedAnswer(0, b"none"))], generation=store.generation()
        )
    assert card_client.pttl(card_key(TOKEN)) == pytest.approx(24 * 3_600_000 * factor, abs=5_000)
    assert card_client.pttl(card_key(bytes(32))) == pytest.approx(60_000 * factor, abs=5_000)


def test_a_damaged_entry_counts_as_absent_and_is_overwritten(card_server: ValkeyServer, card_client: Redis) -> None:
    card_client.set(card_key(TOKEN), b"short")
    with RedisCardStore(CacheSettings(url=card_server.endpoint)) as store:
        assert store.get_many([TOKEN]) == [None]
        assert store.put_many([(TOKEN, CachedAnswer(0, b"none"))], generation=store.generation()) == 1
        assert store.get_many([TOKEN]) == [CachedAnswer(0, b"none")]


def test_a_server_that_forgot_the_script_is_taught_again(card_server: ValkeyServer, card_client: Redis) -> None:
    async def fill() -> int:
        filler = CardFiller(CacheSettings(url=card_server.endpoint, timeout_ms=2_000))
        try:
            return await filler.put_many([(TOKEN, CachedAnswer(3, b"c"))], generation=card_client.get("gt:cards"))
        finally:
            await filler.close()

    with RedisCardStore(CacheSettings(url=card_server.endpoint)) as store:
        for version in (1, 2):
            card_client.script_flush()
            assert store.put_many([(TOKEN, CachedAnswer(version, b"card"))], generation=store.generation()) == 1
    card_client.script_flush()
    assert asyncio.run(fill()) == 1


def test_a_silent_server_costs_the_timeout_and_then_nothing() -> None:
    async def fill(port: int) -> list[float]:
        filler = CardFiller(CacheSettings(url=f"redis://127.0.0.1:{port}/0", timeout_ms=100, breaker_failures=2))
        times: list[float] = []
        for _ in range(4):
            started = time.monotonic()
            with pytest.raises(CacheUnavailableError):
                await filler.put_many([(TOKEN, CachedAnswer(1, b"card"))], generation=b"")
            times.append(time.monotonic() - started)
        await filler.close()
        return times

    with silent_server() as port:
        times = asyncio.run(fill(port))
    assert all(0.08 < seconds < 0.5 for seconds in times[:2])
    assert all(seconds < 0.02 for seconds in times[2:])


def test_errors_name_no_address_and_no_password() -> None:
    with (
        silent_server() as port,
        RedisCardStore(CacheSettings(url=f"redis://:geheim@127.0.0.1:{port}/0", relay_timeout_ms=50)) as store,
        pytest.raises(CacheUnavailableError) as caught,
    ):
        store.put_many([(TOKEN, CachedAnswer(1, b"card"))], generation=b"")
    assert caught.value.metadata == {"operation": "put", "cause": "TimeoutError"}
    assert "geheim" not in str(caught.value)


def test_a_restarted_server_is_found_again(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, environ=os.environ)
    server.start()
    settings = CacheSettings(url=server.endpoint, timeout_ms=2_000, breaker_seconds=0.01)
    try:
        with asyncio.Runner() as runner, RedisCardStore(settings) as store:
            filler = CardFiller(settings)

            def fill(version: int) -> int:
                entry = (TOKEN, CachedAnswer(version, b"card"))
                return runner.run(filler.put_many([entry], generation=store.generation()))

            assert store.put_many([(TOKEN, CachedAnswer(1, b"card"))], generation=store.generation()) == 1
            assert fill(2) == 1
            server.stop()
            with pytest.raises(CacheUnavailableError):
                store.put_many([(TOKEN, CachedAnswer(3, b"card"))], generation=b"")
            with pytest.raises(CacheUnavailableError):
                runner.run(filler.put_many([(TOKEN, CachedAnswer(3, b"card"))], generation=b""))
            server.start()
            assert server.endpoint == settings.url
            assert fill(4) == 1
            assert store.get_many([TOKEN]) == [CachedAnswer(4, b"card")]
            store.ping()
            runner.run(filler.close())
    finally:
        server.stop()


def test_many_fillers_at_once_share_the_connections(card_server: ValkeyServer, card_client: Redis) -> None:
    async def fill() -> list[int]:
        filler = CardFiller(CacheSettings(url=card_server.endpoint, timeout_ms=2_000, max_connections=8))
        entries = [(bytes([number]) * 32, CachedAnswer(1, b"card")) for number in range(200)]
        results = await asyncio.gather(*(filler.put_many([entry], generation=b"one") for entry in entries))
        await filler.close()
        return results

    card_client.set("gt:cards", b"one")
    assert asyncio.run(fill()) == [1] * 200
    assert len(card_client.client_list()) <= 9

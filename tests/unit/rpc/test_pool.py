from __future__ import annotations

import asyncio
import threading

import pytest

from goldthread.domain.errors import OverloadedError
from goldthread.rpc.pool import BlockingPool


def test_a_call_keeps_its_place_until_it_ends_even_if_its_caller_has_gone() -> None:
    async def story() -> None:
        pool = BlockingPool(name="test", threads=1, admitted=2)
        gate = threading.Event()
        running = asyncio.create_task(pool.run(gate.wait))
        queued = asyncio.create_task(pool.run(lambda: 2))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(OverloadedError) as caught:
            await pool.run(lambda: 3)
        assert caught.value.metadata == {"limit": "test"}
        gate.set()
        assert await queued == 2
        assert await pool.run(lambda: 4) == 4
        assert await pool.close(seconds=5) == 0

    asyncio.run(story())


def test_errors_reach_the_caller_and_nobody_when_it_has_gone() -> None:
    async def story() -> None:
        def fail() -> None:
            raise KeyError("x")

        pool = BlockingPool(name="test", threads=1, admitted=2)
        with pytest.raises(KeyError):
            await pool.run(fail)
        gone = asyncio.create_task(pool.run(fail))
        await asyncio.sleep(0)
        gone.cancel()
        assert await pool.close(seconds=5) == 0

    asyncio.run(story())


def test_closing_waits_for_what_runs_and_drops_what_has_not_begun() -> None:
    async def story() -> None:
        pool = BlockingPool(name="test", threads=1, admitted=8)
        started, gate = threading.Event(), threading.Event()

        def work() -> str:
            started.set()
            gate.wait()
            return "done"

        running = asyncio.create_task(pool.run(work))
        queued = asyncio.create_task(pool.run(lambda: "never"))
        await asyncio.to_thread(started.wait)
        assert await pool.close(seconds=0.01) == 1
        with pytest.raises(asyncio.CancelledError):
            await queued
        with pytest.raises(OverloadedError):
            await pool.run(lambda: None)
        gate.set()
        assert await pool.close(seconds=5) == 0
        assert await running == "done"

    asyncio.run(story())

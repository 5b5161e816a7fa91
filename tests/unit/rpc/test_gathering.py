from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import inf

import pytest

from fixtures.door import assert_set, until
from goldthread.domain.errors import DeadlineExceededError, LedgerUnavailableError, OverloadedError
from goldthread.rpc.gathering import GatheringPool
from goldthread.telemetry.metrics import Metrics


@dataclass
class Work:
    """Doubles numbers once its gate is open; negative ones are refused, and zero breaks the whole group."""

    gate: threading.Event = field(default_factory=threading.Event)
    groups: list[list[int]] = field(default_factory=list)

    def __call__(self, calls: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(calls))
        assert_set(self.gate)
        if 0 in calls:
            raise KeyError("broken")
        return [2 * call if call > 0 else ValueError(call) for call in calls]


def told(
    story: Callable[[GatheringPool[int, int], Work], Awaitable[None]],
    *,
    threads: int = 1,
    admitted: int = 64,
    most: int = 8,
    metrics: Metrics | None = None,
    patience: float = 0.0,
) -> Work:
    work = Work()

    async def tell() -> None:
        pool: GatheringPool[int, int] = GatheringPool(
            work,
            name="test",
            threads=threads,
            admitted=admitted,
            most=most,
            metrics=metrics or Metrics(),
            patience=patience,
        )
        async with asyncio.timeout(30):
            await story(pool, work)
            work.gate.set()
            assert await pool.close(seconds=10) == 0

    asyncio.run(tell())
    return work


def start(pool: GatheringPool[int, int], call: int, *, key: object = None, until: float = inf) -> asyncio.Task[int]:
    return asyncio.create_task(pool.run(call, key=call if key is None else key, until=until))


def test_a_lone_call_begins_at_once_and_groups_are_bounded() -> None:
    metrics = Metrics()

    async def story(pool: GatheringPool[int, int], work: Work) -> None:
        first = start(pool, 1)
        await until(lambda: work.groups == [[1]])
        rest = [start(pool, call) for call in range(2, 13)]
        await asyncio.sleep(0.02)
        assert metrics.registry.get_sample_value("goldthread_gathered_waiting", {"call": "test"}) == 11
        work.gate.set()
        assert await asyncio.gather(first, *rest) == [2 * call for call in range(1, 13)]

    work = told(story, metrics=metrics)
    assert work.groups == [[1], list(range(2, 10)), [10, 11, 12]]
    sample = metrics.registry.get_sample_value
    assert sample("goldthread_gathered_waiting", {"call": "test"}) == 0
    assert sample("goldthread_gathered_calls_sum", {"call": "test"}) == 12
    assert sample("goldthread_gathered_calls_count", {"call": "test"}) == 3
    assert sample("goldthread_gathered_wait_seconds_count", {"call": "test"}) == 12


def test_errors_are_those_of_the_call_unless_the_whole_group_breaks() -> None:
    async def story(pool: GatheringPool[int, int], work: Work) -> None:
        work.gate.set()
        alone = [start(pool, call) for call in (-1, 2, 3)]
        outcomes = await asyncio.gather(*alone, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ValueError, int, int]
        broken = [start(pool, call) for call in (0, 5)]
        outcomes = await asyncio.gather(*broken, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [KeyError, KeyError]
        assert await start(pool, 6) == 12

    told(story)


def test_calls_of_one_key_are_never_under_way_together() -> None:
    async def story(pool: GatheringPool[int, int], work: Work) -> None:
        first = start(pool, 1, key="same")
        await until(lambda: len(work.groups) == 1)
        # A second thread is free, but not for this key.
        again = [start(pool, 2, key="same"), start(pool, 3, key="same"), start(pool, 4, key="other")]
        await until(lambda: len(work.groups) == 2)
        assert work.groups == [[1], [4]]
        work.gate.set()
        assert await asyncio.gather(first, *again) == [2, 4, 6, 8]

    work = told(story, threads=2)
    assert sorted(work.groups) == [[1], [2], [3], [4]]


def test_a_free_thread_waits_for_a_group_that_gets_on() -> None:
    async def story(pool: GatheringPool[int, int], work: Work) -> None:
        first = start(pool, 1)
        await until(lambda: work.groups == [[1]])
        rest = [start(pool, call) for call in (2, 3, 4)]
        await asyncio.sleep(0.02)
        assert work.groups == [[1]]
        work.gate.set()
        assert await asyncio.gather(first, *rest) == [2, 4, 6, 8]

    assert told(story, threads=2, patience=60.0).groups == [[1], [2, 3, 4]]


def test_a_group_that_is_held_up_holds_up_nobody_else() -> None:
    async def story(pool: GatheringPool[int, int], work: Work) -> None:
        first = start(pool, 1)
        await until(lambda: work.groups == [[1]])
        second = start(pool, 2)
        # Nothing else happens that would make the pool look again.
        await until(lambda: work.groups == [[1], [2]])
        third = start(pool, 3)
        await asyncio.sleep(0.05)
        assert work.groups == [[1], [2]]
        work.gate.set()
        assert await asyncio.gather(first, second, third) == [2, 4, 6]

    told(story, threads=2, patience=0.01)


def test_what_ended_beside_a_group_that_is_held_up_makes_nobody_wait() -> None:
    stuck, begun = threading.Event(), threading.Event()

    def work(calls: Sequence[int]) -> list[int | Exception]:
        begun.set()
        if 1 in calls:
            assert_set(stuck)
        return [2 * call for call in calls]

    async def tell() -> None:
        pool: GatheringPool[int, int] = GatheringPool(
            work, name="test", threads=2, admitted=8, most=8, metrics=Metrics(), patience=0.2
        )
        first = start(pool, 1)
        await until(begun.is_set)
        assert await start(pool, 2) == 4
        loop = asyncio.get_running_loop()
        # Were the group that has just ended to count, each of these would wait for its patience: twenty seconds in all.
        ends = loop.time() + 10
        for call in range(3, 103):
            assert await start(pool, call) == 2 * call
        assert loop.time() < ends
        stuck.set()
        assert await first == 2
        assert await pool.close(seconds=10) == 0

    asyncio.run(tell())


def test_what_waits_is_bounded_and_refused_before_anything_is_done() -> None:
    async def story(pool: GatheringPool[int, int], work: Work) -> None:
        running = [start(pool, 1)]
        await until(lambda: len(work.groups) == 1)
        running += [start(pool, 2), start(pool, 3)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as caught:
            await pool.run(4, key=4, until=inf)
        assert caught.value.metadata == {"limit": "test"}
        work.gate.set()
        assert await asyncio.gather(*running) == [2, 4, 6]
        assert await pool.run(4, key=4, until=inf) == 8

    work = told(story, admitted=3)
    assert work.groups == [[1], [2, 3], [4]]


def test_a_call_whose_time_is_over_or_whose_caller_has_gone_leaves_the_queue() -> None:
    async def story(pool: GatheringPool[int, int], work: Work) -> None:
        first = start(pool, 1)
        await until(lambda: len(work.groups) == 1)
        late, gone, patient = start(pool, 2, until=time.monotonic() + 0.01), start(pool, 3), start(pool, 4)
        await asyncio.sleep(0.03)
        gone.cancel()
        first.cancel()
        work.gate.set()
        with pytest.raises(DeadlineExceededError):
            await late
        for task in (gone, first):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await patient == 8

    work = told(story)
    assert work.groups == [[1], [4]]


def test_closing_finishes_what_is_queued_and_refuses_what_comes() -> None:
    async def story(pool: GatheringPool[int, int], work: Work) -> None:
        calls = [start(pool, 1)]
        await until(lambda: len(work.groups) == 1)
        calls += [start(pool, call) for call in (2, 3)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close(seconds=10))
        await asyncio.sleep(0.01)
        with pytest.raises(OverloadedError):
            await pool.run(4, key=4, until=inf)
        assert not closing.done()
        work.gate.set()
        assert await closing == 0
        assert await asyncio.gather(*calls) == [2, 4, 6]

    work = told(story)
    assert work.groups == [[1], [2, 3]]


def test_closing_gives_up_in_time_and_says_how_many_were_left() -> None:
    async def story(pool: GatheringPool[int, int], work: Work) -> None:
        running = [start(pool, 1), start(pool, 2)]
        await until(lambda: len(work.groups) == 1)
        queued = start(pool, 3)
        await asyncio.sleep(0)
        assert await pool.close(seconds=0.02) == 3
        with pytest.raises(LedgerUnavailableError):
            await queued
        work.gate.set()
        assert await asyncio.gather(*running) == [2, 4]

    work = told(story)
    assert work.groups == [[1, 2]]

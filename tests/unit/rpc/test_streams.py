"""A conversation is bounded by its window, answers in the order asked for, and ends as it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from goldthread.domain.errors import DeadlineExceededError, InvalidArgumentError, LedgerUnavailableError
from goldthread.domain.words import Violation
from goldthread.rpc.streams import answered, in_time


async def numbers(count: int, read: list[int] | None = None) -> AsyncIterator[int]:
    for number in range(count):
        if read is not None:
            read.append(number)
        yield number
        await asyncio.sleep(0)


def told(story: Callable[[], Awaitable[None]]) -> None:
    async def tell() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(tell())


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def test_answers_come_in_order_or_as_they_are_ready() -> None:
    async def backwards(number: int) -> int:
        await asyncio.sleep(0.02 * (5 - number))
        return number

    async def story() -> None:
        for in_order, expected in ((True, [0, 1, 2, 3, 4]), (False, [4, 3, 2, 1, 0])):
            found = [
                answer
                async for answer in answered(
                    numbers(5), backwards, window=8, in_order=in_order, stopping=asyncio.Event()
                )
            ]
            assert found == expected

    told(story)


@pytest.mark.parametrize("in_order", [True, False])
def test_no_more_is_read_than_the_window_holds_and_answers_that_nobody_reads_hold_it_too(in_order: bool) -> None:
    async def story() -> None:
        read: list[int] = []
        gate = asyncio.Event()

        async def slow(number: int) -> int:
            await gate.wait()
            return number

        talk = answered(numbers(50, read), slow, window=4, in_order=in_order, stopping=asyncio.Event())
        first = asyncio.ensure_future(anext(talk))
        await settled()
        assert len(read) == 4
        gate.set()
        assert await first == 0
        await settled()
        # The place of the one that was handed over is free only once the caller asks for more.
        assert len(read) == 4
        assert await anext(talk) == 1
        await settled()
        assert len(read) == 5
        rest = [answer async for answer in talk]
        assert sorted(rest) == list(range(2, 50))

    told(story)


def test_a_server_that_stops_answers_what_it_has_read_and_reads_no_more() -> None:
    async def story() -> None:
        stopping, gate = asyncio.Event(), asyncio.Event()

        async def endless() -> AsyncIterator[int]:
            yield 0
            yield 1
            await asyncio.Event().wait()

        async def slow(number: int) -> int:
            await gate.wait()
            return number

        talk = answered(endless(), slow, window=8, in_order=True, stopping=stopping)
        first = asyncio.ensure_future(anext(talk))
        await settled()
        stopping.set()
        await settled()
        gate.set()
        assert [await first, await anext(talk)] == [0, 1]
        with pytest.raises(LedgerUnavailableError, match="stopping"):
            await anext(talk)

    told(story)


def test_what_breaks_the_stream_is_said_after_what_came_before_it() -> None:
    async def story() -> None:
        async def broken() -> AsyncIterator[int]:
            yield 7
            raise InvalidArgumentError([Violation("", "no message")])

        async def same(number: int) -> int:
            return number

        talk = answered(broken(), same, window=8, in_order=False, stopping=asyncio.Event())
        assert await anext(talk) == 7
        with pytest.raises(InvalidArgumentError):
            await anext(talk)

    told(story)


def test_a_caller_who_goes_takes_what_is_unanswered_with_him() -> None:
    async def story() -> None:
        cancelled: list[int] = []

        async def slow(number: int) -> int:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(number)
                raise
            return number

        talk = answered(numbers(3), slow, window=8, in_order=True, stopping=asyncio.Event())
        waiting = asyncio.ensure_future(anext(talk))
        await settled()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert sorted(cancelled) == [0, 1, 2]

    told(story)


def test_work_that_is_late_says_so() -> None:
    async def story() -> None:
        assert await in_time(asyncio.sleep(0, result=3), 5) == 3
        with pytest.raises(DeadlineExceededError):
            await in_time(asyncio.sleep(10), 0.01)

    told(story)

from __future__ import annotations

import asyncio
import time

from goldthread.telemetry.context import RequestContext, current_request, remaining_seconds, request_scope


def test_outside_of_a_request_time_does_not_end() -> None:
    assert current_request() is None
    assert remaining_seconds() == float("inf")


def test_scopes_nest_and_end() -> None:
    outer = RequestContext("outer", time.monotonic() + 10)
    with request_scope(outer):
        with request_scope(RequestContext("inner", time.monotonic() - 1)):
            assert remaining_seconds() == 0
        assert current_request() == outer
        assert 9 < remaining_seconds() <= 10
    assert current_request() is None


def test_tasks_do_not_see_each_others_request() -> None:
    async def one(name: str) -> str:
        with request_scope(RequestContext(name, 0.0)):
            await asyncio.sleep(0.001)
            request = current_request()
            assert request is not None
            return request.request_id

    async def both() -> list[str]:
        return await asyncio.gather(one("a"), one("b"))

    assert asyncio.run(both()) == ["a", "b"]


def test_a_generator_closed_by_another_task_ends_quietly() -> None:
    async def story() -> None:
        async def abandoned() -> object:
            with request_scope(RequestContext("a", 0.0)):
                yield current_request()

        generator = abandoned()
        await asyncio.create_task(anext(generator))
        await generator.aclose()
        assert current_request() is None

    asyncio.run(story())

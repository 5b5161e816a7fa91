"""The Resolve handler tells the flow how long its caller still waits."""

from __future__ import annotations

import asyncio
import time
from math import isinf

from fixtures.door import ResolverTwin
from goldthread.rpc.pool import BlockingPool
from goldthread.rpc.resolver import ResolverServicer
from goldthread.telemetry.context import RequestContext, request_scope
from goldthread.v1 import resolver_service_pb2


def called(twin: ResolverTwin, *, deadline: float | None) -> None:
    async def call() -> None:
        pool = BlockingPool(name="resolve", threads=1, admitted=1)
        servicer = ResolverServicer(twin, pool)
        request = resolver_service_pb2.ResolveRequest(preview=True)
        if deadline is None:
            await servicer.Resolve(request, None)  # type: ignore[arg-type]
        else:
            with request_scope(RequestContext(request_id="r", deadline=deadline)):
                await servicer.Resolve(request, None)  # type: ignore[arg-type]
        await pool.close(seconds=1)

    asyncio.run(call())


def test_the_rest_of_the_deadline_goes_down() -> None:
    twin = ResolverTwin()
    called(twin, deadline=time.monotonic() + 3)
    [seconds] = twin.waits
    assert 2 < seconds <= 3
    assert [preview for _, preview in twin.taken] == [True]


def test_a_deadline_that_has_passed_leaves_nothing() -> None:
    twin = ResolverTwin()
    called(twin, deadline=time.monotonic() - 3)
    assert twin.waits == [0.0]


def test_without_a_request_there_is_no_limit() -> None:
    twin = ResolverTwin()
    called(twin, deadline=None)
    assert isinf(twin.waits[0])

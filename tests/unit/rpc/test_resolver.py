"""The Resolve handler tells the flow how long its callers still wait, and keeps previews apart."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from math import isinf

import pytest

from fixtures.door import ResolverTwin, StewardTwin, assert_set, until, valid_event
from goldthread.domain.errors import DeadlineExceededError, InvalidArgumentError
from goldthread.domain.ports import ReceiveCall, ResolveCall, ResolveResult
from goldthread.domain.steward import Confirmation
from goldthread.rpc.gathering import GatheringPool
from goldthread.rpc.pool import BlockingPool
from goldthread.rpc.resolver import Received, ResolverServicer
from goldthread.telemetry.context import RequestContext, request_scope
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import resolver_service_pb2

Call = Callable[..., Awaitable[resolver_service_pb2.ResolveResponse]]


def told(twin: ResolverTwin, story: Callable[[Call], Awaitable[None]], steward: StewardTwin | None = None) -> None:
    """The story of a servicer over the twin: one group at once, one preview at once."""

    async def tell() -> None:
        groups: GatheringPool[ResolveCall, ResolveResult] = GatheringPool(
            twin.resolve, name="resolve", threads=1, admitted=8, most=8, metrics=Metrics()
        )
        previews = BlockingPool(name="preview", threads=1, admitted=8)
        received: GatheringPool[ReceiveCall, Received] = GatheringPool(
            twin.receive, name="ingest", threads=1, admitted=8, most=8, metrics=Metrics()
        )
        servicer = ResolverServicer(
            twin,
            groups=groups,
            previews=previews,
            received=received,
            confirms=steward or StewardTwin(),
            seconds=5,
            streamed=8,
        )

        async def call(
            event_id: str = "e-1",
            *,
            preview: bool = False,
            deadline: float | None = None,
            confirmation: resolver_service_pb2.Confirmation | None = None,
        ) -> resolver_service_pb2.ResolveResponse:
            request = resolver_service_pb2.ResolveRequest(
                event=valid_event(event_id), preview=preview, confirmation=confirmation
            )
            if deadline is None:
                return await servicer.Resolve(request, None)  # type: ignore[arg-type]
            with request_scope(RequestContext(request_id="r", deadline=deadline)):
                return await servicer.Resolve(request, None)  # type: ignore[arg-type]

        async with asyncio.timeout(30):
            await story(call)
            assert await groups.close(seconds=1) == 0
            assert await received.close(seconds=1) == 0
            assert await previews.close(seconds=1) == 0

    asyncio.run(tell())


@pytest.mark.parametrize("preview", [False, True])
def test_the_rest_of_the_deadline_goes_down(preview: bool) -> None:
    twin = ResolverTwin()

    async def story(call: Call) -> None:
        await call(preview=preview, deadline=time.monotonic() + 3)

    told(twin, story)
    [seconds] = twin.waits
    assert 2 < seconds <= 3
    assert [shown for _, shown in twin.taken] == [preview]


def test_a_deadline_that_has_passed_takes_nothing() -> None:
    twin = ResolverTwin()

    async def story(call: Call) -> None:
        with pytest.raises(DeadlineExceededError):
            await call(deadline=time.monotonic() - 3)
        await call(preview=True, deadline=time.monotonic() - 3)

    told(twin, story)
    assert twin.waits == [0.0]
    assert [shown for _, shown in twin.taken] == [True]


@pytest.mark.parametrize("preview", [False, True])
def test_without_a_request_there_is_no_limit(preview: bool) -> None:
    twin = ResolverTwin()

    async def story(call: Call) -> None:
        await call(preview=preview)

    told(twin, story)
    assert isinf(twin.waits[0])


def test_neither_previews_nor_groups_wait_for_the_other() -> None:
    twin, gate = ResolverTwin(), threading.Event()
    twin.action = lambda: assert_set(gate)

    async def story(call: Call) -> None:
        slow = [asyncio.create_task(call(f"e-{number}", preview=number == 0)) for number in range(2)]
        await until(lambda: len(twin.taken) == 2)
        assert {shown for _, shown in twin.taken} == {False, True}
        gate.set()
        assert {answer.version for answer in await asyncio.gather(*slow)} == {0, 12}

    told(twin, story)


def test_calls_that_come_while_a_group_is_under_way_make_the_next_one() -> None:
    twin, gate = ResolverTwin(), threading.Event()
    twin.action = lambda: assert_set(gate)

    async def story(call: Call) -> None:
        calls = [asyncio.create_task(call("first"))]
        await until(lambda: twin.groups == [1])
        calls += [asyncio.create_task(call(f"e-{number}")) for number in range(6)]
        await asyncio.sleep(0.05)
        assert twin.groups == [1]
        gate.set()
        assert {answer.version for answer in await asyncio.gather(*calls)} == {12}

    told(twin, story)
    assert twin.groups == [1, 6]


def test_a_confirmation_goes_first_and_is_told() -> None:
    twin, steward = ResolverTwin(), StewardTwin()
    taken: list[int] = []
    steward.action = lambda: taken.append(len(twin.taken))
    said = resolver_service_pb2.Confirmation(
        review_id="9", answer=resolver_service_pb2.CONFIRMATION_ANSWER_DIFFERENT, actor="till 3"
    )

    async def story(call: Call) -> None:
        answered = await call(confirmation=said)
        assert answered.confirmation_outcome == resolver_service_pb2.CONFIRMATION_OUTCOME_RECORDED
        with pytest.raises(InvalidArgumentError) as broken:
            await call(confirmation=said, preview=True)
        assert [violation.field for violation in broken.value.violations] == ["confirmation"]
        # Nothing is recorded of an answer whose event is refused.
        with pytest.raises(InvalidArgumentError) as broken:
            await call("broken", confirmation=said)
        assert [violation.field for violation in broken.value.violations] == ["event_id"]

    told(twin, story, steward)
    assert steward.asked == [(Confirmation(review_id=9, same=False, actor="till 3"), "crm", "e-1")]
    assert taken == [0]
    assert len(twin.taken) == 1

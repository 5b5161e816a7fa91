"""`ResolveStream` and `Ingest` over real connections, through the data plane."""

from __future__ import annotations

import asyncio
import threading
import time

import grpc
from google.rpc import code_pb2
from grpc import aio

from fixtures.door import CODES, Door, assert_set, reason, refused, run, until, valid_event
from goldthread.domain.errors import LedgerUnavailableError
from goldthread.rpc import CallLimits, RpcSettings
from goldthread.rpc.resolver import INGEST, RESOLVE_STREAM
from goldthread.v1 import resolver_service_pb2 as pb
from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceStub


def asked(name: str, *, preview: bool = False) -> pb.ResolveStreamRequest:
    request = pb.ResolveRequest(event=valid_event(name), request_id=name, preview=preview)
    return pb.ResolveStreamRequest(resolve=request)


def sent(sequence: int, *names: str) -> pb.IngestRequest:
    return pb.IngestRequest(sequence=sequence, events=[valid_event(name) for name in names])


def resolving(
    door: Door, *, timeout: float = 20
) -> aio.StreamStreamCall[pb.ResolveStreamRequest, pb.ResolveStreamResponse]:
    return ResolverServiceStub(door.channel).ResolveStream(timeout=timeout)  # type: ignore[return-value]


def ingesting(door: Door) -> aio.StreamStreamCall[pb.IngestRequest, pb.IngestResponse]:
    return ResolverServiceStub(door.channel).Ingest(timeout=20)  # type: ignore[return-value]


def outcomes(answer: pb.IngestResponse) -> list[str]:
    return [
        one.failure.reason
        if one.HasField("failure")
        else pb.IngestOutcome.Name(one.outcome).removeprefix("INGEST_OUTCOME_")
        for one in answer.results
    ]


def test_a_stream_of_resolves_is_answered_by_request_id_and_each_fails_alone() -> None:
    async def story(door: Door) -> None:
        door.resolver.action = lambda: time.sleep(0.02)
        call = resolving(door)
        names = [f"e-{number}" for number in range(100)]

        async def write() -> None:
            for name in names:
                await call.write(asked(name))
            await call.write(asked(""))
            await call.write(asked("p-1", preview=True))
            await call.done_writing()

        writing = asyncio.create_task(write())
        found = {answer.request_id: answer async for answer in call}
        await writing
        assert set(found) == {*names, "", "p-1"}
        assert {found[name].response.version for name in names} == {12}
        assert found["p-1"].response.version == 0
        failure = found[""].failure
        assert (failure.code, failure.reason) == (code_pb2.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        assert [one.field for one in failure.violations] == ["resolve.request_id"]
        assert sum(door.resolver.groups) == 100
        # They went in groups, not one by one.
        assert len(door.resolver.groups) < 60
        assert await call.code() is grpc.StatusCode.OK
        assert door.sample("goldthread_rpc_seconds_count", method=RESOLVE_STREAM, code="OK") == 1

    run(story)


def test_an_item_that_the_ledger_does_not_take_says_so_and_the_stream_goes_on() -> None:
    def down() -> None:
        raise LedgerUnavailableError("the ledger does not answer")

    async def story(door: Door) -> None:
        call = resolving(door)
        door.resolver.action = down
        await call.write(asked("e-1"))
        answer = await call.read()
        assert (answer.request_id, answer.failure.reason) == ("e-1", "LEDGER_UNAVAILABLE")
        assert answer.failure.retry_delay.ToMilliseconds() == 100
        door.resolver.action = lambda: None
        await call.write(asked("e-1"))
        answer = await call.read()
        assert (answer.request_id, answer.response.version) == ("e-1", 12)
        await call.done_writing()
        assert await call.read() is aio.EOF

    run(story)


def test_a_fault_of_ours_shows_nothing_of_itself_in_an_item() -> None:
    def broken() -> None:
        raise RuntimeError("canary")

    async def story(door: Door) -> None:
        door.resolver.action = broken
        for call, request in ((resolving(door), asked("e-1")), (ingesting(door), sent(1, "e-1"))):
            await call.write(request)  # type: ignore[arg-type]
            answer = await call.read()
            assert "canary" not in str(answer)
            assert "INTERNAL" in str(answer)
            call.cancel()

    run(story)


def test_the_server_reads_no_more_than_its_window() -> None:
    gate = threading.Event()
    # Six megabytes: several times what the connections on the way hold (1 MiB of the till's, 256 KiB of the forwarded one).
    messages = 300

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        call = ingesting(door)

        async def write() -> None:
            for sequence in range(messages):
                await call.write(sent(sequence, *(f"e-{sequence}-{number}" for number in range(500))))
            await call.done_writing()

        writing = asyncio.create_task(write())
        await until(lambda: bool(door.resolver.messages))
        await asyncio.sleep(0.3)
        assert sum(map(len, door.resolver.messages)) <= 4
        assert not writing.done()
        gate.set()
        sequences = [answer.sequence async for answer in call]
        assert sequences == list(range(messages))
        await writing
        assert door.resolver.messages[0] == [500]

    run(story)


def test_each_message_is_acknowledged_in_order_and_each_event_by_itself() -> None:
    async def story(door: Door) -> None:
        call = ingesting(door)
        await call.write(sent(-7, "e-1", "broken", "e-2"))
        await call.write(sent(2**62, "e-2", "e-3"))
        await call.done_writing()
        first, second = [answer async for answer in call]
        assert (first.sequence, outcomes(first)) == (-7, ["TAKEN", "INVALID_ARGUMENT", "TAKEN"])
        assert (second.sequence, outcomes(second)) == (2**62, ["DUPLICATE", "TAKEN"])
        assert [one.field for one in first.results[1].failure.violations] == ["event_id"]

    run(story)


def test_a_message_that_is_none_ends_the_stream_after_what_came_before_it() -> None:
    async def story(door: Door) -> None:
        raw = door.channel.stream_stream(INGEST)(timeout=20)
        await raw.write(sent(1, "e-1").SerializeToString())
        await raw.write(b"\xff\xff\xff")
        assert pb.IngestResponse.FromString(await raw.read()).sequence == 1
        code, details, _ = await refused(raw.read())
        assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        for request in (sent(1), sent(1, *(f"e-{number}" for number in range(501)))):
            call = ingesting(door)
            await call.write(request)
            code, details, _ = await refused(call.read())
            assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")

    run(story)


def test_more_streams_than_the_limit_are_refused_and_a_stream_has_an_end() -> None:
    async def story(door: Door) -> None:
        first = ingesting(door)
        await first.write(sent(1, "e-1"))
        await first.read()
        code, details, _ = await refused(ingesting(door).read())
        assert (code, reason(details)) == (CODES.RESOURCE_EXHAUSTED, "OVERLOADED")
        code, _, _ = await refused(first.read())
        assert code is CODES.DEADLINE_EXCEEDED

    run(story, RpcSettings(stream=CallLimits(in_flight=1, seconds=1.0, request_bytes=100_000)))


def test_streams_leave_room_for_calls_that_do_not_stream() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        call = resolving(door)
        for number in range(30):
            await call.write(asked(f"e-{number}"))
        await until(lambda: len(door.resolver.taken) > 0)
        alone = asyncio.create_task(door.resolve())
        await asyncio.sleep(0.1)
        gate.set()
        assert (await alone).version == 12
        await call.done_writing()
        assert len([answer async for answer in call if answer.HasField("response")]) == 30

    run(story, RpcSettings(resolve=CallLimits(in_flight=8, seconds=5, request_bytes=100_000)))


def test_a_stopping_server_answers_what_it_has_read_and_sends_the_rest_elsewhere() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        call = resolving(door)
        await call.write(asked("e-1"))
        await until(lambda: len(door.resolver.taken) == 1)
        stopping = asyncio.create_task(door.server.stop())
        await asyncio.sleep(0.2)
        assert not stopping.done()
        gate.set()
        answer = await call.read()
        assert (answer.request_id, answer.response.version) == ("e-1", 12)
        code, details, _ = await refused(call.read())
        assert (code, reason(details)) == (CODES.UNAVAILABLE, "LEDGER_UNAVAILABLE")
        await stopping

    run(story)


def test_a_caller_who_goes_leaves_nothing_behind() -> None:
    async def story(door: Door) -> None:
        call = resolving(door)
        await call.write(asked("e-1"))
        await call.read()
        call.cancel()
        await until(lambda: door.sample("goldthread_rpc_seconds_count", method=RESOLVE_STREAM, code="CANCELLED") == 1)
        assert door.sample("goldthread_rpc_in_flight", method=RESOLVE_STREAM) == 0

    run(story)

"""The gRPC door on loopback: a real server and real channels over twins of what lies below."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import threading
from collections.abc import Iterator

import pytest
import structlog
from google.rpc import error_details_pb2
from redis import Redis

from fixtures.door import (
    CODES,
    LOOKUP,
    RESOLVE,
    Door,
    assert_set,
    reason,
    refused,
    run,
    token_of,
    until,
)
from fixtures.twins import EPOCH, found
from goldthread.app.embedded import ValkeyServer
from goldthread.cache import card_key
from goldthread.domain.errors import EventIdConflictError
from goldthread.rpc import CallLimits, RpcSettings
from goldthread.telemetry.logs import configure_logs
from goldthread.v1 import lookup_service_pb2 as lookup_pb
from goldthread.v1 import profile_pb2
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logs(stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_lookup_from_the_ledger_and_then_from_the_cache(card_server: ValkeyServer, card_client: Redis) -> None:
    async def story(door: Door) -> None:
        door.ledger.tell(found(token_of("a@b.de"), 7))
        first = await door.lookup("a@b.de")
        await until(lambda: bool(card_client.exists(card_key(token_of("a@b.de")))))
        second = await door.lookup("a@b.de")
        assert first.outcome == lookup_pb.LOOKUP_OUTCOME_FOUND
        assert first.card.masked_name == "Jennifer M."
        assert first.card.tier == profile_pb2.TIER_GOLD
        assert first.card.last_purchase_at.ToDatetime(tzinfo=EPOCH.tzinfo) == EPOCH
        assert (first.version, second.version) == (7, 7)
        assert (first.answer_source, second.answer_source) == (
            lookup_pb.ANSWER_SOURCE_LEDGER,
            lookup_pb.ANSWER_SOURCE_CACHE,
        )
        assert first.card == second.card
        unknown, blank = await door.lookup("x@y.de"), await door.lookup("n/a")
        assert unknown.outcome == blank.outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND
        assert unknown.answer_source == lookup_pb.ANSWER_SOURCE_LEDGER
        assert blank.answer_source == lookup_pb.ANSWER_SOURCE_UNSPECIFIED
        assert door.sample("goldthread_lookups_total", outcome="found") == 2
        assert door.sample("goldthread_lookups_total", outcome="not_found") == 2
        assert door.sample("goldthread_rpc_seconds_count", method=LOOKUP, code="OK") == 4
        assert door.sample("goldthread_rpc_in_flight", method=LOOKUP) == 0
        assert door.sample("goldthread_cache_reads_total", result="hit") == 1
        assert door.sample("goldthread_cache_reads_total", result="miss") == 2

    run(story, door=Door(card_server.endpoint))


def test_every_broken_field_comes_back_at_once() -> None:
    async def story(door: Door) -> None:
        call = LookupServiceStub(door.channel).Lookup
        code, details, _ = await refused(call(lookup_pb.LookupRequest(min_version=-1)))  # type: ignore[arg-type]
        request = details["BadRequest"]
        assert isinstance(request, error_details_pb2.BadRequest)
        fields = [item.field for item in request.field_violations]
        assert code is CODES.INVALID_ARGUMENT
        assert "min_version" in fields
        assert "identifier.type" in fields
        assert len(fields) >= 3
        assert door.sample("goldthread_rpc_seconds_count", method=LOOKUP, code="INVALID_ARGUMENT") == 1
        code, details, _ = await refused(door.lookup("broken"))
        assert code is CODES.INVALID_ARGUMENT
        bad = details["BadRequest"]
        assert isinstance(bad, error_details_pb2.BadRequest)
        assert [item.field for item in bad.field_violations] == ["identifier.raw"]

    run(story)


def test_resolve_and_its_errors() -> None:
    async def story(door: Door) -> None:
        answer = await door.resolve()
        assert (answer.profile_id, answer.version, answer.uncalibrated) == ("GP-1", 12, True)
        ((event, preview),) = door.resolver.taken
        assert (event.source, event.event_id, preview) == ("crm", "e-1", False)

        def conflict() -> None:
            raise EventIdConflictError(source="crm", event_id="e-1")

        door.resolver.action = conflict
        code, details, error = await refused(door.resolve())
        assert (code, reason(details)) == (CODES.ALREADY_EXISTS, "EVENT_ID_CONFLICT")
        assert "RetryInfo" not in details
        assert error.details() == "the event id was used before with another payload"

    run(story)


def test_ledger_down_is_unavailable_with_a_hint_to_retry() -> None:
    async def story(door: Door) -> None:
        door.ledger.down = True
        code, details, _ = await refused(door.lookup("a@b.de", metadata=(("x-request-id", "till-7"),)))
        assert (code, reason(details)) == (CODES.UNAVAILABLE, "LEDGER_UNAVAILABLE")
        assert details["RequestInfo"] == error_details_pb2.RequestInfo(request_id="till-7")
        retry = details["RetryInfo"]
        assert isinstance(retry, error_details_pb2.RetryInfo)
        assert retry.retry_delay.ToMilliseconds() == 100
        _, details, _ = await refused(door.lookup("a@b.de", metadata=(("x-request-id", "no good!"),)))
        made = details["RequestInfo"]
        assert isinstance(made, error_details_pb2.RequestInfo)
        assert re.fullmatch("[0-9a-f]{32}", made.request_id)

    run(story)


def test_a_bug_is_internal_without_text_and_logged_without_values(log_lines: io.StringIO) -> None:
    def broken() -> None:
        raise RuntimeError("canary")

    async def story(door: Door) -> None:
        door.resolver.action = broken
        code, details, error = await refused(door.resolve())
        assert (code, reason(details), error.details()) == (CODES.INTERNAL, "INTERNAL", "internal error")
        assert "canary" not in error.debug_error_string()

    run(story)
    assert "canary" not in log_lines.getvalue()
    line = next(item for item in map(json.loads, log_lines.getvalue().splitlines()) if item["event"] == "rpc_failed")
    assert (line["method"], line["error"], line["request_id"]) == (RESOLVE, "RuntimeError", "made-1")
    assert any("test_rpc.py" in frame for frame in line["frames"])


def test_bytes_that_are_not_the_message_are_an_invalid_argument() -> None:
    async def story(door: Door) -> None:
        for method in (LOOKUP, RESOLVE):
            raw = door.channel.unary_unary(method)
            code, details, _ = await refused(raw(b"\xff\xff\xff"))
            assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        code, _, _ = await refused(door.lookup("x" * 70_000))
        assert code is CODES.INVALID_ARGUMENT
        large = bytes(5 * 1024 * 1024)
        code, details, _ = await refused(door.channel.unary_unary(LOOKUP)(large))
        assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        code, _, _ = await refused(door.channel.unary_unary(RESOLVE)(large))
        assert code is CODES.RESOURCE_EXHAUSTED
        code, _, _ = await refused(door.channel.unary_unary("/goldthread.v1.LookupService/Nothing")(b""))
        assert code is CODES.UNIMPLEMENTED
        assert not door.resolver.taken

    run(story)


def test_metadata_is_bounded() -> None:
    async def story(door: Door) -> None:
        code, _, _ = await refused(door.lookup("n/a", metadata=(("x-filler", "x" * 9_000),)))
        assert code is CODES.RESOURCE_EXHAUSTED

    run(story)


def test_more_calls_than_the_limit_are_refused_at_once_and_other_services_go_on() -> None:
    gate = threading.Event()
    limits = CallLimits(in_flight=3, seconds=5, request_bytes=1_000)

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        calls = [asyncio.create_task(door.resolve())]
        await until(lambda: len(door.resolver.taken) == 1)
        calls += [asyncio.create_task(door.resolve(f"e-{number}")) for number in (2, 3)]
        await until(lambda: door.sample("goldthread_gathered_waiting", call="resolve") == 2)
        for _ in range(5):
            code, details, _ = await refused(door.resolve("e-4"))
            assert (code, reason(details)) == (CODES.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert isinstance(details["RetryInfo"], error_details_pb2.RetryInfo)
        assert (await door.lookup("n/a")).outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND
        gate.set()
        assert {answer.version for answer in await asyncio.gather(*calls)} == {12}
        assert door.resolver.groups == [1, 2]
        assert (await door.resolve()).version == 12

    run(story, RpcSettings(resolve=limits, resolve_threads=1))


def test_the_servers_own_deadline_ends_calls_without_one() -> None:
    async def story(door: Door) -> None:
        door.ledger.gate.clear()
        code, details, _ = await refused(door.lookup("a@b.de"))
        assert (code, reason(details)) == (CODES.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        door.ledger.gate.set()

    run(story, RpcSettings(lookup=CallLimits(in_flight=8, seconds=0.1, request_bytes=1_000)))


def test_the_callers_shorter_deadline_counts_and_the_write_goes_on() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        code, _, _ = await refused(door.resolve(timeout=0.1))
        assert code is CODES.DEADLINE_EXCEEDED
        gate.set()
        await until(lambda: door.resolver.finished == 1)
        await until(lambda: door.sample("goldthread_rpc_seconds_count", method=RESOLVE, code="DEADLINE_EXCEEDED") == 1)

    run(story)


def test_an_inner_cancellation_still_answers_the_caller() -> None:
    def cancelled() -> None:
        raise asyncio.CancelledError

    async def story(door: Door) -> None:
        door.resolver.action = cancelled
        code, details, _ = await refused(door.resolve(timeout=5))
        assert (code, reason(details)) == (CODES.INTERNAL, "INTERNAL")

    run(story)


def test_a_cancelled_call_ends_as_cancelled() -> None:
    async def story(door: Door) -> None:
        door.ledger.gate.clear()
        call = asyncio.create_task(door.lookup("a@b.de"))
        await asyncio.to_thread(door.ledger.asked.acquire)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until(lambda: door.sample("goldthread_rpc_seconds_count", method=LOOKUP, code="CANCELLED") == 1)
        door.ledger.gate.set()

    run(story, RpcSettings(lookup=CallLimits(in_flight=8, seconds=5, request_bytes=1_000)))

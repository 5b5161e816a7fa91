"""The gRPC door on loopback: a real server and real channels over twins of what lies below."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from fixtures.twins import EPOCH, LedgerTwin, MatcherTwin, found, token_of
from goldthread.cache import MemoryCardCache, MemoryCardStore
from goldthread.domain.errors import EventIdConflictError, SettingsError
from goldthread.domain.ports import ResolveResult
from goldthread.domain.words import Decision, IncomingEvent
from goldthread.flows.loader import AnswerLoader
from goldthread.flows.lookup import LookupFlow
from goldthread.rpc import CallLimits, RpcServer, RpcSettings
from goldthread.telemetry.context import current_request
from goldthread.telemetry.logs import configure_logs
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import event_pb2, identity_pb2, profile_pb2, resolver_service_pb2
from goldthread.v1 import lookup_service_pb2 as lookup_pb
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceStub

LOOKUP = "/goldthread.v1.LookupService/Lookup"
RESOLVE = "/goldthread.v1.ResolverService/Resolve"
CODES = grpc.StatusCode


@dataclass
class ResolverTwin:
    """A resolve flow that does what it is told."""

    action: Callable[[], None] = lambda: None
    taken: list[tuple[IncomingEvent, bool]] = field(default_factory=list)
    finished: int = 0

    def resolve(self, event: IncomingEvent, *, preview: bool) -> ResolveResult:
        self.taken.append((event, preview))
        self.action()
        self.finished += 1
        return ResolveResult(
            profile_id="GP-1",
            decision=Decision.SEPARATE,
            probability=0.0,
            evidence=(),
            version=0 if preview else 12,
            provisional=False,
            duplicate=False,
            model_version="retail-persons-0",
            calibrated=False,
        )


class Door:
    """A server over twins, and a channel to it."""

    def __init__(self) -> None:
        self.ledger = LedgerTwin()
        self.resolver = ResolverTwin()
        self.metrics = Metrics()
        self.server: RpcServer
        self.channel: aio.Channel
        self.port = 0

    @asynccontextmanager
    async def open(self, settings: RpcSettings) -> AsyncIterator[None]:
        with ThreadPoolExecutor(2) as executor:
            cache = MemoryCardCache(MemoryCardStore())
            loader = AnswerLoader(self.ledger, cache, self.metrics, executor=executor)
            lookup = LookupFlow(MatcherTwin(), cache, loader, self.metrics)
            self.server = RpcServer(
                settings, lookup=lookup, resolve=self.resolver, metrics=self.metrics, new_id=lambda: "made-1"
            )
            self.port = await self.server.start()
            try:
                async with aio.insecure_channel(f"127.0.0.1:{self.port}") as self.channel:
                    yield
            finally:
                await self.server.stop()
                await loader.close()

    async def lookup(self, raw: str, **options: object) -> lookup_pb.LookupResponse:
        call = LookupServiceStub(self.channel).Lookup
        response: lookup_pb.LookupResponse = await call(lookup_request(raw), **options)  # type: ignore[arg-type, misc]
        return response

    async def resolve(self, **options: object) -> resolver_service_pb2.ResolveResponse:
        call = ResolverServiceStub(self.channel).Resolve
        request = resolver_service_pb2.ResolveRequest(event=valid_event())
        response: resolver_service_pb2.ResolveResponse = await call(request, **options)  # type: ignore[arg-type, misc]
        return response

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def lookup_request(raw: str, min_version: int = 0) -> lookup_pb.LookupRequest:
    identifier = identity_pb2.Identifier(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw=raw)
    return lookup_pb.LookupRequest(identifier=identifier, min_version=min_version)


def valid_event() -> event_pb2.CustomerEvent:
    event = event_pb2.CustomerEvent(source="crm", event_id="e-1", customer_change=event_pb2.CustomerChange())
    event.occurred_at.FromDatetime(EPOCH)
    event.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw="a@b.de")
    return event


def run(
    story: Callable[[Door], Awaitable[None]], settings: RpcSettings | None = None, door: Door | None = None
) -> None:
    async def tell() -> None:
        opened = door or Door()
        async with asyncio.timeout(30), opened.open(settings or RpcSettings()):
            await story(opened)

    asyncio.run(tell())


async def refused(call: Awaitable[object]) -> tuple[grpc.StatusCode, dict[str, object], aio.AioRpcError]:
    """Code, details by kind, and the error of a call that must fail."""
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    kinds = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.RequestInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.BadRequest,
    )
    details: dict[str, object] = {}
    status = rpc_status.from_call(caught.value)
    for item in status.details if status is not None else ():
        for kind in kinds:
            message = kind()
            if item.Unpack(message):
                details[kind.__name__] = message
    return caught.value.code(), details, caught.value


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what another thread or task does; the story's timeout bounds it."""
    while not holds():  # noqa: ASYNC110  # what is waited for has no event to set
        await asyncio.sleep(0.005)


def reason(details: dict[str, object]) -> str:
    info = details["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    return info.reason


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


def test_lookup_from_the_ledger_and_then_from_the_cache() -> None:
    async def story(door: Door) -> None:
        door.ledger.tell(found(token_of("a@b.de"), 7))
        first, second = await door.lookup("a@b.de"), await door.lookup("a@b.de")
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

    run(story)


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
        assert details["RequestInfo"] == error_details_pb2.RequestInfo(request_id="made-1")

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
        code, _, _ = await refused(door.channel.unary_unary(LOOKUP)(bytes(5 * 1024 * 1024)))
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
        calls = [asyncio.create_task(door.resolve()) for _ in range(3)]
        await until(lambda: len(door.resolver.taken) == 3)
        for _ in range(5):
            code, details, _ = await refused(door.resolve())
            assert (code, reason(details)) == (CODES.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert (await door.lookup("n/a")).outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND
        gate.set()
        assert {answer.version for answer in await asyncio.gather(*calls)} == {12}
        assert (await door.resolve()).version == 12

    run(story, RpcSettings(resolve=limits))


def assert_set(gate: threading.Event) -> None:
    assert gate.wait(10)


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
    class Cancelled:
        async def lookup(self, *_: object, **__: object) -> object:
            assert current_request() is not None
            raise asyncio.CancelledError

    async def tell() -> None:
        server = RpcServer(
            RpcSettings(),
            lookup=Cancelled(),  # type: ignore[arg-type]
            resolve=ResolverTwin(),
            metrics=Metrics(),
        )
        port = await server.start()
        async with asyncio.timeout(10), aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = LookupServiceStub(channel).Lookup
            code, details, _ = await refused(call(lookup_request("a@b.de"), timeout=5))  # type: ignore[arg-type]
            assert (code, reason(details)) == (CODES.INTERNAL, "INTERNAL")
        await server.stop()

    asyncio.run(tell())


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


def test_health_reflection_and_stop() -> None:
    async def story(door: Door) -> None:
        health = health_pb2_grpc.HealthStub(door.channel)
        for service in ("", "goldthread.v1.LookupService", "goldthread.v1.ResolverService"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        reflection = reflection_pb2_grpc.ServerReflectionStub(door.channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in reflection.ServerReflectionInfo(iter_of(asked)):
            names = {item.name for item in answer.list_services_response.service}
            assert {"goldthread.v1.LookupService", "goldthread.v1.ResolverService", "grpc.health.v1.Health"} <= names
        watch = health.Watch(health_pb2.HealthCheckRequest(service="goldthread.v1.LookupService"))
        statuses = [(await watch.read()).status]
        stopping = asyncio.create_task(door.server.stop())
        statuses.append((await watch.read()).status)
        assert statuses == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]
        watch.cancel()
        await stopping

    run(story)


async def iter_of(item: object) -> AsyncIterator[object]:
    yield item


def test_reflection_can_be_off() -> None:
    async def story(door: Door) -> None:
        reflection = reflection_pb2_grpc.ServerReflectionStub(door.channel)
        call = reflection.ServerReflectionInfo(iter_of(reflection_pb2.ServerReflectionRequest(list_services="")))
        code, _, _ = await refused(call.read())
        assert code is CODES.UNIMPLEMENTED

    run(story, RpcSettings(reflection=False))


def test_stop_lets_running_calls_finish_and_refuses_new_ones() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        running = asyncio.create_task(door.resolve())
        await until(lambda: len(door.resolver.taken) == 1)
        stopping = asyncio.create_task(door.server.stop())
        await asyncio.sleep(0.05)
        async with aio.insecure_channel(f"127.0.0.1:{door.port}") as late:
            code, _, _ = await refused(LookupServiceStub(late).Lookup(lookup_request("n/a"), timeout=2))  # type: ignore[arg-type]
            assert code is CODES.UNAVAILABLE
        assert not stopping.done()
        gate.set()
        assert (await running).version == 12
        await stopping
        await door.server.stop()

    run(story)


def test_stop_returns_only_after_handlers_that_outlast_the_grace_have_cleaned_up() -> None:
    cleaned: list[str] = []

    class Slow:
        async def lookup(self, *_: object, **__: object) -> object:
            try:
                await asyncio.sleep(20)
            finally:
                await asyncio.sleep(0.2)
                cleaned.append("handler")
            raise AssertionError

    async def tell() -> None:
        limits = CallLimits(in_flight=8, seconds=30, request_bytes=1_000)
        server = RpcServer(
            RpcSettings(lookup=limits, grace_seconds=0.1),
            lookup=Slow(),  # type: ignore[arg-type]
            resolve=ResolverTwin(),
            metrics=Metrics(),
        )
        port = await server.start()
        async with asyncio.timeout(10), aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = asyncio.create_task(refused(LookupServiceStub(channel).Lookup(lookup_request("a@b.de"))))  # type: ignore[arg-type]
            await asyncio.sleep(0.2)
            await server.stop()
            assert cleaned == ["handler"]
            await call

    asyncio.run(tell())


def test_a_taken_port_and_unreadable_keys_are_settings_errors(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        for settings, key in (
            (RpcSettings(port=door.port), "rpc.port"),
            (RpcSettings(tls_certificate=tmp_path / "c", tls_key=tmp_path / "k"), "rpc.tls_key"),
        ):
            other = RpcServer(settings, lookup=None, resolve=door.resolver, metrics=Metrics())  # type: ignore[arg-type]
            with pytest.raises(SettingsError) as caught:
                await other.start()
            assert caught.value.metadata == {"key": key}

    run(story)


def test_tls_with_client_certificates(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    extra = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    settings = RpcSettings(tls_certificate=certificate, tls_key=key, tls_client_ca=certificate)

    async def story(door: Door) -> None:
        target = f"localhost:{door.port}"
        root = certificate.read_bytes()
        known = grpc.ssl_channel_credentials(root, key.read_bytes(), root)
        async with aio.secure_channel(target, known) as channel:
            answer = await LookupServiceStub(channel).Lookup(lookup_request("n/a"))  # type: ignore[arg-type, misc]
            assert answer.outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND
        async with aio.secure_channel(target, grpc.ssl_channel_credentials(root)) as channel:
            code, _, _ = await refused(LookupServiceStub(channel).Lookup(lookup_request("n/a"), timeout=3))  # type: ignore[arg-type]
            assert code in {CODES.UNAVAILABLE, CODES.DEADLINE_EXCEEDED}

    run(story, settings)


def test_methods_in_metrics_are_the_known_ones() -> None:
    async def story(door: Door) -> None:
        await refused(door.channel.unary_unary("/made/Up")(b""))
        await door.lookup("n/a")
        samples = [sample for family in door.metrics.registry.collect() for sample in family.samples]
        methods = {sample.labels["method"] for sample in samples if "method" in sample.labels}
        assert methods == {LOOKUP}
        assert all(re.fullmatch(r"/[\w.]+/\w+", method) for method in methods)

    run(story)

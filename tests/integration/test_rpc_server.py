"""The life of the gRPC server on loopback: health, reflection, stopping, TLS."""

from __future__ import annotations

import asyncio
import re
import subprocess
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fixtures.door import (
    CODES,
    LOOKUP,
    Door,
    ResolverTwin,
    StewardTwin,
    assert_set,
    lookup_request,
    refused,
    run,
    until,
)
from goldthread.domain.errors import SettingsError
from goldthread.rpc import CallLimits, RpcServer, RpcSettings
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import lookup_service_pb2 as lookup_pb
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub


def test_health_reflection_and_stop() -> None:
    async def story(door: Door) -> None:
        health = health_pb2_grpc.HealthStub(door.channel)
        for service in (
            "",
            "goldthread.v1.LookupService",
            "goldthread.v1.ResolverService",
            "goldthread.v1.StewardService",
        ):
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
            steward=StewardTwin(),
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
            other = RpcServer(settings, lookup=None, resolve=door.resolver, steward=door.steward, metrics=Metrics())  # type: ignore[arg-type]
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

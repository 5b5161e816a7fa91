"""The life of the gRPC server on loopback: health, reflection, stopping, TLS."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from fixtures.certificates import certificate
from fixtures.door import (
    CODES,
    LOOKUP,
    Door,
    Nobody,
    assert_set,
    lookup_request,
    refused,
    register_door,
    run,
    until,
)
from goldthread.domain.errors import SettingsError
from goldthread.rpc import RpcServer, RpcSettings
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


def test_stop_finishes_the_calls_that_are_queued() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        calls = [asyncio.create_task(door.resolve("first"))]
        await until(lambda: len(door.resolver.taken) == 1)
        calls += [asyncio.create_task(door.resolve(f"e-{number}")) for number in range(5)]
        await until(lambda: door.sample("goldthread_gathered_waiting", call="resolve") == 5)
        stopping = asyncio.create_task(door.server.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        gate.set()
        assert [answer.version for answer in await asyncio.gather(*calls)] == [12] * 6
        await stopping
        assert door.resolver.groups == [1, 5]

    run(story, RpcSettings(resolve_threads=1))


def test_stop_returns_only_after_handlers_that_outlast_the_grace_have_cleaned_up() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        call = asyncio.create_task(refused(door.resolve()))
        await until(lambda: len(door.resolver.taken) == 1)
        asyncio.get_running_loop().call_later(0.4, gate.set)
        await door.server.stop()
        assert door.resolver.finished == 1
        code, _, _ = await call
        assert code in {CODES.UNAVAILABLE, CODES.CANCELLED}

    run(story, RpcSettings(grace_seconds=0.1))


def test_a_taken_port_and_unreadable_keys_are_settings_errors(tmp_path: Path) -> None:
    async def story(door: Door) -> None:
        for settings, key in (
            (RpcSettings(port=door.port), "rpc.port"),
            (RpcSettings(tls_certificate=tmp_path / "c", tls_key=tmp_path / "k"), "rpc.tls_key"),
        ):
            other = RpcServer(
                settings,
                register=register_door(settings, Nobody(), Metrics()),
                resolve=door.resolver,
                receive=door.resolver,
                steward=door.steward,
                profiles=door.profiles,
                metrics=Metrics(),
            )
            with pytest.raises(SettingsError) as caught:
                await other.start()
            assert caught.value.metadata == {"key": key}

    run(story)


def test_tls_with_client_certificates(tmp_path: Path) -> None:
    authority, _ = certificate(tmp_path, "authority")
    server, server_key = certificate(tmp_path, "server", signer="authority")
    till, till_key = certificate(tmp_path, "till", signer="authority")
    settings = RpcSettings(tls_certificate=server, tls_key=server_key, tls_client_ca=authority)

    async def story(door: Door) -> None:
        target = f"localhost:{door.port}"
        root = authority.read_bytes()
        known = grpc.ssl_channel_credentials(root, till_key.read_bytes(), till.read_bytes())
        async with aio.secure_channel(target, known) as channel:
            answer = await LookupServiceStub(channel).Lookup(lookup_request("n/a"))  # type: ignore[arg-type, misc]
            assert answer.outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND
            health = health_pb2_grpc.HealthStub(channel)
            assert (
                await health.Check(health_pb2.HealthCheckRequest())
            ).status == health_pb2.HealthCheckResponse.SERVING
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

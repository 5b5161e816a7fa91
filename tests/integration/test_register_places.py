"""Nobody keeps others out of the data plane: not by connections, not by streams, not by questions; and files that change are read again."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from fixtures.certificates import certificate
from fixtures.credentials import CRM, TILL, bearer, credentials, line
from fixtures.door import CODES, Door, assert_set, lookup_request, reason, refused, register_door, run, until
from goldthread.domain.ports import CachedAnswer
from goldthread.rpc import RpcSettings
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import lookup_service_pb2 as lookup_pb
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub

HELLOS = {
    "nothing": b"",
    "a letter": b"P",
    "half a preface": b"PRI * HTT",
    "half a request": b"GET / HT",
    "a whole preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a request of nobody's": b"GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n",
}


def closed(connection: socket.socket) -> bool:
    """Whether the other end has hung up; takes what it said before."""
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    return True


@pytest.mark.parametrize("tls", [False, True])
def test_connections_without_a_known_caller_do_not_keep_others_out(tmp_path: Path, tls: bool) -> None:
    authority, _ = certificate(tmp_path, "authority")
    chain, key = certificate(tmp_path, "server", signer="authority")
    settings = RpcSettings(
        credentials=credentials(tmp_path, line(TILL, "till-3")),
        max_connections=len(HELLOS),
        hello_seconds=0.5,
        tls_certificate=chain if tls else None,
        tls_key=key if tls else None,
    )
    trusted = ssl.create_default_context(cafile=str(authority))
    trusted.set_alpn_protocols(["h2"])

    def opened(port: int, said: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port))
        if tls:
            connection = trusted.wrap_socket(connection, server_hostname="localhost")
        connection.sendall(said)
        return connection

    async def story(door: Door) -> None:
        silent = {name: await asyncio.to_thread(opened, door.port, said) for name, said in HELLOS.items()}
        roots = grpc.ssl_channel_credentials(authority.read_bytes())
        target = f"localhost:{door.port}"
        async with aio.secure_channel(target, roots) if tls else aio.insecure_channel(target) as channel:
            stub: Callable[..., Any] = LookupServiceStub(channel).Lookup
            # Every place is taken; it waits until one is free.
            answer = await stub(lookup_request("n/a"), metadata=bearer(TILL), wait_for_ready=True)
            assert answer.outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND
            await until(lambda: all(closed(connection) for connection in silent.values()))
            assert channel.get_state() is grpc.ChannelConnectivity.READY
        for connection in silent.values():
            connection.close()

    run(story, settings)


def test_an_idle_connection_is_told_to_go_and_a_busy_one_is_not() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        await door.lookup("n/a")
        await until(lambda: door.channel.get_state() is grpc.ChannelConnectivity.IDLE)
        assert (await door.lookup("n/a")).outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND
        door.resolver.action = lambda: assert_set(gate)
        call = asyncio.create_task(door.resolve())
        await until(lambda: len(door.resolver.taken) == 1)
        await asyncio.sleep(1.5)
        gate.set()
        assert (await call).version == 12

    run(story, RpcSettings(hello_seconds=0.2, idle_seconds=0.2))


def health_of(channel: aio.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


async def never() -> AsyncIterator[bytes]:
    """Messages of a caller who never says anything."""
    await asyncio.Event().wait()
    yield b""


def test_a_credential_cannot_take_the_places_of_others(tmp_path: Path) -> None:
    file = credentials(
        tmp_path, line(TILL, "till-3"), line("other-till", "till-4"), line(CRM, "crm all"), line("web", "web all")
    )
    check = health_pb2.HealthCheckRequest()

    async def story(door: Door) -> None:
        health = health_of(door.channel)
        code, details, _ = await refused(health.Watch(check, metadata=bearer(TILL)).read())
        assert (code, reason(details)) == (CODES.PERMISSION_DENIED, "PERMISSION_DENIED")
        # A till that begins checks and never ends them has eight.
        begin = door.channel.stream_unary("/grpc.health.v1.Health/Check")
        checks = [begin(never(), metadata=bearer(TILL)) for _ in range(20)]
        ends = [asyncio.ensure_future(call.code()) for call in checks]
        await until(lambda: [end.result() for end in ends if end.done()].count(CODES.RESOURCE_EXHAUSTED) == 12)
        # A trusted one has half of what is left to all.
        watches = [health.Watch(check, metadata=bearer(CRM)) for _ in range(20)]
        for watch in watches:
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        code, details, _ = await refused(health.Watch(check, metadata=bearer(CRM)).read())
        assert (code, reason(details)) == (CODES.RESOURCE_EXHAUSTED, "OVERLOADED")
        for token in ("other-till", "web"):
            answer = await health.Check(check, metadata=bearer(token), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert (await door.resolve(metadata=bearer("web"), timeout=5)).version == 12
        # A place is free again when its call ends.
        watches.pop().cancel()

        code = CODES.UNKNOWN
        for _ in range(500):
            code = await health.Check(check, metadata=bearer(CRM), timeout=5).code()
            if code is CODES.OK:
                break
            await asyncio.sleep(0.01)
        assert code is CODES.OK
        for call in (*watches, *checks):
            call.cancel()

    run(story, RpcSettings(credentials=file, max_handed_on=40))


def test_a_request_far_above_the_limit_is_refused_as_one_above_it() -> None:
    async def story(door: Door) -> None:
        stub: Callable[..., Any] = LookupServiceStub(door.channel).Lookup
        code, details, _ = await refused(stub(lookup_request("x" * 3_900_000)))
        assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        assert "larger than 65536 bytes" in str(details["BadRequest"])

    run(story)


def test_tokens_in_clear_are_said_at_the_start(tmp_path: Path) -> None:
    file = credentials(tmp_path, line(TILL, "till-3"))

    async def story(door: Door) -> None:
        assert (await door.lookup("n/a", metadata=bearer(TILL))).outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND

    for host, said in (("0.0.0.0", ["tls_off"]), ("127.0.0.1", [])):
        structlog.reset_defaults()
        with capture_logs() as lines:
            run(story, RpcSettings(host=host, credentials=file))
        assert [entry["event"] for entry in lines if entry["log_level"] == "warning"] == said


class Stuck:
    """Answers that never come."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def load(self, token: bytes, *, min_version: int, generation: bytes) -> CachedAnswer:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


def test_answers_that_never_come_do_not_hold_up_the_end() -> None:
    async def tell() -> None:
        answers = Stuck()
        door = register_door(RpcSettings(), answers, Metrics())
        port = await door.start(forward=None)
        async with asyncio.timeout(20), aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Callable[..., Any] = LookupServiceStub(channel).Lookup
            code, _, _ = await refused(stub(lookup_request("a@b.de")))
            assert code is CODES.DEADLINE_EXCEEDED
            assert answers.asked.is_set()
            await door.drain(seconds=0.1)

    asyncio.run(tell())


def test_certificates_that_change_are_read_again(tmp_path: Path) -> None:
    authority, _ = certificate(tmp_path, "authority")
    chain, key = certificate(tmp_path, "server", signer="authority")
    trusted = ssl.create_default_context(cafile=str(authority))

    def serial(port: int) -> str:
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            trusted.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            shown = connection.getpeercert()
            assert shown is not None
            return str(shown["serialNumber"])

    async def story(door: Door) -> None:
        before = await asyncio.to_thread(serial, door.port)
        chain.write_text("no certificate")
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(serial, door.port) == before
        certificate(tmp_path, "server", signer="authority")
        await until(lambda: serial(door.port) != before)

    run(story, RpcSettings(tls_certificate=chain, tls_key=key, reread_seconds=0.1))

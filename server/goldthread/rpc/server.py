"""The gRPC server: built, started and stopped in order.

The register data plane (`rpc/register.py`) has the address, TLS and the callers' credentials. It answers lookups and hands the calls of the
services here on to a socket in a folder that no other user can enter.

Stopping: health says NOT_SERVING and the server waits for balancers to notice; then streams end once what was read of them is answered, there
are no new calls, and running ones get their grace; then the handlers' own tasks are awaited, because `grpc.aio.Server.stop` returns while
cancelled handlers still clean up; then the threads end. Flows, pools and connections that were passed in belong to the caller, who closes them
afterwards.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from goldthread.domain.errors import SettingsError
from goldthread.rpc.gathering import GatheringPool
from goldthread.rpc.interceptors import (
    AdmissionInterceptor,
    ContextInterceptor,
    ErrorsInterceptor,
    MetricsInterceptor,
    RequestInterceptor,
    TrackingInterceptor,
)
from goldthread.rpc.pool import BlockingPool
from goldthread.rpc.profiles import Profiles, ProfileServicer
from goldthread.rpc.register import RegisterDoor
from goldthread.rpc.resolver import INGEST, RESOLVE_STREAM, Receives, ResolverServicer, Resolves
from goldthread.rpc.settings import CallLimits, RpcSettings
from goldthread.rpc.steward import Stewards, StewardServicer
from goldthread.telemetry.logs import get_logger
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import (
    lookup_service_pb2,
    profile_service_pb2,
    profile_service_pb2_grpc,
    resolver_service_pb2,
    resolver_service_pb2_grpc,
    steward_service_pb2,
    steward_service_pb2_grpc,
)

__all__ = ["RpcServer"]

_log = get_logger(__name__)
_LOOKUP = lookup_service_pb2.DESCRIPTOR.services_by_name["LookupService"].full_name
_RESOLVER = resolver_service_pb2.DESCRIPTOR.services_by_name["ResolverService"].full_name
_PROFILE = profile_service_pb2.DESCRIPTOR.services_by_name["ProfileService"].full_name
_WATCH = f"/{_PROFILE}/WatchChanges"
_STEWARD = steward_service_pb2.DESCRIPTOR.services_by_name["StewardService"].full_name
_SERVED = (_RESOLVER, _STEWARD, _PROFILE)
"""Services of this server: told by health and reflection, and mirrored over REST."""
_LAST_WAIT_SECONDS = 1.0
_HELD_UP_SECONDS = 0.1
"""A group of Resolve calls that takes longer waits for somebody else's locks, so the next begins beside it."""
_INGEST_MESSAGES = 512
"""Messages of Ingest that run or wait at once: more than all streams together may have unanswered."""
_INGEST_GROUP = 8
"""Messages that are taken together."""


class Mirror(Protocol):
    """What mirrors the services over REST: `rest.RestDoor`."""

    async def start(self, *, services: Sequence[str], calls: Path, listen: Path) -> None:
        """Mirrors `services`, which are called on the socket `calls`, on the socket `listen`."""
        ...

    async def stop(self, *, seconds: float) -> None:
        """Waits for running calls, at most `seconds`, and ends."""
        ...


class RpcServer:
    """Serves `ResolverService`, `ProfileService`, `StewardService`, health and (unless switched off) reflection behind `register`; starts once.

    `rest` mirrors the services' unary calls, if it is given.
    """

    def __init__(
        self,
        settings: RpcSettings,
        *,
        register: RegisterDoor,
        resolve: Resolves,
        receive: Receives,
        steward: Stewards,
        profiles: Profiles,
        metrics: Metrics,
        rest: Mirror | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._settings = settings
        self._register = register
        self._rest = rest
        self._steward = steward
        self._profiles = profiles
        self._metrics = metrics
        self._new_id = new_id
        self._tracking = TrackingInterceptor()
        self._health = health.aio.HealthServicer()
        self._groups = GatheringPool(
            resolve.resolve,
            name="resolve",
            threads=settings.resolve_threads,
            admitted=settings.resolve.in_flight,
            most=settings.resolve_group,
            metrics=metrics,
            patience=_HELD_UP_SECONDS,
        )
        self._previews = BlockingPool(
            name="preview", threads=settings.preview_threads, admitted=settings.resolve.in_flight
        )
        self._received = GatheringPool(
            receive.receive,
            name="ingest",
            threads=1,
            admitted=_INGEST_MESSAGES,
            most=_INGEST_GROUP,
            metrics=metrics,
        )
        self._steward_pool = BlockingPool(
            name="steward", threads=settings.steward_threads, admitted=settings.steward.in_flight
        )
        self._resolver = ResolverServicer(
            resolve,
            groups=self._groups,
            previews=self._previews,
            received=self._received,
            confirms=steward,
            seconds=settings.resolve.seconds,
            # Calls that do not stream find a place at any time.
            streamed=max(1, settings.resolve.in_flight // 2),
        )
        self._profile_pool = BlockingPool(
            name="profile",
            threads=settings.profile_threads,
            admitted=settings.profile.in_flight + settings.watch.in_flight,
        )
        self._server: aio.Server | None = None
        self._folder: TemporaryDirectory[str] | None = None

    async def start(self) -> int:
        """Port on which the server now listens. Raises `SettingsError` if it cannot listen there or the TLS files cannot be read."""
        settings = self._settings
        limits = {
            _RESOLVER: settings.resolve,
            _STEWARD: settings.steward,
            _PROFILE: settings.profile,
            _WATCH: settings.watch,
            RESOLVE_STREAM: settings.stream,
            INGEST: settings.stream,
        }
        server = aio.server(interceptors=self._interceptors(limits), options=_options(settings))
        resolver_service_pb2_grpc.add_ResolverServiceServicer_to_server(self._resolver, server)
        steward_service_pb2_grpc.add_StewardServiceServicer_to_server(
            StewardServicer(self._steward, self._steward_pool), server
        )
        profile_service_pb2_grpc.add_ProfileServiceServicer_to_server(
            ProfileServicer(self._profiles, self._profile_pool), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if settings.reflection:
            names = (_LOOKUP, *_SERVED, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        folder = TemporaryDirectory(prefix="goldthread-")
        try:
            socket = _listen(server, Path(folder.name))
            await server.start()
            for service in (_LOOKUP, *_SERVED):
                await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
            web = await self._mirror(socket)
            port = await self._register.start(forward=socket, web=web)
        except SettingsError:
            await self._stop_mirror()
            await server.stop(None)
            folder.cleanup()
            raise
        self._server, self._folder = server, folder
        return port

    async def stop(self) -> None:
        """Stops as the module says; a second call does nothing. A call may be lost only if it outlasts its grace, and is then cancelled."""
        server, self._server = self._server, None
        if server is None or self._folder is None:
            return
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_seconds)
        self._resolver.leave()
        calls = await self._register.drain(seconds=self._settings.grace_seconds)
        # Whoever called has gone by now, with or without an answer.
        await self._stop_mirror()
        await server.stop(None)
        self._folder.cleanup()
        handlers = await self._tracking.drained(seconds=_LAST_WAIT_SECONDS)
        threads = sum(
            await asyncio.gather(
                self._groups.close(seconds=self._settings.resolve.seconds),
                self._received.close(seconds=self._settings.resolve.seconds),
                self._previews.close(seconds=self._settings.resolve.seconds),
                self._steward_pool.close(seconds=self._settings.steward.seconds),
                self._profile_pool.close(seconds=self._settings.profile.seconds),
            )
        )
        if calls or handlers or threads:
            _log.warning("rpc_left_running", calls=calls, handlers=handlers, threads=threads)

    async def _mirror(self, calls: Path) -> Path | None:
        """The socket on which the services are mirrored over REST."""
        if self._rest is None:
            return None
        listen = calls.with_name("web")
        await self._rest.start(services=_SERVED, calls=calls, listen=listen)
        return listen

    async def _stop_mirror(self) -> None:
        if self._rest is not None:
            await self._rest.stop(seconds=_LAST_WAIT_SECONDS)

    def _interceptors(self, limits: Mapping[str, CallLimits]) -> list[aio.ServerInterceptor]:
        return [
            self._tracking,
            ContextInterceptor(limits, new_id=self._new_id),
            MetricsInterceptor(self._metrics),
            ErrorsInterceptor(),
            AdmissionInterceptor(limits),
            RequestInterceptor(limits),
        ]


def _options(settings: RpcSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        # Soft and hard limit alike: between the two, requests would be refused at random.
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
        # The data plane counts and refuses; a stream that it has given up may still be counted here.
        ("grpc.max_concurrent_streams", 2 * settings.max_handed_on),
    ]


def _listen(server: aio.Server, folder: Path) -> Path:
    """The socket that the data plane hands calls on to."""
    socket = folder / "services"
    try:
        server.add_insecure_port(f"unix:{socket}")
    except RuntimeError as error:
        raise SettingsError("rpc.folder", f"cannot listen on a socket below {folder.parent}") from error
    return socket

"""The gRPC server: built, started and stopped in order.

Stopping: health says NOT_SERVING and the server waits for balancers to notice; then no new calls, and running ones get their grace; then the
handlers' own tasks are awaited, because `grpc.aio.Server.stop` returns while cancelled handlers still clean up; then the threads end.
Flows, pools and connections that were passed in belong to the caller, who closes them afterwards.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from goldthread.domain.errors import SettingsError
from goldthread.rpc.interceptors import (
    AdmissionInterceptor,
    ContextInterceptor,
    ErrorsInterceptor,
    MetricsInterceptor,
    RequestInterceptor,
    TrackingInterceptor,
)
from goldthread.rpc.lookup import Lookups, LookupServicer
from goldthread.rpc.pool import BlockingPool
from goldthread.rpc.resolver import ResolverServicer, Resolves
from goldthread.rpc.settings import CallLimits, RpcSettings
from goldthread.rpc.steward import Stewards, StewardServicer
from goldthread.telemetry.logs import get_logger
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import (
    lookup_service_pb2,
    lookup_service_pb2_grpc,
    resolver_service_pb2,
    resolver_service_pb2_grpc,
    steward_service_pb2,
    steward_service_pb2_grpc,
)

__all__ = ["RpcServer"]

_log = get_logger(__name__)
_LOOKUP = lookup_service_pb2.DESCRIPTOR.services_by_name["LookupService"].full_name
_RESOLVER = resolver_service_pb2.DESCRIPTOR.services_by_name["ResolverService"].full_name
_STEWARD = steward_service_pb2.DESCRIPTOR.services_by_name["StewardService"].full_name
_LAST_WAIT_SECONDS = 1.0


class RpcServer:
    """Serves `LookupService`, `ResolverService`, `StewardService`, health and (unless switched off) reflection on one event loop; starts once."""

    def __init__(
        self,
        settings: RpcSettings,
        *,
        lookup: Lookups,
        resolve: Resolves,
        steward: Stewards,
        metrics: Metrics,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._settings = settings
        self._lookup = lookup
        self._resolve = resolve
        self._steward = steward
        self._metrics = metrics
        self._new_id = new_id
        self._tracking = TrackingInterceptor()
        self._health = health.aio.HealthServicer()
        self._pool = BlockingPool(name="resolve", threads=settings.resolve_threads, admitted=settings.resolve.in_flight)
        self._steward_pool = BlockingPool(
            name="steward", threads=settings.steward_threads, admitted=settings.steward.in_flight
        )
        self._server: aio.Server | None = None

    async def start(self) -> int:
        """Port on which the server now listens. Raises `SettingsError` if it cannot listen there or the TLS files cannot be read."""
        settings = self._settings
        limits = {_LOOKUP: settings.lookup, _RESOLVER: settings.resolve, _STEWARD: settings.steward}
        server = aio.server(interceptors=self._interceptors(limits), options=_options(settings))
        lookup_service_pb2_grpc.add_LookupServiceServicer_to_server(LookupServicer(self._lookup, self._metrics), server)
        resolver_service_pb2_grpc.add_ResolverServiceServicer_to_server(
            ResolverServicer(self._resolve, self._pool), server
        )
        steward_service_pb2_grpc.add_StewardServiceServicer_to_server(
            StewardServicer(self._steward, self._steward_pool), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if settings.reflection:
            names = (_LOOKUP, _RESOLVER, _STEWARD, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        try:
            port = _listen(server, settings)
        except SettingsError:
            await server.stop(None)
            raise
        await server.start()
        for service in (_LOOKUP, _RESOLVER, _STEWARD):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._server = server
        return port

    async def stop(self) -> None:
        """Stops as the module says; a second call does nothing. A call may be lost only if it outlasts its grace, and is then cancelled."""
        server, self._server = self._server, None
        if server is None:
            return
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_seconds)
        await server.stop(self._settings.grace_seconds)
        handlers = await self._tracking.drained(seconds=_LAST_WAIT_SECONDS)
        threads = sum(
            await asyncio.gather(
                self._pool.close(seconds=self._settings.resolve.seconds),
                self._steward_pool.close(seconds=self._settings.steward.seconds),
            )
        )
        if handlers or threads:
            _log.warning("rpc_left_running", handlers=handlers, threads=threads)

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
        ("grpc.max_concurrent_streams", settings.max_streams),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 30_000),
        ("grpc.keepalive_permit_without_calls", 0),
        # Off by default: a second server on the port would take half the calls without anybody noticing.
        ("grpc.so_reuseport", int(settings.reuse_port)),
    ]


def _listen(server: aio.Server, settings: RpcSettings) -> int:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.port}"
    try:
        if settings.tls_certificate is None or settings.tls_key is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, _credentials(settings, settings.tls_certificate, settings.tls_key))
    except RuntimeError as error:
        raise SettingsError("rpc.port", f"cannot listen on {address}") from error


def _credentials(settings: RpcSettings, certificate: Path, key: Path) -> grpc.ServerCredentials:
    try:
        authority = None if settings.tls_client_ca is None else settings.tls_client_ca.read_bytes()
        pair = (key.read_bytes(), certificate.read_bytes())
    except OSError as error:
        raise SettingsError("rpc.tls_key", "a TLS file cannot be read") from error
    return grpc.ssl_server_credentials([pair], root_certificates=authority, require_client_auth=authority is not None)

"""`ResolverService`."""

from __future__ import annotations

from time import monotonic
from typing import Protocol

from goldthread.domain.ports import ResolveResult
from goldthread.domain.words import IncomingEvent
from goldthread.rpc.pool import BlockingPool
from goldthread.rpc.wrapping import Context
from goldthread.telemetry.context import remaining_seconds
from goldthread.v1 import resolver_service_pb2, resolver_service_pb2_grpc
from goldthread.wire import event_from_proto, resolve_response

__all__ = ["ResolverServicer", "Resolves"]


class Resolves(Protocol):
    """What the servicer calls: `flows.ResolveFlow`; blocking."""

    def resolve(self, event: IncomingEvent, *, preview: bool, seconds: float) -> ResolveResult:
        """Takes one event for a caller that waits so long."""
        ...


class ResolverServicer(resolver_service_pb2_grpc.ResolverServiceServicer):
    """Takes events one by one."""

    def __init__(self, flow: Resolves, pool: BlockingPool) -> None:
        self._flow = flow
        self._pool = pool

    async def Resolve(  # noqa: N802
        self,
        request: resolver_service_pb2.ResolveRequest,
        context: Context,  # noqa: ARG002
    ) -> resolver_service_pb2.ResolveResponse:
        """See `resolver_service.proto`."""
        event = event_from_proto(request.event)
        preview = request.preview
        # A moment, not a duration: the wait for a thread counts against the caller's time too.
        until = monotonic() + remaining_seconds()
        result = await self._pool.run(
            lambda: self._flow.resolve(event, preview=preview, seconds=max(0.0, until - monotonic()))
        )
        return resolve_response(result)

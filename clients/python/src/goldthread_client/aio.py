"""The client for asyncio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from goldthread_client.connection import Connection
from goldthread_client.errors import FailedCall, typed
from goldthread_client.v1 import event_pb2, identity_pb2, lookup_service_pb2, resolver_service_pb2
from goldthread_client.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread_client.v1.profile_service_pb2_grpc import ProfileServiceStub
from goldthread_client.v1.resolver_service_pb2_grpc import ResolverServiceStub
from goldthread_client.v1.steward_service_pb2_grpc import StewardServiceStub

__all__ = ["AsyncClient"]

Response = TypeVar("Response")


class AsyncClient:
    """One connection, for one event loop; made inside it once and kept. `async with AsyncClient("localhost:50051") as client: ...`."""

    def __init__(self, connection: Connection | str) -> None:
        self._connection = Connection(target=connection) if isinstance(connection, str) else connection
        credentials, target = self._connection.credentials(), self._connection.target
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(target, options=self._connection.options)
        else:
            self._channel = grpc.aio.secure_channel(target, credentials, options=self._connection.options)
        self._lookup = LookupServiceStub(self._channel)
        self.profiles = ProfileServiceStub(self._channel)
        """Stub, for `call`."""
        self.resolver = ResolverServiceStub(self._channel)
        """Stub, for `call`."""
        self.steward = StewardServiceStub(self._channel)
        """Stub, for `call`."""

    async def lookup(
        self, identifier: identity_pb2.Identifier, *, min_version: int = 0, seconds: float | None = None
    ) -> lookup_service_pb2.LookupResponse:
        """Who an identifier belongs to. What can be expected is an `outcome`; raises `GoldthreadError` for everything else."""
        request = lookup_service_pb2.LookupRequest(identifier=identifier, min_version=min_version)
        return await self.call(self._lookup.Lookup, request, seconds=seconds or self._connection.lookup_seconds)

    async def lookup_many(
        self, identifiers: Sequence[identity_pb2.Identifier], *, min_version: int = 0, seconds: float | None = None
    ) -> Sequence[lookup_service_pb2.BatchLookupResult]:
        """Up to 100 lookups in one call, answered in their order: each is a `response`, or a `failure` with its reason."""
        requests = [lookup_service_pb2.LookupRequest(identifier=one, min_version=min_version) for one in identifiers]
        request = lookup_service_pb2.BatchLookupRequest(requests=requests)
        answer = await self.call(self._lookup.BatchLookup, request, seconds=seconds)
        return answer.results

    async def resolve(
        self,
        event: event_pb2.CustomerEvent,
        *,
        preview: bool = False,
        confirmation: resolver_service_pb2.Confirmation | None = None,
        seconds: float | None = None,
    ) -> resolver_service_pb2.ResolveResponse:
        """Takes an event and says whose it is. Durable once it returns; repeating it is harmless, with `preview` nothing is written.

        `confirmation` is what the customer answered to the question of a lookup.
        """
        request = resolver_service_pb2.ResolveRequest(event=event, preview=preview, confirmation=confirmation)
        return await self.call(self.resolver.Resolve, request, seconds=seconds)

    async def call(
        self, method: Callable[..., Awaitable[Response]], request: Message, *, seconds: float | None = None
    ) -> Response:
        """Any unary call of a stub, with credential, deadline, retries and typed errors."""
        try:
            return await method(
                request, timeout=seconds or self._connection.call_seconds, metadata=self._connection.metadata
            )
        except grpc.aio.AioRpcError as error:
            raise typed(cast("FailedCall", error)) from None

    async def close(self) -> None:
        """Ends the connection; calls under way fail."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

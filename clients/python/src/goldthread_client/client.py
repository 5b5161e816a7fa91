"""The client for threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar, cast

import grpc
from google.protobuf.message import Message

from goldthread_client.connection import Connection
from goldthread_client.errors import FailedCall, typed
from goldthread_client.v1 import event_pb2, identity_pb2, lookup_service_pb2, resolver_service_pb2
from goldthread_client.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread_client.v1.profile_service_pb2_grpc import ProfileServiceStub
from goldthread_client.v1.resolver_service_pb2_grpc import ResolverServiceStub
from goldthread_client.v1.steward_service_pb2_grpc import StewardServiceStub

__all__ = ["Client"]

Response = TypeVar("Response")


class Client:
    """One connection, for any number of threads; made once and kept. `with Client("localhost:50051") as client: ...`."""

    def __init__(self, connection: Connection | str) -> None:
        self._connection = Connection(target=connection) if isinstance(connection, str) else connection
        credentials, target = self._connection.credentials(), self._connection.target
        if credentials is None:
            self._channel = grpc.insecure_channel(target, options=self._connection.options)
        else:
            self._channel = grpc.secure_channel(target, credentials, options=self._connection.options)
        self._lookup = LookupServiceStub(self._channel)
        self.profiles = ProfileServiceStub(self._channel)
        """Stub, for `call`."""
        self.resolver = ResolverServiceStub(self._channel)
        """Stub, for `call`."""
        self.steward = StewardServiceStub(self._channel)
        """Stub, for `call`."""

    def lookup(
        self, identifier: identity_pb2.Identifier, *, min_version: int = 0, seconds: float | None = None
    ) -> lookup_service_pb2.LookupResponse:
        """Who an identifier belongs to. What can be expected is an `outcome`; raises `GoldthreadError` for everything else."""
        request = lookup_service_pb2.LookupRequest(identifier=identifier, min_version=min_version)
        return self.call(self._lookup.Lookup, request, seconds=seconds or self._connection.lookup_seconds)

    def lookup_many(
        self, identifiers: Sequence[identity_pb2.Identifier], *, min_version: int = 0, seconds: float | None = None
    ) -> Sequence[lookup_service_pb2.BatchLookupResult]:
        """Up to 100 lookups in one call, answered in their order: each is a `response`, or a `failure` with its reason."""
        requests = [lookup_service_pb2.LookupRequest(identifier=one, min_version=min_version) for one in identifiers]
        request = lookup_service_pb2.BatchLookupRequest(requests=requests)
        answer = self.call(self._lookup.BatchLookup, request, seconds=seconds)
        return answer.results

    def resolve(
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
        return self.call(self.resolver.Resolve, request, seconds=seconds)

    def call(self, method: Callable[..., Response], request: Message, *, seconds: float | None = None) -> Response:
        """Any unary call of a stub, with credential, deadline, retries and typed errors."""
        try:
            return method(request, timeout=seconds or self._connection.call_seconds, metadata=self._connection.metadata)
        except grpc.RpcError as error:
            raise typed(cast("FailedCall", error)) from None

    def close(self) -> None:
        """Ends the connection; calls under way fail."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""A register: looks identifiers up over gRPC with the generated stubs."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import grpc
import grpc.aio

from goldthread.app.demo.sets import WantedIdentifier
from goldthread.v1 import identity_pb2, lookup_service_pb2, lookup_service_pb2_grpc

__all__ = ["Register", "lookup_request"]

_DEADLINE_SECONDS = 2.0
_TRIES = 6
_WAIT_SECONDS = 0.05
_RETRYABLE = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)


def lookup_request(wanted: WantedIdentifier) -> lookup_service_pb2.LookupRequest:
    """The request for an identifier as typed."""
    return lookup_service_pb2.LookupRequest(
        identifier=identity_pb2.Identifier(
            type=int(wanted.type),  # type: ignore[arg-type]
            namespace=wanted.namespace,
            raw=wanted.value,
        )
    )


class Register:
    """One channel; used from one event loop. `retries` counts calls that were tried again, as any reader may on these codes."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = lookup_service_pb2_grpc.LookupServiceStub(self._channel)
        self.retries = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def lookup(self, wanted: WantedIdentifier) -> lookup_service_pb2.LookupResponse | None:
        """The answer; None if the service refuses the identifier as invalid. Raises `grpc.aio.AioRpcError` once tries are used up."""
        request = lookup_request(wanted)
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._stub.Lookup(request, timeout=_DEADLINE_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                    return None
                if error.code() not in _RETRYABLE or attempt == _TRIES:
                    raise
                self.retries += 1
                await asyncio.sleep(_WAIT_SECONDS * attempt)
        raise AssertionError("unreachable: the last try returns or raises")

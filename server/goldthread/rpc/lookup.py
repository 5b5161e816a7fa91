"""`LookupService`."""

from __future__ import annotations

from typing import Protocol

from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.words import IncomingIdentifier, LookupOutcome, Violation
from goldthread.flows.lookup import FoundAnswer
from goldthread.rpc.wrapping import Context
from goldthread.telemetry.context import remaining_seconds
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import lookup_service_pb2, lookup_service_pb2_grpc
from goldthread.wire import identifier_from_proto

__all__ = ["LookupServicer", "Lookups"]


class Lookups(Protocol):
    """What the servicer calls: `flows.LookupFlow`."""

    async def lookup(self, identifier: IncomingIdentifier, *, min_version: int, seconds: float) -> FoundAnswer:
        """The answer for one identifier."""
        ...


class LookupServicer(lookup_service_pb2_grpc.LookupServiceServicer):
    """Answers registers."""

    def __init__(self, flow: Lookups, metrics: Metrics) -> None:
        self._flow = flow
        self._outcomes = {int(item): metrics.lookups.labels(item.name.lower()) for item in LookupOutcome}

    async def Lookup(  # noqa: N802
        self,
        request: lookup_service_pb2.LookupRequest,
        context: Context,  # noqa: ARG002
    ) -> lookup_service_pb2.LookupResponse:
        """See `lookup_service.proto`."""
        identifier = _identifier(request)
        found = await self._flow.lookup(identifier, min_version=request.min_version, seconds=remaining_seconds())
        response = _response(found)
        self._outcomes[response.outcome].inc()
        return response


def _identifier(request: lookup_service_pb2.LookupRequest) -> IncomingIdentifier:
    """The identifier asked for; raises `InvalidArgumentError` with every broken field of the request."""
    if request.min_version >= 0:
        return identifier_from_proto(request.identifier, "identifier")
    violations = [Violation("min_version", "must not be negative")]
    try:
        identifier_from_proto(request.identifier, "identifier")
    except InvalidArgumentError as error:
        violations.extend(error.violations)
    raise InvalidArgumentError(violations)


def _response(found: FoundAnswer) -> lookup_service_pb2.LookupResponse:
    """The cached bytes as they are, with the fields that are set per call."""
    response = lookup_service_pb2.LookupResponse.FromString(found.answer.encoded)
    response.version = found.answer.version
    response.answer_source = int(found.source)  # type: ignore[assignment]
    return response

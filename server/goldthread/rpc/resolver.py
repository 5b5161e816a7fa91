"""`ResolverService`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import Protocol

from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.ports import ReceiveCall, ResolveCall, ResolveResult
from goldthread.domain.steward import Confirmation, ConfirmationOutcome
from goldthread.domain.words import IncomingEvent, IngestOutcome, Violation
from goldthread.rpc.gathering import GatheringPool
from goldthread.rpc.pool import BlockingPool
from goldthread.rpc.streams import answered, failure_told, in_time
from goldthread.rpc.wrapping import Context
from goldthread.telemetry.context import remaining_seconds
from goldthread.v1 import resolver_service_pb2 as pb
from goldthread.v1 import resolver_service_pb2_grpc
from goldthread.wire import confirmation_from_proto, event_from_proto, request_id_violations, resolve_response

__all__ = ["INGEST", "RESOLVE_STREAM", "Confirms", "Received", "Receives", "ResolverServicer", "Resolves"]

INGEST = "/goldthread.v1.ResolverService/Ingest"
RESOLVE_STREAM = "/goldthread.v1.ResolverService/ResolveStream"
"""Methods whose calls last."""

_RESOLVE_WINDOW = 64
_INGEST_WINDOW = 4
_MOST_EVENTS = 500

Received = Sequence[IngestOutcome | Exception]
"""What became of each event of a message."""


class Resolves(Protocol):
    """What the servicer calls: `flows.ResolveFlow`; blocking."""

    def resolve(self, calls: Sequence[ResolveCall]) -> Sequence[ResolveResult | Exception]:
        """Takes the events of several callers and answers each, in their order."""
        ...

    def check(self, event: IncomingEvent) -> None:
        """Raises `InvalidArgumentError` for an event that is refused whatever the ledger holds."""
        ...

    def preview(self, event: IncomingEvent, *, seconds: float) -> ResolveResult:
        """What it would answer a caller that waits so long; writes nothing."""
        ...


class Receives(Protocol):
    """What takes events without an answer about their profiles: `flows.ReceiveFlow`; blocking."""

    def receive(self, calls: Sequence[ReceiveCall]) -> Sequence[Received]:
        """Takes the events of several messages; what became of each."""
        ...


class Confirms(Protocol):
    """What makes evidence of a customer's answer: `flows.StewardFlow`; blocking."""

    def confirm(self, confirmation: Confirmation, *, source: str, event_id: str, seconds: float) -> ConfirmationOutcome:
        """Takes what the customer answered along with an event."""
        ...


class ResolverServicer(resolver_service_pb2_grpc.ResolverServiceServicer):
    """Takes events in groups of those that come while others are under way; previews go one by one, and neither waits for the other.

    Of a stream every message has `seconds`. All streams together have at most `streamed` requests of Resolve under way: the others wait unread.
    """

    def __init__(
        self,
        flow: Resolves,
        *,
        groups: GatheringPool[ResolveCall, ResolveResult],
        previews: BlockingPool,
        received: GatheringPool[ReceiveCall, Received],
        confirms: Confirms,
        seconds: float,
        streamed: int,
    ) -> None:
        self._confirms = confirms
        self._flow = flow
        self._groups = groups
        self._previews = previews
        self._received = received
        self._seconds = seconds
        self._places = asyncio.Semaphore(streamed)
        self._stopping = asyncio.Event()

    def leave(self) -> None:
        """Ends every stream once what was read of it is answered."""
        self._stopping.set()

    async def Resolve(self, request: pb.ResolveRequest, context: Context) -> pb.ResolveResponse:  # noqa: ARG002, N802
        """See `resolver_service.proto`."""
        # A moment, not a duration: the wait for a thread counts against the caller's time too.
        return await self._resolved(request, monotonic() + remaining_seconds())

    async def ResolveStream(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.ResolveStreamRequest], context: Context
    ) -> AsyncIterator[pb.ResolveStreamResponse]:
        """See `resolver_service.proto`."""
        await context.send_initial_metadata(())
        async for answer in answered(
            request_iterator, self._answer, window=_RESOLVE_WINDOW, in_order=False, stopping=self._stopping
        ):
            yield answer

    async def Ingest(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.IngestRequest], context: Context
    ) -> AsyncIterator[pb.IngestResponse]:
        """See `resolver_service.proto`."""
        await context.send_initial_metadata(())
        async for answer in answered(
            request_iterator, self._acknowledge, window=_INGEST_WINDOW, in_order=True, stopping=self._stopping
        ):
            yield answer

    async def _resolved(self, request: pb.ResolveRequest, until: float) -> pb.ResolveResponse:
        event, given = event_from_proto(request.event), confirmation_from_proto(request)
        request_id = request.request_id
        if request_id and (violations := request_id_violations(request_id, "request_id")):
            raise InvalidArgumentError(violations)
        # Before the event is taken, so that the answer about it is as it is with it; a repeat of the call finds it there.
        confirmed = None if given is None else await self._confirmed(given, event, until)
        if request.preview:
            result = await self._previews.run(lambda: self._flow.preview(event, seconds=max(0.0, until - monotonic())))
        else:
            # Under one id the same event with another answer is another request.
            parts = (request.event, request.confirmation) if given is not None else (request.event,)
            body = b"".join(part.SerializeToString(deterministic=True) for part in parts) if request_id else b""
            call = ResolveCall(event, until, request_id, body)
            result = await self._groups.run(call, key=(event.source, event.event_id), until=until)
        return resolve_response(result, confirmed)

    async def _confirmed(self, given: Confirmation, event: IncomingEvent, until: float) -> ConfirmationOutcome:
        def confirm() -> ConfirmationOutcome:
            # A call that is refused for its event leaves nothing behind.
            self._flow.check(event)
            # The other half of the time is for the event.
            seconds = max(0.0, until - monotonic()) / 2
            return self._confirms.confirm(given, source=event.source, event_id=event.event_id, seconds=seconds)

        return await self._previews.run(confirm)

    async def _answer(self, request: pb.ResolveStreamRequest) -> pb.ResolveStreamResponse:
        asked = request.resolve
        try:
            return pb.ResolveStreamResponse(request_id=asked.request_id, response=await self._streamed(asked))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer to this request, and to no other
            failure = failure_told(RESOLVE_STREAM, error)
            return pb.ResolveStreamResponse(request_id=asked.request_id, failure=failure)

    async def _streamed(self, asked: pb.ResolveRequest) -> pb.ResolveResponse:
        if violations := request_id_violations(asked.request_id, "resolve.request_id"):
            raise InvalidArgumentError(violations)
        async with self._places:
            seconds = min(self._seconds, remaining_seconds())
            return await in_time(self._resolved(asked, monotonic() + seconds), seconds)

    async def _acknowledge(self, request: pb.IngestRequest) -> pb.IngestResponse:
        if not 1 <= len(request.events) <= _MOST_EVENTS:
            raise InvalidArgumentError([Violation("events", f"1 to {_MOST_EVENTS}")])
        seconds = min(self._seconds, remaining_seconds())
        call = ReceiveCall([event_from_proto(event) for event in request.events], monotonic() + seconds)
        try:
            found: Received = await in_time(self._received.run(call, key=id(call), until=call.until), seconds)
        except Exception as error:  # noqa: BLE001  # likewise
            found = [error] * len(request.events)
        return pb.IngestResponse(sequence=request.sequence, results=[_result(one) for one in found])


def _result(fate: IngestOutcome | Exception) -> pb.IngestResult:
    if isinstance(fate, Exception):
        return pb.IngestResult(failure=failure_told(INGEST, fate))
    return pb.IngestResult(outcome=int(fate))  # type: ignore[arg-type]

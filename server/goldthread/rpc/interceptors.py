"""Cross-cutting work of the door, outermost first: tracking, request context, metrics, errors, admission, request bytes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc import aio
from grpc_status import rpc_status

from goldthread.domain.errors import DeadlineExceededError, GoldthreadError, InvalidArgumentError, OverloadedError
from goldthread.domain.words import Violation
from goldthread.rpc.settings import CallLimits
from goldthread.rpc.status import code_of, status_of
from goldthread.rpc.wrapping import AroundInterceptor, Context, service_of
from goldthread.telemetry.context import (
    RequestContext,
    chosen_request_id,
    current_request,
    remaining_seconds,
    request_scope,
)
from goldthread.telemetry.logs import frames_of, get_logger
from goldthread.telemetry.metrics import Metrics

__all__ = [
    "AdmissionInterceptor",
    "ContextInterceptor",
    "ErrorsInterceptor",
    "MetricsInterceptor",
    "RequestInterceptor",
    "TrackingInterceptor",
]

_log = get_logger(__name__)
_TIMER_SKEW_SECONDS = 0.01
"""The library's timer for the caller's deadline may fire this much before ours."""


class TrackingInterceptor(AroundInterceptor):
    """Knows the tasks of running handlers: `grpc.aio.Server.stop` returns while cancelled handlers still clean up, so the server waits here."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:  # noqa: ARG002
        """Holds the task while its handler runs."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def drained(self, *, seconds: float) -> int:
        """Waits until no handler runs, at most `seconds`; how many still do."""
        tasks = set(self._tasks)
        if not tasks:
            return 0
        _, running = await asyncio.wait(tasks, timeout=seconds)
        return len(running)


class ContextInterceptor(AroundInterceptor):
    """Sets the request's id (the caller's `x-request-id` if it is well formed) and its deadline: the caller's, or the service's limit if sooner."""

    def __init__(self, limits: Mapping[str, CallLimits], *, new_id: Callable[[], str]) -> None:
        super().__init__()
        self._limits = limits
        self._new_id = new_id

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Scope of the request."""
        _, limits = _limited(self._limits, method)
        seconds = float("inf") if limits is None else limits.seconds
        # None without a deadline, which the type stubs do not say.
        asked: float | None = context.time_remaining()
        if asked is not None:
            seconds = min(seconds, asked)
        with request_scope(RequestContext(self._request_id(context), time.monotonic() + seconds)):
            yield

    def _request_id(self, context: Context) -> str:
        given = (value for key, value in context.invocation_metadata() or () if key == "x-request-id")
        return chosen_request_id(next(given, None), self._new_id)


class MetricsInterceptor(AroundInterceptor):
    """Calls in flight, and the time of each call by method and code, observed after its handler ended."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Observes."""
        started = time.perf_counter()
        in_flight = self._metrics.rpc_in_flight.labels(method)
        in_flight.inc()
        code = "OK"
        try:
            yield
        except asyncio.CancelledError:
            code = "CANCELLED" if remaining_seconds() > _TIMER_SKEW_SECONDS else "DEADLINE_EXCEEDED"
            raise
        except aio.AbortError:
            code = context.code().name
            raise
        except BaseException:
            code = "UNKNOWN"
            raise
        finally:
            in_flight.dec()
            self._metrics.rpc_seconds.labels(method, code).observe(time.perf_counter() - started)


class ErrorsInterceptor(AroundInterceptor):
    """Ends a failed call with a rich status. Aborts and the cancellation of the call itself pass through.

    A CancelledError from inside, without anybody having cancelled the call, must not: the caller would wait for its whole deadline.
    """

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Translates."""
        try:
            yield
        except aio.AbortError:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            await _abort(method, context, error)
        except Exception as error:  # noqa: BLE001  # the last stop before the caller: anything unknown becomes INTERNAL
            await _abort(method, context, error)


class AdmissionInterceptor(AroundInterceptor):
    """Refuses calls above a service's limit at once, and ends those that run past the request's deadline."""

    def __init__(self, limits: Mapping[str, CallLimits]) -> None:
        super().__init__()
        self._limits = limits
        self._running: Counter[str] = Counter()

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:  # noqa: ARG002
        """Counts by method where that has limits of its own, else by service, and bounds."""
        limited, limits = _limited(self._limits, method)
        if limits is None:
            yield
            return
        if self._running[limited] >= limits.in_flight:
            raise OverloadedError(limited)
        self._running[limited] += 1
        try:
            async with asyncio.timeout(remaining_seconds()):
                yield
        except TimeoutError:
            raise DeadlineExceededError("the time for this call is over") from None
        finally:
            self._running[limited] -= 1


class RequestInterceptor(aio.ServerInterceptor):
    """Decodes requests inside the other interceptors, so that bytes which are not the message are INVALID_ARGUMENT like any bad field.

    Requests of limited services only. Must be the innermost interceptor.
    """

    def __init__(self, limits: Mapping[str, CallLimits]) -> None:
        self._limits = limits

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """See `grpc.aio.ServerInterceptor`."""
        handler = await continuation(handler_call_details)
        _, limits = _limited(self._limits, handler_call_details.method)
        if handler is None or limits is None:
            return handler
        # The type stubs know handlers of the blocking server only.
        blocking: Any = handler
        decode = handler.request_deserializer
        assert decode is not None
        written = handler.response_serializer

        async def call(request: bytes, context: Context) -> Any:  # noqa: ANN401
            return await blocking.unary_unary(_decoded(request, decode, limits), context)

        async def stream(request: bytes, context: Context) -> AsyncIterator[Any]:
            async for answer in blocking.unary_stream(_decoded(request, decode, limits), context):
                yield answer

        async def converse(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            async for answer in blocking.stream_stream(_each_decoded(requests, decode, limits), context):
                yield answer

        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(converse, response_serializer=written)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, response_serializer=written)
        if handler.request_streaming:
            return handler
        return grpc.unary_unary_rpc_method_handler(call, response_serializer=written)


def _limited(limits: Mapping[str, CallLimits], method: str) -> tuple[str, CallLimits | None]:
    """What a call counts against, and its limits: those of the method if it has its own, else those of its service."""
    name = method if method in limits else service_of(method)
    return name, limits.get(name)


async def _each_decoded(
    requests: AsyncIterator[bytes], decode: Callable[[bytes], Any], limits: CallLimits
) -> AsyncIterator[Any]:
    async for request in requests:
        yield _decoded(request, decode, limits)


def _decoded(request: bytes, decode: Callable[[bytes], Any], limits: CallLimits) -> Any:  # noqa: ANN401
    if len(request) > limits.request_bytes:
        raise InvalidArgumentError(
            [Violation("", f"the request is larger than {limits.request_bytes} bytes")], detail_reason="TOO_LARGE"
        )
    try:
        return decode(request)
    except DecodeError:
        raise InvalidArgumentError(
            [Violation("", "the bytes are not the message of this method")], detail_reason="MALFORMED"
        ) from None


async def _abort(method: str, context: Context, error: BaseException) -> NoReturn:
    request = current_request()
    request_id = "" if request is None else request.request_id
    if code_of(error) is grpc.StatusCode.INTERNAL:
        _log.error("rpc_failed", method=method, error=type(error).__name__, frames=frames_of(error))
    elif isinstance(error, GoldthreadError) and error.retryable:
        _log.debug("rpc_refused", method=method, reason=error.reason)
    rich = rpc_status.to_status(status_of(error, request_id=request_id))
    try:
        await context.abort(rich.code, rich.details, rich.trailing_metadata)
    except aio.InternalError:
        # The caller has gone in the same moment: there is nobody to tell, and the call is as aborted as it can be.
        raise aio.AbortError from None

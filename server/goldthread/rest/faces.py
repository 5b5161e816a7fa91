"""The ASGI application: each path reads JSON, makes the call that its method is, and answers in JSON.

It calls the gRPC server as any other caller would, over a socket within the machine: limits, deadlines, metrics, logs and the reasons of errors are
therefore the RPC's own. Who may call has been decided before (`resolver_core/register`). Nothing of a request is ever logged.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any

from google.protobuf.json_format import MessageToDict, Parse, ParseError
from google.protobuf.message import Message
from grpc import aio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from goldthread.domain.errors import DeadlineExceededError, InvalidArgumentError, OverloadedError
from goldthread.domain.words import Violation
from goldthread.rest.methods import UnaryMethod
from goldthread.rest.problems import problem_of
from goldthread.rest.settings import RestSettings
from goldthread.telemetry.context import chosen_request_id
from goldthread.telemetry.logs import frames_of, get_logger
from goldthread.telemetry.metrics import Metrics

__all__ = ["OPENAPI_PATH", "build_faces"]

OPENAPI_PATH = "/v1/openapi.json"
"""Where the description of every path is."""

_log = get_logger(__name__)
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_NO_STORE = {"cache-control": "no-store"}
_GONE = 499
"""Nobody hears it; the name that servers have for it in counts."""


def build_faces(
    methods: Sequence[UnaryMethod],
    channel: aio.Channel,
    settings: RestSettings,
    *,
    metrics: Metrics,
    new_id: Callable[[], str],
) -> Starlette:
    """The application, for calls through `channel`. Used from the channel's event loop."""
    faces = _Faces(settings, metrics, new_id)
    routes = [Route(method.path, faces.endpoint(method, channel), methods=["POST"]) for method in methods]
    page = files("goldthread.rest").joinpath("openapi.json").read_bytes()

    async def openapi(_request: Request) -> Response:
        return Response(page, headers=_NO_STORE, media_type="application/json")

    routes.append(Route(OPENAPI_PATH, openapi, methods=["GET"]))
    application = Starlette(routes=routes, exception_handlers={HTTPException: faces.refuse_http})
    application.router.redirect_slashes = False
    return application


class _Faces:
    def __init__(self, settings: RestSettings, metrics: Metrics, new_id: Callable[[], str]) -> None:
        self._settings = settings
        self._metrics = metrics
        self._new_id = new_id
        self._running = 0

    def endpoint(self, method: UnaryMethod, channel: aio.Channel) -> Callable[[Request], Awaitable[Response]]:
        """What answers calls of one method."""
        stub = channel.unary_unary(
            method.wire, request_serializer=_serialized, response_deserializer=method.response.FromString
        )

        async def answer(request: Request) -> Response:
            request_id = chosen_request_id(request.headers.get("x-request-id"), self._new_id)
            if self._running >= self._settings.in_flight:
                return self._refused(OverloadedError("REST calls"), request_id)
            self._running += 1
            try:
                return await self._answer(request, method, stub, request_id)
            finally:
                self._running -= 1

        return answer

    async def refuse_http(self, request: Request, error: Exception) -> Response:
        """What the router refuses: a path or a verb that there is not."""
        return self._refused(error, chosen_request_id(request.headers.get("x-request-id"), self._new_id))

    async def _answer(self, request: Request, method: UnaryMethod, stub: Any, request_id: str) -> Response:  # noqa: ANN401
        try:
            message = _parsed(await self._body(request), method.request)
            call = stub(
                message, timeout=_seconds(request.headers.get("grpc-timeout")), metadata=(("x-request-id", request_id),)
            )
            answer = await _unless_gone(call, request)
        except ClientDisconnect:
            return Response(status_code=_GONE)
        except Exception as error:  # noqa: BLE001  # the last stop before the caller: anything unknown becomes INTERNAL
            return self._refused(error, request_id)
        text = json.dumps(MessageToDict(answer), ensure_ascii=False, separators=(",", ":"))
        return Response(text.encode(), headers=_NO_STORE, media_type="application/json")

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "application/json")
        if kind.partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415)
        most = self._settings.max_body_bytes
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                async for part in request.stream():
                    body += part
                    if len(body) > most:
                        too_large = Violation("", f"the request is larger than {most} bytes")
                        raise InvalidArgumentError([too_large], detail_reason="TOO_LARGE")
        except TimeoutError:
            raise DeadlineExceededError("the request did not arrive in time") from None
        return bytes(body)

    def _refused(self, error: Exception, request_id: str) -> Response:
        problem = problem_of(error)
        if not isinstance(error, aio.AioRpcError):
            # What was called is counted and logged where it was answered.
            self._metrics.rest_refusals.labels(problem.reason).inc()
            if problem.status == 500:
                _log.error("rest_failed", error=type(error).__name__, frames=frames_of(error))
        return problem.response(request_id)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _parsed(body: bytes, kind: type[Message]) -> Message:
    """The message that a JSON object is. What the parser says of a text may quote it, so it goes no further."""
    try:
        if body.lstrip()[:1] == b"{":
            return Parse(body, kind())
    except (ParseError, UnicodeDecodeError):
        pass
    raise InvalidArgumentError(
        [Violation("", "the bytes are not the message of this method")], detail_reason="MALFORMED"
    ) from None


def _seconds(timeout: str | None) -> float | None:
    """The caller's deadline, as gRPC writes it; None if it names none, and the service's own holds."""
    found = _TIMEOUT.fullmatch(timeout or "")
    return None if found is None else int(found[1]) * _UNITS[found[2]]


async def _unless_gone(call: Any, request: Request) -> Message:  # noqa: ANN401
    """The call's answer. A caller who goes takes his call with him; raises `ClientDisconnect` then."""
    answer = asyncio.ensure_future(_awaited(call))
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return answer.result()
    finally:
        for task in (answer, gone):
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, aio.AioRpcError):
                    await task


async def _awaited(call: Any) -> Message:  # noqa: ANN401
    found: Message = await call
    return found


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

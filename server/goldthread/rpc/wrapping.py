"""Puts an asynchronous context around handlers of every kind, unary and streaming alike."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import grpc
from grpc import aio

__all__ = ["AroundInterceptor", "Context", "service_of"]

# In quotes: generic in the type stubs only.
Context: TypeAlias = "aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Around: TypeAlias = Callable[[Context], AbstractAsyncContextManager[None]]
_KINDS = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class AroundInterceptor(aio.ServerInterceptor):
    """An interceptor that is a context around the handler. The first interceptor of a server is the outermost context.

    A server's handlers never change, so each method is wrapped at its first call and kept.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, _Handler] = {}

    @abstractmethod
    def around(self, method: str, context: Context) -> AbstractAsyncContextManager[None]:
        """Entered before the handler runs and left after it ended; `method` is `/package.Service/Method`."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler | None:
        """See `grpc.aio.ServerInterceptor`; an unknown method stays unknown."""
        method = handler_call_details.method
        known = self._handlers.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return self._handlers.setdefault(method, _wrapped(handler, lambda context: self.around(method, context)))


def service_of(method: str) -> str:
    """Service of a method's path: `package.Service` of `/package.Service/Method`."""
    return method.strip("/").partition("/")[0]


def _wrapped(handler: _Handler, around: _Around) -> _Handler:
    kind, build = _KINDS[bool(handler.request_streaming), bool(handler.response_streaming)]
    inner = getattr(handler, kind)
    call = _stream(inner, around) if inspect.isasyncgenfunction(inner) else _single(inner, around)
    return build(
        call, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
    )


def _single(inner: Callable[[Any, Context], Awaitable[Any]], around: _Around) -> Callable[[Any, Context], Any]:
    """For handlers that return their answer, and for streaming ones that write to the context."""

    async def call(request: Any, context: Context) -> Any:  # noqa: ANN401
        async with around(context):
            return await inner(request, context)

    return call


def _stream(inner: Callable[[Any, Context], AsyncIterator[Any]], around: _Around) -> Callable[[Any, Context], Any]:
    """For handlers that yield their answers."""

    async def call(request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
        async with around(context):
            async for answer in inner(request, context):
                yield answer

    return call

"""What a refused caller is told: problem details (RFC 9457) with the reason, domain and metadata of gRPC's ErrorInfo.

The data plane writes the same shape for what it refuses itself (`resolver_core/register/src/refusal.rs`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status
from starlette.exceptions import HTTPException
from starlette.responses import Response

from goldthread.domain.errors import DeadlineExceededError, GoldthreadError, InvalidArgumentError, OverloadedError
from goldthread.domain.words import ERROR_DOMAIN

__all__ = ["HTTP_STATUS", "Problem", "problem_of"]

_TYPE = "tag:goldthread.dev,2026:"
_RETRY_DELAY = "0.100s"
HTTP_STATUS: Mapping[grpc.StatusCode, int] = MappingProxyType(
    {
        grpc.StatusCode.INVALID_ARGUMENT: 400,
        grpc.StatusCode.FAILED_PRECONDITION: 400,
        grpc.StatusCode.OUT_OF_RANGE: 400,
        grpc.StatusCode.UNAUTHENTICATED: 401,
        grpc.StatusCode.PERMISSION_DENIED: 403,
        grpc.StatusCode.NOT_FOUND: 404,
        grpc.StatusCode.UNIMPLEMENTED: 404,
        grpc.StatusCode.ABORTED: 409,
        grpc.StatusCode.ALREADY_EXISTS: 409,
        grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
        grpc.StatusCode.CANCELLED: 503,
        grpc.StatusCode.UNAVAILABLE: 503,
        grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    }
)
"""As google.rpc.Code has it. CANCELLED, where the caller cancelled nothing, means that the server stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal. `status` is HTTP's, `code` the name of gRPC's; `retry_delay` as protobuf's JSON has it, such as `0.100s`."""

    status: int
    code: str
    reason: str
    detail: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[Mapping[str, str]] = ()
    retry_delay: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, request_id: str) -> Response:
        """The answer to a call with this id."""
        body: dict[str, object] = {
            "type": f"{_TYPE}{self.reason}",
            "title": self.reason.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "reason": self.reason,
            "domain": ERROR_DOMAIN,
            "metadata": dict(self.metadata),
            "requestId": request_id,
        }
        headers = {"cache-control": "no-store", **self.headers}
        if self.retry_delay:
            body["retryDelay"] = self.retry_delay
            headers["retry-after"] = str(math.ceil(float(self.retry_delay.rstrip("s"))))
        if self.violations:
            body["violations"] = list(self.violations)
        return Response(json.dumps(body), self.status, headers, "application/problem+json")


def problem_of(error: BaseException) -> Problem:
    """What a caller is told of an error; INTERNAL, which shows nothing of it, if it is none that is foreseen."""
    match error:
        case aio.AioRpcError():
            return _of_call(error)
        case HTTPException():
            return _of_http(error.status_code, error.headers or {})
        case InvalidArgumentError():
            broken = [{"field": one.field, "description": one.description} for one in error.violations]
            return _of_ours(error, 400, "INVALID_ARGUMENT", violations=broken)
        case OverloadedError():
            return _of_ours(error, 429, "RESOURCE_EXHAUSTED", retry_delay=_RETRY_DELAY)
        case DeadlineExceededError():
            return _of_ours(error, 504, "DEADLINE_EXCEEDED", retry_delay=_RETRY_DELAY)
        case _:
            return Problem(status=500, code="INTERNAL", reason="INTERNAL", detail="internal error")


def _of_ours(
    error: GoldthreadError,
    status: int,
    code: str,
    *,
    violations: Sequence[Mapping[str, str]] = (),
    retry_delay: str = "",
) -> Problem:
    return Problem(
        status=status,
        code=code,
        reason=error.reason,
        detail=error.message,
        metadata=error.metadata,
        violations=violations,
        retry_delay=retry_delay,
    )


def _of_http(status: int, headers: Mapping[str, str]) -> Problem:
    """What HTTP alone can get wrong: a path, a verb, a kind of body."""
    if status == 405:
        verbs = headers.get("Allow", "")
        return Problem(
            status=status,
            code="UNIMPLEMENTED",
            reason="METHOD_NOT_ALLOWED",
            detail=f"the method is {verbs}",
            metadata={"allow": verbs},
            headers={"allow": verbs},
        )
    if status == 415:
        return Problem(
            status=status,
            code="INVALID_ARGUMENT",
            reason="UNSUPPORTED_MEDIA_TYPE",
            detail="the body must be application/json",
        )
    return Problem(status=404, code="NOT_FOUND", reason="UNKNOWN_PATH", detail="there is no such path")


def _of_call(error: aio.AioRpcError) -> Problem:
    """What a call ended with. One without details was ended by the library itself, which names no reason but the code."""
    code = error.code()
    told = _details(error)
    info = told.get("ErrorInfo", {})
    violations = told.get("BadRequest", {}).get("fieldViolations", [])
    return Problem(
        status=HTTP_STATUS.get(code, 500),
        code=code.name,
        reason=info.get("reason", code.name),
        detail=error.details() or "" if info else code.name.replace("_", " ").lower(),
        metadata=info.get("metadata", {}),
        violations=[{"field": one.get("field", ""), "description": one.get("description", "")} for one in violations],
        retry_delay=told.get("RetryInfo", {}).get("retryDelay", ""),
    )


def _details(error: aio.AioRpcError) -> dict[str, dict[str, Any]]:
    """The details of a rich status as JSON, by the names of their messages."""
    status: status_pb2.Status | None = rpc_status.from_call(error)
    found: dict[str, dict[str, Any]] = {}
    for item in () if status is None else status.details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.RetryInfo, error_details_pb2.BadRequest):
            message = kind()
            if item.Unpack(message):
                found[kind.DESCRIPTOR.name] = MessageToDict(message)
    return found

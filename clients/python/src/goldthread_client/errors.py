"""What a call can fail with, by what a caller can do about it.

GoldthreadError          any; has reason, metadata, request_id
  InvalidRequestError    the request breaks rules; all of them are in `violations`
  NotAllowedError        no credential, or one that may not do this
  NotFoundError          an id that was never given out
  ConflictError          an event id or request id that was used with other content
  RefusedError           the state of things is against it, such as a review that changed; `reason` says what
  BusyError              too much at once, or a spent budget: again after `retry_after` seconds
  UnavailableError       nobody answers: never that a customer is unknown. A register goes on offline
  DeadlineError          no answer in time; a write may have been done, and repeating it is harmless
  ServerError            a fault of the service; `request_id` finds it in its log
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import grpc
from google.rpc import error_details_pb2, status_pb2

__all__ = [
    "BusyError",
    "ConflictError",
    "DeadlineError",
    "FailedCall",
    "GoldthreadError",
    "InvalidRequestError",
    "NotAllowedError",
    "NotFoundError",
    "RefusedError",
    "ServerError",
    "UnavailableError",
    "Violation",
    "typed",
]

_DETAILS = "grpc-status-details-bin"
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: the field's path in the request, and the rule. Never a value."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class _Details:
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    retry_after: float | None = None
    request_id: str = ""


class GoldthreadError(Exception):
    """A call failed. `reason` is the service's own word (google.rpc.ErrorInfo), stable; empty if the service was not reached."""

    def __init__(self, code: grpc.StatusCode, message: str, details: _Details) -> None:
        super().__init__(f"{details.reason or code.name}: {message}")
        self.code = code
        self.reason = details.reason
        self.metadata = details.metadata
        self.violations = details.violations
        self.retry_after = details.retry_after
        self.request_id = details.request_id


class InvalidRequestError(GoldthreadError):
    """The request breaks rules."""


class NotAllowedError(GoldthreadError):
    """No credential, or one that may not do this."""


class NotFoundError(GoldthreadError):
    """An id that was never given out."""


class ConflictError(GoldthreadError):
    """An id that was used with other content."""


class RefusedError(GoldthreadError):
    """The state of things is against it."""


class BusyError(GoldthreadError):
    """Too much at once, or a spent budget."""


class UnavailableError(GoldthreadError):
    """Nobody answers."""


class DeadlineError(GoldthreadError):
    """No answer in time."""


class ServerError(GoldthreadError):
    """A fault of the service."""


_CLASSES: Mapping[grpc.StatusCode, type[GoldthreadError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.UNAUTHENTICATED: NotAllowedError,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowedError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: ConflictError,
    grpc.StatusCode.FAILED_PRECONDITION: RefusedError,
    grpc.StatusCode.ABORTED: RefusedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: BusyError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    # A server that stops gives up calls that reach it in that moment.
    grpc.StatusCode.CANCELLED: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
}


class FailedCall(Protocol):
    """What gRPC raises for a call that failed, sync or async."""

    def code(self) -> grpc.StatusCode:
        """Status code."""
        ...

    def details(self) -> str | None:
        """The service's sentence, or gRPC's."""
        ...

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Trailers, which hold the details."""
        ...


def typed(error: FailedCall) -> GoldthreadError:
    """The error of a call that failed."""
    code = error.code()
    kind = _CLASSES.get(code, ServerError)
    return kind(code, error.details() or "", _details_of(error.trailing_metadata() or ()))


def _details_of(trailers: Iterable[tuple[str, str | bytes]]) -> _Details:
    packed = next((value for key, value in trailers if key == _DETAILS), None)
    if not isinstance(packed, bytes):
        return _Details()
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry, request = error_details_pb2.RetryInfo(), error_details_pb2.RequestInfo()
    for detail in status_pb2.Status.FromString(packed).details:
        for message in (info, bad, retry, request):
            detail.Unpack(message)
    delay = retry.retry_delay
    return _Details(
        reason=info.reason,
        metadata=dict(info.metadata),
        violations=tuple(Violation(one.field, one.description) for one in bad.field_violations),
        retry_after=delay.seconds + delay.nanos / _NANOSECONDS if retry.HasField("retry_delay") else None,
        request_id=request.request_id,
    )

"""What an error looks like to a caller: the only table from reason to status code, and the google.rpc details.

Every status carries ErrorInfo (reason, domain, metadata) and RequestInfo; broken fields come in BadRequest, all at once; errors that a retry
may cure carry RetryInfo. An error that is not in the table becomes INTERNAL and shows nothing of what happened inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from goldthread.domain.errors import GoldthreadError, InvalidArgumentError
from goldthread.domain.words import ERROR_DOMAIN, Violation
from goldthread.v1 import failure_pb2

__all__ = ["CODES", "code_of", "failure_of", "status_of"]

CODES: Mapping[str, grpc.StatusCode] = MappingProxyType(
    {
        "INVALID_ARGUMENT": grpc.StatusCode.INVALID_ARGUMENT,
        "EVENT_ID_CONFLICT": grpc.StatusCode.ALREADY_EXISTS,
        "STEWARD": grpc.StatusCode.FAILED_PRECONDITION,
        "REQUEST_ID_CONFLICT": grpc.StatusCode.ALREADY_EXISTS,
        "UNKNOWN_ID": grpc.StatusCode.NOT_FOUND,
        "ENDED_ID": grpc.StatusCode.FAILED_PRECONDITION,
        "NOT_A_MEMBER": grpc.StatusCode.FAILED_PRECONDITION,
        "STALE_REVIEW": grpc.StatusCode.FAILED_PRECONDITION,
        "REVIEW_CLAIMED": grpc.StatusCode.FAILED_PRECONDITION,
        "OPERATION_TOO_LARGE": grpc.StatusCode.FAILED_PRECONDITION,
        "NOT_REVERTIBLE": grpc.StatusCode.FAILED_PRECONDITION,
        "LATER_ENTRY": grpc.StatusCode.FAILED_PRECONDITION,
        "OUTRANKED": grpc.StatusCode.FAILED_PRECONDITION,
        "LEDGER_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
        "LEDGER_FAULT": grpc.StatusCode.INTERNAL,
        "CACHE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
        "BUS_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
        "OVERLOADED": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "DEADLINE_EXCEEDED": grpc.StatusCode.DEADLINE_EXCEEDED,
        "OFFSET_FENCED": grpc.StatusCode.ABORTED,
        "OFFSET_GAP": grpc.StatusCode.DATA_LOSS,
        "POISON_LIMIT": grpc.StatusCode.FAILED_PRECONDITION,
        "SCHEMA_VERSION": grpc.StatusCode.FAILED_PRECONDITION,
        "INVALID_SETTING": grpc.StatusCode.FAILED_PRECONDITION,
        "INVALID_SURVIVORSHIP": grpc.StatusCode.FAILED_PRECONDITION,
        "INVALID_MODEL": grpc.StatusCode.FAILED_PRECONDITION,
        "INTERNAL": grpc.StatusCode.INTERNAL,
    }
)

_INTERNAL = "INTERNAL"
_RETRY_NANOSECONDS = 100_000_000
_MAX_TEXT = 256
_MAX_STATUS_BYTES = 5 * 1024
"""Trailing metadata above 8 KiB may be refused by the caller's library; base64 makes of this 6.7 KiB."""


def code_of(error: BaseException) -> grpc.StatusCode:
    """Status code of an error; INTERNAL if the table does not list its reason."""
    return CODES[_reason_of(error)]


def status_of(error: BaseException, *, request_id: str) -> status_pb2.Status:
    """Status with all details."""
    reason = _reason_of(error)
    number: int = CODES[reason].value[0]
    if reason == _INTERNAL or not isinstance(error, GoldthreadError):
        return _status(number, "internal error", _INTERNAL, {}, [error_details_pb2.RequestInfo(request_id=request_id)])
    details: list[Message] = [error_details_pb2.RequestInfo(request_id=request_id)]
    if error.retryable:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.nanos = _RETRY_NANOSECONDS
        details.append(retry)
    metadata = {key: _shortened(value) for key, value in error.metadata.items()}
    if not isinstance(error, InvalidArgumentError):
        return _status(number, _shortened(error.message), reason, metadata, details)
    return _with_violations(number, error, metadata, details)


def failure_of(error: BaseException) -> failure_pb2.Failure:
    """The same for an item of a stream."""
    reason = _reason_of(error)
    number: int = CODES[reason].value[0]
    if reason == _INTERNAL or not isinstance(error, GoldthreadError):
        return failure_pb2.Failure(code=number, message="internal error", reason=_INTERNAL)
    failure = failure_pb2.Failure(
        code=number,
        message=_shortened(error.message),
        reason=reason,
        metadata={key: _shortened(value) for key, value in error.metadata.items()},
    )
    if error.retryable:
        failure.retry_delay.nanos = _RETRY_NANOSECONDS
    if isinstance(error, InvalidArgumentError):
        for violation in error.violations:
            failure.violations.add(field=violation.field, description=violation.description)
    return failure


def _with_violations(
    number: int, error: InvalidArgumentError, metadata: dict[str, str], details: list[Message]
) -> status_pb2.Status:
    """All violations, unless there are more than trailing metadata can carry: then the first ones, and how many there were in all."""
    shown = len(error.violations)
    while True:
        status = _status(
            number,
            _shortened(error.message),
            error.reason,
            metadata,
            [*details, _bad_request(error.violations[:shown])],
        )
        if status.ByteSize() <= _MAX_STATUS_BYTES or shown == 0:
            return status
        shown = shown * 3 // 4
        metadata["violations"] = str(len(error.violations))


def _reason_of(error: BaseException) -> str:
    reason = error.reason if isinstance(error, GoldthreadError) else _INTERNAL
    return reason if reason in CODES else _INTERNAL


def _status(
    number: int, message: str, reason: str, metadata: Mapping[str, str], details: Sequence[Message]
) -> status_pb2.Status:
    status = status_pb2.Status(code=number, message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain=ERROR_DOMAIN, metadata=dict(metadata))
    for detail in (info, *details):
        status.details.add().Pack(detail)
    return status


def _bad_request(violations: Sequence[Violation]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(field=violation.field, description=violation.description)
            for violation in violations
        ]
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"

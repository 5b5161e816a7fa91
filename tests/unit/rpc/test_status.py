from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2 as details_pb2
from google.rpc import status_pb2

from goldthread.domain import errors
from goldthread.domain.errors import (
    CacheUnavailableError,
    EventIdConflictError,
    GoldthreadError,
    InvalidArgumentError,
    LedgerUnavailableError,
    TransientError,
)
from goldthread.domain.words import ERROR_DOMAIN, Violation
from goldthread.rpc.status import CODES, code_of, status_of


def tree(top: type[GoldthreadError]) -> Iterator[type[GoldthreadError]]:
    yield top
    for below in top.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


TREE = list(dict.fromkeys(tree(GoldthreadError)))


def made(kind: type[GoldthreadError]) -> GoldthreadError:
    """An instance without the constructors' differing arguments."""
    error = kind.__new__(kind)
    GoldthreadError.__init__(error, "what happened", metadata={"key": "value"})
    if isinstance(error, InvalidArgumentError):
        error.violations = (Violation("a", "is wrong"),)
    return error


def unpacked(status: status_pb2.Status) -> dict[str, object]:
    kinds = (details_pb2.ErrorInfo, details_pb2.RequestInfo, details_pb2.RetryInfo, details_pb2.BadRequest)
    found: dict[str, object] = {}
    for item in status.details:
        for kind in kinds:
            if item.Is(kind.DESCRIPTOR):
                message = kind()
                item.Unpack(message)
                found[kind.__name__] = message
    assert len(found) == len(status.details)
    return found


def test_the_walk_covers_the_tree_that_the_module_draws() -> None:
    assert {kind.__name__ for kind in TREE} == set(errors.__all__)


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_and_its_details(kind: type[GoldthreadError]) -> None:
    assert kind.reason in CODES
    error = made(kind)
    status = status_of(error, request_id="req-1")
    assert status.code == code_of(error).value[0]
    found = unpacked(status)
    info = found["ErrorInfo"]
    assert isinstance(info, details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (kind.reason, ERROR_DOMAIN)
    assert found["RequestInfo"] == details_pb2.RequestInfo(request_id="req-1")
    assert ("RetryInfo" in found) == (kind.retryable and kind.reason != "INTERNAL")
    assert ("BadRequest" in found) == (kind is InvalidArgumentError)
    if kind.reason != "INTERNAL":
        assert status.message == "what happened"
        assert dict(info.metadata) == {"key": "value"}


def test_reasons_are_distinct_and_the_table_names_no_others() -> None:
    reasons = [kind.reason for kind in TREE if kind is not TransientError]
    assert len(reasons) == len(set(reasons))
    assert set(CODES) == set(reasons)


def test_the_codes_that_clients_rely_on() -> None:
    assert code_of(LedgerUnavailableError("x")) is grpc.StatusCode.UNAVAILABLE
    assert code_of(EventIdConflictError(source="s", event_id="e")) is grpc.StatusCode.ALREADY_EXISTS
    assert code_of(InvalidArgumentError([])) is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("error", [ValueError("canary"), KeyError("canary"), GoldthreadError("canary")])
def test_unknown_errors_show_nothing_from_inside(error: Exception) -> None:
    status = status_of(error, request_id="r")
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert b"canary" not in status.SerializeToString()
    assert set(unpacked(status)) == {"ErrorInfo", "RequestInfo"}


def test_an_unlisted_reason_is_internal() -> None:
    class UnlistedError(CacheUnavailableError):
        reason = "UNLISTED"

    status = status_of(UnlistedError("canary"), request_id="r")
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert b"canary" not in status.SerializeToString()
    assert b"UNLISTED" not in status.SerializeToString()


def test_all_violations_of_a_large_event_come_at_once() -> None:
    violations = [
        Violation(f"event.claim.identifiers[{number}].digest.sha256", "must be exactly 32 bytes")
        for number in range(32)
    ]
    status = status_of(InvalidArgumentError(violations), request_id="r" * 32)
    request = unpacked(status)["BadRequest"]
    assert isinstance(request, details_pb2.BadRequest)
    assert [(item.field, item.description) for item in request.field_violations] == [
        (item.field, item.description) for item in violations
    ]


def test_more_than_trailers_can_carry_is_cut_and_counted() -> None:
    violations = [Violation(f"field[{number}]", "x" * 100) for number in range(1_000)]
    status = status_of(InvalidArgumentError(violations), request_id="r")
    assert status.ByteSize() <= 5 * 1024
    found = unpacked(status)
    request, info = found["BadRequest"], found["ErrorInfo"]
    assert isinstance(request, details_pb2.BadRequest)
    assert isinstance(info, details_pb2.ErrorInfo)
    assert 10 < len(request.field_violations) < 1_000
    assert info.metadata["violations"] == "1000"

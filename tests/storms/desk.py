"""A steward's desk: operations through gRPC alone, repeated until they show, and what the other doors say of them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from goldthread.app.demo.client import lookup_request
from goldthread.app.demo.sets import WantedIdentifier
from goldthread.v1 import event_pb2, lookup_service_pb2, resolver_service_pb2
from goldthread.v1 import steward_service_pb2 as pb
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceStub
from goldthread.v1.steward_service_pb2_grpc import StewardServiceStub

__all__ = ["Desk", "RefusedError"]

_CALL_SECONDS = 30.0
_PATIENCE_SECONDS = 60.0
_WAIT_SECONDS = 0.05
_RANK = 50
_REVIEWS = 200
_RETRYABLE = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)

T = TypeVar("T")


class RefusedError(Exception):
    """A call that no retry helps: the reason and metadata of its ErrorInfo."""

    def __init__(self, reason: str, metadata: dict[str, str]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.metadata = metadata


class Desk:
    """One steward, one call at a time. An operation that is still provisional is asked for again under its request id until it is not."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._steward = StewardServiceStub(self._channel)
        self._resolver = ResolverServiceStub(self._channel)
        self._lookup = LookupServiceStub(self._channel)
        self._numbers = itertools.count(1)
        self.retries = 0
        self.provisional = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def merge(self, profile_ids: Collection[str]) -> pb.OperationResult:
        """Says that the profiles are one person."""
        request = pb.MergeRequest(action=self._action(), profile_ids=profile_ids)
        return self._operate(lambda: self._steward.Merge(request, timeout=_CALL_SECONDS).result)

    def split(self, profile_id: str, record_ids: Collection[str]) -> pb.OperationResult:
        """Says that these records and the rest of the profile are different people."""
        request = pb.SplitRequest(action=self._action(), profile_id=profile_id, record_ids=record_ids)
        return self._operate(lambda: self._steward.Split(request, timeout=_CALL_SECONDS).result)

    def revert(self, *, entry_version: int = 0, operation_id: str = "") -> pb.OperationResult:
        """Undoes an operation, named by itself or by an entry that it caused."""
        request = pb.RevertRequest(action=self._action(), entry_version=entry_version, operation_id=operation_id)
        return self._operate(lambda: self._steward.Revert(request, timeout=_CALL_SECONDS).result)

    def entry(self, version: int) -> pb.JournalEntry:
        """A journal entry."""
        return self._call(
            lambda: self._steward.GetEntry(pb.GetEntryRequest(version=version), timeout=_CALL_SECONDS)
        ).entry

    def reviews(self) -> list[pb.Review]:
        """Every open review."""
        found: list[pb.Review] = []
        token = ""
        while True:
            request = pb.ListReviewsRequest(page_size=_REVIEWS, page_token=token)
            page = self._call(lambda: self._steward.ListReviews(request, timeout=_CALL_SECONDS))  # noqa: B023 (called at once)
            found += page.reviews
            token = page.next_page_token
            if not token:
                return found

    def resolve(self, event: event_pb2.CustomerEvent) -> resolver_service_pb2.ResolveResponse:
        """The profile that the event's record is in."""
        request = resolver_service_pb2.ResolveRequest(event=event)
        return self._call(lambda: self._resolver.Resolve(request, timeout=_CALL_SECONDS))

    def lookup(self, wanted: WantedIdentifier, *, min_version: int) -> lookup_service_pb2.LookupResponse:
        """What a register is told that has read a write with this stamp."""
        request = lookup_request(wanted)
        request.min_version = min_version
        return self._call(lambda: self._lookup.Lookup(request, timeout=_CALL_SECONDS))

    def _action(self) -> pb.StewardAction:
        return pb.StewardAction(
            request_id=f"storm-{next(self._numbers)}", actor="storm", actor_rank=_RANK, reason="to be undone"
        )

    def _operate(self, call: Callable[[], pb.OperationResult]) -> pb.OperationResult:
        until = time.monotonic() + _PATIENCE_SECONDS
        while (result := self._call(call)).provisional:
            self.provisional += 1
            if time.monotonic() > until:
                raise TimeoutError(f"operation {result.operation_id} is still provisional")
            time.sleep(_WAIT_SECONDS)
        return result

    def _call(self, call: Callable[[], T]) -> T:
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return call()
            except grpc.RpcError as error:
                if error.code() not in _RETRYABLE or time.monotonic() > until:
                    raise _refusal(error) from error
                self.retries += 1
                time.sleep(_WAIT_SECONDS)


def _refusal(error: Any) -> RefusedError:
    status = rpc_status.from_call(error)
    for item in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if item.Unpack(info):
            return RefusedError(info.reason, dict(info.metadata))
    return RefusedError(error.code().name, {})

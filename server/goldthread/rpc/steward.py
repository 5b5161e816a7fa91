"""`StewardService`."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from goldthread.domain.steward import (
    Confirmation,
    ConfirmationOutcome,
    JournalPage,
    JournalView,
    OperationResult,
    ReviewPage,
    ReviewPlace,
    StewardAction,
    StewardRequest,
)
from goldthread.rpc.pool import BlockingPool
from goldthread.rpc.wrapping import Context
from goldthread.v1 import steward_service_pb2 as pb
from goldthread.v1 import steward_service_pb2_grpc
from goldthread.wire import (
    assertion_from_proto,
    claim_from_proto,
    claim_response,
    decision_from_proto,
    entry_message,
    entry_version_from_proto,
    journal_page_from_proto,
    journal_response,
    merge_from_proto,
    operation_result,
    release_from_proto,
    revert_from_proto,
    review_page_from_proto,
    reviews_response,
    split_from_proto,
)

__all__ = ["StewardServicer", "Stewards"]


class Stewards(Protocol):
    """What the servicer calls: `flows.StewardFlow`; blocking. `seconds`: how long the caller still waits."""

    def operate(self, action: StewardAction, request: StewardRequest, *, seconds: float) -> OperationResult:
        """Does one operation."""
        ...

    def reviews(
        self, *, size: int, after: ReviewPlace | None, by_value: bool, claimant: str, seconds: float
    ) -> ReviewPage:
        """A page of open reviews."""
        ...

    def claim(self, review_id: int, *, actor: str, lease_seconds: int, seconds: float) -> datetime:
        """Takes a review for a while."""
        ...

    def release(self, review_id: int, *, actor: str, seconds: float) -> None:
        """Gives a review back."""
        ...

    def confirm(self, confirmation: Confirmation, *, source: str, event_id: str, seconds: float) -> ConfirmationOutcome:
        """Takes what a customer answered."""
        ...

    def entry(self, version: int, *, seconds: float) -> JournalView:
        """One journal entry."""
        ...

    def entries(self, profile_id: UUID, *, size: int, before: int | None, seconds: float) -> JournalPage:
        """A page of a profile's journal."""
        ...


class StewardServicer(steward_service_pb2_grpc.StewardServiceServicer):
    """Corrects what the evidence says. Every call is as `steward_service.proto` says."""

    def __init__(self, flow: Stewards, pool: BlockingPool) -> None:
        self._flow = flow
        self._pool = pool

    async def ListReviews(self, request: pb.ListReviewsRequest, context: Context) -> pb.ListReviewsResponse:  # noqa: ARG002, N802
        """Open reviews, strongest first."""
        asked = review_page_from_proto(request)
        found = await self._pool.run_within(
            lambda seconds: self._flow.reviews(
                size=asked.size,
                after=asked.after,
                by_value=asked.by_value,
                claimant=asked.claimant,
                seconds=seconds,
            )
        )
        return reviews_response(found)

    async def ClaimReview(self, request: pb.ClaimReviewRequest, context: Context) -> pb.ClaimReviewResponse:  # noqa: ARG002, N802
        """Takes a review for a while."""
        asked = claim_from_proto(request)
        until = await self._pool.run_within(
            lambda seconds: self._flow.claim(
                asked.review_id, actor=asked.actor, lease_seconds=asked.lease_seconds, seconds=seconds
            )
        )
        return claim_response(until)

    async def ReleaseReview(self, request: pb.ReleaseReviewRequest, context: Context) -> pb.ReleaseReviewResponse:  # noqa: ARG002, N802
        """Gives a review back."""
        asked = release_from_proto(request)
        await self._pool.run_within(
            lambda seconds: self._flow.release(asked.review_id, actor=asked.actor, seconds=seconds)
        )
        return pb.ReleaseReviewResponse()

    async def DecideReview(self, request: pb.DecideReviewRequest, context: Context) -> pb.DecideReviewResponse:  # noqa: ARG002, N802
        """Settles a review."""
        return pb.DecideReviewResponse(result=await self._operate(*decision_from_proto(request)))

    async def AssertSame(self, request: pb.AssertSameRequest, context: Context) -> pb.AssertSameResponse:  # noqa: ARG002, N802
        """Two records are one person."""
        return pb.AssertSameResponse(result=await self._operate(*assertion_from_proto(request, same=True)))

    async def AssertDifferent(self, request: pb.AssertDifferentRequest, context: Context) -> pb.AssertDifferentResponse:  # noqa: ARG002, N802
        """Two records are different people."""
        return pb.AssertDifferentResponse(result=await self._operate(*assertion_from_proto(request, same=False)))

    async def Merge(self, request: pb.MergeRequest, context: Context) -> pb.MergeResponse:  # noqa: ARG002, N802
        """Profiles are one person."""
        return pb.MergeResponse(result=await self._operate(*merge_from_proto(request)))

    async def Split(self, request: pb.SplitRequest, context: Context) -> pb.SplitResponse:  # noqa: ARG002, N802
        """A profile mixes people."""
        return pb.SplitResponse(result=await self._operate(*split_from_proto(request)))

    async def Revert(self, request: pb.RevertRequest, context: Context) -> pb.RevertResponse:  # noqa: ARG002, N802
        """Undoes a journal entry."""
        return pb.RevertResponse(result=await self._operate(*revert_from_proto(request)))

    async def GetEntry(self, request: pb.GetEntryRequest, context: Context) -> pb.GetEntryResponse:  # noqa: ARG002, N802
        """One journal entry."""
        version = entry_version_from_proto(request)
        found = await self._pool.run_within(lambda seconds: self._flow.entry(version, seconds=seconds))
        return pb.GetEntryResponse(entry=entry_message(found))

    async def ListEntries(self, request: pb.ListEntriesRequest, context: Context) -> pb.ListEntriesResponse:  # noqa: ARG002, N802
        """The journal of a profile, latest first."""
        profile_id, size, before = journal_page_from_proto(request)
        found = await self._pool.run_within(
            lambda seconds: self._flow.entries(profile_id, size=size, before=before, seconds=seconds)
        )
        return journal_response(found)

    async def _operate(self, action: StewardAction, request: StewardRequest) -> pb.OperationResult:
        result = await self._pool.run_within(lambda seconds: self._flow.operate(action, request, seconds=seconds))
        return operation_result(result)

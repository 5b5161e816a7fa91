"""`StewardService` through the gRPC door: over a twin, and over the real flow on a real ledger."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from google.rpc import error_details_pb2

from fixtures.door import CODES, Door, over, reason, refused, run
from fixtures.story import Story, customer, story
from goldthread.domain.errors import LaterEntryError, LedgerUnavailableError, RequestIdConflictError, UnknownIdError
from goldthread.domain.steward import (
    AssertRecords,
    DecideReview,
    MergeProfiles,
    RevertEntry,
    ReviewPlace,
    SplitProfile,
    StewardAction,
)
from goldthread.rpc import CallLimits, RpcSettings
from goldthread.v1 import steward_service_pb2 as pb
from goldthread.v1.steward_service_pb2_grpc import StewardServiceStub

__all__ = ["story"]

ONE, OTHER = UUID(int=1), UUID(int=2)
ACTION = pb.StewardAction(request_id="r-1", actor="ann", actor_rank=10, reason="asked")
READ = StewardAction(request_id="r-1", actor="ann", actor_rank=10, reason="asked")


def test_each_call_reaches_the_flow_as_it_was_meant() -> None:
    async def tell(door: Door) -> None:
        stub = StewardServiceStub(door.channel)
        responses = [
            await stub.DecideReview(
                pb.DecideReviewRequest(
                    action=ACTION, review_id="9", verdict=pb.REVIEW_VERDICT_SAME, low_version=3, high_version=4
                )
            ),
            await stub.AssertSame(pb.AssertSameRequest(action=ACTION, record_id=str(ONE), other_record_id=str(OTHER))),
            await stub.AssertDifferent(
                pb.AssertDifferentRequest(action=ACTION, record_id=str(ONE), other_record_id=str(OTHER))
            ),
            await stub.Merge(pb.MergeRequest(action=ACTION, profile_ids=[f"GP-{ONE}", f"GP-{OTHER}"])),
            await stub.Split(pb.SplitRequest(action=ACTION, profile_id=f"GP-{ONE}", record_ids=[str(OTHER)])),
            await stub.Revert(pb.RevertRequest(action=ACTION, entry_version=77)),
        ]
        assert {response.result.ledger_version for response in responses} == {12}
        await stub.ListReviews(pb.ListReviewsRequest(page_size=7, page_token="4500.9"))
        await stub.ListEntries(pb.ListEntriesRequest(profile_id=f"GP-{ONE}", page_token="88"))
        assert door.steward.asked == [
            (READ, DecideReview(review_id=9, same=True, low_version=3, high_version=4)),
            (READ, AssertRecords(record_id=ONE, other_record_id=OTHER, same=True)),
            (READ, AssertRecords(record_id=ONE, other_record_id=OTHER, same=False)),
            (READ, MergeProfiles(profile_ids=(ONE, OTHER))),
            (READ, SplitProfile(profile_id=ONE, record_ids=(OTHER,))),
            (READ, RevertEntry(entry_version=77)),
            (7, ReviewPlace(4500, 9), False, ""),
            (ONE, 50, 88),
        ]

    run(tell)


@pytest.mark.parametrize(
    ("error", "code", "metadata"),
    [
        (RequestIdConflictError(), CODES.ALREADY_EXISTS, {}),
        (UnknownIdError("entry_version"), CODES.NOT_FOUND, {"field": "entry_version"}),
        (
            LaterEntryError(entry_version=3, later_version=9),
            CODES.FAILED_PRECONDITION,
            {"entry_version": "3", "later_version": "9"},
        ),
        (LedgerUnavailableError("gone"), CODES.UNAVAILABLE, {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_refusals_are_typed(error: Exception, code: object, metadata: dict[str, str]) -> None:
    def fails() -> None:
        raise error

    async def tell(door: Door) -> None:
        door.steward.action = fails
        stub = StewardServiceStub(door.channel)
        found, details, _ = await refused(stub.Revert(pb.RevertRequest(action=ACTION, entry_version=3)))
        assert found is code
        info = details["ErrorInfo"]
        assert isinstance(info, error_details_pb2.ErrorInfo)
        assert dict(info.metadata) == metadata
        assert ("RetryInfo" in details) == isinstance(error, LedgerUnavailableError)

    run(tell)


def test_a_request_without_its_parts_names_them_all() -> None:
    async def tell(door: Door) -> None:
        stub = StewardServiceStub(door.channel)
        code, details, _ = await refused(stub.Merge(pb.MergeRequest()))
        assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        broken = details["BadRequest"]
        assert isinstance(broken, error_details_pb2.BadRequest)
        assert [item.field for item in broken.field_violations] == [
            "action.request_id",
            "action.actor",
            "action.reason",
            "profile_ids",
        ]
        assert door.steward.asked == []

    run(tell)


def test_a_split_of_the_most_records_fits_the_request_limit() -> None:
    async def tell(door: Door) -> None:
        stub = StewardServiceStub(door.channel)
        records = [str(UUID(int=number)) for number in range(1, 10_001)]
        await stub.Split(pb.SplitRequest(action=ACTION, profile_id=f"GP-{ONE}", record_ids=records))
        assert len(door.steward.asked) == 1

    run(tell)


def test_stewards_have_limits_of_their_own() -> None:
    async def tell(door: Door) -> None:
        code, details, _ = await refused(
            StewardServiceStub(door.channel).Revert(pb.RevertRequest(action=ACTION, entry_version=3))
        )
        assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        assert (await door.lookup("n/a")).version == 0

    run(tell, RpcSettings(steward=CallLimits(in_flight=1, seconds=5, request_bytes=5)))


def test_a_review_is_found_previewed_decided_and_taken_back(story: Story) -> None:
    home: dict[str, Any] = {"given_name": "Jennifer", "family_name": "Miller", "city": "Austin", "postcode": "78701"}
    story.ingest(customer("a", street="12 Oak St", **home), customer("b", source="crm", **home))
    before = story.ledger.partition()

    async def tale(stub: StewardServiceStub) -> None:
        page = await stub.ListReviews(pb.ListReviewsRequest())
        [review] = page.reviews
        assert page.next_page_token == ""
        assert 0.6 <= review.probability < 0.94
        assert 0 < review.evidence.bits < review.bits  # of the pair, and of the clusters, which count once
        assert {item.comparison for item in review.evidence.contributions} >= {"given_name", "family_name"}
        request = pb.DecideReviewRequest(
            action=ACTION,
            review_id=review.review_id,
            verdict=pb.REVIEW_VERDICT_SAME,
            low_version=review.low_version,
            high_version=review.high_version,
        )
        request.action.preview = True
        preview = (await stub.DecideReview(request)).result
        assert (preview.operation_id, preview.ledger_version) == ("", 0)
        assert story.ledger.partition() == before
        request.action.preview = False
        result = (await stub.DecideReview(request)).result
        assert [item.profile_id for item in result.changed] == [item.profile_id for item in preview.changed]
        assert (await stub.DecideReview(request)).result == result
        request.low_version += 1
        code, details, _ = await refused(stub.DecideReview(request))
        assert (code, reason(details)) == (CODES.ALREADY_EXISTS, "REQUEST_ID_CONFLICT")
        listed = await stub.ListEntries(pb.ListEntriesRequest(profile_id=review.high_profile_id, page_size=1))
        [latest] = listed.entries
        assert (latest.cause, latest.actor, latest.reason) == ("review", "ann", "asked")
        assert latest.operation_id == result.operation_id
        assert listed.next_page_token
        got = await stub.GetEntry(pb.GetEntryRequest(version=latest.version))
        assert got.entry == latest
        revert = pb.RevertRequest(action=ACTION, entry_version=latest.version)
        revert.action.request_id = "r-2"
        undone = (await stub.Revert(revert)).result
        assert len(undone.changed) == 2
        assert not undone.already_gone
        assert undone.ledger_version > result.ledger_version

    over(story, StewardServiceStub, tale)
    assert story.ledger.partition() == before

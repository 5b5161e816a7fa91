"""Stewards' requests and answers as messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.ports import ContributionBits, PairEvidence
from goldthread.domain.steward import (
    ChangedProfile,
    JournalPage,
    JournalView,
    OperationResult,
    RevertEntry,
    RevertOperation,
    ReviewPage,
    ReviewPlace,
    ReviewView,
)
from goldthread.domain.words import Rival
from goldthread.v1 import profile_pb2
from goldthread.v1 import steward_service_pb2 as pb
from goldthread.wire import (
    assertion_from_proto,
    claim_from_proto,
    decision_from_proto,
    encode_operation,
    entry_version_from_proto,
    journal_page_from_proto,
    journal_response,
    merge_from_proto,
    operation_from_bytes,
    operation_result,
    release_from_proto,
    revert_from_proto,
    review_page_from_proto,
    reviews_response,
    split_from_proto,
)
from goldthread.wire.steward import ReviewsAsked

ONE, OTHER, THIRD = (UUID(int=number) for number in (1, 2, 3))
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def action(**other: Any) -> pb.StewardAction:
    return pb.StewardAction(**{"request_id": "r-1", "actor": "ann", "actor_rank": 10, "reason": "asked", **other})


def broken(read: Callable[[], object]) -> list[str]:
    with pytest.raises(InvalidArgumentError) as caught:
        read()
    return [violation.field for violation in caught.value.violations]


@pytest.mark.parametrize(
    ("other", "field"),
    [
        ({"request_id": ""}, "action.request_id"),
        ({"request_id": "x" * 129}, "action.request_id"),
        ({"request_id": "a\nb"}, "action.request_id"),
        ({"request_id": " "}, "action.request_id"),
        ({"request_id": " ", "preview": True}, "action.request_id"),
        ({"actor": ""}, "action.actor"),
        ({"actor": " \u3000"}, "action.actor"),
        ({"actor": "a\u2028b"}, "action.actor"),
        ({"actor": "é" * 251}, "action.actor"),
        ({"actor": "a\tb"}, "action.actor"),
        ({"actor_rank": -1}, "action.actor_rank"),
        ({"actor_rank": 101}, "action.actor_rank"),
        ({"reason": ""}, "action.reason"),
        ({"reason": "  \n"}, "action.reason"),
        ({"reason": "x" * 501}, "action.reason"),
        ({"reason": "a\x00b"}, "action.reason"),
    ],
)
def test_every_write_says_who_and_why(other: dict[str, Any], field: str) -> None:
    assert broken(lambda: revert_from_proto(pb.RevertRequest(action=action(**other), entry_version=1))) == [field]


def test_bounds_of_an_action_are_inside() -> None:
    widest = action(request_id="x" * 128, actor="é" * 250, actor_rank=100, reason="a\n" * 250, expire_on_change=True)
    read, request = revert_from_proto(pb.RevertRequest(action=widest, entry_version=1))
    assert (read.request_id, read.actor, read.actor_rank, read.reason) == ("x" * 128, "é" * 250, 100, "a\n" * 250)
    assert (read.preview, read.expire_on_change, request) == (False, True, RevertEntry(entry_version=1))
    spaced, _ = revert_from_proto(pb.RevertRequest(action=action(actor="Ann\u00a0Lee\u3000安"), entry_version=1))
    assert spaced.actor == "Ann\u00a0Lee\u3000安"
    previewed, _ = revert_from_proto(pb.RevertRequest(action=action(request_id="", preview=True), entry_version=1))
    assert previewed.preview


def test_a_revert_names_an_entry_or_an_operation() -> None:
    _, request = revert_from_proto(pb.RevertRequest(action=action(), operation_id=str(ONE)))
    assert request == RevertOperation(operation_id=ONE)
    both = pb.RevertRequest(action=action(), operation_id=str(ONE), entry_version=1)
    assert broken(lambda: revert_from_proto(both)) == ["entry_version"]
    assert broken(lambda: revert_from_proto(pb.RevertRequest(action=action(), operation_id="x"))) == ["operation_id"]
    assert broken(lambda: revert_from_proto(pb.RevertRequest(action=action()))) == ["entry_version"]


def test_a_reason_stays_out_of_repr() -> None:
    read, _ = revert_from_proto(pb.RevertRequest(action=action(reason="canary"), entry_version=1))
    assert "canary" not in repr(read)


@pytest.mark.parametrize(
    "text", ["", "GP-", str(ONE), f"GP-{ONE}x", f"gp-{ONE}", "GP-0000000A-0000-0000-0000-000000000001"]
)
def test_profile_ids_have_one_spelling(text: str) -> None:
    merge = pb.MergeRequest(action=action(), profile_ids=[f"GP-{ONE}", text])
    assert broken(lambda: merge_from_proto(merge)) == ["profile_ids[1]"]
    assert broken(lambda: journal_page_from_proto(pb.ListEntriesRequest(profile_id=text))) == ["profile_id"]


@pytest.mark.parametrize("text", ["", f"GP-{ONE}", "0000000A-0000-0000-0000-000000000001", f"{{{ONE}}}", ONE.hex])
def test_record_ids_have_one_spelling(text: str) -> None:
    split = pb.SplitRequest(action=action(), profile_id=f"GP-{ONE}", record_ids=[text])
    assert broken(lambda: split_from_proto(split)) == ["record_ids[0]"]


def test_every_broken_field_is_named_at_once() -> None:
    assert broken(lambda: decision_from_proto(pb.DecideReviewRequest())) == [
        "action.request_id",
        "action.actor",
        "action.reason",
        "verdict",
        "review_id",
        "low_version",
        "high_version",
    ]
    assert broken(lambda: split_from_proto(pb.SplitRequest(action=action()))) == ["profile_id", "record_ids"]
    assert broken(lambda: merge_from_proto(pb.MergeRequest(action=action(), profile_ids=[f"GP-{ONE}"]))) == [
        "profile_ids"
    ]
    assert broken(lambda: entry_version_from_proto(pb.GetEntryRequest())) == ["version"]


def test_two_records_must_be_two() -> None:
    def asserted(*records: UUID) -> pb.AssertSameRequest:
        return pb.AssertSameRequest(action=action(), record_id=str(records[0]), other_record_id=str(records[1]))

    assert broken(lambda: assertion_from_proto(asserted(ONE, ONE), same=True)) == ["other_record_id"]
    _, request = assertion_from_proto(asserted(ONE, OTHER), same=False)
    assert (request.record_id, request.other_record_id, request.same) == (ONE, OTHER, False)


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "9223372036854775808", "٣"])
def test_review_ids_are_numbers_of_the_ledger(text: str) -> None:
    message = pb.DecideReviewRequest(
        action=action(), review_id=text, verdict=pb.REVIEW_VERDICT_DIFFERENT, low_version=1, high_version=2
    )
    assert broken(lambda: decision_from_proto(message)) == ["review_id"]
    message.review_id = "9223372036854775807"
    _, request = decision_from_proto(message)
    assert (request.review_id, request.same) == (2**63 - 1, False)


@pytest.mark.parametrize("token", ["x", "1", "1.", ".1", "1.0", "1.99999999999999999999", "99999999999.1"])
def test_page_tokens_are_our_own(token: str) -> None:
    assert broken(lambda: review_page_from_proto(pb.ListReviewsRequest(page_token=token))) == ["page_token"]
    assert broken(lambda: review_page_from_proto(pb.ListReviewsRequest(page_size=201))) == ["page_size"]


def test_a_page_begins_where_the_page_before_ended() -> None:
    assert review_page_from_proto(pb.ListReviewsRequest()) == ReviewsAsked(size=50, after=None)
    for place in (ReviewPlace(8000, 12), ReviewPlace(-3, 1), ReviewPlace(8000, 12, 0), ReviewPlace(-3, 1, 9_900)):
        token = reviews_response(ReviewPage((), place)).next_page_token
        by_value = place.value is not None
        orders = (pb.REVIEW_ORDER_STRENGTH, pb.REVIEW_ORDER_VALUE)
        asked_reviews = pb.ListReviewsRequest(page_size=200, page_token=token, order=orders[by_value])
        assert review_page_from_proto(asked_reviews) == ReviewsAsked(size=200, after=place, by_value=by_value)
        with pytest.raises(InvalidArgumentError):
            review_page_from_proto(pb.ListReviewsRequest(page_token=token, order=orders[not by_value]))
    assert reviews_response(ReviewPage((), None)).next_page_token == ""
    token = journal_response(JournalPage((), 44)).next_page_token
    asked = pb.ListEntriesRequest(profile_id=f"GP-{ONE}", page_size=1, page_token=token)
    assert journal_page_from_proto(asked) == (ONE, 1, 44)


def test_a_result_survives_its_bytes() -> None:
    result = OperationResult(
        operation_id=THIRD,
        changed=(
            ChangedProfile(profile_id=ONE, version=5, live=True, record_ids=(ONE, OTHER), successor_ids=()),
            ChangedProfile(profile_id=OTHER, version=6, live=False, record_ids=(), successor_ids=(ONE,)),
        ),
        reviews_opened=1,
        reviews_closed=2,
        provisional=True,
        ledger_version=2**50,
        outranked=3,
        already_gone=True,
    )
    assert operation_from_bytes(encode_operation(result)) == result
    message = operation_result(result)
    assert message.changed[1].successor_ids == [f"GP-{ONE}"]
    assert message.changed[0].record_ids == [str(ONE), str(OTHER)]


def test_a_review_shows_both_sides_and_its_best_pair() -> None:
    evidence = PairEvidence(
        record_id=str(ONE),
        other_record_id=str(OTHER),
        score=4500,
        probability=0.8,
        nearest_rival=Rival.STRANGERS,
        contributions=(ContributionBits("email", "agree", 9000),),
    )
    review = ReviewView(
        review_id=9,
        low_profile=ONE,
        low_version=3,
        low_records=(ONE,),
        high_profile=OTHER,
        high_version=4,
        high_records=(OTHER, THIRD),
        strength=4500,
        probability=0.8,
        evidence=evidence,
        opened_at=NOON,
        value_minor=700,
        claimed_by="ann",
        claimed_until=NOON,
    )
    [shown] = reviews_response(ReviewPage((review,), None)).reviews
    assert (shown.review_id, shown.low_profile_id, shown.high_version) == ("9", f"GP-{ONE}", 4)
    assert (shown.bits, shown.evidence.contributions[0].bits) == (4.5, 9.0)
    assert shown.evidence.nearest_rival == profile_pb2.RIVAL_STRANGERS
    assert shown.high_record_ids == [str(OTHER), str(THIRD)]
    assert shown.opened_at.ToDatetime(tzinfo=UTC) == NOON
    assert (shown.value_minor, shown.claimed_by) == (700, "ann")
    assert shown.claimed_until.ToDatetime(tzinfo=UTC) == NOON


def test_a_claim_holds_a_quarter_of_an_hour_unless_it_says_otherwise() -> None:
    assert claim_from_proto(pb.ClaimReviewRequest(review_id="9", actor="ann")).lease_seconds == 900
    assert claim_from_proto(pb.ClaimReviewRequest(review_id="9", actor="ann", seconds=3600)).lease_seconds == 3600
    with pytest.raises(InvalidArgumentError) as broken:
        claim_from_proto(pb.ClaimReviewRequest(review_id="x", seconds=3601))
    assert [violation.field for violation in broken.value.violations] == ["seconds", "review_id", "actor"]
    asked = release_from_proto(pb.ReleaseReviewRequest(review_id="9", actor="ann"))
    assert (asked.review_id, asked.actor) == (9, "ann")


def test_a_journal_entry_shows_before_and_after() -> None:
    entry = JournalView(
        version=7,
        profile_id=ONE,
        live=False,
        before_records=(ONE, OTHER),
        after_records=(),
        successors=(THIRD,),
        cause="merge",
        actor="ann",
        source="",
        event_id="",
        operation_id=None,
        reason="asked",
        model_version="m-1",
        written_at=NOON,
    )
    [shown] = journal_response(JournalPage((entry,), None)).entries
    assert (shown.version, shown.live, shown.operation_id) == (7, False, "")
    assert shown.before_record_ids == [str(ONE), str(OTHER)]
    assert shown.successor_ids == [f"GP-{THIRD}"]

"""Stewards' requests and answers as messages. Decoding names every broken field at once, never a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from goldthread.domain.steward import (
    MAX_MERGE_RECORDS,
    MAX_SPLIT_RECORDS,
    AssertRecords,
    ChangedProfile,
    Confirmation,
    DecideReview,
    JournalPage,
    JournalView,
    MergeProfiles,
    OperationResult,
    RevertEntry,
    RevertOperation,
    ReviewPage,
    ReviewPlace,
    ReviewView,
    SplitProfile,
    StewardAction,
)
from goldthread.domain.words import profile_public_id
from goldthread.v1 import resolver_service_pb2
from goldthread.v1 import steward_service_pb2 as pb
from goldthread.wire.answers import evidence_message
from goldthread.wire.reading import MAX_BIGINT, Reader
from goldthread.wire.times import timestamp_of

__all__ = [
    "ClaimAsked",
    "ReviewsAsked",
    "assertion_from_proto",
    "claim_from_proto",
    "claim_response",
    "confirmation_from_proto",
    "decision_from_proto",
    "encode_operation",
    "entry_message",
    "entry_version_from_proto",
    "journal_page_from_proto",
    "journal_response",
    "merge_from_proto",
    "operation_from_bytes",
    "operation_result",
    "release_from_proto",
    "revert_from_proto",
    "review_page_from_proto",
    "reviews_response",
    "split_from_proto",
]

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_RECORD_ID = re.compile(_UUID)
_PLACE = re.compile("(?:([0-9]{1,19})[.])?(-?[0-9]{1,9})[.]([1-9][0-9]{0,18})")
_LEASE_SECONDS = 900
_MAX_LEASE_SECONDS = 3_600
_MILLIBITS = 1000


class _Asserted(Protocol):
    """AssertSameRequest and AssertDifferentRequest alike."""

    @property
    def action(self) -> pb.StewardAction: ...

    @property
    def record_id(self) -> str: ...

    @property
    def other_record_id(self) -> str: ...


def decision_from_proto(message: pb.DecideReviewRequest) -> tuple[StewardAction, DecideReview]:
    """The decision; raises `InvalidArgumentError` with every broken field, as all of these do."""
    read = Reader()
    action = read.action(message.action)
    verdicts = (pb.REVIEW_VERDICT_SAME, pb.REVIEW_VERDICT_DIFFERENT)
    read.check(message.verdict in verdicts, "verdict", "must be SAME or DIFFERENT")
    request = DecideReview(
        review_id=read.number(message.review_id, "review_id", "must be the id of a review"),
        same=message.verdict == pb.REVIEW_VERDICT_SAME,
        low_version=read.version(message.low_version, "low_version"),
        high_version=read.version(message.high_version, "high_version"),
    )
    read.done()
    return action, request


def assertion_from_proto(message: _Asserted, *, same: bool) -> tuple[StewardAction, AssertRecords]:
    """What is said of two records."""
    read = Reader()
    action = read.action(message.action)
    one = read.record(message.record_id, "record_id")
    other = read.record(message.other_record_id, "other_record_id")
    read.check(
        message.record_id != message.other_record_id or not message.record_id,
        "other_record_id",
        "must be another record than record_id",
    )
    read.done()
    return action, AssertRecords(record_id=one, other_record_id=other, same=same)


def merge_from_proto(message: pb.MergeRequest) -> tuple[StewardAction, MergeProfiles]:
    """The profiles to merge."""
    read = Reader()
    action = read.action(message.action)
    if read.check(
        2 <= len(message.profile_ids) <= MAX_MERGE_RECORDS, "profile_ids", f"must be from 2 to {MAX_MERGE_RECORDS}"
    ):
        profiles = tuple(read.profile(text, f"profile_ids[{place}]") for place, text in enumerate(message.profile_ids))
    read.done()
    return action, MergeProfiles(profile_ids=profiles)


def split_from_proto(message: pb.SplitRequest) -> tuple[StewardAction, SplitProfile]:
    """The records to part from a profile."""
    read = Reader()
    action = read.action(message.action)
    profile = read.profile(message.profile_id, "profile_id")
    if read.check(
        1 <= len(message.record_ids) <= MAX_SPLIT_RECORDS, "record_ids", f"must be from 1 to {MAX_SPLIT_RECORDS}"
    ):
        records = tuple(read.record(text, f"record_ids[{place}]") for place, text in enumerate(message.record_ids))
    read.done()
    return action, SplitProfile(profile_id=profile, record_ids=records)


def revert_from_proto(message: pb.RevertRequest) -> tuple[StewardAction, RevertEntry | RevertOperation]:
    """The journal entry or the operation to revert."""
    read = Reader()
    action = read.action(message.action)
    if message.operation_id:
        read.check(message.entry_version == 0, "entry_version", "must be left out where operation_id is given")
        named = _RECORD_ID.fullmatch(message.operation_id) is not None
        read.check(named, "operation_id", "must be the UUID of an operation, in lower case")
        read.done()
        return action, RevertOperation(operation_id=UUID(message.operation_id))
    version = read.version(message.entry_version, "entry_version")
    read.done()
    return action, RevertEntry(entry_version=version)


def entry_version_from_proto(message: pb.GetEntryRequest) -> int:
    """Version of the entry asked for."""
    read = Reader()
    version = read.version(message.version, "version")
    read.done()
    return version


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewsAsked:
    """A page of open reviews: its size, the place after which it begins (None for the first page), the order, and for whom."""

    size: int
    after: ReviewPlace | None
    by_value: bool = False
    claimant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAsked:
    """Who takes which review, for how long; 0 seconds: gives it back."""

    review_id: int
    actor: str
    lease_seconds: int


def review_page_from_proto(message: pb.ListReviewsRequest) -> ReviewsAsked:
    """The page of reviews asked for."""
    read = Reader()
    by_value = message.order == pb.REVIEW_ORDER_VALUE
    read.check(message.order in pb.ReviewOrder.values(), "order", "must be STRENGTH or VALUE")
    if message.claimant:
        read.line(message.claimant, "claimant")
    size = read.page_size(message.page_size)
    found = _PLACE.fullmatch(message.page_token)
    numbers = () if found is None else (int(found[1] or 0), int(found[3]))
    whole = found is not None and max(numbers) <= MAX_BIGINT and (found[1] is not None) == by_value
    read.check(whole or not message.page_token, "page_token", "must be the token of a page before, in the same order")
    read.done()
    after = None
    if found is not None:
        after = ReviewPlace(int(found[2]), int(found[3]), int(found[1]) if found[1] is not None else None)
    return ReviewsAsked(size=size, after=after, by_value=by_value, claimant=message.claimant)


def claim_from_proto(message: pb.ClaimReviewRequest) -> ClaimAsked:
    """The claim of a review."""
    read = Reader()
    read.check(0 <= message.seconds <= _MAX_LEASE_SECONDS, "seconds", f"must be from 0 to {_MAX_LEASE_SECONDS}")
    return _claim(read, message.review_id, message.actor, message.seconds or _LEASE_SECONDS)


def release_from_proto(message: pb.ReleaseReviewRequest) -> ClaimAsked:
    """The review to give back."""
    return _claim(Reader(), message.review_id, message.actor, 0)


def _claim(read: Reader, review_id: str, actor: str, lease_seconds: int) -> ClaimAsked:
    asked = ClaimAsked(
        review_id=read.number(review_id, "review_id", "must be the id of a review"),
        actor=read.line(actor, "actor"),
        lease_seconds=lease_seconds,
    )
    read.done()
    return asked


def confirmation_from_proto(message: resolver_service_pb2.ResolveRequest) -> Confirmation | None:
    """What a customer answered; None if nothing was asked."""
    if not message.HasField("confirmation"):
        return None
    read, given = Reader(), message.confirmation
    read.check(not message.preview, "confirmation", "must be left out of a preview")
    answers = (resolver_service_pb2.CONFIRMATION_ANSWER_SAME, resolver_service_pb2.CONFIRMATION_ANSWER_DIFFERENT)
    read.check(given.answer in answers, "confirmation.answer", "must be SAME or DIFFERENT")
    found = Confirmation(
        review_id=read.number(given.review_id, "confirmation.review_id", "must be the id of a review"),
        same=given.answer == resolver_service_pb2.CONFIRMATION_ANSWER_SAME,
        actor=read.line(given.actor, "confirmation.actor"),
    )
    read.done()
    return found


def claim_response(until: datetime) -> pb.ClaimReviewResponse:
    """Until when a review is claimed."""
    return pb.ClaimReviewResponse(claimed_until=timestamp_of(until))


def journal_page_from_proto(message: pb.ListEntriesRequest) -> tuple[UUID, int, int | None]:
    """Profile, size of the page, and the version before which it begins; None for the first page."""
    read = Reader()
    profile = read.profile(message.profile_id, "profile_id")
    size = read.page_size(message.page_size)
    before = read.journal_place(message.page_token)
    read.done()
    return profile, size, before


def operation_result(result: OperationResult) -> pb.OperationResult:
    """What an operation did."""
    return pb.OperationResult(
        operation_id="" if result.operation_id is None else str(result.operation_id),
        changed=[
            pb.ChangedProfile(
                profile_id=profile_public_id(profile.profile_id),
                version=profile.version,
                live=profile.live,
                record_ids=_texts(profile.record_ids),
                successor_ids=_public(profile.successor_ids),
            )
            for profile in result.changed
        ],
        reviews_opened=result.reviews_opened,
        reviews_closed=result.reviews_closed,
        provisional=result.provisional,
        ledger_version=result.ledger_version,
        outranked=result.outranked,
        already_gone=result.already_gone,
    )


def encode_operation(result: OperationResult) -> bytes:
    """The same as bytes, deterministic: what the ledger keeps for a repeat."""
    return operation_result(result).SerializeToString(deterministic=True)


def operation_from_bytes(encoded: bytes) -> OperationResult:
    """What `encode_operation` encoded."""
    message = pb.OperationResult.FromString(encoded)
    return OperationResult(
        operation_id=UUID(message.operation_id) if message.operation_id else None,
        changed=tuple(
            ChangedProfile(
                profile_id=UUID(profile.profile_id.removeprefix("GP-")),
                version=profile.version,
                live=profile.live,
                record_ids=tuple(UUID(text) for text in profile.record_ids),
                successor_ids=tuple(UUID(text.removeprefix("GP-")) for text in profile.successor_ids),
            )
            for profile in message.changed
        ),
        reviews_opened=message.reviews_opened,
        reviews_closed=message.reviews_closed,
        provisional=message.provisional,
        ledger_version=message.ledger_version,
        outranked=message.outranked,
        already_gone=message.already_gone,
    )


def reviews_response(page: ReviewPage) -> pb.ListReviewsResponse:
    """A page of open reviews."""
    token = "" if page.next is None else _token(page.next)
    return pb.ListReviewsResponse(reviews=map(_review, page.reviews), next_page_token=token)


def _token(place: ReviewPlace) -> str:
    value = "" if place.value is None else f"{place.value}."
    return f"{value}{place.strength}.{place.review_id}"


def journal_response(page: JournalPage) -> pb.ListEntriesResponse:
    """A page of a journal."""
    token = "" if page.next is None else str(page.next)
    return pb.ListEntriesResponse(entries=map(entry_message, page.entries), next_page_token=token)


def entry_message(entry: JournalView) -> pb.JournalEntry:
    """One journal entry."""
    return pb.JournalEntry(
        version=entry.version,
        profile_id=profile_public_id(entry.profile_id),
        live=entry.live,
        before_record_ids=_texts(entry.before_records),
        after_record_ids=_texts(entry.after_records),
        successor_ids=_public(entry.successors),
        cause=entry.cause,
        actor=entry.actor,
        source=entry.source,
        event_id=entry.event_id,
        operation_id="" if entry.operation_id is None else str(entry.operation_id),
        reason=entry.reason,
        model_version=entry.model_version,
        written_at=timestamp_of(entry.written_at),
    )


def _review(review: ReviewView) -> pb.Review:
    return pb.Review(
        review_id=str(review.review_id),
        low_profile_id=profile_public_id(review.low_profile),
        low_version=review.low_version,
        low_record_ids=_texts(review.low_records),
        high_profile_id=profile_public_id(review.high_profile),
        high_version=review.high_version,
        high_record_ids=_texts(review.high_records),
        bits=review.strength / _MILLIBITS,
        probability=review.probability,
        evidence=None if review.evidence is None else evidence_message(review.evidence),
        opened_at=timestamp_of(review.opened_at),
        value_minor=review.value_minor,
        claimed_by=review.claimed_by,
        claimed_until=None if review.claimed_until is None else timestamp_of(review.claimed_until),
    )


def _texts(birth_ids: Iterable[UUID]) -> list[str]:
    return [str(birth_id) for birth_id in birth_ids]


def _public(profile_ids: Sequence[UUID]) -> list[str]:
    return [profile_public_id(profile_id) for profile_id in profile_ids]

"""Stewards' requests and answers as messages. Decoding names every broken field at once, never a value."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Protocol
from uuid import UUID

from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.steward import (
    MAX_MERGE_RECORDS,
    MAX_SPLIT_RECORDS,
    AssertRecords,
    ChangedProfile,
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
from goldthread.domain.words import Violation, profile_public_id
from goldthread.v1 import steward_service_pb2 as pb
from goldthread.wire.answers import evidence_message
from goldthread.wire.times import timestamp_of

__all__ = [
    "assertion_from_proto",
    "decision_from_proto",
    "encode_operation",
    "entry_message",
    "entry_version_from_proto",
    "journal_page_from_proto",
    "journal_response",
    "merge_from_proto",
    "operation_from_bytes",
    "operation_result",
    "revert_from_proto",
    "review_page_from_proto",
    "reviews_response",
    "split_from_proto",
]

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_RECORD_ID = re.compile(_UUID)
_PROFILE_ID = re.compile(f"GP-{_UUID}")
_NUMBER = re.compile("[1-9][0-9]{0,18}")
_PLACE = re.compile("(-?[0-9]{1,9})[.]([1-9][0-9]{0,18})")
_MAX_BIGINT = 2**63 - 1
_MAX_TEXT_BYTES = 500
_MAX_REQUEST_ID_BYTES = 128
_MAX_RANK = 100
_MAX_PAGE = 200
_PAGE = 50
_MILLIBITS = 1000
_NOT_IN_A_LINE = frozenset({"Cc", "Zl", "Zp"})


class _Asserted(Protocol):
    """AssertSameRequest and AssertDifferentRequest alike."""

    @property
    def action(self) -> pb.StewardAction: ...

    @property
    def record_id(self) -> str: ...

    @property
    def other_record_id(self) -> str: ...


class _Reader:
    """Collects violations while a request is read."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def check(self, holds: bool, field: str, rule: str) -> bool:
        if not holds:
            self.violations.append(Violation(field, rule))
        return holds

    def action(self, message: pb.StewardAction) -> StewardAction:
        unused = message.preview and not message.request_id
        self.check(
            unused or _is_line(message.request_id, _MAX_REQUEST_ID_BYTES),
            "action.request_id",
            f"must be 1 to {_MAX_REQUEST_ID_BYTES} bytes without control characters and line breaks, and not blank",
        )
        self.check(
            _is_line(message.actor, _MAX_TEXT_BYTES),
            "action.actor",
            f"must be 1 to {_MAX_TEXT_BYTES} bytes without control characters and line breaks, and not blank",
        )
        self.check(0 <= message.actor_rank <= _MAX_RANK, "action.actor_rank", f"must be from 0 to {_MAX_RANK}")
        self.check(
            0 < len(message.reason.encode()) <= _MAX_TEXT_BYTES
            and "\x00" not in message.reason
            and not message.reason.isspace(),
            "action.reason",
            f"must be 1 to {_MAX_TEXT_BYTES} bytes without null characters, and not blank",
        )
        return StewardAction(
            request_id=message.request_id,
            actor=message.actor,
            actor_rank=message.actor_rank,
            reason=message.reason,
            preview=message.preview,
            expire_on_change=message.expire_on_change,
        )

    def record(self, text: str, field: str) -> UUID:
        whole = self.check(_RECORD_ID.fullmatch(text) is not None, field, "must be the UUID of a record, in lower case")
        return UUID(text) if whole else UUID(int=0)

    def profile(self, text: str, field: str) -> UUID:
        whole = self.check(_PROFILE_ID.fullmatch(text) is not None, field, "must be GP- and a UUID in lower case")
        return UUID(text.removeprefix("GP-")) if whole else UUID(int=0)

    def version(self, number: int, field: str) -> int:
        self.check(number > 0, field, "must be above 0")
        return number

    def number(self, text: str, field: str, rule: str) -> int:
        whole = _NUMBER.fullmatch(text) is not None and int(text) <= _MAX_BIGINT
        return int(text) if self.check(whole, field, rule) else 0

    def page_size(self, size: int) -> int:
        self.check(0 <= size <= _MAX_PAGE, "page_size", f"must be from 0 to {_MAX_PAGE}")
        return size or _PAGE

    def done(self) -> None:
        if self.violations:
            raise InvalidArgumentError(self.violations)


def decision_from_proto(message: pb.DecideReviewRequest) -> tuple[StewardAction, DecideReview]:
    """The decision; raises `InvalidArgumentError` with every broken field, as all of these do."""
    read = _Reader()
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
    read = _Reader()
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
    read = _Reader()
    action = read.action(message.action)
    if read.check(
        2 <= len(message.profile_ids) <= MAX_MERGE_RECORDS, "profile_ids", f"must be from 2 to {MAX_MERGE_RECORDS}"
    ):
        profiles = tuple(read.profile(text, f"profile_ids[{place}]") for place, text in enumerate(message.profile_ids))
    read.done()
    return action, MergeProfiles(profile_ids=profiles)


def split_from_proto(message: pb.SplitRequest) -> tuple[StewardAction, SplitProfile]:
    """The records to part from a profile."""
    read = _Reader()
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
    read = _Reader()
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
    read = _Reader()
    version = read.version(message.version, "version")
    read.done()
    return version


def review_page_from_proto(message: pb.ListReviewsRequest) -> tuple[int, ReviewPlace | None]:
    """Size of the page, and the place after which it begins; None for the first page."""
    read = _Reader()
    size = read.page_size(message.page_size)
    found = _PLACE.fullmatch(message.page_token)
    whole = found is not None and int(found[2]) <= _MAX_BIGINT
    read.check(whole or not message.page_token, "page_token", "must be the token of a page before")
    read.done()
    return size, None if found is None else ReviewPlace(int(found[1]), int(found[2]))


def journal_page_from_proto(message: pb.ListEntriesRequest) -> tuple[UUID, int, int | None]:
    """Profile, size of the page, and the version before which it begins; None for the first page."""
    read = _Reader()
    profile = read.profile(message.profile_id, "profile_id")
    size = read.page_size(message.page_size)
    before = None
    if message.page_token:
        before = read.number(message.page_token, "page_token", "must be the token of a page before")
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
    token = "" if page.next is None else f"{page.next.strength}.{page.next.review_id}"
    return pb.ListReviewsResponse(reviews=map(_review, page.reviews), next_page_token=token)


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


def _is_line(text: str, most: int) -> bool:
    """Whether it is one line of text, not blank and of at most so many bytes."""
    broken = any(unicodedata.category(character) in _NOT_IN_A_LINE for character in text)
    return len(text.encode()) <= most and bool(text.strip()) and not broken


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
    )


def _texts(birth_ids: Iterable[UUID]) -> list[str]:
    return [str(birth_id) for birth_id in birth_ids]


def _public(profile_ids: Sequence[UUID]) -> list[str]:
    return [profile_public_id(profile_id) for profile_id in profile_ids]

"""Requests about profiles, and the answers, as messages. Decoding names every broken field at once, never a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.explaining import Explanation, NamedProfile, NamedRecord, Side
from goldthread.domain.profiles import (
    NOW,
    AsOf,
    Disclosure,
    HistoryPage,
    HistoryView,
    IdentifierCount,
    MembershipView,
    ProfileDiff,
    ProfileView,
    RecordPage,
    RecordView,
    SurvivingAttribute,
)
from goldthread.domain.steward import JournalView
from goldthread.domain.words import profile_public_id
from goldthread.v1 import profile_pb2, steward_service_pb2
from goldthread.v1 import profile_service_pb2 as pb
from goldthread.wire.answers import card_message, evidence_message
from goldthread.wire.events import identifier_from_proto
from goldthread.wire.reading import Reader
from goldthread.wire.steward import entry_message
from goldthread.wire.times import datetime_of, timestamp_of

__all__ = [
    "DiffAsked",
    "ProfileAsked",
    "RecordsAsked",
    "change_message",
    "diff_from_proto",
    "diff_response",
    "explain_from_proto",
    "explain_response",
    "history_from_proto",
    "history_response",
    "profile_from_proto",
    "profile_response",
    "records_from_proto",
    "records_response",
    "watch_from_proto",
]

_LEAST = Disclosure.MASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileAsked:
    """Which profile, when, and how much of it."""

    profile_id: UUID
    as_of: AsOf
    disclosure: Disclosure


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsAsked:
    """Which page of whose records, when, and how much of them."""

    profile_id: UUID
    as_of: AsOf
    disclosure: Disclosure
    size: int
    after: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffAsked:
    """Which profile, between which times, and how much of it."""

    profile_id: UUID
    since: AsOf
    until: AsOf
    disclosure: Disclosure


class _Dated(Protocol):
    """Requests with a profile and how much of it is told."""

    @property
    def profile_id(self) -> str: ...

    @property
    def disclosure(self) -> pb.Disclosure.ValueType: ...


def profile_from_proto(message: pb.GetProfileRequest) -> ProfileAsked:
    """The profile asked for; raises `InvalidArgumentError` with every broken field, as all of these do."""
    read = Reader()
    asked = ProfileAsked(
        profile_id=read.profile(message.profile_id, "profile_id"),
        as_of=_as_of(read, message.as_of, "as_of"),
        disclosure=_disclosure(read, message),
    )
    read.done()
    return asked


def records_from_proto(message: pb.ListRecordsRequest) -> RecordsAsked:
    """The page of records asked for."""
    read = Reader()
    asked = RecordsAsked(
        profile_id=read.profile(message.profile_id, "profile_id"),
        as_of=_as_of(read, message.as_of, "as_of"),
        disclosure=_disclosure(read, message),
        size=read.page_size(message.page_size),
        after=read.record(message.page_token, "page_token") if message.page_token else None,
    )
    read.done()
    return asked


def history_from_proto(message: pb.GetHistoryRequest) -> tuple[UUID, int, int | None]:
    """Profile, size of the page, and the version before which it begins; None for the first page."""
    read = Reader()
    profile = read.profile(message.profile_id, "profile_id")
    size = read.page_size(message.page_size)
    before = read.journal_place(message.page_token)
    read.done()
    return profile, size, before


def diff_from_proto(message: pb.DiffRequest) -> DiffAsked:
    """The profile and the two times asked about."""
    read = Reader()
    since = getattr(message, "from")
    asked = DiffAsked(
        profile_id=read.profile(message.profile_id, "profile_id"),
        since=_as_of(read, since, "from"),
        until=_as_of(read, message.to, "to"),
        disclosure=_disclosure(read, message),
    )
    read.check(since.WhichOneof("moment") is not None, "from", "required: a time or a version")
    read.done()
    return asked


def explain_from_proto(message: pb.ExplainRequest) -> tuple[Side, Side]:
    """The two things to explain."""
    read = Reader()
    sides = (_side(read, message.one, "one"), _side(read, message.other, "other"))
    read.done()
    return sides


def watch_from_proto(message: pb.WatchChangesRequest) -> int | None:
    """The position after which changes are asked for; None: from now on."""
    read = Reader()
    read.check(message.after_position >= 0, "after_position", "must not be below 0")
    if message.from_now:
        read.check(message.after_position == 0, "after_position", "must be left out with from_now")
    read.done()
    return None if message.from_now else message.after_position


def profile_response(view: ProfileView) -> pb.GetProfileResponse:
    """A profile."""
    return pb.GetProfileResponse(
        profile=pb.Profile(
            profile_id=profile_public_id(view.profile_id),
            version=view.version,
            record_ids=_texts(view.record_ids),
            attributes=map(_attribute, view.attributes),
            card=card_message(view.card),
            purchase_count=view.totals.purchase_count,
            purchase_total_minor=view.totals.purchase_total_minor,
            ambiguous=view.ambiguous,
            review_ids=[str(review_id) for review_id in view.review_ids],
            as_of=timestamp_of(view.as_of),
            identifiers=map(_count, view.identifiers),
        )
    )


def records_response(page: RecordPage) -> pb.ListRecordsResponse:
    """A page of records."""
    token = "" if page.next is None else str(page.next)
    return pb.ListRecordsResponse(records=map(_record, page.records), next_page_token=token)


def history_response(page: HistoryPage) -> pb.GetHistoryResponse:
    """A page of a profile's history."""
    token = "" if page.next is None else str(page.next)
    return pb.GetHistoryResponse(entries=map(_history, page.entries), next_page_token=token)


def diff_response(diff: ProfileDiff) -> pb.DiffResponse:
    """What became of a profile."""
    message = pb.DiffResponse(
        before=None if diff.before is None else _membership(diff.before),
        after=_membership(diff.after),
        joined_record_ids=_texts(diff.joined),
        left_record_ids=_texts(diff.left),
        others=map(_membership, diff.others),
        changes=[
            pb.AttributeChange(
                name=change.name,
                before=None if change.before is None else _attribute(change.before),
                after=None if change.after is None else _attribute(change.after),
            )
            for change in diff.changes
        ],
        to=timestamp_of(diff.until),
    )
    getattr(message, "from").CopyFrom(timestamp_of(diff.since))
    return message


def explain_response(found: Explanation) -> pb.ExplainResponse:
    """Why two things are one or not."""
    return pb.ExplainResponse(
        verdict=int(found.verdict),  # type: ignore[arg-type]
        ground=int(found.ground),  # type: ignore[arg-type]
        evidence=None if found.evidence is None else evidence_message(found.evidence),
        link_probability=found.link_probability,
        chain=map(evidence_message, found.chain),
        statements=[
            pb.Statement(
                record_id=str(said.record_id),
                other_record_id=str(said.other_record_id),
                same=said.same,
                actor=said.actor,
                reason=said.reason,
                said_at=timestamp_of(said.said_at),
                operation_id=str(said.operation_id),
            )
            for said in found.statements
        ],
        came_about=None if found.came_about is None else _history(found.came_about),
        text=found.text,
        profile_id=profile_public_id(found.profile_id),
        other_profile_id=profile_public_id(found.other_profile_id),
        review_id="" if found.review_id is None else str(found.review_id),
    )


def change_message(position: int, change: JournalView | None) -> pb.WatchChangesResponse:
    """A change, or only how far they have been told."""
    entry: steward_service_pb2.JournalEntry | None = None if change is None else entry_message(change)
    return pb.WatchChangesResponse(position=position, change=entry)


def _as_of(read: Reader, message: pb.AsOf, field: str) -> AsOf:
    match message.WhichOneof("moment"):
        case "at":
            at = datetime_of(message.at)
            read.check(at is not None, f"{field}.at", "must be a time that a calendar has")
            return AsOf(at=at)
        case "version":
            return AsOf(version=read.version(message.version, f"{field}.version"))
        case _:
            return NOW


def _disclosure(read: Reader, message: _Dated) -> Disclosure:
    known = message.disclosure in pb.Disclosure.values()
    read.check(known, "disclosure", "must be MASKED or FULL")
    return Disclosure(message.disclosure) if known and message.disclosure else _LEAST


def _side(read: Reader, message: pb.ExplainSide, field: str) -> Side:
    match message.WhichOneof("what"):
        case "record_id":
            return NamedRecord(read.record(message.record_id, f"{field}.record_id"))
        case "profile_id":
            return NamedProfile(read.profile(message.profile_id, f"{field}.profile_id"))
        case "identifier":
            try:
                return identifier_from_proto(message.identifier, f"{field}.identifier")
            except InvalidArgumentError as error:
                read.violations += error.violations
        case _:
            read.check(False, field, "required: a record, a profile or an identifier")
    return NamedRecord(UUID(int=0))


def _attribute(attribute: SurvivingAttribute) -> pb.SurvivingAttribute:
    return pb.SurvivingAttribute(
        name=attribute.name,
        value=attribute.value,
        record_id=str(attribute.record_id),
        source=attribute.source,
        first_seen=timestamp_of(attribute.first_seen),
        last_seen=timestamp_of(attribute.last_seen),
        rule=attribute.rule,
    )


def _record(record: RecordView) -> pb.Record:
    return pb.Record(
        record_id=str(record.record_id),
        source=record.source,
        attributes=[pb.RecordAttribute(name=name, value=value) for name, value in record.attributes],
        identifiers=map(_count, record.identifiers),
        sightings=record.sightings,
        first_seen=timestamp_of(record.first_seen),
        last_seen=timestamp_of(record.last_seen),
        purchase_count=record.purchase_count,
    )


def _count(count: IdentifierCount) -> pb.IdentifierCount:
    kind = int(count.type)
    return pb.IdentifierCount(type=kind, namespace=count.namespace, count=count.number, generic=count.generic)  # type: ignore[arg-type]


def _history(view: HistoryView) -> pb.HistoryEntry:
    return pb.HistoryEntry(entry=entry_message(view.entry), links=map(evidence_message, view.links))


def _membership(view: MembershipView) -> profile_pb2.Membership:
    return profile_pb2.Membership(profile_id=profile_public_id(view.profile_id), record_ids=_texts(view.record_ids))


def _texts(birth_ids: Iterable[UUID]) -> list[str]:
    return [str(birth_id) for birth_id in birth_ids]

"""`ProfileService` through the gRPC door: over a twin, and over the real flow on a real ledger."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from uuid import UUID

import pytest
from google.rpc import error_details_pb2

from fixtures.door import CODES, Door, over, reason, refused, run
from fixtures.stewards import action, births, homes, two_people
from fixtures.story import Story, customer, story
from goldthread.domain.explaining import NamedProfile, NamedRecord
from goldthread.domain.profiles import AsOf, ChangesPage, Disclosure
from goldthread.domain.steward import MergeProfiles
from goldthread.domain.words import IdentifierType, IncomingIdentifier
from goldthread.ledger import JournalEntry
from goldthread.v1 import identity_pb2
from goldthread.v1 import profile_service_pb2 as pb
from goldthread.v1.profile_service_pb2_grpc import ProfileServiceStub
from goldthread.wire.times import timestamp_of

__all__ = ["story"]

ONE, OTHER = UUID(int=1), UUID(int=2)
NAMED = f"GP-{ONE}"
THEN = datetime(2026, 3, 1, tzinfo=UTC)


def test_each_call_reaches_the_flow_as_it_was_meant() -> None:
    async def tell(door: Door) -> None:
        stub = ProfileServiceStub(door.channel)
        at, version = pb.AsOf(at=timestamp_of(THEN)), pb.AsOf(version=9)
        got = await stub.GetProfile(pb.GetProfileRequest(profile_id=NAMED, as_of=at))
        assert (got.profile.profile_id, got.profile.version) == (NAMED, 7)
        page = await stub.ListRecords(
            pb.ListRecordsRequest(
                profile_id=NAMED, as_of=version, disclosure=pb.DISCLOSURE_FULL, page_size=7, page_token=str(OTHER)
            )
        )
        assert page.next_page_token == str(ONE)
        history = await stub.GetHistory(pb.GetHistoryRequest(profile_id=NAMED, page_token="88"))
        assert history.next_page_token == "5"
        request = pb.DiffRequest(profile_id=NAMED, to=version)
        getattr(request, "from").CopyFrom(at)
        assert list((await stub.Diff(request)).joined_record_ids) == [str(ONE)]
        raw = identity_pb2.Identifier(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw="a@b.de")
        sides = [pb.ExplainSide(record_id=str(ONE)), pb.ExplainSide(profile_id=NAMED), pb.ExplainSide(identifier=raw)]
        await stub.Explain(pb.ExplainRequest(one=sides[0], other=sides[1]))
        found = await stub.Explain(pb.ExplainRequest(one=sides[1], other=sides[2]))
        assert (found.verdict, found.ground) == (pb.VERDICT_ONE, pb.GROUND_SAME_RECORD)
        email = IncomingIdentifier(path="other.identifier.raw", type=IdentifierType.EMAIL, namespace="", raw="a@b.de")
        assert door.profiles.asked == [
            (ONE, AsOf(at=THEN), Disclosure.MASKED),
            (ONE, AsOf(version=9), Disclosure.FULL, 7, OTHER),
            (ONE, 50, 88),
            (ONE, AsOf(at=THEN), AsOf(version=9), Disclosure.MASKED),
            (NamedRecord(ONE), NamedProfile(ONE)),
            (NamedProfile(ONE), email),
        ]

    run(tell)


@pytest.mark.parametrize(
    ("call", "request_", "fields"),
    [
        ("GetProfile", pb.GetProfileRequest(profile_id="me", disclosure=9), ["profile_id", "disclosure"]),
        ("GetProfile", pb.GetProfileRequest(profile_id=NAMED, as_of=pb.AsOf(version=-1)), ["as_of.version"]),
        (
            "ListRecords",
            pb.ListRecordsRequest(profile_id=NAMED, page_size=201, page_token="x"),
            ["page_size", "page_token"],
        ),
        ("GetHistory", pb.GetHistoryRequest(profile_id=NAMED, page_token="0"), ["page_token"]),
        ("Diff", pb.DiffRequest(profile_id=NAMED), ["from"]),
        ("Explain", pb.ExplainRequest(), ["one", "other"]),
        (
            "Explain",
            pb.ExplainRequest(
                one=pb.ExplainSide(identifier=identity_pb2.Identifier()), other=pb.ExplainSide(record_id=NAMED)
            ),
            ["one.identifier.type", "one.identifier", "other.record_id"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_broken_requests_name_every_field(call: str, request_: object, fields: list[str]) -> None:
    async def tell(door: Door) -> None:
        code, details, _ = await refused(getattr(ProfileServiceStub(door.channel), call)(request_))
        assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        broken = details["BadRequest"]
        assert isinstance(broken, error_details_pb2.BadRequest)
        assert [item.field for item in broken.field_violations] == fields
        assert door.profiles.asked == []

    run(tell)


def test_a_watch_tells_how_far_it_has_come_and_keeps_its_place() -> None:
    async def tell(door: Door) -> None:
        door.profiles.pages = [ChangesPage(40, ()), ChangesPage(44, ())]
        stream = ProfileServiceStub(door.channel).WatchChanges(pb.WatchChangesRequest(from_now=True))
        messages = [await stream.read(), await stream.read()]
        stream.cancel()
        assert [(message.position, message.HasField("change")) for message in messages] == [(40, False), (44, False)]  # type: ignore[union-attr]
        assert door.profiles.asked[:3] == [("end",), (40,), (40,)]

    run(tell)


def test_a_watch_that_asks_for_both_is_refused() -> None:
    async def tell(door: Door) -> None:
        stub = ProfileServiceStub(door.channel)
        stream = stub.WatchChanges(pb.WatchChangesRequest(from_now=True, after_position=3))
        code, details, _ = await refused(stream.read())
        assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")

    run(tell)


def test_changes_come_in_order_and_can_be_taken_up_again(story: Story) -> None:
    two_people(story)
    versions = [row[0] for row in story.rows("SELECT version FROM journal ORDER BY version")]

    async def read(stub: ProfileServiceStub, after: int, count: int) -> list[pb.WatchChangesResponse]:
        stream = stub.WatchChanges(pb.WatchChangesRequest(after_position=after))
        found: list[pb.WatchChangesResponse] = []
        while len(found) < count:
            message = await stream.read()
            assert isinstance(message, pb.WatchChangesResponse)
            found += [message] if message.HasField("change") else []
        stream.cancel()
        return found

    async def tale(stub: ProfileServiceStub) -> None:
        whole = await read(stub, 0, len(versions))
        assert [message.change.version for message in whole] == versions
        assert [message.position for message in whole] == versions
        rest = await read(stub, versions[0], len(versions) - 1)
        assert rest == whole[1:]
        ids = tuple(sorted({*homes(story, "m1"), *homes(story, "j1")}))
        merge = asyncio.to_thread(story.steward.operate, action(), MergeProfiles(profile_ids=ids))
        (ended, grown), _ = await asyncio.gather(read(stub, versions[-1], 2), merge)
        changes = {message.change.live: message.change for message in (ended, grown)}
        assert {change.cause for change in changes.values()} == {"merge"}
        assert set(changes[True].after_record_ids) == {str(one) for one in births(story, "m1", "m2", "j1", "j2")}
        assert list(changes[False].successor_ids) == [f"GP-{ids[0]}"]

    over(story, ProfileServiceStub, tale)


def test_a_change_waits_for_a_transaction_that_may_write_an_earlier_one(story: Story) -> None:
    story.ingest(customer("a", email="a@acme.com"))
    start = story.profiles.watch().end()
    drawn, go = threading.Event(), threading.Event()

    def slow() -> None:
        """Draws a version, and commits its entry after others have written theirs."""
        with story.ledger.transaction() as tx:
            tx.lock_members([1])
            [version] = tx.draw_versions(1)
            drawn.set()
            assert go.wait(20)
            row = JournalEntry(
                version=version,
                profile_id=ONE,
                live=True,
                before_records=(),
                after_records=(ONE,),
                successors=(),
                before_survivors=(None, None, None),
                after_survivors=(None, None, None),
                cause="event",
                actor="test",
                source="pos",
                event_id="slow",
                operation_id=None,
                links=(),
            )
            tx.write_journal([row], model_id=1)

    thread = threading.Thread(target=slow)
    thread.start()
    assert drawn.wait(20)
    story.ingest(customer("b", email="b@acme.com"))
    watch = story.profiles.watch()
    held = [watch.changes(after=start) for _ in range(3)]
    go.set()
    thread.join()
    assert [page.changes for page in held] == [(), (), ()]
    told = [change.version for _ in range(3) for change in watch.changes(after=start).changes][:2]
    assert told == [start + 1, start + 2]

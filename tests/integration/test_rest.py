"""The REST faces over real connections: what gRPC says, they say."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc import aio

from fixtures.credentials import CRM, TILL, credentials, line
from fixtures.door import RESOLVE, Door, asked, assert_set, lookup_request, refused, run, token_of, until, valid_event
from fixtures.twins import found
from goldthread.domain.errors import (
    EventIdConflictError,
    GoldthreadError,
    InvalidArgumentError,
    LedgerFaultError,
    LedgerUnavailableError,
    OverloadedError,
    StaleReviewError,
    UnknownIdError,
)
from goldthread.domain.words import Violation
from goldthread.rest import RestSettings
from goldthread.rest.methods import UnaryMethod, path_of, unary_methods
from goldthread.rpc import CallLimits, RpcSettings
from goldthread.v1 import lookup_service_pb2 as lookup_pb
from goldthread.v1 import profile_service_pb2 as profile_pb
from goldthread.v1 import resolver_service_pb2 as resolver_pb
from goldthread.v1 import steward_service_pb2 as steward_pb

SERVICES = [f"goldthread.v1.{name}Service" for name in ("Lookup", "Profile", "Resolver", "Steward")]
GP, RECORD = "GP-00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000001"
ACTION = steward_pb.StewardAction(request_id="r-1", actor="ann", reason="told me", actor_rank=3)
ONE, OTHER = profile_pb.ExplainSide(profile_id=GP), profile_pb.ExplainSide(record_id=RECORD)
SAME = resolver_pb.Confirmation(review_id="9", answer=resolver_pb.CONFIRMATION_ANSWER_SAME, actor="till 3")
REQUESTS: list[tuple[str, Message]] = [
    ("LookupService/Lookup", lookup_request("a@b.de")),
    ("LookupService/Lookup", lookup_request("x@y.de")),
    ("LookupService/Lookup", lookup_request("broken", min_version=-1)),
    (
        "LookupService/BatchLookup",
        lookup_pb.BatchLookupRequest(requests=[lookup_request("a@b.de"), lookup_request("?")]),
    ),
    ("LookupService/BatchLookup", lookup_pb.BatchLookupRequest()),
    ("ResolverService/Resolve", resolver_pb.ResolveRequest(event=valid_event())),
    ("ResolverService/Resolve", resolver_pb.ResolveRequest(event=valid_event(), preview=True)),
    ("ResolverService/Resolve", resolver_pb.ResolveRequest(event=valid_event(), confirmation=SAME)),
    ("ResolverService/Resolve", resolver_pb.ResolveRequest(event=valid_event(), confirmation=SAME, preview=True)),
    ("ProfileService/GetProfile", profile_pb.GetProfileRequest(profile_id=GP, as_of=profile_pb.AsOf(version=9))),
    ("ProfileService/GetProfile", profile_pb.GetProfileRequest(profile_id="me")),
    ("ProfileService/ListRecords", profile_pb.ListRecordsRequest(profile_id=GP, page_size=7)),
    ("ProfileService/GetHistory", profile_pb.GetHistoryRequest(profile_id=GP)),
    ("ProfileService/GetHistory", profile_pb.GetHistoryRequest(profile_id=GP, page_token="0")),
    ("ProfileService/Diff", profile_pb.DiffRequest(profile_id=GP, **{"from": profile_pb.AsOf(version=9)})),
    ("ProfileService/Diff", profile_pb.DiffRequest(profile_id=GP)),
    ("ProfileService/Explain", profile_pb.ExplainRequest(one=ONE, other=OTHER)),
    ("ProfileService/Explain", profile_pb.ExplainRequest(one=ONE)),
    ("StewardService/ListReviews", steward_pb.ListReviewsRequest()),
    ("StewardService/ListReviews", steward_pb.ListReviewsRequest(order=steward_pb.REVIEW_ORDER_VALUE, claimant="ann")),
    ("StewardService/ListReviews", steward_pb.ListReviewsRequest(page_size=-1, page_token="junk")),
    ("StewardService/ClaimReview", steward_pb.ClaimReviewRequest(review_id="9", actor="ann", seconds=60)),
    ("StewardService/ClaimReview", steward_pb.ClaimReviewRequest(review_id="9", seconds=4_000)),
    ("StewardService/ReleaseReview", steward_pb.ReleaseReviewRequest(review_id="9", actor="ann")),
    ("StewardService/DecideReview", steward_pb.DecideReviewRequest()),
    ("StewardService/AssertSame", steward_pb.AssertSameRequest(action=ACTION, record_id=RECORD, other_record_id="?")),
    (
        "StewardService/AssertDifferent",
        steward_pb.AssertDifferentRequest(action=ACTION, record_id=RECORD, other_record_id=RECORD),
    ),
    ("StewardService/Merge", steward_pb.MergeRequest(action=ACTION, profile_ids=[GP, GP])),
    ("StewardService/Split", steward_pb.SplitRequest(action=ACTION, profile_id=GP, record_ids=[RECORD])),
    ("StewardService/Revert", steward_pb.RevertRequest(action=ACTION, entry_version=7)),
    ("StewardService/GetEntry", steward_pb.GetEntryRequest()),
    ("StewardService/ListEntries", steward_pb.ListEntriesRequest(profile_id=GP)),
]


def described_as(method: str) -> UnaryMethod:
    [found] = [one for one in unary_methods([f"goldthread.v1.{method.partition('/')[0]}"]) if one.wire.endswith(method)]
    return found


async def by_grpc(door: Door, method: str, request: Message) -> dict[str, Any]:
    """The answer as JSON, or what the status says, in the words of a problem."""
    described = described_as(method)
    call = door.channel.unary_unary(
        f"/goldthread.v1.{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=described.response.FromString,
    )
    try:
        return MessageToDict(await call(request, metadata=(("x-request-id", "same"),)))
    except aio.AioRpcError:
        code, details, error = await refused(call(request, metadata=(("x-request-id", "same"),)))
    info, retry, bad = (details.get(name) for name in ("ErrorInfo", "RetryInfo", "BadRequest"))
    assert isinstance(info, error_details_pb2.ErrorInfo)
    told = {
        "code": code.name,
        "detail": error.details(),
        "reason": info.reason,
        "domain": info.domain,
        "metadata": dict(info.metadata),
        "requestId": "same",
    }
    if isinstance(retry, error_details_pb2.RetryInfo):
        told["retryDelay"] = f"{retry.retry_delay.ToTimedelta().total_seconds():.3f}s"
    if isinstance(bad, error_details_pb2.BadRequest):
        told["violations"] = [{"field": one.field, "description": one.description} for one in bad.field_violations]
    return told


async def by_rest(door: Door, method: str, request: Message) -> dict[str, Any]:
    path = path_of(method.partition("/")[2])
    status, body, headers = await asked(door, "POST", path, MessageToDict(request), **{"x-request-id": "same"})
    assert headers["cache-control"] == "no-store"
    if status == 200:
        # A moment may be written with Z or with +00:00.
        return MessageToDict(ParseDict(body, described_as(method).response()))
    assert headers["content-type"] == "application/problem+json"
    assert body.pop("status") == status
    assert body.pop("type") == f"tag:goldthread.dev,2026:{body['reason']}"
    assert body.pop("title") == body["reason"].replace("_", " ").capitalize()
    assert ("retry-after" in headers) == ("retryDelay" in body)
    return body


@pytest.mark.parametrize(("method", "request_"), REQUESTS, ids=lambda value: str(value).replace("\n", " ")[:60])
def test_rest_gives_the_decision_and_the_reason_that_grpc_gives(method: str, request_: Message) -> None:
    async def story(door: Door) -> None:
        door.ledger.tell(found(token_of("a@b.de"), 7))
        assert await by_rest(door, method, request_) == await by_grpc(door, method, request_)

    run(story)


def test_every_method_is_compared() -> None:
    assert {f"/goldthread.v1.{method}" for method, _ in REQUESTS} == {one.wire for one in unary_methods(SERVICES)}


ERRORS: list[tuple[int, GoldthreadError]] = [
    (409, EventIdConflictError(source="crm", event_id="e-1")),
    (400, InvalidArgumentError([Violation("event.source", "required"), Violation("event.claim", "required")])),
    (503, LedgerUnavailableError("the ledger does not answer")),
    (429, OverloadedError("resolve")),
    (400, StaleReviewError(is_open=True, low_version=3, high_version=4)),
    (404, UnknownIdError("profile_id")),
    (500, LedgerFaultError("23505 some_constraint")),
]


@pytest.mark.parametrize(("status", "error"), ERRORS, ids=lambda value: type(value).__name__)
def test_every_error_is_told_alike(status: int, error: GoldthreadError) -> None:
    def fail() -> None:
        raise error

    async def story(door: Door) -> None:
        door.resolver.action = door.steward.action = fail
        for method, request in (
            ("ResolverService/Resolve", resolver_pb.ResolveRequest(event=valid_event())),
            ("StewardService/Merge", steward_pb.MergeRequest(action=ACTION, profile_ids=[GP, GP])),
        ):
            told = await by_rest(door, method, request)
            assert told == await by_grpc(door, method, request)
            assert told["reason"] in {error.reason, "INTERNAL"}
            got, _, _ = await asked(door, "POST", path_of(method.partition("/")[2]), MessageToDict(request))
            assert got == status

    run(story)


def test_a_bug_shows_nothing_of_itself() -> None:
    def broken() -> None:
        raise RuntimeError("canary")

    async def story(door: Door) -> None:
        door.resolver.action = broken
        status, body, _ = await asked(door, "POST", "/v1/resolve", {"event": MessageToDict(valid_event())})
        assert (status, body["reason"], body["detail"]) == (500, "INTERNAL", "internal error")
        assert "canary" not in json.dumps(body)

    run(story)


def test_what_http_alone_can_get_wrong() -> None:
    async def story(door: Door) -> None:
        event = {"event": MessageToDict(valid_event())}
        for verb, path, kind, status, reason in (
            ("GET", "/v1/resolve", "application/json", 405, "METHOD_NOT_ALLOWED"),
            ("DELETE", "/v1/lookup", "application/json", 405, "METHOD_NOT_ALLOWED"),
            ("POST", "/v1/openapi.json", "application/json", 405, "METHOD_NOT_ALLOWED"),
            ("POST", "/v1/resolve/", "application/json", 404, "UNKNOWN_PATH"),
            ("POST", "/v1/lookup/x", "application/json", 404, "UNKNOWN_PATH"),
            ("POST", "/v1/resolve", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
            ("POST", "/v1/lookup", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ):
            got, body, headers = await asked(door, verb, path, event, **{"content-type": kind})
            assert (got, body["reason"], body["requestId"] != "") == (status, reason, True), path
            assert headers["content-type"] == "application/problem+json"
            if status == 405:
                assert set(headers["allow"].split(", ")) & {"POST", "GET"}
        assert door.resolver.taken == []
        assert door.sample("goldthread_rest_refusals_total", reason="UNKNOWN_PATH") == 2

    run(story)


@pytest.mark.parametrize("path", ["/v1/resolve", "/v1/lookup", "/v1/batch-lookup"])
def test_bodies_that_are_not_the_message_are_refused_without_being_quoted(path: str) -> None:
    async def story(door: Door) -> None:
        deep = b'{"event":' * 5_000 + b"1" + b"}" * 5_000
        for body in (b"", b"{", b"[]", b"null", b'"jennifer"', b'{"jennifer": 1}', b"\xff\xfe", b'{"event": 7}', deep):
            status, told, _ = await asked(door, "POST", path, body)
            assert (status, told["reason"], told["metadata"]["detail"]) == (400, "INVALID_ARGUMENT", "MALFORMED"), body
            assert "jennifer" not in json.dumps(told)
        assert door.resolver.taken == []

    run(story)


def test_bodies_are_bounded_in_size_and_time() -> None:
    async def story(door: Door) -> None:
        big = {"event": {"source": "x" * 5_000}}
        status, told, _ = await asked(door, "POST", "/v1/resolve", big)
        assert (status, told["metadata"]["detail"]) == (400, "TOO_LARGE")
        with socket.create_connection(("127.0.0.1", door.port)) as slow:
            slow.sendall(b"POST /v1/resolve HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
            answer = await asyncio.to_thread(slow.recv, 65_536)
        assert answer.startswith(b"HTTP/1.1 504 ")

    door = Door()
    door.rest = RestSettings(max_body_bytes=4_000, body_seconds=0.2)
    run(story, door=door)


def test_a_tills_credential_is_for_lookups_over_rest_as_well(tmp_path: Path) -> None:
    file = credentials(tmp_path, line(TILL, "till-3"), line(CRM, "crm all"))

    async def story(door: Door) -> None:
        event = {"event": MessageToDict(valid_event())}
        for headers, expected in (
            ({}, (401, "UNAUTHENTICATED")),
            ({"authorization": "Bearer wrong"}, (401, "UNAUTHENTICATED")),
            ({"authorization": f"Bearer {TILL}"}, (403, "PERMISSION_DENIED")),
        ):
            for path in ("/v1/resolve", "/v1/merge", "/v1/no-such-path"):
                status, body, _ = await asked(door, "POST", path, event, **headers)
                assert (status, body["reason"]) == expected
        assert door.resolver.taken == []
        status, body, _ = await asked(door, "POST", "/v1/resolve", event, authorization=f"Bearer {CRM}")
        assert (status, body["version"]) == (200, "12")
        status, _, _ = await asked(door, "GET", "/v1/openapi.json")
        assert status == 200

    run(story, RpcSettings(credentials=file))


def test_the_callers_deadline_and_the_services_hold() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        for event_id, headers in (("a", {"grpc-timeout": "50m"}), ("b", {})):
            # Calls about one event would wait for each other.
            event = {"event": MessageToDict(valid_event(event_id))}
            status, body, _ = await asked(door, "POST", "/v1/resolve", event, **headers)
            assert (status, body["code"]) == (504, "DEADLINE_EXCEEDED")
        gate.set()
        # On a busy machine the shorter deadline may have passed before the call was begun.
        await until(lambda: door.resolver.finished == len(door.resolver.taken))
        assert door.resolver.finished >= 1

    run(story, RpcSettings(resolve=CallLimits(in_flight=8, seconds=0.3, request_bytes=100_000)))


def test_a_caller_who_goes_takes_his_call_with_him() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        body = json.dumps({"event": MessageToDict(valid_event())}).encode()
        with socket.create_connection(("127.0.0.1", door.port)) as leaving:
            head = f"POST /v1/resolve HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
            leaving.sendall(head.encode() + body)
            await until(lambda: len(door.resolver.taken) == 1)
        await until(lambda: door.sample("goldthread_rpc_seconds_count", method=RESOLVE, code="CANCELLED") == 1)
        gate.set()

    run(story)


def test_more_calls_than_the_limit_are_refused_at_once() -> None:
    gate = threading.Event()

    async def story(door: Door) -> None:
        door.resolver.action = lambda: assert_set(gate)
        event, *others = ({"event": MessageToDict(valid_event(event_id))} for event_id in "abc")
        calls = [asyncio.create_task(asked(door, "POST", "/v1/resolve", other)) for other in others]
        await until(lambda: len(door.resolver.taken) == 2)
        status, body, headers = await asked(door, "POST", "/v1/resolve", event)
        assert (status, body["reason"], headers["retry-after"]) == (429, "OVERLOADED", "1")
        gate.set()
        assert [answer[0] for answer in await asyncio.gather(*calls)] == [200, 200]

    door = Door()
    door.rest = RestSettings(in_flight=2)
    run(story, door=door)


def test_the_description_has_every_path_and_no_other() -> None:
    async def story(door: Door) -> None:
        _, page, _ = await asked(door, "GET", "/v1/openapi.json")
        described = {path for path, verbs in page["paths"].items() if "post" in verbs}
        assert described == {method.path for method in unary_methods(SERVICES)}
        for path in described:
            status, body, _ = await asked(door, "POST", path, b"{")
            assert (status, body["reason"]) == (400, "INVALID_ARGUMENT"), path

    run(story)


@pytest.mark.parametrize(("name", "path"), [("Lookup", "/v1/lookup"), ("BatchLookup", "/v1/batch-lookup")])
def test_paths_are_made_of_names(name: str, path: str) -> None:
    assert path_of(name) == path

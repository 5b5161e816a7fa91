"""The same requests to one real server over gRPC and REST: the same decisions, probabilities, evidence, cards, explanations and reasons."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from fixtures.live import live_server
from fixtures.servers import Postgres
from goldthread.rest.methods import UnaryMethod, unary_methods
from goldthread.v1 import event_pb2, identity_pb2, lookup_service_pb2, profile_service_pb2, resolver_service_pb2

METHODS = {
    one.wire.rpartition("/")[2]: one
    for one in unary_methods([f"goldthread.v1.{name}Service" for name in ("Lookup", "Profile", "Resolver", "Steward")])
}
HOME = {"given_name": "Jennifer", "family_name": "Miller", "street": "12 Oak St", "city": "Austin", "postcode": "78701"}
TOWN = {name: value for name, value in HOME.items() if name != "street"}
MAIL, OLGA = ("email", "jen@acme.com"), ("email", "olga@acme.com")
PHONE, CARD = ("phone", "+1 512 478 1004"), ("loyalty_card", "4711000017")
KINDS = {name: identity_pb2.IdentifierType.Value(f"IDENTIFIER_TYPE_{name.upper()}") for name, _ in (MAIL, PHONE, CARD)}


def event(event_id: str, *known: tuple[str, str], source: str = "crm", **said: str) -> event_pb2.CustomerEvent:
    made = event_pb2.CustomerEvent(source=source, event_id=event_id, customer_change=event_pb2.CustomerChange())
    made.occurred_at.FromJsonString("2026-01-10T10:00:00Z")
    made.claim.identifiers.extend(identity_pb2.Identifier(type=KINDS[kind], raw=raw) for kind, raw in known)
    made.claim.attributes.MergeFrom(identity_pb2.Attributes(**said))
    return made


@pytest.fixture(scope="module")
def port(postgres: Postgres, card_server: Any) -> Iterator[int]:
    """A server that knows Jennifer, perhaps twice, Olga, and two people of another name who share a card."""
    dsn = postgres.clone()
    with live_server(postgres_dsn=dsn, redis_url=card_server.endpoint) as found:
        for one in (
            event("home", MAIL, **HOME),
            event("second", PHONE, source="pos", **TOWN),
            event("olga", OLGA, given_name="Olga", family_name="Brandt"),
            event("robert", CARD, given_name="Robert", family_name="Underhill", birth_date="1950-01-02"),
            event("claudia", CARD, given_name="Claudia", family_name="Pettibone", birth_date="1991-07-08"),
        ):
            assert "code" not in by_grpc(found, METHODS["Resolve"], resolver_service_pb2.ResolveRequest(event=one))
        yield found
    postgres.drop(dsn)


def by_grpc(port: int, method: UnaryMethod, request: Message) -> dict[str, Any]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            method.wire,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=method.response.FromString,
        )
        try:
            return MessageToDict(call(request, timeout=60))
        except grpc.RpcError as error:
            status, info = rpc_status.from_call(error), error_details_pb2.ErrorInfo()
            assert status is not None
            assert status.details[0].Unpack(info)
            return {"code": error.code().name, "reason": info.reason, "metadata": dict(info.metadata)}


def by_rest(port: int, method: UnaryMethod, request: Message) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = json.dumps(MessageToDict(request)).encode()
        connection.request("POST", method.path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        told: dict[str, Any] = json.loads(response.read())
    finally:
        connection.close()
    if response.status == 200:
        # A moment may be written with Z or with +00:00.
        return MessageToDict(ParseDict(told, method.response()))
    return {name: told[name] for name in ("code", "reason", "metadata")}


def same(port: int, name: str, request: Message) -> dict[str, Any]:
    method = METHODS[name]
    answers = by_grpc(port, method, request), by_rest(port, method, request)
    for answer in answers:
        # Where a lookup is answered from, and when, is not what is answered.
        answer.pop("answerSource", None)
        answer.pop("asOf", None)
    assert answers[0] == answers[1]
    return answers[0]


@pytest.mark.parametrize(
    ("claim", "decision"),
    [
        (event("p1", OLGA, source="app", given_name="Olga", family_name="Brandt"), "DECISION_LINK"),
        (event("p2", source="app", **TOWN), "DECISION_REVIEW"),
        (event("p3", ("email", "new@acme.com"), given_name="Nora", family_name="Quist"), "DECISION_SEPARATE"),
        (event("p4", CARD, source="app"), "DECISION_AMBIGUOUS"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.event_id,
)
def test_a_claim_is_decided_alike(port: int, claim: event_pb2.CustomerEvent, decision: str) -> None:
    method, request = METHODS["Resolve"], resolver_service_pb2.ResolveRequest(event=claim, preview=True)
    answers = by_grpc(port, method, request), by_rest(port, method, request)
    for answer in answers:
        # Every preview makes a record of its own, which nobody will see again.
        for pair in answer.get("evidence", []):
            del pair["recordId"], pair["otherRecordId"]
    assert answers[0] == answers[1]
    assert answers[0]["decision"] == decision
    assert bool(answers[0].get("evidence")) is (decision != "DECISION_SEPARATE")


def test_an_event_that_was_taken_is_answered_alike(port: int) -> None:
    taken = resolver_service_pb2.ResolveRequest(event=event("home", MAIL, **HOME))
    method = METHODS["Resolve"]
    answers = by_grpc(port, method, taken), by_rest(port, method, taken)
    # The stamp grows with every commit, whoever's.
    first, second = (int(answer.pop("ledgerVersion")) for answer in answers)
    assert first <= second
    assert answers[0] == answers[1]
    assert answers[0]["duplicate"] is True
    refused = same(port, "Resolve", resolver_service_pb2.ResolveRequest(event=event("", MAIL)))
    assert (refused["reason"], refused["metadata"]["fields"]) == ("INVALID_ARGUMENT", "event.event_id")


@pytest.mark.parametrize(
    ("known", "outcome"),
    [
        (MAIL, "LOOKUP_OUTCOME_NEEDS_CONFIRMATION"),
        (PHONE, "LOOKUP_OUTCOME_NEEDS_CONFIRMATION"),
        (CARD, "LOOKUP_OUTCOME_AMBIGUOUS"),
        (("email", "nobody@acme.com"), "LOOKUP_OUTCOME_NOT_FOUND"),
    ],
)
def test_a_lookup_is_answered_alike(port: int, known: tuple[str, str], outcome: str) -> None:
    [identifier] = event("x", known).claim.identifiers
    request = lookup_service_pb2.LookupRequest(identifier=identifier)
    assert same(port, "Lookup", request)["outcome"] == outcome


def test_profiles_and_reviews_are_told_alike(port: int) -> None:
    [mail], [phone] = event("x", MAIL).claim.identifiers, event("x", PHONE).claim.identifiers
    one, other = (profile_service_pb2.ExplainSide(identifier=known) for known in (mail, phone))
    told = same(port, "Explain", profile_service_pb2.ExplainRequest(one=one, other=other))
    assert told["verdict"] == "VERDICT_REVIEW"
    profile = told["profileId"]
    reviews = same(port, "ListReviews", METHODS["ListReviews"].request())["reviews"]
    assert told["reviewId"] in {review["reviewId"] for review in reviews}
    history = same(port, "GetHistory", profile_service_pb2.GetHistoryRequest(profile_id=profile))["entries"]
    then = profile_service_pb2.AsOf(version=int(history[0]["entry"]["version"]))
    got = same(port, "GetProfile", profile_service_pb2.GetProfileRequest(profile_id=profile, as_of=then))
    assert got["profile"]["profileId"] == profile
    assert same(port, "ListRecords", profile_service_pb2.ListRecordsRequest(profile_id=profile))["records"]
    unknown = "GP-00000000-0000-7000-8000-000000000001"
    refused = same(port, "GetProfile", profile_service_pb2.GetProfileRequest(profile_id=unknown))
    assert (refused["code"], refused["reason"]) == ("NOT_FOUND", "UNKNOWN_ID")

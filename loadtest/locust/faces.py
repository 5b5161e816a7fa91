"""Lookups by their three faces: how a question is put, and what of an answer can be compared with the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from google.protobuf import json_format

from goldthread.v1 import identity_pb2, lookup_service_pb2, profile_pb2
from loadtest.locust.plan import Target

__all__ = [
    "GRPC",
    "OLDER",
    "OLDER_NAMES",
    "REST",
    "Told",
    "content",
    "older_path",
    "older_view",
    "request",
    "rest_body",
    "told_by_older",
    "told_by_rest",
]

GRPC, REST, OLDER = "gRPC", "REST", "POS"
OLDER_NAMES = {identity_pb2.IDENTIFIER_TYPE_PHONE: "phone", identity_pb2.IDENTIFIER_TYPE_LOYALTY_CARD: "loyaltyId"}
"""What the older face can be asked by."""

_FOUND = lookup_service_pb2.LOOKUP_OUTCOME_FOUND
_NOT_FOUND = lookup_service_pb2.LOOKUP_OUTCOME_NOT_FOUND


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: what can be compared, its version if the face tells one, where it came from (0: it does not say)."""

    content: bytes
    version: int | None
    source: int = 0


def request(target: Target) -> lookup_service_pb2.LookupRequest:
    """The question by gRPC."""
    return lookup_service_pb2.LookupRequest(
        identifier=identity_pb2.Identifier(
            type=target.type,  # type: ignore[arg-type]
            namespace=target.namespace,
            raw=target.value,
        )
    )


def content(response: lookup_service_pb2.LookupResponse) -> bytes:
    """What an answer says of the customer: outcome, card and question, in bytes that are equal where these are."""
    kept = lookup_service_pb2.LookupResponse(outcome=response.outcome)
    if response.HasField("card"):
        kept.card.CopyFrom(response.card)
    if response.HasField("question"):
        kept.question.CopyFrom(response.question)
    return kept.SerializeToString(deterministic=True)


def rest_body(target: Target) -> bytes:
    """The question to `POST /v1/lookup`."""
    return json_format.MessageToJson(request(target), indent=None).encode()


def told_by_rest(body: bytes) -> Told:
    """The answer of `POST /v1/lookup`. Raises `ValueError` if it is none."""
    try:
        response = json_format.Parse(body, lookup_service_pb2.LookupResponse())
    except json_format.ParseError:
        raise ValueError("not an answer") from None
    return Told(content(response), response.version, int(response.answer_source))


def older_path(target: Target) -> str:
    """The question to the older face, for a type that it knows."""
    return "/api/pos/lookup?" + urlencode({OLDER_NAMES[target.type]: target.value}, quote_via=quote)  # type: ignore[index]


def told_by_older(status: int, body: bytes) -> Told:
    """The answer of the older face: a card, 409 where it would have to ask, 404 where nobody is known. Raises `ValueError` if it is none of them."""
    found = json.loads(body)
    if status in (404, 409) and isinstance(found, dict) and found.get("success") is False:
        return Told(_older(status, None), None)
    if status != 200 or not isinstance(found, dict) or not isinstance(found.get("data"), dict):
        raise ValueError("not an answer")
    data = found["data"]
    return Told(_older(200, [data["goldenProfileId"], data["customerName"], data["clvTier"]]), None)


def older_view(told: bytes) -> bytes:
    """What the older face says where the others say this."""
    response = lookup_service_pb2.LookupResponse.FromString(told)
    if response.outcome == _NOT_FOUND:
        return _older(404, None)
    if response.outcome != _FOUND:
        return _older(409, None)
    card = response.card
    # A profile without purchases has no tier, and this face says so by saying nothing.
    tier = profile_pb2.Tier.Name(card.tier).removeprefix("TIER_") if card.tier else None
    return _older(200, [card.profile_id, card.masked_name, tier])


def _older(status: int, data: list[str | None] | None) -> bytes:
    return json.dumps([status, data]).encode()

"""What descriptors cannot say of the REST faces, by the names of messages, fields and methods."""

from __future__ import annotations

from typing import Any

__all__ = ["EXAMPLES", "LINKS", "OLD_FACE", "OLD_SCHEMAS", "PROBLEM", "RULES"]

Json = dict[str, Any]

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_RECORD: Json = {"pattern": f"^{_UUID}$"}
_PROFILE: Json = {"pattern": f"^GP-{_UUID}$"}
_VERSION: Json = {"pattern": "^[1-9][0-9]{0,17}$"}
_PAGE: Json = {"minimum": 0, "maximum": 200}
_WHO: Json = {"minLength": 1, "maxLength": 500}

RULES: dict[str, Json] = {
    "AssertDifferentRequest.other_record_id": _RECORD,
    "AssertDifferentRequest.record_id": _RECORD,
    "AssertSameRequest.other_record_id": _RECORD,
    "AssertSameRequest.record_id": _RECORD,
    "DecideReviewRequest.low_version": _VERSION,
    "DecideReviewRequest.high_version": _VERSION,
    "GetEntryRequest.version": _VERSION,
    "ListEntriesRequest.profile_id": _PROFILE,
    "SplitRequest.profile_id": _PROFILE,
    "CustomerEvent.source": {"pattern": "^[a-z0-9_.-]{1,64}$"},
    "CustomerEvent.event_id": {"minLength": 1, "maxLength": 128},
    "CustomerClaim.identifiers": {"maxItems": 32},
    "Identifier.namespace": {"pattern": "^[a-z0-9_.-]{0,64}$"},
    "Identifier.raw": {"maxLength": 512},
    "IdentifierDigest.sha256": {"pattern": "^[A-Za-z0-9+/]{43}=$"},
    "Purchase.amount_minor": {"pattern": "^[0-9]{1,12}$"},
    "Purchase.currency": {"pattern": "^[A-Z]{3}$"},
    "LookupRequest.min_version": {"pattern": "^[0-9]{1,18}$"},
    "BatchLookupRequest.requests": {"minItems": 1, "maxItems": 100},
    "StewardAction.request_id": {"minLength": 1, "maxLength": 128},
    "StewardAction.actor": _WHO,
    "StewardAction.actor_rank": {"minimum": 0, "maximum": 100},
    "StewardAction.reason": {"minLength": 1, "maxLength": 500},
    "ListReviewsRequest.page_size": _PAGE,
    "ListReviewsRequest.claimant": {"maxLength": 500},
    "ListEntriesRequest.page_size": _PAGE,
    "ClaimReviewRequest.review_id": _VERSION,
    "ClaimReviewRequest.actor": _WHO,
    "ClaimReviewRequest.seconds": {"minimum": 0, "maximum": 3600},
    "ReleaseReviewRequest.review_id": _VERSION,
    "ReleaseReviewRequest.actor": _WHO,
    "ResolveRequest.request_id": {"maxLength": 128},
    "Confirmation.review_id": _VERSION,
    "Confirmation.actor": _WHO,
    "AsOf.version": _VERSION,
    "GetProfileRequest.profile_id": _PROFILE,
    "ListRecordsRequest.profile_id": _PROFILE,
    "ListRecordsRequest.page_size": _PAGE,
    "GetHistoryRequest.profile_id": _PROFILE,
    "GetHistoryRequest.page_size": _PAGE,
    "DiffRequest.profile_id": _PROFILE,
    "ExplainSide.profile_id": _PROFILE,
    "ExplainSide.record_id": _RECORD,
    "MergeRequest.profile_ids": {"minItems": 2, "maxItems": 1000, "items": {"type": "string", **_PROFILE}},
    "SplitRequest.record_ids": {"minItems": 1, "maxItems": 10000, "items": {"type": "string", **_RECORD}},
}
"""Fields by `Message.field`: what their comments say of lengths, ranges and patterns, where a schema can say it."""

_EMAIL = {"type": "IDENTIFIER_TYPE_EMAIL", "raw": "jennifer.miller@example.com"}
_PHONE = {"type": "IDENTIFIER_TYPE_PHONE", "raw": "+1 415 555 2671"}

EXAMPLES: dict[str, Json] = {
    "Lookup": {"identifier": _PHONE},
    "BatchLookup": {"requests": [{"identifier": _PHONE}, {"identifier": _EMAIL}]},
    "Resolve": {
        "event": {
            "source": "pos",
            "eventId": "sale-0001",
            "occurredAt": "2026-03-01T12:00:00Z",
            "claim": {
                "identifiers": [_EMAIL, _PHONE],
                "attributes": {"givenName": "Jennifer", "familyName": "Miller", "postcode": "94110"},
            },
            "purchase": {"amountMinor": "4599", "currency": "USD", "store": "S1"},
        }
    },
}
"""Requests by method."""

LINKS: dict[str, list[tuple[str, dict[str, str]]]] = {
    "Lookup": [("GetProfile", {"profileId": "/card/profileId"})],
    "Resolve": [
        ("ListEntries", {"profileId": "/profileId"}),
        ("GetProfile", {"profileId": "/profileId"}),
        ("ListRecords", {"profileId": "/profileId"}),
        ("GetHistory", {"profileId": "/profileId"}),
    ],
    "ListEntries": [("GetEntry", {"version": "/entries/0/version"})],
    "ListReviews": [
        ("ListEntries", {"profileId": "/reviews/0/lowProfileId"}),
        ("ClaimReview", {"reviewId": "/reviews/0/reviewId"}),
    ],
}
"""What can be asked with an answer: method, and where in the answer each field of its request stands."""

PROBLEM: Json = {
    "type": "object",
    "description": "Why a call was refused (RFC 9457), with the details that gRPC gives.",
    "required": ["type", "title", "status", "detail", "code", "reason", "domain", "metadata", "requestId"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "tag:goldthread.dev,2026: and the reason."},
        "title": {"type": "string", "description": "The reason in words."},
        "status": {"type": "integer", "description": "HTTP's status."},
        "detail": {"type": "string", "description": "For people; may change."},
        "code": {"type": "string", "description": "Name of the gRPC code."},
        "reason": {"type": "string", "description": "Stable; as in google.rpc.ErrorInfo.", "pattern": "^[A-Z][A-Z_]*$"},
        "domain": {"type": "string", "const": "goldthread.dev"},
        "metadata": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Whatever is variable in detail.",
        },
        "requestId": {"type": "string", "description": "x-request-id of the call, or one that was made for it."},
        "retryDelay": {
            "type": "string",
            "pattern": "^[0-9]+([.][0-9]+)?s$",
            "description": "Given if the same call may be tried again, after this time and longer each time.",
        },
        "violations": {
            "type": "array",
            "description": "Every broken field, by the names of the protos.",
            "items": {
                "type": "object",
                "required": ["field", "description"],
                "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
            },
        },
    },
}

_POS_REFUSED = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/PosRefusal"}}}}
_TEXT = {"type": "string", "maxLength": 512}

OLD_FACE: Json = {
    "/api/pos/lookup": {
        "get": {
            "operationId": "posLookup",
            "tags": ["LookupService"],
            "summary": "The older face; exactly one parameter. Personal data in a URL: keep it out of every access log.",
            "deprecated": True,
            "parameters": [
                {"name": "phone", "in": "query", "schema": _TEXT},
                {"name": "loyaltyId", "in": "query", "schema": _TEXT},
            ],
            "responses": {
                "200": {
                    "description": "One profile.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/PosAnswer"}}},
                },
                "404": {"description": "The ledger knows nobody by it.", **_POS_REFUSED},
                "409": {"description": "Something has to be asked first, which this face cannot do.", **_POS_REFUSED},
                "default": {"description": "It cannot be told now: 503; or refused: 400, 401, 429.", **_POS_REFUSED},
            },
        }
    }
}
"""The path of registers that speak the older face, which no proto describes."""

OLD_SCHEMAS: Json = {
    "PosAnswer": {
        "type": "object",
        "required": ["success", "data", "latency_ms"],
        "properties": {
            "success": {"const": True},
            "data": {
                "type": "object",
                "required": ["goldenProfileId", "customerName", "clvTier", "nextBestOffers"],
                "properties": {
                    "goldenProfileId": {"type": "string"},
                    "customerName": {"type": "string"},
                    "clvTier": {"enum": ["BRONZE", "SILVER", "GOLD", "PLATINUM", None]},
                    "nextBestOffers": {"type": "array", "items": {"type": "string"}},
                },
            },
            "latency_ms": {"type": "number"},
        },
    },
    "PosRefusal": {
        "type": "object",
        "required": ["success", "error"],
        "properties": {
            "success": {"const": False},
            "error": {"type": "string"},
            "question": {"type": "string", "description": "With 409: the QuestionKind that would have to be asked."},
        },
    },
}

"""The plain JSON with identity anchors."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from fixtures.messages import JSON, decode, decoded, rejected
from goldthread.domain.words import (
    Click,
    ConsentChange,
    CustomerChange,
    DigestForm,
    IncomingIdentifier,
    Purchase,
    RejectionReason,
)

EMAIL = hashlib.sha256(b"jane@shop.example").digest()


def plain(**changes: object) -> dict[str, object]:
    content: dict[str, object] = {
        "event_id": "evt-1",
        "event_timestamp": "2026-01-01T12:00:00+02:00",
        "source_system": "POS_12",
        "event_type": "purchase",
        "identity_anchors": {"hashed_email": EMAIL.hex().upper(), "loyalty_id": "LC-1", "hashed_phone": None},
        "payload": {"transaction_value": 12.5, "store_id": "s1"},
    }
    return content | changes


def dumped(content: dict[str, object]) -> bytes:
    return json.dumps(content).encode()


def test_anchors_become_digests_of_their_own_form_and_other_values_stay_raw():
    found = decoded(dumped(plain()), JSON)
    assert (found.source, found.event_id) == ("pos_12", "evt-1")
    assert found.occurred_at == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert found.payload == Purchase(amount_minor=1250, currency="USD", store="s1")
    assert found.identifiers == (
        IncomingIdentifier(
            path="identity_anchors.hashed_email", type=1, namespace="", form=DigestForm.ANCHOR, digest=EMAIL
        ),
        IncomingIdentifier(path="identity_anchors.loyalty_id", type=3, namespace="", raw="LC-1"),
    )


def test_customer_numbers_belong_to_their_source():
    found = decoded(dumped(plain(identity_anchors={"customer_id": 4711})), JSON)
    assert found.identifiers == (
        IncomingIdentifier(path="identity_anchors.customer_id", type=8, namespace="pos_12", raw="4711"),
    )


@pytest.mark.parametrize(
    ("changes", "payload"),
    [
        ({"payload": {"amount": "0.10", "currency": "EUR"}}, Purchase(10, "EUR", "")),
        ({"payload": {"amount_minor": 7, "store": "x"}}, Purchase(7, "USD", "x")),
        ({"event_type": "Page_View", "payload": {"page": "/a?mail=x"}}, Click("/a")),
        (
            {"event_type": "consent", "payload": {"purpose": "ads", "granted": False}},
            ConsentChange("ads", granted=False),
        ),
        ({"event_type": "crm_update", "payload": None}, CustomerChange()),
        ({"payload": {"amount_minor": None, "amount": 0.05}}, Purchase(5, "USD", "")),
        ({"payload": {"amount": None, "transaction_value": 0}}, Purchase(0, "USD", "")),
        ({"event_type": "click", "payload": {"transaction_value": None, "page": "/a"}}, Click("/a")),
        ({"payload": {"amount_minor": None, "amount": None, "transaction_value": None}}, CustomerChange()),
    ],
)
def test_the_payload_says_what_kind_of_event_it_is(changes, payload):
    assert decoded(dumped(plain(**changes)), JSON).payload == payload


def test_attributes_come_from_their_object_or_else_from_the_payload():
    payload = {"first_name": "Jane", "zip_code": 12345, "other": {"deep": 1}}
    assert decoded(dumped(plain(payload=payload)), JSON).attributes == {"given_name": "Jane", "postcode": "12345"}
    both = plain(payload=payload, attributes={"family_name": "Miller"})
    assert decoded(dumped(both), JSON).attributes == {"family_name": "Miller"}


@pytest.mark.parametrize("name", ["Blue shirt", {"en": "Blue shirt"}])
def test_what_may_be_a_product_a_device_or_a_store_is_no_attribute_of_the_customer(name):
    payload = {"name": name, "address": "10.0.0.1", "city": ["Boston"], "dob": "1980-01-02"}
    assert decoded(dumped(plain(payload=payload)), JSON).attributes == {"birth_date": "1980-01-02"}
    given = {"name": "Jane Miller", "address": "1 Main St", "city": "Boston"}
    said = {"full_name": "Jane Miller", "street": "1 Main St", "city": "Boston"}
    assert decoded(dumped(plain(payload=payload, attributes=given)), JSON).attributes == said


def test_epoch_milliseconds_are_a_time():
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=5)
    found = decoded(dumped(plain(event_timestamp=round(moment.timestamp() * 1000))), JSON)
    assert found.occurred_at == moment


@pytest.mark.parametrize("moment", ["2026-01-01T12:00:00", "2026-01-01", "soon", True, 1.5, 10**20, None, {}])
def test_any_other_time_is_none(moment):
    found = decode(dumped(plain(event_timestamp=moment)), JSON)
    assert [event.occurred_at for _, event in found.events] == [None]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"identity_anchors": {"hashed_email": "abc"}}, {"identity_anchors.hashed_email"}),
        ({"identity_anchors": {"shoe_size": "42"}}, {"identity_anchors"}),
        ({"identity_anchors": ["x"]}, {"identity_anchors"}),
        ({"identity_anchors": {"loyalty_id": {"x": 1}}}, {"identity_anchors.loyalty_id"}),
        ({"identity_anchors": {"loyalty_id": "x" * 600}}, {"identity_anchors.loyalty_id"}),
        ({"payload": {"transaction_value": "1.234"}}, {"payload.transaction_value"}),
        ({"payload": {"transaction_value": True}}, {"payload.transaction_value"}),
        ({"payload": {"amount": "NaN"}}, {"payload.amount"}),
        ({"payload": 5}, {"payload"}),
        ({"event_type": "consent", "payload": {"purpose": "ads"}}, {"payload.granted"}),
        ({"attributes": {"shoe_size": "42"}}, {"attributes"}),
        ({"surprise": 1}, {""}),
        (
            {"source_system": "NOT A CODE", "event_id": None, "event_timestamp": 5, "payload": 5},
            {"source_system", "event_id", "event_timestamp", "payload"},
        ),
    ],
)
def test_broken_fields_of_an_anchor_event_are_named_in_its_own_words(changes, fields):
    rejection = rejected(dumped(plain(**changes)), JSON)
    assert rejection.reason is RejectionReason.INVALID_FIELD
    assert {violation.field for violation in rejection.violations} == fields
    if "source_system" not in fields:
        assert (rejection.source, rejection.event_id) == ("pos_12", "evt-1")

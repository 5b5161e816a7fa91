"""Every way in which a message can be bad ends as a typed rejection; every encoding of an event gives the same event."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from goldthread.domain.policy import MAX_MESSAGE_BYTES
from goldthread.domain.words import (
    ATTRIBUTE_NAMES,
    Click,
    ConsentChange,
    CustomerChange,
    DigestForm,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
    Position,
    Purchase,
    Rejection,
    RejectionReason,
)
from goldthread.v1 import event_pb2
from goldthread.wire import DecodedBatch, decode_events, encode_event, event_message

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
EMAIL = hashlib.sha256(b"jane@shop.example").digest()

AT = Position("events", 0, 0)


@dataclasses.dataclass(frozen=True)
class Message:
    payload: bytes | None
    content_type: str | None = None
    position: Position = AT


def decode(payload: bytes | None, content_type: str | None = None) -> DecodedBatch:
    return decode_events([Message(payload, content_type)], currency="USD")


def decoded(payload: bytes, content_type: str | None = None) -> IncomingEvent:
    batch = decode(payload, content_type)
    assert batch.rejections == []
    [(position, event)] = batch.events
    assert position == AT
    assert batch.payloads == [payload]
    return event


def rejected(payload: bytes | None, content_type: str | None = None) -> Rejection:
    batch = decode(payload, content_type)
    assert batch.events == []
    [rejection] = batch.rejections
    assert rejection.position == AT
    assert rejection.payload_sha256 == hashlib.sha256(payload or b"").digest()
    assert rejection.payload_size == len(payload or b"")
    return rejection


def event(**changes: object) -> IncomingEvent:
    base = IncomingEvent(
        source="pos",
        event_id="e-1",
        occurred_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
        identifiers=(
            IncomingIdentifier(
                path="claim.identifiers[0].digest", type=IdentifierType.EMAIL, namespace="", digest=EMAIL
            ),
        ),
        attributes={"given_name": "Jane"},
        payload=Purchase(amount_minor=1250, currency="USD", store="s1"),
        payload_digest=b"",
    )
    return dataclasses.replace(base, **changes)


names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_.-", min_size=1, max_size=64)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
payloads = st.one_of(
    st.builds(Purchase, amount_minor=st.integers(0, 10**12), currency=st.just("EUR"), store=names),
    st.builds(Click, page=texts),
    st.builds(CustomerChange),
    st.builds(ConsentChange, purpose=names, granted=st.booleans()),
)
digests = st.binary(min_size=32, max_size=32)
plain_types = st.sampled_from([kind for kind in IdentifierType if kind is not IdentifierType.CUSTOMER_NUMBER])


@st.composite
def events(draw: st.DrawFn) -> IncomingEvent:
    source = draw(names)
    identifiers = [
        IncomingIdentifier(
            path="claim.customer_number_digest",
            type=IdentifierType.CUSTOMER_NUMBER,
            namespace=source,
            form=draw(st.sampled_from([DigestForm.CANONICAL, DigestForm.ANCHOR])),
            digest=draw(digests),
        )
        for _ in range(draw(st.integers(0, 1)))
    ]
    for index in range(draw(st.integers(0, 4))):
        kind = draw(plain_types)
        forms = [form for form in DigestForm if form is not DigestForm.GMAIL_FOLDED or kind is IdentifierType.EMAIL]
        identifiers.append(
            IncomingIdentifier(
                path=f"claim.identifiers[{index}].digest",
                type=kind,
                namespace=draw(st.just("") | names),
                form=draw(st.sampled_from(forms)),
                digest=draw(digests),
            )
        )
    return IncomingEvent(
        source=source,
        event_id=draw(texts),
        occurred_at=draw(st.datetimes(timezones=st.just(UTC))),
        identifiers=tuple(identifiers),
        attributes=draw(st.dictionaries(st.sampled_from((*ATTRIBUTE_NAMES, "full_name")), texts)),
        payload=draw(payloads),
        payload_digest=b"",
    )


@given(events())
def test_protobuf_and_json_of_an_event_give_back_the_event_and_agree_in_their_digest(
    given_event: IncomingEvent,
) -> None:
    encoded = encode_event(given_event)
    as_json = json_format.MessageToJson(event_pb2.CustomerEvent.FromString(encoded)).encode()
    from_protobuf, from_json = decoded(encoded, PROTOBUF), decoded(as_json, JSON)
    assert from_protobuf == from_json
    assert from_protobuf == dataclasses.replace(given_event, payload_digest=hashlib.sha256(encoded).digest())


@given(st.binary(max_size=200), st.sampled_from([None, PROTOBUF, JSON]))
def test_no_bytes_whatever_escape_as_an_exception(payload: bytes, content_type: str | None) -> None:
    batch = decode(payload, content_type)
    assert len(batch.events) + len(batch.rejections) == 1


@given(st.binary(min_size=1, max_size=8), st.integers(0, 200), st.integers(1, 8))
def test_no_damage_to_a_message_escapes_as_an_exception(noise: bytes, place: int, cut: int) -> None:
    whole = encode_event(event())
    damaged = whole[: place % len(whole)] + noise + whole[place % len(whole) + cut :]
    assert len(decode(damaged, PROTOBUF).events) + len(decode(damaged, PROTOBUF).rejections) == 1
    as_json = json_format.MessageToJson(event_message(event())).encode()
    damaged = as_json[: place % len(as_json)] + noise + as_json[place % len(as_json) + cut :]
    assert len(decode(damaged, JSON).events) + len(decode(damaged, JSON).rejections) == 1


def test_without_a_header_a_brace_means_json():
    encoded = encode_event(event())
    as_json = b" \n" + json_format.MessageToJson(event_message(event())).encode()
    assert decoded(as_json) == decoded(encoded)


def test_a_header_may_carry_parameters_and_capitals():
    as_json = json_format.MessageToJson(event_message(event())).encode()
    assert decoded(as_json, "Application/JSON; charset=utf-8").event_id == "e-1"


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [
        (None, None),
        (b"\xff\xff\xff", PROTOBUF),
        (encode_event(event())[:-3], PROTOBUF),
        (b"{", JSON),
        (b"[]", JSON),
        (b'"text"', JSON),
        (b'{"source": "pos", "source": "web"}', JSON),
        (b'{"source": "pos", "unknownField": 1}', JSON),
        (b'{"source": 5}', JSON),
        (b'{"purchase": {"amountMinor": 1.5}}', JSON),
        (b'{"purchase": {"amountMinor": NaN}}', JSON),
        (b'{"purchase": {}, "click": {}}', JSON),
        (b'{"purchase": [1]}', JSON),
        (b'{"claim": {"identifiers": {"type": 1}}}', JSON),
        (b'{"occurredAt": "yesterday"}', JSON),
        (b'{"a":' * 100_000, JSON),
        (b"[" * 500_000, JSON),
        (b'{"purchase": {"amountMinor": ' + b"1" * 6000 + b"}}", JSON),
        (b'{"identity_anchors": ' + b'{"a":' * 5000, JSON),
        (b'{"identity_anchors": {}, "payload": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001, JSON),
    ],
)
def test_what_is_not_the_message_it_says_is_malformed(payload, content_type):
    assert rejected(payload, content_type).reason is RejectionReason.MALFORMED


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [
        (b"\x0a\x02\xff\xfe", PROTOBUF),
        (b'{"source": "\xff"}', JSON),
        (b'{"source": "\\ud800"}', JSON),
        (b'{"identity_anchors": {"loyalty_id": "\\ud800"}}', JSON),
    ],
)
def test_text_that_is_not_utf8_is_told_from_other_damage(payload, content_type):
    assert rejected(payload, content_type).reason is RejectionReason.NOT_UTF8


def test_a_message_above_the_limit_is_measured_not_read_and_not_kept():
    rejection = rejected(b"{" * (MAX_MESSAGE_BYTES + 1), JSON)
    assert rejection.reason is RejectionReason.TOO_LARGE
    assert rejection.payload == b""
    assert decode(b"{" * MAX_MESSAGE_BYTES, JSON).rejections[0].reason is RejectionReason.MALFORMED


def test_an_unknown_content_type_is_a_reason_of_its_own():
    assert rejected(encode_event(event()), "application/avro").reason is RejectionReason.UNKNOWN_CONTENT_TYPE


def test_every_broken_field_is_named_at_once_and_readable_ids_are_kept():
    message = event_message(event())
    message.claim.identifiers[0].digest.sha256 = b"short"
    message.claim.identifiers.add(raw="jane@shop.example")
    message.claim.identifiers.add(type=99, namespace="UPPER", raw="x" * 513)
    message.claim.identifiers.add(type=2)
    message.claim.identifiers.add(type=2).digest.form = 2
    message.claim.identifiers[4].digest.sha256 = EMAIL
    message.claim.attributes.city = "x" * 600
    message.ClearField("purchase")
    message.ClearField("occurred_at")
    rejection = rejected(message.SerializeToString(), PROTOBUF)
    assert rejection.reason is RejectionReason.INVALID_FIELD
    assert sorted(violation.field for violation in rejection.violations) == [
        "claim.attributes.city",
        "claim.identifiers[0].digest.sha256",
        "claim.identifiers[1].type",
        "claim.identifiers[2].namespace",
        "claim.identifiers[2].raw",
        "claim.identifiers[2].type",
        "claim.identifiers[3]",
        "claim.identifiers[4].digest.form",
        "occurred_at",
        "payload",
    ]
    assert (rejection.source, rejection.event_id) == ("pos", "e-1")
    assert rejection.payload == message.SerializeToString()


def test_violations_never_show_a_value():
    message = event_message(event())
    message.claim.identifiers.add(type=99, namespace="SECRET", raw="canary@shop.example" * 40)
    text = str(rejected(message.SerializeToString(), PROTOBUF).violations)
    assert "canary" not in text
    assert "SECRET" not in text


def test_ids_that_break_their_own_rule_are_not_shown():
    message = event_message(event(source="NOT A CODE", event_id="line\nbreak", payload=None))
    rejection = rejected(message.SerializeToString(), PROTOBUF)
    assert (rejection.source, rejection.event_id) == ("", "")
    assert {"source", "event_id", "payload"} <= {violation.field for violation in rejection.violations}


def test_ids_of_a_broken_json_message_are_read_where_possible():
    rejection = rejected(b'{"source": "pos", "eventId": "e-9", "nope": 1}', JSON)
    assert (rejection.source, rejection.event_id) == ("pos", "e-9")


def test_a_time_that_no_calendar_has_is_not_clamped():
    message = event_message(event())
    message.occurred_at.seconds = 10**15
    assert decoded(message.SerializeToString(), PROTOBUF).occurred_at is None


def test_nanoseconds_are_cut_but_count_as_content():
    message = event_message(event())
    message.occurred_at.nanos = 999
    first = decoded(message.SerializeToString(), PROTOBUF)
    message.occurred_at.nanos = 998
    second = decoded(message.SerializeToString(), PROTOBUF)
    assert first.occurred_at == second.occurred_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert first.payload_digest != second.payload_digest


def test_order_is_kept_and_good_messages_pass_between_bad_ones():
    good = [encode_event(event(event_id=f"e-{number}")) for number in range(3)]
    messages = [
        Message(payload, PROTOBUF, Position("events", 0, offset))
        for offset, payload in enumerate([good[0], b"\xff", good[1], None, good[2]])
    ]
    batch = decode_events(messages, currency="USD")
    assert [(position.offset, found.event_id) for position, found in batch.events if position] == [
        (0, "e-0"), (2, "e-1"), (4, "e-2"),
    ]  # fmt: skip
    assert batch.payloads == good
    assert [rejection.position.offset for rejection in batch.rejections if rejection.position] == [1, 3]


def test_raw_identifiers_never_reach_kafka():
    raw = IncomingIdentifier(path="claim.identifiers[0].raw", type=1, namespace="", raw="jane@shop.example")
    with pytest.raises(ValueError, match="digests only") as caught:
        encode_event(event(identifiers=(raw,)))
    assert "jane" not in str(caught.value)


def test_raw_values_are_hidden_in_repr():
    message = event_message(event())
    message.claim.identifiers.add(type=1, raw="canary@shop.example")
    message.claim.attributes.family_name = "Canary"
    batch = decode(message.SerializeToString(), PROTOBUF)
    assert batch.events
    assert "anary" not in repr(batch)


# The plain JSON with identity anchors


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


def test_an_anchor_event_s_digest_is_that_of_its_canonical_json():
    content = plain()
    reordered = dict(reversed(content.items()))
    spaced = json.dumps(reordered, indent=3).encode()
    assert decoded(spaced, JSON).payload_digest == decoded(dumped(content)).payload_digest
    other = plain(payload={"transaction_value": 12.51})
    assert decoded(dumped(other), JSON).payload_digest != decoded(dumped(content), JSON).payload_digest


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
    ],
)
def test_the_payload_says_what_kind_of_event_it_is(changes, payload):
    assert decoded(dumped(plain(**changes)), JSON).payload == payload


def test_attributes_come_from_their_object_or_else_from_the_payload():
    payload = {"first_name": "Jane", "zip_code": 12345, "other": {"deep": 1}}
    assert decoded(dumped(plain(payload=payload)), JSON).attributes == {"given_name": "Jane", "postcode": "12345"}
    both = plain(payload=payload, attributes={"family_name": "Miller"})
    assert decoded(dumped(both), JSON).attributes == {"family_name": "Miller"}


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

"""Every way in which a message can be bad ends as a typed rejection; every encoding of an event gives the same event."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from fixtures.messages import JSON, PROTOBUF, Message, decode, decoded, rejected
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
    RejectionReason,
)
from goldthread.v1 import event_pb2
from goldthread.wire import decode_events, encode_event, event_message

EMAIL = hashlib.sha256(b"jane@shop.example").digest()


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
    )


@given(events())
def test_protobuf_and_json_of_an_event_give_back_the_event(
    given_event: IncomingEvent,
) -> None:
    encoded = encode_event(given_event)
    as_json = json_format.MessageToJson(event_pb2.CustomerEvent.FromString(encoded)).encode()
    from_protobuf, from_json = decoded(encoded, PROTOBUF), decoded(as_json, JSON)
    assert from_protobuf == from_json
    assert from_protobuf == given_event


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


def test_ids_of_a_broken_json_message_are_read_where_possible():
    rejection = rejected(b'{"source": "pos", "eventId": "e-9", "nope": 1}', JSON)
    assert (rejection.source, rejection.event_id) == ("pos", "e-9")


def test_a_time_that_no_calendar_has_is_not_clamped():
    message = event_message(event())
    message.occurred_at.seconds = 10**15
    assert decoded(message.SerializeToString(), PROTOBUF).occurred_at is None


def test_nanoseconds_are_cut():
    message = event_message(event())
    message.occurred_at.nanos = 999
    first = decoded(message.SerializeToString(), PROTOBUF)
    message.occurred_at.nanos = 998
    second = decoded(message.SerializeToString(), PROTOBUF)
    assert first.occurred_at == second.occurred_at == datetime(2026, 1, 1, 12, tzinfo=UTC)


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

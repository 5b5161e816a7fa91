"""The examples of docs/events.md are events, and the two encodings of one are the same event."""

from __future__ import annotations

import dataclasses
import hashlib
import re

from fixtures.repository import ROOT
from goldthread.domain.words import DigestForm, IncomingEvent, Position, Purchase, RejectionReason
from goldthread.wire import decode_events

TEXT = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
EMAIL = hashlib.sha256(b"jane@shop.example").digest()


@dataclasses.dataclass(frozen=True)
class Message:
    payload: bytes
    content_type: str
    position: Position


def decoded(payload: bytes, content_type: str) -> IncomingEvent:
    batch = decode_events([Message(payload, content_type, Position("t", 0, 0))], currency="USD")
    assert batch.rejections == []
    return batch.events[0][1]


def example(language: str, number: int = 0) -> str:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return found[number]


def test_json_mapping_and_protobuf_examples_are_one_event():
    names: dict[str, object] = {"hashlib": hashlib}
    exec(example("python"), names)
    payload = names["payload"]
    assert isinstance(payload, bytes)
    event = decoded(payload, "application/x-protobuf")
    assert event == decoded(example("json").encode(), "application/json")
    assert event.payload == Purchase(1250, "USD", "")
    assert [item.digest for item in event.identifiers] == [hashlib.sha256(b"C1").digest(), EMAIL]


def test_the_plain_example_is_an_event_of_anchors():
    event = decoded(example("json", 1).encode(), "application/json")
    assert [(item.form, item.digest, item.raw) for item in event.identifiers] == [
        (DigestForm.ANCHOR, EMAIL, None),
        (DigestForm.CANONICAL, None, "LC-4711"),
    ]
    assert event.attributes == {"given_name": "Jane", "family_name": "Miller", "postcode": "02101"}
    assert event.payload == Purchase(1250, "USD", "s1")


def test_every_reason_is_documented():
    assert {reason.name for reason in RejectionReason} == set(re.findall(r"^\| `([A-Z_0-9]+)` \|", TEXT, re.MULTILINE))

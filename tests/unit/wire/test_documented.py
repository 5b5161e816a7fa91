"""The examples of docs/events.md are events, and the two encodings of one are the same event."""

from __future__ import annotations

import hashlib
import re

from fixtures.messages import decoded
from fixtures.repository import ROOT
from goldthread.domain.words import DigestForm, Purchase, RejectionReason

TEXT = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
EMAIL = hashlib.sha256(b"jane@shop.example").digest()


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

"""Every kind of bad message ends in the dead-letter table and topic with its reason and offset, is counted, and blocks nothing."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from confluent_kafka import Consumer, TopicPartition

from goldthread.app.up import Up
from goldthread.bus import BusSettings, EventProducer
from goldthread.domain.words import RejectionReason
from goldthread.ledger import Ledger
from goldthread.matching import Keys, Matcher
from goldthread.v1 import event_pb2, identity_pb2

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
Reason = RejectionReason


@dataclass(frozen=True)
class Bad:
    """A message and how it must end; `fields` are the violations' fields."""

    name: str
    payload: bytes | None
    content_type: str | None
    reason: RejectionReason
    fields: tuple[str, ...] = ()
    event_id: str = ""


def event(event_id: str, **changes: str) -> event_pb2.CustomerEvent:
    message = event_pb2.CustomerEvent(source="crm", event_id=event_id)
    message.occurred_at.FromDatetime(datetime(2026, 1, 10, tzinfo=UTC))
    message.customer_change.SetInParent()
    message.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw=f"{event_id or 'none'}@acme.com")
    for name, value in changes.items():
        setattr(message.claim.attributes, name, value)
    return message


def with_phone(event_id: str, phone: str) -> bytes:
    message = event(event_id)
    message.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_PHONE, raw=phone)
    return message.SerializeToString()


def at_year(event_id: str, year: int) -> bytes:
    message = event(event_id)
    message.occurred_at.FromDatetime(datetime(year, 1, 10, tzinfo=UTC))
    return message.SerializeToString()


def unusable(event_id: str) -> bytes:
    message = event(event_id)
    message.claim.identifiers[0].raw = "test@test.com"
    message.claim.attributes.given_name = "N/A"
    return message.SerializeToString()


def several(event_id: str) -> bytes:
    message = event(event_id)
    message.purchase.amount_minor = -4
    message.purchase.currency = "EUR"
    message.claim.attributes.birth_date = "born 1985"
    message.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_PHONE, raw="12")
    return message.SerializeToString()


def bad_messages() -> list[Bad]:
    whole = event("x").SerializeToString()
    as_json = {"source": "crm", "eventId": "j1", "claim": {"attributes": {"givenName": "Jo"}}, "customerChange": {}}
    return [
        Bad("torn protobuf", whole[:-3], PROTOBUF, Reason.MALFORMED),
        Bad("noise", bytes(range(200, 256)) * 3, PROTOBUF, Reason.MALFORMED),
        Bad("torn json", b'{"source": "crm", "eventId": ', JSON, Reason.MALFORMED),
        Bad("json of another shape", b"[1, 2, 3]", JSON, Reason.MALFORMED),
        Bad("deep json", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, JSON, Reason.MALFORMED),
        Bad("tombstone", None, PROTOBUF, Reason.MALFORMED, ("",)),
        Bad("json in latin-1", '{"source": "crm", "eventId": "é"}'.encode("latin-1"), JSON, Reason.NOT_UTF8),
        Bad("protobuf in latin-1", whole.replace(b"acme", b"a\xe9me"), PROTOBUF, Reason.NOT_UTF8),
        Bad("half a character", b'{"identity_anchors": {}, "event_id": "\\ud800"}', JSON, Reason.NOT_UTF8),
        Bad("ten megabytes", b"\x00" * 10_000_000, PROTOBUF, Reason.TOO_LARGE, ("",)),
        Bad("ten megabytes of json", b'{"a": "' + b"a" * 10_000_000 + b'"}', None, Reason.TOO_LARGE, ("",)),
        Bad("another content type", whole, "text/csv", Reason.UNKNOWN_CONTENT_TYPE),
        Bad("no event id", event("").SerializeToString(), PROTOBUF, Reason.INVALID_FIELD, ("event_id",)),
        Bad("no time", json.dumps(as_json).encode(), JSON, Reason.INVALID_FIELD, ("occurred_at",), "j1"),
        Bad("invalid phone", with_phone("b1", "12"), PROTOBUF, Reason.INVALID_FIELD, ("claim.identifiers[1].raw",), "b1"),
        Bad("nothing usable", unusable("b2"), PROTOBUF, Reason.NO_USABLE_CLAIM, ("claim",), "b2"),
        Bad("years ago", at_year("b3", 1995), PROTOBUF, Reason.TIME_OUT_OF_BOUNDS, ("occurred_at",), "b3"),
        Bad("years ahead", at_year("b4", 2091), PROTOBUF, Reason.TIME_OUT_OF_BOUNDS, ("occurred_at",), "b4"),
        Bad(
            "several at once",
            several("b5"),
            PROTOBUF,
            Reason.INVALID_FIELD,
            ("purchase.amount_minor", "purchase.currency", "claim.attributes.birth_date", "claim.identifiers[1].raw"),
            "b5",
        ),
    ]  # fmt: skip


def topic_letters(bootstrap: str, topic: str, wanted: int) -> list[event_pb2.DeadLetter]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "fetch.message.max.bytes": 2**24})
    found: list[event_pb2.DeadLetter] = []
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while len(found) < wanted:
            message = consumer.poll(20)
            assert message is not None, f"{len(found)} of {wanted}"
            assert message.error() is None, message.error()
            found.append(event_pb2.DeadLetter.FromString(message.value() or b""))
        assert consumer.poll(1) is None
    finally:
        consumer.close()
    return found


def counted(page: str, name: str) -> dict[str, int]:
    samples = re.findall(rf'^{name}\{{\w+="(\w+)"\}} ([\d.]+)$', page, re.MULTILINE)
    return {label: int(float(value)) for label, value in samples if float(value)}


def test_bad_messages_are_kept_counted_and_passed_by(service: Up, ledger: Ledger, bus: BusSettings) -> None:
    """All in one partition, a good event before each: the last good one proves that nothing was held up.

    A used event id is not among them: which of two contents loses goes by digests under the deployment's key (`flows/test_conflicts.py`).
    """
    bad = bad_messages()
    with EventProducer(bus) as producer:
        for place, one in enumerate(bad):
            good = event(f"good-{place}").SerializeToString()
            producer.send(bus.events_topic, key=b"k", value=good, headers={"content-type": PROTOBUF})
            headers = {} if one.content_type is None else {"content-type": one.content_type}
            producer.send(bus.events_topic, key=b"k", value=one.payload, headers=headers)
        producer.send(bus.events_topic, key=b"k", value=event("last").SerializeToString(), headers={})
        producer.flush()
    deadline = time.monotonic() + 60
    # An event is in once its evidence has committed; whose it is, the look says that follows.
    while (counts := ledger.counts()).inbox < len(bad) + 1 or counts.unpublished_dead_letters or counts.dirty_marks:
        assert time.monotonic() < deadline, counts
        time.sleep(0.1)
    assert (counts.inbox, counts.dead_letters) == (len(bad) + 1, len(bad))
    assert "last" in {event_id for _, event_id, _ in ledger.event_profiles()}

    letters = {letter.offset: letter for letter in topic_letters(bus.bootstrap, bus.dead_letters_topic, len(bad))}
    assert sorted(letters) == [2 * place + 1 for place in range(len(bad))]
    matcher = Matcher(
        model_text=service.settings.model_text(), keys=Keys.derive(service.settings.master_secret()), region="US"
    )
    for place, one in enumerate(bad):
        letter = letters[2 * place + 1]
        told = (RejectionReason(letter.reason), sorted(violation.field for violation in letter.violations))
        assert told == (one.reason, sorted(one.fields)), one.name
        assert letter.topic == bus.events_topic
        assert letter.event_id == one.event_id, one.name
        assert letter.payload_size == len(one.payload or b""), one.name
        if one.payload is None or len(one.payload) > 2**20:
            assert letter.sealed_payload == b"", one.name
        else:
            context = b"\x00".join(str(part).encode() for part in (letter.topic, letter.partition, letter.offset))
            assert matcher.unseal([context], [letter.sealed_payload]) == [one.payload], one.name

    with urllib.request.urlopen(service.endpoints.metrics["consume"], timeout=10) as found:
        page = found.read().decode()
    assert counted(page, "goldthread_rejections_total") == dict(Counter(one.reason.name for one in bad))
    assert counted(page, "goldthread_events_total") == {"taken": len(bad) + 1, "rejected": len(bad)}

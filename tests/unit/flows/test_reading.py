"""Reading takes straight from their bytes those messages alone that decoding and admission would take, and makes the same of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from importlib import resources

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fixtures.messages import JSON, PROTOBUF, Message
from goldthread.domain.policy import FUTURE_ALLOWANCE
from goldthread.domain.words import Event, IncomingEvent, Rejection
from goldthread.flows.admission import Admission
from goldthread.flows.reading import MessageReader
from goldthread.flows.take import content_digest
from goldthread.matching import Keys, Matcher, Refusal
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import event_pb2
from goldthread.wire import decode_events

NOW = datetime(2026, 6, 1, 12, 30, 0, 7, tzinfo=UTC)
MATCHER = Matcher(
    model_text=(resources.files("goldthread") / "models" / "retail-persons-1.toml").read_text(encoding="utf-8"),
    keys=Keys.derive(b"\x07" * 32),
    region="US",
)
LONG_METRICS = Metrics()
LONG = Admission(matcher=MATCHER, now=lambda: NOW, currency="USD", metrics=LONG_METRICS)
READER = MATCHER.event_reader(currency="USD")


def examples(most: int) -> settings:
    # What is slow is the machine.
    return settings(max_examples=most, deadline=None, suppress_health_check=[HealthCheck.too_slow])


codes = st.sampled_from(["pos", "web-1", "a.b_c", "x" * 64, "x" * 65, "Pos", "", "p\n"])
ids = st.sampled_from(["e-1", "~ !", "x" * 128, "x" * 129, "", "é", "\u2028", "a\x7f", "\x00"])
words = st.sampled_from(
    ["Ana", "n/a", "", " ", "-", "O'Neil Jr.", "Dr. José Núñez III", "\u00a0", "a\x00b", "x" * 512, "x" * 513, "é" * 257, "1980-02-30",
     "02/03/1980", "soon", "12 Main St Apt 4", "90210-1234", "Smith, Ana", "José\u0301", "\ufeff", "0000", "test"]
) | st.text(max_size=12)  # fmt: skip
raws = st.sampled_from(
    ["jane@shop.org", "J.D+x@gmail.com", "n/a", "", " ", "12", "(650) 253-0000", "+44 20 7946 0958", "L-17", "0", "000000", "x" * 512,
     "x" * 513, "a\x01b", "test@test.com"]
)  # fmt: skip
shas = st.sampled_from(
    [hashlib.sha256(value).digest() for value in (b"", b"n/a", b"jane@shop.org", b"other")] + [b"", b"short"]
)
moments = st.sampled_from(
    [(946_684_799, 999_999_999), (946_684_800, 0), (1_767_225_600, 123_456_789), (1_767_225_600, 1_000_000_000), (0, 0), (-1, 0),
     (1_767_225_600, -1), (1 << 62, 0), (1_735_689_599, 999_999_999)]
    + [(int(NOW.timestamp()) + 86_400, nanos) for nanos in (0, 7_000, 7_999, 8_000)]
)  # fmt: skip


@st.composite
def digests(draw: st.DrawFn) -> dict[str, object]:
    return {"form": draw(st.sampled_from([1, 1, 1, 2, 3, 0, 4, 1 << 30])), "sha256": draw(shas)}


@st.composite
def claims(draw: st.DrawFn) -> dict[str, object]:
    claim: dict[str, object] = {}
    match draw(st.sampled_from(["", "raw", "digest"])):
        case "raw":
            claim["raw_customer_number"] = draw(raws)
        case "digest":
            claim["customer_number_digest"] = draw(digests())
    identifiers = []
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3, 32, 33]))):
        one: dict[str, object] = {"type": draw(st.sampled_from([1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9, -1]))}
        if namespace := draw(st.sampled_from(["", "", "", "crm", "pos", "UPPER", "x" * 65])):
            one["namespace"] = namespace
        match draw(st.sampled_from(["digest", "digest", "raw", ""])):
            case "raw":
                one["raw"] = draw(raws)
            case "digest":
                one["digest"] = draw(digests())
        identifiers.append(one)
    claim["identifiers"] = identifiers
    names = [field.name for field in event_pb2.CustomerEvent().claim.attributes.DESCRIPTOR.fields]
    claim["attributes"] = draw(st.dictionaries(st.sampled_from(names), words, max_size=4))
    return claim


payloads = st.one_of(
    st.builds(
        lambda amount, currency, store: {"purchase": {"amount_minor": amount, "currency": currency, "store": store}},
        st.sampled_from([0, 1, 10**12, 10**12 + 1, -1]), st.sampled_from(["USD", "USD", "USD", "EUR", ""]),
        st.sampled_from(["", "s1", "s" * 64, "s" * 65, "é" * 33, "a\x00"]),
    ),
    st.builds(lambda page: {"click": {"page": page}}, st.sampled_from(["", "/", "p" * 256, "é" * 129, "a\x00\x1fb"])),
    st.just({"customer_change": {}}),
    st.builds(lambda purpose, granted: {"consent_change": {"purpose": purpose, "granted": granted}}, codes, st.booleans()),
    st.just({}),
)  # fmt: skip


@st.composite
def sound(draw: st.DrawFn) -> bytes:
    """A message that is valid, and plain as every library writes it."""
    number, amount = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**12))
    made = event_pb2.CustomerEvent(source="pos", event_id=f"e-{number}")
    made.occurred_at.seconds = draw(st.integers(946_684_800, int(NOW.timestamp())))
    made.occurred_at.nanos = draw(st.sampled_from([0, 1_000, 999_999_999]))
    for value in draw(st.lists(st.binary(min_size=1, max_size=4), max_size=4)):
        kind = draw(st.integers(1, 8))
        digest = {"form": draw(st.sampled_from([1, 2, 3] if kind == 1 else [1, 3])), "sha256": hashlib.sha256(value + b"\xff").digest()}  # fmt: skip
        made.claim.identifiers.add(type=kind, digest=digest)
    if draw(st.booleans()):
        made.claim.raw_customer_number = f"c-{number}"
    made.claim.attributes.given_name = draw(st.sampled_from(["Ana", "Bo"]))
    made.claim.attributes.birth_date = draw(st.sampled_from(["", "1980-02-03", "1980-02-30", "n/a"]))
    match draw(st.integers(0, 3)):
        case 0:
            made.purchase.amount_minor, made.purchase.currency, made.purchase.store = amount, "USD", "s1"
        case 1:
            made.click.page = draw(st.text(max_size=12))
        case 2:
            made.customer_change.SetInParent()
        case _:
            made.consent_change.purpose, made.consent_change.granted = "news", draw(st.booleans())
    return made.SerializeToString(deterministic=True)


@st.composite
def edged(draw: st.DrawFn) -> bytes:
    """A message at the edges of every rule, this side or that."""
    made = event_pb2.CustomerEvent(
        source=draw(st.just("pos") | codes), event_id=draw(st.just("e-1") | ids), claim=draw(claims()), **draw(payloads)
    )
    seconds, nanos = draw(st.just((1_767_225_600, 0)) | moments)
    if draw(st.integers(0, 9)):
        made.occurred_at.seconds, made.occurred_at.nanos = seconds, nanos
    return made.SerializeToString(deterministic=True)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with bytes changed, lost, added, repeated or another message behind it."""
    message = bytearray(draw(sound() | edged()))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(message)))
        end = min(len(message), start + draw(st.integers(0, 6)))
        match draw(st.integers(0, 4)):
            case 0:
                message[start:end] = b""
            case 1:
                message[start:start] = message[start:end]
            case 2:
                message[start:end] = draw(st.binary(max_size=6))
            case 3 if start < len(message):
                message[start] ^= 1 << draw(st.integers(0, 7))
            case _:
                message += draw(sound() | edged())
    return bytes(message)


def long_way(payload: bytes) -> tuple[Event | None, Counter[tuple[str, str]]]:
    """What decoding and admission make of a message, and how many of its identifiers had which type and status."""
    LONG_METRICS.identifiers.clear()
    decoded = decode_events([Message(payload, PROTOBUF)], currency="USD")
    admitted = LONG.admit([event for _, event in decoded.events])
    event = admitted[0] if admitted and isinstance(admitted[0], Event) else None
    return event, identifiers_seen(LONG_METRICS)


def identifiers_seen(metrics: Metrics) -> Counter[tuple[str, str]]:
    return Counter(
        {
            (sample.labels["type"], sample.labels["status"]): int(sample.value)
            for family in metrics.identifiers.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }
    )


def straight(payload: bytes) -> Event | None:
    """What the core makes of a message; whatever it takes is what the long way makes of it."""
    [event], seen = READER.read([payload], latest=NOW + FUTURE_ALLOWANCE)
    if event is None:
        assert not seen
        return None
    expected, expected_seen = long_way(payload)
    assert event == expected
    assert seen == expected_seen
    [address] = MATCHER.addresses([event.claim])
    assert event.address == address
    assert event.digest == content_digest(event, address)
    assert event.occurred_at.tzinfo is UTC
    return event


@examples(300)
@given(sound())
def test_whatever_is_valid_and_plain_is_taken_straight(payload: bytes) -> None:
    assert straight(payload) is not None


@examples(600)
@given(edged())
def test_at_the_edges_of_the_rules_both_ways_agree(payload: bytes) -> None:
    admitted, _ = long_way(payload)
    # Which letters beyond ASCII are printable is for Python to say.
    plain = admitted is not None and admitted.event_id.isascii()
    assert (straight(payload) is not None) == plain


@examples(600)
@given(damaged())
@example(b"")
@example(b"\xff" * 40)
def test_damaged_messages_are_never_taken_for_something_else(payload: bytes) -> None:
    straight(payload)


@examples(60)
@given(
    st.lists(
        st.tuples(sound() | edged() | damaged() | st.just(b"{"), st.sampled_from([PROTOBUF, None, JSON, "text/plain"])), max_size=12
    ),
    st.booleans(),
)  # fmt: skip
def test_a_batch_is_what_its_messages_are_one_by_one(messages: list[tuple[bytes, str | None]], tombstone: bool) -> None:
    batch = [Message(payload, content_type) for payload, content_type in messages] + [
        Message(None, PROTOBUF)
    ] * tombstone
    short, long = Metrics(), Metrics()
    read = MessageReader(matcher=MATCHER, now=lambda: NOW, currency="USD", metrics=short).read(batch)
    decoded = decode_events(batch, currency="USD")
    assert read.rejections == decoded.rejections
    assert read.payloads == decoded.payloads
    assert judged(read.events, short) == judged(decoded.events, long)
    assert identifiers_seen(short) == identifiers_seen(long)


def judged(events: object, metrics: Metrics) -> list[tuple[object, Event | Refusal]]:
    admission = Admission(matcher=MATCHER, now=lambda: NOW, currency="USD", metrics=metrics)
    found: list[tuple[object, Event | Refusal]] = []
    for position, event in events:
        found.append((position, event if isinstance(event, Event) else admission.admit([event])[0]))
    return found


def test_a_rejection_is_worded_the_long_way() -> None:
    made = event_pb2.CustomerEvent(source="pos", event_id="e-1")
    message = Message(made.SerializeToString(), PROTOBUF)
    read = MessageReader(matcher=MATCHER, now=lambda: NOW, currency="USD", metrics=Metrics()).read([message])
    [(_, event)] = read.events
    assert isinstance(event, IncomingEvent)
    assert read.rejections == []
    assert isinstance(decode_events([Message(b"\x0a", PROTOBUF)], currency="USD").rejections[0], Rejection)


def test_time_passes_between_batches() -> None:
    made = event_pb2.CustomerEvent(source="pos", event_id="e-1")
    made.occurred_at.FromDatetime(NOW + timedelta(days=1, hours=1))
    made.claim.raw_customer_number = "c-1"
    made.customer_change.SetInParent()
    message = Message(made.SerializeToString(), PROTOBUF)
    clock = iter([NOW, NOW + timedelta(hours=1)])
    reader = MessageReader(matcher=MATCHER, now=lambda: next(clock), currency="USD", metrics=Metrics())
    kinds = [type(event) for _ in range(2) for _, event in reader.read([message]).events]
    assert kinds == [IncomingEvent, Event]

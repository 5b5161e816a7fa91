"""Reading takes straight from their bytes those messages alone that decoding and admission would take, and makes the same of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import product

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fixtures.messages import JSON, PROTOBUF, Message
from goldthread.domain.policy import FUTURE_ALLOWANCE
from goldthread.domain.words import Event, IncomingEvent
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


CODES = ["pos", "web-1", "a.b_c", "x" * 64, "x" * 65, "Pos", "", "p\n"]
IDS = ["e-1", "~ !", "x" * 128, "x" * 129, "", "é", "\u2028", "a\x7f", "\x00"]
WORDS = (
    ["Ana", "n/a", "", " ", "-", "O'Neil Jr.", "Dr. José Núñez III", "\u00a0", "a\x00b", "x" * 512, "x" * 513, "é" * 257, "1980-02-30",
     "02/03/1980", "soon", "12 Main St Apt 4", "90210-1234", "Smith, Ana", "José\u0301", "\ufeff", "0000", "test"]
)  # fmt: skip
RAWS = (
    ["jane@shop.org", "J.D+x@gmail.com", "n/a", "", " ", "12", "(650) 253-0000", "+44 20 7946 0958", "L-17", "0", "000000", "x" * 512,
     "x" * 513, "a\x01b", "test@test.com"]
)  # fmt: skip
SHAS = [hashlib.sha256(value).digest() for value in (b"", b"n/a", b"jane@shop.org", b"other")] + [b"", b"short"]
MOMENTS = (
    [(946_684_799, 999_999_999), (946_684_800, 0), (1_767_225_600, 123_456_789), (1_767_225_600, 1_000_000_000), (0, 0), (-1, 0),
     (1_767_225_600, -1), (1 << 62, 0), (1_735_689_599, 999_999_999)]
    + [(int(NOW.timestamp()) + 86_400, nanos) for nanos in (0, 7_000, 7_999, 8_000)]
)  # fmt: skip


FORMS = [1, 1, 2, 3, 0, 4, 1 << 30]
KINDS = [1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9, -1]
NAMESPACES = ["", "", "crm", "pos", "UPPER", "x" * 65]
ATTRIBUTES = [field.name for field in event_pb2.CustomerEvent().claim.attributes.DESCRIPTOR.fields]
STORES = ["", "s1", "s" * 64, "s" * 65, "é" * 32, "é" * 33, "a\x00"]
PAYLOADS: list[dict[str, object]] = [
    {},
    {"customer_change": {}},
    *({"purchase": {"amount_minor": amount, "currency": "USD"}} for amount in (0, 1, 10**12, 10**12 + 1, -1)),
    *({"purchase": {"amount_minor": 1, "currency": currency}} for currency in ("EUR", "usd", "")),
    *({"purchase": {"amount_minor": 1, "currency": "USD", "store": store}} for store in STORES),
    *({"click": {"page": page}} for page in ("", "/", "p" * 256, "p" * 257, "é" * 129, "a\x00\x1fb")),
    *({"consent_change": {"purpose": purpose, "granted": granted}} for purpose in CODES for granted in (True, False)),
]


@st.composite
def sound_event(draw: st.DrawFn) -> event_pb2.CustomerEvent:
    """An event that is valid."""
    number, amount = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**12))
    made = event_pb2.CustomerEvent(source="pos", event_id=f"e-{number}")
    made.occurred_at.seconds = draw(st.integers(946_684_800, int(NOW.timestamp())))
    made.occurred_at.nanos = draw(st.sampled_from([0, 1_000, 999_999_999]))
    for value in draw(st.lists(st.binary(min_size=1, max_size=4), max_size=4)):
        kind = draw(st.integers(1, 8))
        added = made.claim.identifiers.add(type=kind)
        added.digest.form = draw(st.sampled_from([1, 2, 3] if kind == 1 else [1, 3]))
        added.digest.sha256 = hashlib.sha256(value + b"\xff").digest()
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
    return made


def pay(made: event_pb2.CustomerEvent, payload: dict[str, object]) -> None:
    for name in ("purchase", "click", "customer_change", "consent_change"):
        made.ClearField(name)
    made.MergeFrom(event_pb2.CustomerEvent(**payload))


def written(made: event_pb2.CustomerEvent) -> bytes:
    return made.SerializeToString(deterministic=True)


def sound() -> st.SearchStrategy[bytes]:
    """Messages as every library writes them, of events that are valid."""
    return st.builds(written, sound_event())


@st.composite
def edged(draw: st.DrawFn) -> bytes:
    """A message that stands at the edge of one rule or two, this side or that."""
    made = draw(sound_event())
    for _ in range(draw(st.integers(1, 2))):
        match draw(st.integers(0, 9)):
            case 0:
                made.source = draw(st.sampled_from(CODES))
            case 1:
                made.event_id = draw(st.sampled_from(IDS))
            case 2 | 3:
                made.occurred_at.seconds, made.occurred_at.nanos = draw(st.sampled_from(MOMENTS))
            case 4:
                made.claim.customer_number_digest.form = draw(st.sampled_from(FORMS))
                made.claim.customer_number_digest.sha256 = draw(st.sampled_from(SHAS))
            case 5:
                made.claim.raw_customer_number = draw(st.sampled_from(RAWS))
            case 6:
                added = made.claim.identifiers.add(
                    type=draw(st.sampled_from(KINDS)), namespace=draw(st.sampled_from(NAMESPACES))
                )
                if draw(st.booleans()):
                    added.raw = draw(st.sampled_from(RAWS))
                elif draw(st.integers(0, 3)):
                    added.digest.form, added.digest.sha256 = draw(st.sampled_from(FORMS)), draw(st.sampled_from(SHAS))
            case 7:
                for _ in range(draw(st.sampled_from([1, 27, 28, 29, 32, 33]))):
                    made.claim.identifiers.add(type=3, raw="L-17")
            case 8:
                setattr(
                    made.claim.attributes,
                    draw(st.sampled_from(ATTRIBUTES)),
                    draw(st.sampled_from(WORDS) | st.text(max_size=12)),
                )
            case _:
                pay(made, draw(st.sampled_from(PAYLOADS)))
    if not draw(st.integers(0, 9)):
        made.ClearField(draw(st.sampled_from(["source", "event_id", "occurred_at", "claim"])))
    return written(made)


def every_edge() -> Iterator[event_pb2.CustomerEvent]:
    """Every edge of every rule by itself; each is whole once the next is asked for."""

    def plain() -> event_pb2.CustomerEvent:
        made = event_pb2.CustomerEvent(source="pos", event_id="e-1", customer_change={})
        made.occurred_at.seconds = 1_767_225_600
        made.claim.raw_customer_number = "c-1"
        return made

    for source in CODES:
        yield (made := plain())
        made.source = source
    for event_id in IDS:
        yield (made := plain())
        made.event_id = event_id
    for seconds, nanos in MOMENTS:
        yield (made := plain())
        made.occurred_at.seconds, made.occurred_at.nanos = seconds, nanos
    for payload in PAYLOADS:
        yield (made := plain())
        pay(made, payload)
    for number in (30, 31, 32):
        yield (made := plain())
        for _ in range(number):
            made.claim.identifiers.add(type=3, raw="L-17")
    for name, word in product(ATTRIBUTES, WORDS):
        yield (made := plain())
        setattr(made.claim.attributes, name, word)
        # The same once more with nothing beside it.
        yield (alone := plain())
        alone.claim.Clear()
        setattr(alone.claim.attributes, name, word)
    for kind, raw in product(KINDS, RAWS):
        yield (made := plain())
        made.claim.identifiers.add(type=kind, raw=raw)
    for kind, namespace in product(KINDS, NAMESPACES):
        yield (made := plain())
        made.claim.identifiers.add(type=kind, namespace=namespace, raw="L-17" if kind > 2 else "")
    for kind, form, sha in product(KINDS, FORMS, SHAS):
        yield (made := plain())
        made.claim.identifiers.add(type=kind, digest={"form": form, "sha256": sha})


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


def test_every_edge_by_itself() -> None:
    taken, left = 0, 0
    for made in list(every_edge()):
        admitted, _ = long_way(written(made))
        plain = admitted is not None and admitted.event_id.isascii()
        assert (straight(written(made)) is not None) == plain, made
        taken, left = taken + plain, left + (not plain)
    assert min(taken, left) > 100


@examples(300)
@given(edged())
def test_at_the_edges_of_the_rules_both_ways_agree(payload: bytes) -> None:
    admitted, _ = long_way(payload)
    # Which letters beyond ASCII are printable is for Python to say.
    plain = admitted is not None and admitted.event_id.isascii()
    assert (straight(payload) is not None) == plain


@examples(400)
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


def judged(
    events: Sequence[tuple[object, IncomingEvent | Event]], metrics: Metrics
) -> list[tuple[object, Event | Refusal]]:
    admission = Admission(matcher=MATCHER, now=lambda: NOW, currency="USD", metrics=metrics)
    found: list[tuple[object, Event | Refusal]] = []
    for position, event in events:
        found.append((position, event if isinstance(event, Event) else admission.admit([event])[0]))
    return found


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

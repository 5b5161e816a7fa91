"""Raw identifiers stay at the doors: planted ones are nowhere in the ledger, the cache, our topics, the logs or the metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import cast

import grpc
import psycopg
import pytest
from redis import Redis

from fixtures.canaries import Scanner, files, messages, pages, redis_values, table_rows
from goldthread.app.produce import produce_file
from goldthread.app.produce_rows import RowDefaults
from goldthread.app.up import Up
from goldthread.bus import BusSettings, EventProducer
from goldthread.domain.words import RejectionReason
from goldthread.ledger import Ledger
from goldthread.v1 import event_pb2, identity_pb2, lookup_service_pb2, resolver_service_pb2
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceStub

IDENTIFIERS = {
    "email": ("Canary.Quill@Plumage-Shop.com", "canary.quill@plumage-shop.com"),
    "gmail": ("Canary.Finch+till@gmail.com", "canary.finch+till@gmail.com", "canaryfinch@gmail.com"),
    "phone": ("(512) 478-9931", "512.478.9931", "+1 512 478 9931", "5124789931", "+15124789931"),
    "loyalty_card": ("CNRY-5519-7702-18", "CNRY5519770218"),
    "customer_number": ("KD-88213377-Z", "KD88213377Z"),
    "crm_number": ("crm canary 90417", "CRMCANARY90417"),
    "webshop_number": ("ws-canary-66120", "WSCANARY66120"),
    "device": ("dev-canary-7f3a91", "DEVCANARY7F3A91"),
    "cookie": ("ck-canary-91b2e0", "CKCANARY91B2E0"),
    "broken email": ("canary-broken@@plumage.shop",),
    "broken phone": ("512-CANARYPHONE-1",),
    "anchor": ("card-canary-31337", "CARDCANARY31337"),
    "misplaced email": ("misplaced@plumage-shop.com",),
}
"""What sources send, by the spellings that must not be found anywhere."""

ATTRIBUTES = {
    "family name": ("Canarywitz",),
    "street": ("88 Plumage Lane", "88 plumage ln"),
    "birth date": ("1987-11-23", "23.11.1987"),
}
"""Personal data that the ledger and the events topic hold on purpose, and nothing else."""

NOW = datetime(2026, 1, 10, 9, tzinfo=UTC)
TYPES = identity_pb2.IdentifierType


def raw(kind: str) -> str:
    return IDENTIFIERS[kind][0]


def planted_claim() -> identity_pb2.CustomerClaim:
    claim = identity_pb2.CustomerClaim(raw_customer_number=raw("customer_number"))
    for name, kind in (
        ("email", "email"),
        ("email", "gmail"),
        ("loyalty_card", "loyalty_card"),
        ("crm_number", "crm_number"),
        ("webshop_number", "webshop_number"),
        ("device", "device"),
        ("cookie", "cookie"),
    ):
        claim.identifiers.add(type=TYPES.Value(f"IDENTIFIER_TYPE_{name.upper()}"), raw=raw(kind))
    for spelling in IDENTIFIERS["phone"][:3]:
        claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_PHONE, raw=spelling)
    claim.attributes.given_name = "Jo"
    claim.attributes.family_name = ATTRIBUTES["family name"][0]
    claim.attributes.street = ATTRIBUTES["street"][0]
    claim.attributes.birth_date = ATTRIBUTES["birth date"][1]
    return claim


def event(event_id: str, *, source: str = "crm") -> event_pb2.CustomerEvent:
    message = event_pb2.CustomerEvent(source=source, event_id=event_id, claim=planted_claim())
    message.occurred_at.FromDatetime(NOW)
    message.purchase.amount_minor = 1999
    message.purchase.currency = "USD"
    return message


def broken_events() -> Iterator[event_pb2.CustomerEvent]:
    """Messages that decode and cannot be taken."""
    for place, change in enumerate(_CHANGES):
        message = event(f"broken-{place}")
        change(message)
        yield message


def _invalid_email(message: event_pb2.CustomerEvent) -> None:
    message.claim.identifiers[0].raw = raw("broken email")


def _invalid_phone(message: event_pb2.CustomerEvent) -> None:
    message.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_PHONE, raw=raw("broken phone"))


def _misplaced_source(message: event_pb2.CustomerEvent) -> None:
    message.source = raw("misplaced email")


def _misplaced_namespace(message: event_pb2.CustomerEvent) -> None:
    message.claim.identifiers[0].namespace = raw("misplaced email")


def _misplaced_event_id(message: event_pb2.CustomerEvent) -> None:
    message.event_id = raw("misplaced email") + "\n"


def _misplaced_currency(message: event_pb2.CustomerEvent) -> None:
    message.purchase.currency = raw("misplaced email")


def _misplaced_purpose(message: event_pb2.CustomerEvent) -> None:
    message.consent_change.purpose = raw("misplaced email")


def _too_early(message: event_pb2.CustomerEvent) -> None:
    message.occurred_at.seconds = 1


_CHANGES: tuple[Callable[[event_pb2.CustomerEvent], None], ...] = (
    _invalid_email,
    _invalid_phone,
    _misplaced_source,
    _misplaced_namespace,
    _misplaced_event_id,
    _misplaced_currency,
    _misplaced_purpose,
    _too_early,
)


def json_of(event_id: str) -> dict[str, object]:
    return {
        "source": "webshop",
        "eventId": event_id,
        "occurredAt": NOW.isoformat(),
        "claim": {
            "identifiers": [
                {"type": "IDENTIFIER_TYPE_EMAIL", "raw": raw("email")},
                {"type": "IDENTIFIER_TYPE_PHONE", "raw": IDENTIFIERS["phone"][1]},
            ],
            "attributes": {"familyName": ATTRIBUTES["family name"][0]},
        },
        "click": {"page": "home"},
    }


def anchors_of(event_id: str, **more: object) -> dict[str, object]:
    anchors = {"loyalty_id": raw("anchor"), "phone": IDENTIFIERS["phone"][2], "email": raw("gmail"), **more}
    return {
        "event_id": event_id,
        "event_timestamp": NOW.isoformat(),
        "source_system": "legacy",
        "event_type": "purchase",
        "identity_anchors": anchors,
        "payload": {"amount": "19.99", "last_name": ATTRIBUTES["family name"][0]},
    }


def raw_messages() -> Iterator[tuple[bytes, str | None]]:
    """Kafka payloads with raw identifiers: good ones, and every way to be bad."""
    protobuf, plain = "application/x-protobuf", "application/json"
    good = event("raw-1").SerializeToString()
    yield good, protobuf
    yield event("raw-2").SerializeToString(), None
    yield json.dumps(json_of("raw-3")).encode(), plain
    yield json.dumps(anchors_of("raw-4")).encode(), plain
    yield good, protobuf
    conflicting = event("raw-1")
    conflicting.purchase.amount_minor = 1
    yield conflicting.SerializeToString(), protobuf
    for broken in broken_events():
        yield broken.SerializeToString(), protobuf
    yield good[: len(good) // 2], protobuf
    yield good, plain
    yield good, f"text/{raw('misplaced email')}"
    text = json.dumps(json_of("bad-1"))
    yield text[:-20].encode(), plain
    yield text.encode()[:-5] + b"\xff\xfe" + text.encode()[-5:], plain
    yield json.dumps({**json_of("bad-2"), raw("misplaced email"): 1}).encode(), plain
    yield json.dumps({**json_of("bad-3"), "occurredAt": raw("misplaced email")}).encode(), plain
    yield json.dumps(anchors_of("bad-4", **{raw("misplaced email"): "x"})).encode(), plain
    yield json.dumps(anchors_of("bad-5", hashed_email=raw("email"))).encode(), plain
    yield json.dumps(anchors_of("bad-6", crm_id=[raw("crm_number")])).encode(), plain
    yield json.dumps({**anchors_of("bad-7"), "source_system": raw("misplaced email")}).encode(), plain
    yield text.encode() + b" " * (1024 * 1024), plain


def refusal(work: Callable[[], object]) -> list[tuple[str, bytes]]:
    """What a caller is told when a call is refused: details and trailing metadata."""
    with pytest.raises(grpc.RpcError) as caught:
        work()
    error = caught.value
    assert error.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.ALREADY_EXISTS}, error.code()
    told = [str(error.details()).encode()]
    for key, value in cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata()):
        told += [key.encode(), value if isinstance(value, bytes) else value.encode()]
    return [("rpc error", part) for part in told]


def rpc(service: Up) -> list[tuple[str, bytes]]:
    """Calls Lookup and Resolve with planted identifiers, good and bad; returns what the errors said."""
    metadata = (("x-request-id", raw("misplaced email")), ("user-agent", raw("phone")))
    told: list[tuple[str, bytes]] = []
    with grpc.insecure_channel(service.endpoints.grpc) as channel:
        lookup, resolve = LookupServiceStub(channel), ResolverServiceStub(channel)

        def ask(kind: str, value: str, namespace: str = "") -> object:
            number = TYPES.Value(f"IDENTIFIER_TYPE_{kind or 'UNSPECIFIED'}")
            asked = identity_pb2.Identifier(type=number, namespace=namespace, raw=value)
            return lookup.Lookup(lookup_service_pb2.LookupRequest(identifier=asked), metadata=metadata, timeout=10)

        def tell(message: event_pb2.CustomerEvent, *, preview: bool = False) -> object:
            request = resolver_service_pb2.ResolveRequest(event=message, preview=preview)
            return resolve.Resolve(request, metadata=metadata, timeout=10)

        for kind, name in (
            ("EMAIL", "email"),
            ("EMAIL", "gmail"),
            ("LOYALTY_CARD", "loyalty_card"),
            ("DEVICE", "device"),
        ):
            ask(kind, raw(name))
        for spelling in IDENTIFIERS["phone"]:
            ask("PHONE", spelling)
        ask("CUSTOMER_NUMBER", raw("customer_number"), "crm")
        tell(event("rpc-1"))
        tell(event("rpc-1"))
        tell(event("rpc-2"), preview=True)
        for attempt in (
            lambda: ask("EMAIL", raw("broken email")),
            lambda: ask("PHONE", raw("broken phone")),
            lambda: ask("", raw("email")),
            lambda: ask("EMAIL", raw("email"), raw("misplaced email")),
        ):
            told += refusal(attempt)
        for broken in broken_events():
            told += refusal(partial(tell, broken))

        def conflict() -> None:
            # Which of two contents loses goes by digests under the deployment's key: of many one after another, one soon does.
            for amount in range(1, 50):
                conflicting = event("rpc-1")
                conflicting.purchase.amount_minor = amount
                tell(conflicting)

        told += refusal(conflict)
    assert len(told) > 3 * len(_CHANGES)
    return told


def settle(ledger: Ledger, service: Up, *, read: int) -> None:
    """Waits until so many messages were taken or rejected and everything was relayed."""
    settings = service.settings
    deadline = time.monotonic() + 60
    while True:
        done = sum(ledger.offsets(group=settings.consumer_group, topic=settings.events_topic).values())
        counts = ledger.counts()
        if done >= read and counts.outbox == 0 and counts.unpublished_dead_letters == 0:
            return
        assert time.monotonic() < deadline, f"{done} of {read} read, {counts}"
        time.sleep(0.1)


def conflicts_among_dead_letters(dsn: str) -> int:
    """How many dead letters are contents that lost against another under their event id."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM dead_letter WHERE reason = %s", [int(RejectionReason.EVENT_ID_CONFLICT)]
        ).fetchone()
    assert found is not None
    return int(found[0])


def produced_rows() -> list[dict[str, str]]:
    """Flat rows with every spelling, and with values that cannot be used."""
    numbers = count(1)

    def row(**said: str) -> dict[str, str]:
        head = {
            "source": "pos",
            "event_id": f"file-{next(numbers)}",
            "occurred_at": NOW.isoformat(),
            "kind": "customer_change",
        }
        return {**head, "given_name": "Jo", "family_name": ATTRIBUTES["family name"][0], **said}

    rows = [row(phone=spelling) for spelling in IDENTIFIERS["phone"][:3]]
    rows += [row(email=raw("email"), street=ATTRIBUTES["street"][0]), row(email=raw("gmail"))]
    rows += [row(**{kind: raw(kind)}) for kind in ("loyalty_card", "customer_number", "crm_number", "webshop_number")]
    rows += [row(device=raw("device"), cookie=raw("cookie"), birth_date=ATTRIBUTES["birth date"][0])]
    rows += [row(email=raw("broken email"), phone=raw("broken phone"))]
    return rows


@pytest.mark.timeout(240)
def test_planted_identifiers_are_nowhere(
    service: Up, ledger: Ledger, bus: BusSettings, tmp_path: Path, servers_dir: Path
) -> None:
    ledger_dsn = service.endpoints.postgres_dsn
    rows = produced_rows()
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    with EventProducer(bus) as producer:
        report = produce_file(path, producer, topic=bus.events_topic, defaults=RowDefaults(region="US", currency="USD"))
        assert report.events == len(rows)
        settle(ledger, service, read=len(rows))
        # Our own producer's messages: digests, never values. Names and addresses travel on purpose.
        values_only = Scanner(IDENTIFIERS, digests=False)
        sent = messages(bus.bootstrap, bus.events_topic)
        assert len(sent) == 3 * len(rows)
        assert values_only.hits(sent) == []

        planted = list(raw_messages())
        for payload, content_type in planted:
            headers = {} if content_type is None else {"content-type": content_type}
            producer.send(bus.events_topic, key=raw("email").encode(), value=payload, headers=headers)
        producer.flush()
    settle(ledger, service, read=len(rows) + len(planted))
    told = rpc(service)
    settle(ledger, service, read=len(rows) + len(planted))

    counts = ledger.counts()
    assert counts.inbox == len(rows) + 4 + 1
    # Which content of "raw-1" loses goes by digests under the deployment's key: the later one, or the earlier one told twice, and nothing
    # where the earlier was taken in a batch of its own and gives way.
    lost_under_an_id = conflicts_among_dead_letters(ledger_dsn)
    assert lost_under_an_id <= 2
    assert counts.dead_letters == len(planted) - 6 + lost_under_an_id

    ledger_rows = list(table_rows(ledger_dsn))
    cached = list(redis_values(service.endpoints.redis_url))
    ours = [part for topic in (bus.changes_topic, bus.dead_letters_topic) for part in messages(bus.bootstrap, topic)]
    logs = list(files(service.logs))
    # What the servers themselves wrote; Kafka's segments end in .log too.
    logs += [
        found for found in files(servers_dir) if found[0].endswith(".log") and not found[0].startswith("kafka/log/")
    ]
    metrics = list(pages(service.endpoints.metrics.values()))
    for name, places in {
        "ledger": ledger_rows,
        "cache": cached,
        "topics": ours,
        "logs": logs,
        "metrics": metrics,
    }.items():
        assert len(places) > 1, name
        assert sum(len(content) for _, content in places) > 500, name

    scanner = Scanner(IDENTIFIERS, digests=True)
    assert scanner.hits([*ledger_rows, *cached, *ours, *logs, *metrics, *told]) == []
    everywhere_else = Scanner(ATTRIBUTES, digests=True)
    assert everywhere_else.hits([*cached, *ours, *logs, *metrics, *told]) == []
    assert "family name" in {name for _, name in everywhere_else.hits(ledger_rows)}

    _prove_the_scanner(scanner, service, ledger_dsn, bus)


def _prove_the_scanner(scanner: Scanner, service: Up, dsn: str, bus: BusSettings) -> None:
    """Plants controls where the scan found nothing, each in another disguise, and finds them."""
    phone, card = "+15124789931", IDENTIFIERS["loyalty_card"][0]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE control (plain text, raw bytea, encoded text, document jsonb, digest bytea)")
        connection.execute(
            "INSERT INTO control VALUES (%s, %s::text::bytea, encode(%s::text::bytea, 'base64'), "
            "jsonb_build_object('deep', jsonb_build_array(%s::text)), sha256(%s::text::bytea))",
            [f"call {phone}", card, f"x{phone}", raw("email").lower(), phone],
        )
    found = scanner.hits(table_rows(dsn))
    assert found == [
        ("control.digest", "digest of phone"),
        ("control.document", "email"),
        ("control.encoded", "phone"),
        ("control.plain", "phone"),
        ("control.raw", "loyalty_card"),
    ]
    with Redis.from_url(service.endpoints.redis_url) as client:
        client.set(b"control", phone.encode().hex())
    assert scanner.hits(redis_values(service.endpoints.redis_url)) == [("redis value", "phone")]
    (service.logs / "control.log").write_text(f'{{"event": "lookup?phone={card}"}}', encoding="utf-8")
    assert scanner.hits(files(service.logs)) == [("control.log", "loyalty_card")]
    with EventProducer(bus) as producer:
        producer.send(bus.changes_topic, key=b"k", value=raw("cookie").encode(), headers={})
        producer.flush()
    assert scanner.hits(messages(bus.bootstrap, bus.changes_topic)) == [(bus.changes_topic, "cookie")]

"""What is sent, as bytes: digests for Kafka, as a producer's edge makes them; raw and differently spelled for Resolve."""

from __future__ import annotations

from functools import lru_cache
from random import Random

from gate.plan import Said
from gate.towns import Claim
from goldthread.domain.words import DigestForm
from goldthread.matching import digest_identifiers
from goldthread.v1 import event_pb2, identity_pb2, lookup_service_pb2

__all__ = ["PROTOBUF", "kafka_value", "lookup_request", "raw_event"]

PROTOBUF = "application/x-protobuf"
_EMAIL, _PHONE, _LOYALTY, _CUSTOMER = 1, 2, 3, 8
_REGION = "US"


def kafka_value(said: Said, random: Random) -> bytes:
    """The event for Kafka: identifiers as digests, attributes in some spelling of their clean form."""
    event = _head(said)
    event.claim.CopyFrom(_digested(said.claim))
    _attributes(event, said.claim, random)
    return event.SerializeToString()


def raw_event(said: Said, random: Random) -> event_pb2.CustomerEvent:
    """The event for Resolve: everything as typed."""
    event = _head(said)
    event.claim.SetInParent()
    for kind, value in said.claim.identifiers:
        typed = _spelled(kind, value, random)
        if kind == _CUSTOMER:
            event.claim.raw_customer_number = typed
        else:
            event.claim.identifiers.add(type=kind, raw=typed)
    _attributes(event, said.claim, random)
    return event


def lookup_request(identifier: tuple[int, str], *, min_version: int = 0) -> lookup_service_pb2.LookupRequest:
    """A register's question."""
    kind, value = identifier
    return lookup_service_pb2.LookupRequest(
        identifier=identity_pb2.Identifier(type=kind, raw=value),  # type: ignore[arg-type]
        min_version=min_version,
    )


def _head(said: Said) -> event_pb2.CustomerEvent:
    event = event_pb2.CustomerEvent(source=said.claim.source, event_id=said.event_id)
    event.occurred_at.FromDatetime(said.occurred_at)
    match said.kind:
        case "purchase":
            event.purchase.CopyFrom(event_pb2.Purchase(amount_minor=said.amount, currency="USD", store=said.store))
        case "click":
            event.click.page = said.word
        case "consent_change":
            event.consent_change.CopyFrom(event_pb2.ConsentChange(purpose=said.word, granted=True))
        case _:
            event.customer_change.SetInParent()
    return event


@lru_cache(maxsize=100_000)
def _digested(claim: Claim) -> identity_pb2.CustomerClaim:
    message = identity_pb2.CustomerClaim()
    kinds, values = [kind for kind, _ in claim.identifiers], [value for _, value in claim.identifiers]
    for kind, found in zip(kinds, digest_identifiers(kinds, values, region=_REGION), strict=True):
        if found.digest is None:
            raise ValueError(f"the generator made an unusable identifier of type {kind}")
        plain = identity_pb2.IdentifierDigest(form=int(DigestForm.CANONICAL), sha256=found.digest)  # type: ignore[arg-type]
        if kind == _CUSTOMER:
            message.customer_number_digest.CopyFrom(plain)
            continue
        message.identifiers.add(type=kind).digest.CopyFrom(plain)
        if found.folded is not None:
            folded = message.identifiers.add(type=kind).digest
            folded.form, folded.sha256 = int(DigestForm.GMAIL_FOLDED), found.folded  # type: ignore[assignment]
    return message


def _attributes(event: event_pb2.CustomerEvent, claim: Claim, random: Random) -> None:
    """Attributes in a spelling that means the same: case and blanks say nothing."""
    for name, value in claim.attributes:
        choice = random.randrange(4)
        spelled = value.upper() if choice == 0 else f"  {value} " if choice == 1 else value
        setattr(event.claim.attributes, name, spelled)


def _spelled(kind: int, value: str, random: Random) -> str:
    choice = random.randrange(4)
    if kind == _PHONE:
        area, exchange, line = value[2:5], value[5:8], value[8:]
        return (value, f"({area}) {exchange}-{line}", f"{area}.{exchange}.{line}", f"1 {area} {exchange} {line}")[
            choice
        ]
    if kind == _EMAIL and choice:
        local, _, domain = value.partition("@")
        return f" {local.upper()}@{domain.title()}"
    if kind == _LOYALTY and choice:
        return f"{value[:4]}-{value[4:8]} {value[8:]}"
    return value

"""Customer events and identifiers between protobuf messages and domain values."""

from __future__ import annotations

from operator import attrgetter
from typing import assert_never

from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.words import (
    ATTRIBUTE_NAMES,
    Click,
    ConsentChange,
    CustomerChange,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
    Payload,
    Purchase,
    Violation,
)
from goldthread.v1 import event_pb2, identity_pb2
from goldthread.wire.rules import identifier_violations
from goldthread.wire.times import datetime_of, timestamp_of

__all__ = ["encode_event", "event_from_proto", "event_message", "identifier_from_proto"]

_ATTRIBUTES = (*ATTRIBUTE_NAMES, "full_name")
_attributes_of = attrgetter(*_ATTRIBUTES)


def identifier_from_proto(message: identity_pb2.Identifier, path: str = "identifier") -> IncomingIdentifier:
    """The identifier as a domain value; raises `InvalidArgumentError` with every broken field."""
    identifier = _identifier(message, path, source="")
    violations: list[Violation] = identifier_violations(identifier)
    if violations:
        raise InvalidArgumentError(violations)
    return identifier


def event_from_proto(message: event_pb2.CustomerEvent) -> IncomingEvent:
    """The event as it came, right or wrong; what the message leaves out is None or empty.

    Nothing is judged here: `flows.Admission` asks `event_violations` together with all other rules, so that every broken field is named at once.
    """
    source = message.source
    claim = message.claim
    return IncomingEvent(
        source=source,
        event_id=message.event_id,
        occurred_at=datetime_of(message.occurred_at) if message.HasField("occurred_at") else None,
        identifiers=(
            *_customer_number(claim, "claim", source),
            *(
                _identifier(identifier, f"claim.identifiers[{index}]", source=source)
                for index, identifier in enumerate(claim.identifiers)
            ),
        ),
        attributes={
            name: value for name, value in zip(_ATTRIBUTES, _attributes_of(claim.attributes), strict=True) if value
        },
        payload=_payload(message),
    )


def encode_event(event: IncomingEvent) -> bytes:
    """The event as `CustomerEvent` bytes for Kafka; a raw identifier raises ValueError, because raw values never leave a door."""
    if any(identifier.raw is not None for identifier in event.identifiers):
        raise ValueError("an event for Kafka carries digests only")
    return event_message(event).SerializeToString(deterministic=True)


def event_message(event: IncomingEvent) -> event_pb2.CustomerEvent:
    """The event as a message; the first identifier of type CUSTOMER_NUMBER becomes the claim's customer number."""
    message = event_pb2.CustomerEvent(source=event.source, event_id=event.event_id)
    if event.occurred_at is not None:
        message.occurred_at.CopyFrom(timestamp_of(event.occurred_at))
    claim = message.claim
    claim.SetInParent()
    numbered = False
    for identifier in event.identifiers:
        if identifier.type == IdentifierType.CUSTOMER_NUMBER and not numbered:
            numbered = True
            if identifier.raw is not None:
                claim.raw_customer_number = identifier.raw
            else:
                claim.customer_number_digest.CopyFrom(_digest_message(identifier))
            continue
        added = claim.identifiers.add(type=identifier.type, namespace=identifier.namespace)
        if identifier.raw is not None:
            added.raw = identifier.raw
        elif identifier.digest is not None:
            added.digest.CopyFrom(_digest_message(identifier))
    for name, value in event.attributes.items():
        setattr(claim.attributes, name, value)
    _set_payload(message, event.payload)
    return message


def _digest_message(identifier: IncomingIdentifier) -> identity_pb2.IdentifierDigest:
    return identity_pb2.IdentifierDigest(form=identifier.form, sha256=identifier.digest or b"")  # type: ignore[arg-type]


def _identifier(message: identity_pb2.Identifier, path: str, *, source: str) -> IncomingIdentifier:
    kind = int(message.type)
    namespace = message.namespace
    if kind == IdentifierType.CUSTOMER_NUMBER and not namespace:
        namespace = source
    match message.WhichOneof("value"):
        case "raw":
            return IncomingIdentifier(path=f"{path}.raw", type=kind, namespace=namespace, raw=message.raw)
        case "digest":
            digest = message.digest
            return IncomingIdentifier(
                path=f"{path}.digest", type=kind, namespace=namespace, form=int(digest.form), digest=digest.sha256
            )
        case _:
            return IncomingIdentifier(path=path, type=kind, namespace=namespace)


def _customer_number(claim: identity_pb2.CustomerClaim, path: str, source: str) -> tuple[IncomingIdentifier, ...]:
    kind = int(IdentifierType.CUSTOMER_NUMBER)
    match claim.WhichOneof("customer_number"):
        case "raw_customer_number":
            raw = claim.raw_customer_number
            return (IncomingIdentifier(path=f"{path}.raw_customer_number", type=kind, namespace=source, raw=raw),)
        case "customer_number_digest":
            digest = claim.customer_number_digest
            return (
                IncomingIdentifier(
                    path=f"{path}.customer_number_digest",
                    type=kind,
                    namespace=source,
                    form=int(digest.form),
                    digest=digest.sha256,
                ),
            )
        case _:
            return ()


def _payload(message: event_pb2.CustomerEvent) -> Payload | None:
    match message.WhichOneof("payload"):
        case "purchase":
            purchase = message.purchase
            return Purchase(amount_minor=purchase.amount_minor, currency=purchase.currency, store=purchase.store)
        case "click":
            return Click(page=message.click.page)
        case "customer_change":
            return CustomerChange()
        case "consent_change":
            return ConsentChange(purpose=message.consent_change.purpose, granted=message.consent_change.granted)
        case _:
            return None


def _set_payload(message: event_pb2.CustomerEvent, payload: Payload | None) -> None:
    match payload:
        case None:
            pass
        case Purchase(amount_minor, currency, store):
            message.purchase.CopyFrom(event_pb2.Purchase(amount_minor=amount_minor, currency=currency, store=store))
        case Click(page):
            message.click.CopyFrom(event_pb2.Click(page=page))
        case CustomerChange():
            message.customer_change.SetInParent()
        case ConsentChange(purpose, granted):
            message.consent_change.CopyFrom(event_pb2.ConsentChange(purpose=purpose, granted=granted))
        case _:
            assert_never(payload)

"""The plain JSON shape with `identity_anchors`, as other systems send it; docs/events.md describes it.

Digests in it were made by somebody else from a canonical form nobody here knows, so they become digests of form ANCHOR and
never match Goldthread's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from goldthread.domain.words import (
    ATTRIBUTE_NAMES,
    Click,
    ConsentChange,
    CustomerChange,
    DigestForm,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
    Payload,
    Purchase,
    Violation,
)
from goldthread.wire.rules import event_violations, with_domain_rules

__all__ = ["ANCHORS_KEY", "anchor_event"]

ANCHORS_KEY = "identity_anchors"
"""The key that tells this shape from the JSON mapping of `CustomerEvent`."""

_ANCHORS = {
    "email": IdentifierType.EMAIL,
    "phone": IdentifierType.PHONE,
    "loyalty_id": IdentifierType.LOYALTY_CARD,
    "crm_id": IdentifierType.CRM_NUMBER,
    "webshop_id": IdentifierType.WEBSHOP_NUMBER,
    "device_id": IdentifierType.DEVICE,
    "cookie_id": IdentifierType.COOKIE,
    "customer_id": IdentifierType.CUSTOMER_NUMBER,
}
_ATTRIBUTE_ALIASES = {
    **{name: name for name in (*ATTRIBUTE_NAMES, "full_name")},
    "first_name": "given_name",
    "last_name": "family_name",
    "surname": "family_name",
    "name": "full_name",
    "date_of_birth": "birth_date",
    "dob": "birth_date",
    "address": "street",
    "zip": "postcode",
    "zip_code": "postcode",
    "postal_code": "postcode",
}
_PAYLOAD_ALIASES = _ATTRIBUTE_ALIASES.keys() - {"name", "address", "city"}
"""What in a payload can only be the customer's: a name, address or city there may as well be a product's, a device's or a store's."""
_PATHS = {"source": "source_system", "occurred_at": "event_timestamp"}
_AMOUNTS = ("amount_minor", "amount", "transaction_value")
_CLICKS = frozenset({"click", "page_view", "pageview", "web_click", "visit"})
_CONSENTS = frozenset({"consent", "consent_change"})
_TOP_LEVEL = frozenset(
    {"event_id", "event_timestamp", "source_system", "event_type", ANCHORS_KEY, "attributes", "payload"}
)
_HEX_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINOR = Decimal(100)
_MAX_READ = Decimal(10**15)


def anchor_event(content: Mapping[str, object], *, currency: str) -> tuple[IncomingEvent, list[Violation]]:
    """The event and every broken field. Numbers with a fraction must come as `Decimal`.

    `currency` is taken where the payload names none. Raises UnicodeEncodeError if a text holds half a surrogate pair.
    """
    # Half a surrogate pair is JSON but no text: it must get no further than here.
    json.dumps(content, ensure_ascii=False, default=str).encode()
    found: list[Violation] = [
        Violation("", "holds a field that is not known") for _ in range(bool(content.keys() - _TOP_LEVEL))
    ]
    source = _text(content, "source_system", found).lower()
    event = IncomingEvent(
        source=source,
        event_id=_text(content, "event_id", found),
        occurred_at=_moment(content.get("event_timestamp")),
        identifiers=_identifiers(_mapping(content, ANCHORS_KEY, found), source, found),
        attributes=_attributes(content, found),
        payload=_payload(_text(content, "event_type", found), _mapping(content, "payload", found), currency, found),
    )
    found += event_violations(event)
    if found:
        found = [
            Violation(_PATHS.get(violation.field, violation.field), violation.description)
            for violation in with_domain_rules(event, found)
        ]
    return event, found


def _mapping(content: Mapping[str, object], name: str, found: list[Violation]) -> Mapping[str, object]:
    value = content.get(name)
    if isinstance(value, Mapping):
        return value
    if value is not None:
        found.append(Violation(name, "an object"))
    return {}


def _text(content: Mapping[str, object], name: str, found: list[Violation], *, path: str = "") -> str:
    """A text or whole number as text; empty if absent or null."""
    value = content.get(name)
    match value:
        case None:
            return ""
        case str():
            return value
        case int() if not isinstance(value, bool):
            return str(value)
        case _:
            found.append(Violation(f"{path}{name}", "a text"))
            return ""


def _moment(value: object) -> datetime | None:
    """RFC 3339 with an offset, or whole milliseconds since 1970; anything else is None."""
    try:
        match value:
            case str() if len(value) >= len("2000-01-01T00:00Z") and value[10] in "Tt ":
                moment = datetime.fromisoformat(value)
                return moment.astimezone(UTC) if moment.tzinfo is not None else None
            case int() if not isinstance(value, bool):
                return _EPOCH + timedelta(milliseconds=value)
            case _:
                return None
    except (ValueError, OverflowError):
        return None


def _identifiers(anchors: Mapping[str, object], source: str, found: list[Violation]) -> tuple[IncomingIdentifier, ...]:
    identifiers = []
    if any(name.removeprefix("hashed_") not in _ANCHORS for name in anchors):
        found.append(Violation(ANCHORS_KEY, "holds an anchor that is not known"))
    for name, kind in _ANCHORS.items():
        for key in (f"hashed_{name}", name):
            path = f"{ANCHORS_KEY}.{key}"
            text = _text(anchors, key, found, path=f"{ANCHORS_KEY}.").strip()
            if not text:
                continue
            namespace = source if kind is IdentifierType.CUSTOMER_NUMBER else ""
            if _HEX_DIGEST.fullmatch(text):
                identifiers.append(
                    IncomingIdentifier(
                        path=path,
                        type=kind,
                        namespace=namespace,
                        form=DigestForm.ANCHOR,
                        digest=bytes.fromhex(text),
                    )
                )
            elif key == name:
                identifiers.append(IncomingIdentifier(path=path, type=kind, namespace=namespace, raw=text))
            else:
                found.append(Violation(path, "a SHA-256 digest as 64 hexadecimal digits"))
    return tuple(identifiers)


def _attributes(content: Mapping[str, object], found: list[Violation]) -> dict[str, str]:
    """Attributes of the object `attributes`; where it is absent, those that the payload names without doubt."""
    given = _mapping(content, "attributes", found)
    place = "attributes" if given else "payload"
    values = given or _mapping(content, "payload", [])
    if given and not given.keys() <= _ATTRIBUTE_ALIASES.keys():
        found.append(Violation("attributes", "holds an attribute that is not known"))
    attributes: dict[str, str] = {}
    for alias, name in _ATTRIBUTE_ALIASES.items():
        if not given and alias not in _PAYLOAD_ALIASES:
            continue
        if text := _text(values, alias, found, path=f"{place}."):
            attributes.setdefault(name, text)
    return attributes


def _payload(kind: str, values: Mapping[str, object], currency: str, found: list[Violation]) -> Payload:
    kind = kind.lower()
    priced = next((name for name in _AMOUNTS if values.get(name) is not None), None)
    if priced is not None:
        return Purchase(
            amount_minor=_minor_units(values, priced, found),
            currency=_text(values, "currency", found, path="payload.") or currency,
            store=_text(values, "store", found, path="payload.") or _text(values, "store_id", found, path="payload."),
        )
    if kind in _CLICKS:
        return Click(page=_text(values, "page", found, path="payload.").partition("?")[0])
    if kind in _CONSENTS:
        granted = values.get("granted")
        if not isinstance(granted, bool):
            found.append(Violation("payload.granted", "required: true or false"))
        return ConsentChange(purpose=_text(values, "purpose", found, path="payload."), granted=granted is True)
    return CustomerChange()


def _minor_units(values: Mapping[str, object], name: str, found: list[Violation]) -> int:
    """The amount in minor units of a currency with two decimals; never rounded."""
    value = values[name]
    amount = None
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        with suppress(ArithmeticError):
            amount = Decimal(value) if name == "amount_minor" else Decimal(value) * _MINOR
    readable = amount is not None and amount.is_finite() and abs(amount) < _MAX_READ
    if amount is None or not readable or amount != amount.to_integral_value():
        rule = "a whole number" if name == "amount_minor" else "a number with at most two decimals"
        found.append(Violation(f"payload.{name}", rule))
        return 0
    return int(amount)

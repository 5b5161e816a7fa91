"""The domain's rules for incoming events: bounds, and that every broken one is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from goldthread.domain.policy import EARLIEST_EVENT, FUTURE_ALLOWANCE
from goldthread.domain.validation import MAX_IDENTIFIERS, broken_rules, rejection_reason
from goldthread.domain.words import (
    Click,
    ConsentChange,
    CustomerChange,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
    Payload,
    Purchase,
    RejectionReason,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GOOD = IncomingEvent(
    source="pos",
    event_id="e-1",
    occurred_at=NOW,
    identifiers=(
        IncomingIdentifier(path="claim.identifiers[0].raw", type=IdentifierType.EMAIL, namespace="", raw="a@b.co"),
    ),
    attributes={"given_name": "Ann"},
    payload=CustomerChange(),
)


def fields(event: IncomingEvent) -> list[str]:
    return [violation.field for violation in broken_rules(event, now=NOW, currency="USD")]


def test_a_good_event_breaks_nothing() -> None:
    assert fields(GOOD) == []


@pytest.mark.parametrize(
    ("moment", "right"),
    [
        (EARLIEST_EVENT, True),
        (EARLIEST_EVENT - timedelta(microseconds=1), False),
        (NOW + FUTURE_ALLOWANCE, True),
        (NOW + FUTURE_ALLOWANCE + timedelta(microseconds=1), False),
        (None, False),
    ],
)
def test_times_have_bounds(moment: datetime | None, right: bool) -> None:
    assert fields(replace(GOOD, occurred_at=moment)) == ([] if right else ["occurred_at"])


@pytest.mark.parametrize(
    ("event_id", "right"),
    [
        ("x", True),
        ("x" * 128, True),
        ("é" * 64, True),
        ("", False),
        ("x" * 129, False),
        ("é" * 65, False),
        ("a\nb", False),
    ],
)
def test_event_ids_are_short_printable_text(event_id: str, right: bool) -> None:
    assert fields(replace(GOOD, event_id=event_id)) == ([] if right else ["event_id"])


@pytest.mark.parametrize(
    ("source", "right"),
    [
        ("pos", True),
        ("a.b_c-9", True),
        ("a" * 64, True),
        ("", False),
        ("a" * 65, False),
        ("Pos", False),
        ("pos\n", False),
    ],
)
def test_sources_are_codes(source: str, right: bool) -> None:
    assert fields(replace(GOOD, source=source)) == ([] if right else ["source"])


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (None, "payload"),
        (Purchase(0, "USD", ""), None),
        (Purchase(10**12, "USD", "s" * 64), None),
        (Purchase(-1, "USD", ""), "purchase.amount_minor"),
        (Purchase(10**12 + 1, "USD", ""), "purchase.amount_minor"),
        (Purchase(1, "usd", ""), "purchase.currency"),
        (Purchase(1, "USD", "s" * 65), "purchase.store"),
        (Purchase(1, "USD", "a\x00"), "purchase.store"),
        (Click("p" * 256), None),
        (Click("p" * 257), "click.page"),
        (ConsentChange("news.letter", True), None),
        (ConsentChange("", True), "consent_change.purpose"),
        (ConsentChange("News Letter", False), "consent_change.purpose"),
    ],
)
def test_payloads_have_rules(payload: Payload | None, field: str | None) -> None:
    assert fields(replace(GOOD, payload=payload)) == ([] if field is None else [field])


def test_texts_have_limits() -> None:
    assert fields(replace(GOOD, attributes={"street": "x" * 512})) == []
    assert fields(replace(GOOD, attributes={"street": "x" * 513, "city": "a\x00"})) == [
        "claim.attributes.street",
        "claim.attributes.city",
    ]


def test_identifiers_are_counted() -> None:
    many = GOOD.identifiers * MAX_IDENTIFIERS
    assert fields(replace(GOOD, identifiers=many)) == []
    assert fields(replace(GOOD, identifiers=(*many, *GOOD.identifiers))) == ["claim.identifiers"]


def test_no_description_repeats_a_value() -> None:
    event = replace(
        GOOD,
        source="SECRET",
        event_id="secret\n",
        attributes={"street": "secret" * 100},
        payload=Purchase(-1, "secret", "secret" * 20),
    )
    broken = broken_rules(event, now=NOW, currency="USD")
    assert len(broken) == 6
    assert not any("secret" in f"{violation.field} {violation.description}".lower() for violation in broken)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (replace(GOOD, occurred_at=NOW.replace(year=1999)), RejectionReason.TIME_OUT_OF_BOUNDS),
        (replace(GOOD, occurred_at=NOW.replace(year=1999), source=""), RejectionReason.INVALID_FIELD),
        (replace(GOOD, occurred_at=None), RejectionReason.INVALID_FIELD),
        (replace(GOOD, payload=None), RejectionReason.INVALID_FIELD),
    ],
)
def test_only_a_wrong_time_alone_is_out_of_bounds(event: IncomingEvent, reason: RejectionReason) -> None:
    broken = broken_rules(event, now=NOW, currency="USD")
    assert rejection_reason(broken, has_time=event.occurred_at is not None) is reason

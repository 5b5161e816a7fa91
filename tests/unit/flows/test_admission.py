"""Admission names every broken field of an event at once, whichever rule it breaks, and never shows a value."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from importlib import resources

import pytest

from goldthread.domain.words import Event, IdentifierType, RejectionReason
from goldthread.flows.admission import Admission
from goldthread.matching import Keys, Matcher, Refusal
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import event_pb2
from goldthread.wire import event_from_proto

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    text = (resources.files("goldthread") / "models" / "retail-persons-1.toml").read_text(encoding="utf-8")
    return Matcher(model_text=text, keys=Keys.derive(b"\x07" * 32), region="US")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def admission(matcher: Matcher, metrics: Metrics) -> Admission:
    return Admission(matcher=matcher, now=lambda: NOW, currency="USD", metrics=metrics)


def message() -> event_pb2.CustomerEvent:
    made = event_pb2.CustomerEvent(source="pos", event_id="e-1")
    made.occurred_at.FromDatetime(datetime(2026, 5, 1, tzinfo=UTC))
    made.claim.attributes.given_name = "Jane"
    made.purchase.amount_minor = 1250
    made.purchase.currency = "USD"
    return made


def refused(admission: Admission, made: event_pb2.CustomerEvent, *, prefix: str = "") -> Refusal:
    [result] = admission.admit([event_from_proto(made)], prefix=prefix)
    assert isinstance(result, Refusal)
    return result


def fields(refusal: Refusal) -> list[str]:
    return sorted(violation.field for violation in refusal.violations)


def test_shape_domain_and_values_are_named_in_one_answer(admission: Admission) -> None:
    made = message()
    made.claim.identifiers.add(type=1).digest.sha256 = b"short"
    made.claim.identifiers.add(raw="jane@shop.dev")
    made.claim.identifiers.add(type=99, namespace="UPPER", raw="x" * 513)
    made.claim.identifiers.add(type=2)
    made.claim.identifiers.add(type=2).digest.form = 2
    made.claim.identifiers[4].digest.sha256 = hashlib.sha256(b"x").digest()
    made.claim.identifiers.add(type=2, raw="12")
    made.claim.attributes.city = "x" * 600
    made.claim.attributes.birth_date = "born 2001"
    made.purchase.currency = "EUR"
    made.occurred_at.FromDatetime(datetime(2026, 7, 1, tzinfo=UTC))
    made.event_id = ""
    refusal = refused(admission, made)
    assert refusal.reason is RejectionReason.INVALID_FIELD
    assert fields(refusal) == [
        "claim.attributes.birth_date",
        "claim.attributes.city",
        "claim.identifiers[0].digest.form",
        "claim.identifiers[0].digest.sha256",
        "claim.identifiers[1].type",
        "claim.identifiers[2].namespace",
        "claim.identifiers[2].raw",
        "claim.identifiers[2].type",
        "claim.identifiers[3]",
        "claim.identifiers[4].digest.form",
        "claim.identifiers[5].raw",
        "event_id",
        "occurred_at",
        "purchase.currency",
    ]


def test_a_door_names_the_field_of_its_request(admission: Admission) -> None:
    made = message()
    made.claim.identifiers.add(type=2, raw="12")
    made.ClearField("purchase")
    assert fields(refused(admission, made, prefix="event.")) == ["event.claim.identifiers[0].raw", "event.payload"]


def test_no_violation_shows_a_value(admission: Admission) -> None:
    made = message()
    made.claim.identifiers.add(type=99, namespace="SECRET", raw="canary@shop.dev" * 40)
    made.claim.identifiers.add(type=2, raw="canary")
    text = str(refused(admission, made).violations)
    assert "canary" not in text
    assert "SECRET" not in text


@pytest.mark.parametrize("moment", [datetime(1999, 12, 31, tzinfo=UTC), datetime(2026, 6, 2, 0, 0, 1, tzinfo=UTC)])
def test_a_time_out_of_bounds_has_its_own_reason(admission: Admission, moment: datetime) -> None:
    made = message()
    made.occurred_at.FromDatetime(moment)
    assert refused(admission, made).reason is RejectionReason.TIME_OUT_OF_BOUNDS


def test_blanks_and_placeholders_leave_no_claim(admission: Admission, metrics: Metrics) -> None:
    made = message()
    made.claim.attributes.given_name = "n/a"
    made.claim.identifiers.add(type=1, raw="test@test.com")
    made.claim.identifiers.add(type=2, raw="\u00a0 ")
    assert refused(admission, made).reason is RejectionReason.NO_USABLE_CLAIM
    assert (
        metrics.registry.get_sample_value("goldthread_identifiers_total", {"type": "email", "status": "placeholder"})
        == 1
    )
    assert (
        metrics.registry.get_sample_value("goldthread_identifiers_total", {"type": "phone", "status": "missing"}) == 1
    )


def test_a_sound_event_is_admitted_with_its_forms_and_customer_number_of_its_source(admission: Admission) -> None:
    made = message()
    made.claim.raw_customer_number = "C-1"
    made.claim.identifiers.add(type=1, raw="Ja.ne+shop@GMAIL.com")
    [admitted] = admission.admit([event_from_proto(made)])
    assert isinstance(admitted, Event)
    found = {
        (identifier.type, identifier.namespace, int(identifier.form)): identifier.digest
        for identifier in admitted.claim.identifiers
    }
    assert found == {
        (IdentifierType.EMAIL, "", 1): hashlib.sha256(b"ja.ne+shop@gmail.com").digest(),
        (IdentifierType.EMAIL, "", 2): hashlib.sha256(b"jane@gmail.com").digest(),
        (IdentifierType.CUSTOMER_NUMBER, "pos", 1): hashlib.sha256(b"C1").digest(),
    }


def test_a_missing_claim_is_named_beside_what_else_is_broken(admission: Admission) -> None:
    refusal = refused(admission, event_pb2.CustomerEvent(), prefix="event.")
    assert refusal.reason is RejectionReason.INVALID_FIELD
    assert fields(refusal) == [
        "event.claim",
        "event.event_id",
        "event.occurred_at",
        "event.payload",
        "event.source",
    ]


def test_a_claim_that_is_there_is_not_called_missing(admission: Admission) -> None:
    made = message()
    made.event_id = ""
    assert fields(refused(admission, made)) == ["event_id"]
    made.claim.attributes.Clear()
    made.claim.identifiers.add(type=1, raw="jane@shop.dev")
    assert fields(refused(admission, made)) == ["event_id"]
    made.claim.Clear()
    assert fields(refused(admission, made)) == ["claim", "event_id"]

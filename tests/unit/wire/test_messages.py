"""What the service writes and answers: cached answers, changes, dead letters, Resolve; and what its doors read."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.policy import Totals
from goldthread.domain.ports import (
    Answer,
    CardSnapshot,
    ContributionBits,
    DeadLetterRow,
    PairEvidence,
    ProfileChange,
    ResolveResult,
)
from goldthread.domain.words import (
    Decision,
    LookupOutcome,
    Position,
    QuestionKind,
    RejectionReason,
    Rival,
    Tier,
    Violation,
)
from goldthread.v1 import event_pb2, identity_pb2, lookup_service_pb2, profile_pb2
from goldthread.wire import (
    encode_answer,
    encode_change,
    encode_dead_letter,
    event_from_proto,
    identifier_from_proto,
    resolve_response,
)
from goldthread.wire.times import datetime_of, timestamp_of

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
CARD = CardSnapshot(
    profile_id="GP-1",
    masked_name="Jane M.",
    tier=Tier.GOLD,
    tier_as_of=date(2026, 1, 1),
    last_purchase_at=NOW,
    last_purchase_store="s1",
)


def answer(outcome: LookupOutcome, **parts: object) -> lookup_service_pb2.LookupResponse:
    values: dict[str, object] = {"card": None, "question": QuestionKind.UNSPECIFIED, "review_id": ""} | parts
    encoded = encode_answer(Answer(token=b"t" * 32, version=7, outcome=outcome, **values))  # type: ignore[arg-type]
    return lookup_service_pb2.LookupResponse.FromString(encoded)


def test_a_found_answer_holds_the_card_and_nothing_that_is_set_per_call():
    message = answer(LookupOutcome.FOUND, card=CARD)
    assert message.card.masked_name == "Jane M."
    assert message.card.tier == profile_pb2.TIER_GOLD
    assert message.card.tier_as_of == "2026-01-01"
    assert datetime_of(message.card.last_purchase_at) == NOW
    assert {field.number for field, _ in message.ListFields()} == {1, 2}


def test_an_answer_to_confirm_asks_its_question():
    message = answer(LookupOutcome.NEEDS_CONFIRMATION, card=CARD, question=QuestionKind.PHONE, review_id="r-1")
    assert message.question.kind == lookup_service_pb2.QUESTION_KIND_PHONE
    assert message.question.review_id == "r-1"


def test_nobody_found_is_an_outcome_and_nothing_else():
    message = answer(LookupOutcome.NOT_FOUND)
    assert [field.name for field, _ in message.ListFields()] == ["outcome"]


def test_equal_changes_are_equal_bytes_whatever_the_order_of_their_ids():
    def change(*ids: str) -> bytes:
        return encode_change(
            ProfileChange(
                profile_id="GP-1", version=9, live=False, successor_ids=ids, record_ids=ids, cause="event",
                tier=Tier.SILVER, totals=Totals(2, 300, NOW, "s1"), model_version="m-0",
            ),
            NOW,
        )  # fmt: skip

    assert change("b", "a") == change("a", "b")
    message = profile_pb2.ProfileChange.FromString(change("b", "a"))
    assert list(message.successor_ids) == ["a", "b"]
    assert (message.version, message.live, message.tier) == (9, False, profile_pb2.TIER_SILVER)
    assert (message.purchase_count, message.purchase_total_minor) == (2, 300)
    assert datetime_of(message.changed_at) == NOW


def test_a_dead_letter_tells_where_why_and_carries_the_sealed_payload():
    row = DeadLetterRow(
        dead_letter_id=1, position=Position("events", 2, 33), reason=RejectionReason.NOT_UTF8,
        violations=(Violation("source", "required"),), source="pos", event_id="e-1", payload_sha256=b"s" * 32,
        payload_size=12, sealed_payload=b"sealed", key_version=3, rejected_at=NOW,
    )  # fmt: skip
    message = event_pb2.DeadLetter.FromString(encode_dead_letter(row))
    assert (message.topic, message.partition, message.offset) == ("events", 2, 33)
    assert message.reason == event_pb2.REJECTION_REASON_NOT_UTF8
    assert [(item.field, item.description) for item in message.violations] == [("source", "required")]
    assert (message.source, message.event_id, message.payload_size) == ("pos", "e-1", 12)
    assert (message.payload_sha256, message.sealed_payload, message.key_version) == (b"s" * 32, b"sealed", 3)
    assert datetime_of(message.rejected_at) == NOW


def test_resolve_answers_in_bits_with_at_most_twenty_pairs():
    pair = PairEvidence(
        record_id="r1", other_record_id="r2", score=12_345, probability=0.97, nearest_rival=Rival.HOUSEHOLD,
        contributions=(ContributionBits("email", "agree", -1_500),),
    )  # fmt: skip
    message = resolve_response(
        ResolveResult(
            profile_id="GP-1", decision=Decision.LINK, probability=0.97, evidence=(pair,) * 25, version=4,
            provisional=True, duplicate=False, model_version="m-0", calibrated=False,
        )
    )  # fmt: skip
    assert len(message.evidence) == 20
    assert message.evidence[0].bits == 12.345
    assert message.evidence[0].nearest_rival == profile_pb2.RIVAL_HOUSEHOLD
    assert message.evidence[0].contributions[0].bits == -1.5
    assert (message.decision, message.version) == (1, 4)
    assert (message.provisional, message.uncalibrated) == (True, True)


@pytest.mark.parametrize("moment", [NOW, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
def test_times_survive(moment):
    assert datetime_of(timestamp_of(moment)) == moment


def test_times_that_no_calendar_has_are_none():
    stamp = timestamp_of(NOW)
    stamp.nanos = -1
    assert datetime_of(stamp) is None
    stamp.nanos, stamp.seconds = 0, -(10**14)
    assert datetime_of(stamp) is None


def test_a_door_s_event_may_be_raw_and_its_paths_name_the_field_of_the_event():
    message = event_pb2.CustomerEvent(source="crm", event_id="e-1")
    message.claim.raw_customer_number = "4711"
    message.claim.identifiers.add(type=1, raw="jane@shop.example")
    message.customer_change.SetInParent()
    number, email = event_from_proto(message).identifiers
    assert (number.path, number.type, number.namespace, number.raw) == (
        "claim.raw_customer_number", 8, "crm", "4711",
    )  # fmt: skip
    assert (email.path, email.raw) == ("claim.identifiers[0].raw", "jane@shop.example")


def test_an_identifier_to_look_up_needs_type_and_value():
    with pytest.raises(InvalidArgumentError) as caught:
        identifier_from_proto(identity_pb2.Identifier(), "identifier")
    assert [violation.field for violation in caught.value.violations] == ["identifier.type", "identifier"]


def test_a_customer_number_to_look_up_needs_its_source():
    message = identity_pb2.Identifier(type=8, raw="4711")
    with pytest.raises(InvalidArgumentError) as caught:
        identifier_from_proto(message)
    assert [violation.field for violation in caught.value.violations] == ["identifier.namespace"]
    message.namespace = "crm"
    assert identifier_from_proto(message).namespace == "crm"

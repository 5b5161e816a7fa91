"""Dead letters are listed, opened and judged alike over the memory twin and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from goldthread.app.settings import Settings
from goldthread.domain.words import Position, Rejection, RejectionReason, Violation
from goldthread.flows.admission import Admission
from goldthread.flows.dead_letters import DeadLetterFlow, UnopenedLetterError
from goldthread.flows.ingest import seal_context
from goldthread.ledger import Ledger
from goldthread.matching import Keys, Matcher
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import event_pb2, identity_pb2
from goldthread.wire import readable_message
from memory import MemoryLedger

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MODEL = Settings().model_text()
MATCHER = Matcher(model_text=MODEL, keys=Keys.derive(bytes(32)), region="US")


@pytest.fixture(params=["memory", "server"])
def either(request: pytest.FixtureRequest) -> MemoryLedger | Ledger:
    if request.param == "memory":
        return MemoryLedger()
    found = request.getfixturevalue("ledger")
    assert isinstance(found, Ledger)
    return found


def flow_of(ledger: MemoryLedger | Ledger, matcher: Matcher = MATCHER) -> DeadLetterFlow:
    admission = Admission(matcher=matcher, now=lambda: NOW, currency="USD", metrics=Metrics())
    return DeadLetterFlow(ledger, matcher=matcher, admission=admission, currency="USD")


def message(email: str = "jane@shop.org", year: int = 2026) -> bytes:
    event = event_pb2.CustomerEvent(source="crm", event_id="e-1")
    event.occurred_at.FromDatetime(datetime(year, 1, 10, tzinfo=UTC))
    event.customer_change.SetInParent()
    event.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw=email)
    return event.SerializeToString()


def bury(ledger: MemoryLedger | Ledger, *letters: tuple[RejectionReason, bytes]) -> None:
    rejections = [
        Rejection(
            reason=reason,
            violations=(Violation("occurred_at", "too early"),),
            source="crm",
            event_id=f"e-{offset}",
            position=Position("events", 0, offset),
            payload_sha256=bytes(32),
            payload_size=len(payload),
        )
        for offset, (reason, payload) in enumerate(letters)
    ]
    contexts = [seal_context(one.position) for one in rejections]
    boxes = MATCHER.seal([bytes([n]) * 24 for n in range(len(letters))], contexts, [payload for _, payload in letters])
    sealed = [box if payload else b"" for box, (_, payload) in zip(boxes, letters, strict=True)]
    with ledger.transaction() as tx:
        tx.insert_dead_letters(rejections, sealed, key_version=1)


def test_pages_are_latest_first_and_by_reason(either: MemoryLedger | Ledger) -> None:
    malformed, early = RejectionReason.MALFORMED, RejectionReason.TIME_OUT_OF_BOUNDS
    bury(either, (malformed, b"a"), (early, b"b"), (malformed, b"c"), (early, b"d"))
    flow = flow_of(either)
    every = flow.page()
    assert [one.row.position.offset for one in every] == [3, 2, 1, 0]
    assert not any(one.taken for one in every)
    assert [one.row.position.offset for one in flow.page(reasons=[early], limit=1)] == [3]
    after = flow.page(reasons=[early], before=every[0].row.dead_letter_id)
    assert [one.row.position.offset for one in after] == [1]
    assert after[0].row.violations == (Violation("occurred_at", "too early"),)


def test_a_letter_is_opened_with_its_key_and_no_other(either: MemoryLedger | Ledger) -> None:
    bury(either, (RejectionReason.MALFORMED, message()), (RejectionReason.TOO_LARGE, b""))
    flow = flow_of(either)
    large, kept = flow.page()
    [opened] = flow.opened([kept.row.dead_letter_id])
    assert opened.payload == message()
    assert "jane" not in repr(opened)
    with pytest.raises(UnopenedLetterError, match="too large"):
        flow.opened([large.row.dead_letter_id])
    with pytest.raises(UnopenedLetterError, match="no such"):
        flow.opened([kept.row.dead_letter_id, 10**9])
    later = Matcher(model_text=MODEL, keys=Keys.derive(bytes(32), version=2), region="US")
    with pytest.raises(UnopenedLetterError, match="key version 1"):
        flow_of(either, later).opened([kept.row.dead_letter_id])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (message(), None),
        (message(year=1999), RejectionReason.TIME_OUT_OF_BOUNDS),
        (message(email="test@test.com"), RejectionReason.NO_USABLE_CLAIM),
        (message()[:-3], RejectionReason.MALFORMED),
        (b'{"source": ', RejectionReason.MALFORMED),
    ],
)
def test_a_message_is_judged_as_the_service_would(payload: bytes, reason: RejectionReason | None) -> None:
    wrong = flow_of(MemoryLedger()).wrong_with(payload)
    assert (None if wrong is None else wrong.reason) == reason


def test_what_is_readable_is_the_same_event_again() -> None:
    text = readable_message(message())
    assert text is not None
    assert '"eventId": "e-1"' in text
    assert flow_of(MemoryLedger()).wrong_with(text.encode()) is None
    assert readable_message(b'{"a": ') == '{"a": '
    assert readable_message(b'{"a": "\xe9"') is None
    assert readable_message(bytes(range(200, 256))) is None

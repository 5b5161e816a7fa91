"""Each event has one effect, however often and in whatever order it comes, and bad ones end as dead letters with every reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fixtures.story import MASTER_KEY, NOON, Story, customer
from goldthread._core import SealError
from goldthread.domain.errors import InvalidArgumentError, OffsetFencedError
from goldthread.domain.ports import IngestBatch, OffsetMove
from goldthread.domain.words import (
    Click,
    ConsentChange,
    DigestForm,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
    LookupOutcome,
    Purchase,
    RejectionReason,
    Tier,
    profile_public_id,
)
from goldthread.flows.ingest import seal_context
from goldthread.ledger import Ledger
from goldthread.matching import Keys
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights

MARY: dict[str, Any] = {
    "given_name": "Mary",
    "family_name": "Kowalczyk",
    "street": "12 Oak St",
    "city": "Austin",
    "postcode": "78701",
}


def totals(story: Story) -> list[tuple[Any, ...]]:
    return story.rows(
        "SELECT purchase_count, purchase_total_minor, last_purchase_at, last_purchase_store FROM profile WHERE live"
    )


def test_an_event_sent_again_changes_nothing(story: Story) -> None:
    events = [customer("e1", email="m@acme.com", amount=1000, **MARY), customer("e2", email="m@acme.com", amount=700)]
    story.ingest(*events)
    before = story.content()
    report = story.ingest(*events, events[0])
    assert (report.taken, report.duplicates, report.rejections, report.profiles_changed) == (0, 3, (), 0)
    after = story.content()
    assert {table for table in after if after[table] != before[table]} == {"consumer_offset"}
    assert story.resolve(events[0]).duplicate is True
    assert story.content() == after


def test_an_event_twice_in_one_batch_counts_once(story: Story) -> None:
    event = customer("e1", email="m@acme.com", amount=1000)
    report = story.ingest(event, event, customer("e1", source="webshop", email="m@acme.com", amount=1))
    assert (report.taken, report.duplicates) == (2, 1)
    assert totals(story) == [(2, 1001, NOON, "S1")]


def test_the_same_event_in_other_spellings_is_the_same_event(story: Story) -> None:
    story.ingest(customer("e1", email="Mary@Acme.com ", phone="(512) 478-1234", given_name="MARY"))
    report = story.ingest(customer("e1", phone="+15124781234", email="mary@acme.com", given_name="mary"))
    assert (report.taken, report.duplicates, report.rejections) == (0, 1, ())


def test_a_preview_tells_and_writes_nothing(story: Story) -> None:
    story.ingest(customer("e1", email="m@acme.com", amount=100, **MARY), customer("e2", phone="512 478 1234"))
    before = story.content()
    bridge = customer("e3", source="crm", email="m@acme.com", phone="512 478 1234", given_name="Mary")
    told = story.resolve(bridge, preview=True)
    assert story.content() == before
    stranger = story.resolve(customer("e4", email="new@acme.com"), preview=True)
    assert (stranger.profile_id, stranger.version) == ("", 0)
    again = story.resolve(customer("e5", phone="512 478 1234"), preview=True)
    assert again.profile_id == profile_public_id(story.profile_of("e2"))
    assert story.content() == before
    done = story.resolve(bridge)
    assert (done.profile_id, done.decision, done.probability) == (told.profile_id, told.decision, told.probability)
    assert (told.version, done.version > 0) == (0, True)
    assert [(part.score, part.contributions) for part in done.evidence] == [
        (part.score, part.contributions) for part in told.evidence
    ]


def test_totals_do_not_depend_on_the_order_of_arrival(story: Story) -> None:
    late, early = NOON, NOON - timedelta(days=100)
    story.ingest(customer("e1", email="m@acme.com", amount=1000, at=late, store="S7"))
    first = story.answer("email", "m@acme.com")
    story.ingest(customer("e2", email="m@acme.com", amount=500, at=early, store="S9"))
    assert totals(story) == [(2, 1500, late, "S7")]
    [(first_seen, last_seen, sightings)] = story.rows("SELECT first_seen, last_seen, sightings FROM record")
    assert (first_seen, last_seen, sightings) == (early, late, 2)
    assert story.rows("SELECT count(*) FROM record_token") == [(1,)]
    second = story.answer("email", "m@acme.com")
    assert second.version > first.version
    assert second.card is not None
    assert (second.card.last_purchase_at, second.card.last_purchase_store) == (late, "S7")
    for number in range(12):
        story.ingest(customer(f"more{number}", email="m@acme.com", amount=30_000, at=late))
    card = story.answer("email", "m@acme.com").card
    assert card is not None
    assert card.tier is Tier.GOLD


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_latest_event_survives_not_the_latest_arrival(story: Story, newest_first: bool) -> None:
    later = NOON + timedelta(days=30)
    events = [
        customer("e1", email="m@acme.com", given_name="Mary", family_name="Jones", at=NOON),
        customer("e2", email="m@acme.com", postcode="78701", at=NOON),
        customer("e3", email="m@acme.com", given_name="Mary", family_name="Kowalczyk", at=later),
        customer("e4", email="m@acme.com", postcode="10001", at=later),
    ]
    for event in reversed(events) if newest_first else events:
        story.ingest(event)
    card = story.answer("email", "m@acme.com").card
    assert card is not None
    assert card.masked_name == "Mary K."
    assert story.rows("SELECT postcode FROM profile JOIN record ON record_id = address_record WHERE profile.live") == [
        ("10001",)
    ]


def test_a_sighting_can_bring_an_old_claim_back_to_life(story: Story) -> None:
    old = customer("e1", email="m@acme.com", given_name="Mary", family_name="Jones", at=NOON)
    new = customer("e2", source="crm", email="m@acme.com", given_name="Mary", family_name="Kay", at=NOON + timedelta(1))
    story.ingest(old, new)
    known = len(story.rows("SELECT FROM journal"))
    story.ingest(replace(old, event_id="e3", occurred_at=NOON + timedelta(days=2)))
    card = story.answer("email", "m@acme.com").card
    assert card is not None
    assert card.masked_name == "Mary J."
    [(before, after, before_survivors, after_survivors)] = story.rows(
        "SELECT before_records, after_records, before_survivors, after_survivors FROM journal ORDER BY version OFFSET %s",
        known,
    )
    assert before == after
    assert before_survivors != after_survivors
    # Seen once more, nothing but the time changes: a version, but no entry.
    story.ingest(replace(old, event_id="e4", occurred_at=NOON + timedelta(days=3)))
    assert len(story.rows("SELECT FROM journal")) == known + 1


def test_clicks_and_consents_are_taken(story: Story) -> None:
    story.ingest(
        customer("e1", device="aa-11", payload=Click("checkout")),
        customer("e2", device="AA11", payload=ConsentChange("newsletter", granted=False)),
    )
    assert sorted(str(row[0]) for row in story.rows("SELECT kind FROM inbox")) == ["click", "consent_change"]
    assert story.rows("SELECT event_id, purpose, granted FROM consent_event") == [("e2", "newsletter", False)]
    assert story.ledger.counts().records == 1


GOOD: dict[str, Any] = {"email": "m@acme.com", "given_name": "Mary"}
FUTURE = NOON + timedelta(days=367)


@pytest.mark.parametrize(
    ("event", "reason", "fields"),
    [
        (customer("", **GOOD), RejectionReason.INVALID_FIELD, ["event_id"]),
        (customer("a\x00b", **GOOD), RejectionReason.INVALID_FIELD, ["event_id"]),
        (customer("x" * 129, **GOOD), RejectionReason.INVALID_FIELD, ["event_id"]),
        (customer("e1", source="Point Of Sale", **GOOD), RejectionReason.INVALID_FIELD, ["source"]),
        (customer("e1"), RejectionReason.NO_USABLE_CLAIM, ["claim"]),
        (customer("e1", email=" ", phone="n/a", given_name="unknown"), RejectionReason.NO_USABLE_CLAIM, ["claim"]),
        (customer("e1", email="test@test.com"), RejectionReason.NO_USABLE_CLAIM, ["claim"]),
        (customer("e1", phone="12"), RejectionReason.INVALID_FIELD, ["claim.identifiers[0].raw"]),
        (customer("e1", email="not an address"), RejectionReason.INVALID_FIELD, ["claim.identifiers[0].raw"]),
        (
            customer("e1", birth_date="born 1985", **GOOD),
            RejectionReason.INVALID_FIELD,
            ["claim.attributes.birth_date"],
        ),
        (customer("e1", at=FUTURE, **GOOD), RejectionReason.TIME_OUT_OF_BOUNDS, ["occurred_at"]),
        (customer("e1", at=NOON.replace(year=1999), **GOOD), RejectionReason.TIME_OUT_OF_BOUNDS, ["occurred_at"]),
        (customer("e1", payload=Purchase(5, "EUR", ""), **GOOD), RejectionReason.INVALID_FIELD, ["purchase.currency"]),
        (
            customer("e1", payload=Purchase(-5, "USD", ""), **GOOD),
            RejectionReason.INVALID_FIELD,
            ["purchase.amount_minor"],
        ),
        (customer("e1", payload=None, **GOOD), RejectionReason.INVALID_FIELD, ["payload"]),
    ],
)
def test_a_bad_event_is_a_dead_letter_and_its_neighbours_are_taken(
    story: Story, event: IncomingEvent, reason: RejectionReason, fields: list[str]
) -> None:
    report = story.ingest(customer("before", **GOOD), event, customer("after", **GOOD))
    assert report.taken == 2
    [rejection] = report.rejections
    assert (rejection.reason, [violation.field for violation in rejection.violations]) == (reason, fields)
    [letter] = story.ledger.dead_letters_unpublished(10)
    assert (letter.reason, letter.position.offset) == (reason, 1)
    assert letter.violations == rejection.violations
    assert letter.payload_size == len(event.event_id.encode())
    with pytest.raises(InvalidArgumentError) as caught:
        story.resolve(event)
    assert [violation.field for violation in caught.value.violations] == [f"event.{field}" for field in fields]


def test_an_event_that_says_nothing_of_a_person_is_told_so_along_with_the_rest(story: Story) -> None:
    event = customer("", source="POS!", at=None, payload=None)
    [rejection] = story.ingest(event).rejections
    named = ["source", "event_id", "occurred_at", "payload", "claim"]
    assert sorted(violation.field for violation in rejection.violations) == sorted(named)
    with pytest.raises(InvalidArgumentError) as caught:
        story.resolve(event)
    assert sorted(violation.field for violation in caught.value.violations) == sorted(f"event.{name}" for name in named)


def test_every_broken_field_is_named_at_once(story: Story) -> None:
    event = customer(
        "",
        source="POS!",
        at=NOON + timedelta(days=4000),
        payload=Purchase(-1, "EUR", "s" * 65),
        phone="12",
        email="a@b",
        birth_date="born 1985",
        given_name="x" * 600,
    )
    [rejection] = story.ingest(event).rejections
    assert rejection.reason is RejectionReason.INVALID_FIELD
    assert {violation.field for violation in rejection.violations} == {
        "source",
        "event_id",
        "occurred_at",
        "purchase.amount_minor",
        "purchase.currency",
        "purchase.store",
        "claim.identifiers[0].raw",
        "claim.identifiers[1].raw",
        "claim.attributes.birth_date",
        "claim.attributes.given_name",
    }
    for violation in rejection.violations:
        assert "1985" not in violation.description


def test_digests_of_the_wrong_shape_are_named(story: Story) -> None:
    def digest(form: int, value: bytes, kind: int = IdentifierType.EMAIL) -> IncomingIdentifier:
        return IncomingIdentifier(
            path=f"claim.identifiers[{form}].digest", type=kind, namespace="", form=form, digest=value
        )

    event = replace(
        customer("e1", given_name="Mary"),
        identifiers=(
            digest(9, bytes(32)),
            digest(DigestForm.CANONICAL, b"short"),
            digest(DigestForm.GMAIL_FOLDED, bytes(range(32)), IdentifierType.PHONE),
        ),
    )
    [rejection] = story.ingest(event).rejections
    assert [violation.field for violation in rejection.violations] == [
        "claim.identifiers[9].digest.form",
        "claim.identifiers[1].digest.sha256",
        "claim.identifiers[2].digest.form",
    ]


def test_a_dead_letter_opens_with_the_key_and_its_position_only(story: Story) -> None:
    story.ingest(customer("secret event", phone="12"))
    [letter] = story.ledger.dead_letters_unpublished(10)
    assert b"secret" not in letter.sealed_payload
    # Spelled out: a context that changes leaves every kept payload shut.
    context = b"events\x000\x000"
    assert seal_context(letter.position) == context
    assert story.matcher.unseal([context], [letter.sealed_payload]) == [b"secret event"]
    for other in (b"events\x000\x001", b"events\x001\x000", b"", repr(letter.position).encode()):
        with pytest.raises(SealError):
            story.matcher.unseal([other], [letter.sealed_payload])


def test_a_dead_letter_names_the_version_of_its_key(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn, keys=Keys.derive(MASTER_KEY, version=7))
    story.ingest(customer("secret event", phone="12"))
    assert story.rows("SELECT key_version FROM dead_letter") == [(7,)]
    [letter] = story.ledger.dead_letters_unpublished(10)
    context = seal_context(letter.position)
    assert story.matcher.unseal([context], [letter.sealed_payload]) == [b"secret event"]
    with pytest.raises(SealError):
        Story.matcher_for(round_weights()).unseal([context], [letter.sealed_payload])


def test_a_batch_that_was_committed_before_is_fenced(story: Story) -> None:
    event = customer("e1", **GOOD)
    batch = IngestBatch(
        group="test",
        events=[(None, event)],
        payloads=[b""],
        rejections=(),
        offsets=[OffsetMove(topic="events", partition=0, start=0, end=1)],
    )
    story.flow.run(batch)
    before = story.content()
    with pytest.raises(OffsetFencedError):
        story.flow.run(batch)
    assert story.content() == before


def test_an_empty_batch_moves_the_offset(story: Story) -> None:
    batch = IngestBatch(
        group="test",
        events=(),
        payloads=(),
        rejections=(),
        offsets=[OffsetMove(topic="events", partition=0, start=0, end=7)],
    )
    assert story.flow.run(batch).taken == 0
    assert story.ledger.offsets(group="test", topic="events") == {0: 7}


def test_a_value_that_was_never_seen_is_not_found(story: Story) -> None:
    answer = story.answer("email", "nobody@acme.com")
    assert (answer.outcome, answer.version, answer.card) == (LookupOutcome.NOT_FOUND, 0, None)

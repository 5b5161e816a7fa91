"""Who becomes one profile and who does not, on a real ledger, and what the journal says of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fixtures.story import NOON, Story, customer
from goldthread.domain.words import Decision, LookupOutcome, QuestionKind, Rival, profile_public_id
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights, shipped

MARY: dict[str, Any] = {
    "given_name": "Mary",
    "family_name": "Kowalczyk",
    "street": "12 Oak St",
    "city": "Austin",
    "postcode": "78701",
}


@pytest.fixture(params=[round_weights(), shipped()], ids=["round weights", "shipped"])
def story(request: pytest.FixtureRequest, ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> Story:
    """What holds under weights chosen for it holds under the shipped ones."""
    return Story(ledger, metrics, dsn=ledger_dsn, model_text=request.param)


def journal_links(story: Story, event_id: str) -> list[list[tuple[str, str, int]]]:
    """Contributions of every pair that the journal names for the change an event caused."""
    rows = story.rows(
        "SELECT levels, weights, score FROM journal JOIN journal_link ON entry_version = version WHERE event_id = %s",
        event_id,
    )
    return [story.matcher.contributions(bytes(levels), list(weights)) for levels, weights, _ in rows]


def test_one_email_makes_one_profile(story: Story) -> None:
    story.ingest(customer("e1", email="Mary.R@Example-Shop.com", **MARY))
    report = story.ingest(customer("e2", source="webshop", email="mary.r@example-shop.com", given_name="Mary"))
    assert (report.taken, report.new_records, report.merges) == (1, 1, 0)
    assert story.profile_of("e1") == story.profile_of("e2", source="webshop")
    [contributions] = journal_links(story, "e2")
    assert [(name, level) for name, level, _ in contributions] == [("email", "agree"), ("given_name", "exact")]


def test_name_and_address_make_one_profile_without_any_identifier(story: Story) -> None:
    story.ingest(customer("e1", **MARY))
    story.ingest(customer("e2", source="crm", **{**MARY, "given_name": "Marry", "street": "12 Oak Street"}))
    assert story.profile_of("e1") == story.profile_of("e2", source="crm")
    [contributions] = journal_links(story, "e2")
    assert {name: level for name, level, _ in contributions} == {
        "given_name": "near",
        "family_name": "exact",
        "street": "equal_equal",
        "place": "equal_equal",
    }


def test_weights_in_the_journal_add_up_to_the_score(story: Story) -> None:
    story.ingest(customer("e1", email="m@acme.com", phone="512 478 1234", **MARY))
    story.ingest(customer("e2", source="crm", email="m@acme.com", phone="+1 512-478-1234", **MARY))
    [(score, weights)] = story.rows("SELECT score, weights FROM journal_link")
    assert story.matcher.nearest_rival(score, weights) is Rival.HOUSEHOLD
    [(pair_score, pair_weights)] = story.rows("SELECT score, weights FROM pair")
    assert (pair_score, pair_weights) == (score, weights)


@pytest.mark.parametrize("story", [round_weights()], indirect=True, ids=["round weights"])
def test_a_family_phone_does_not_merge_spouses(story: Story) -> None:
    home: dict[str, Any] = {
        "phone": "(512) 478-1234",
        "family_name": "Rodriguez",
        "street": "12 Oak St",
        "postcode": "78701",
    }
    story.ingest(
        customer("mary", given_name="Mary", email="mary@acme.com", **home),
        customer("jose", given_name="Jose", email="jose@acme.com", **home),
    )
    assert story.profile_of("mary") != story.profile_of("jose")
    report = story.ingest(customer("who", source="webshop", phone="5124781234", amount=900))
    assert report.new_records == 1
    homes = {story.profile_of("mary"), story.profile_of("jose"), story.profile_of("who", source="webshop")}
    assert len(homes) == 3
    answer = story.answer("phone", "512-478-1234")
    assert (answer.outcome, answer.card, answer.question) == (LookupOutcome.AMBIGUOUS, None, QuestionKind.LOYALTY_CARD)
    contenders = story.rows("SELECT profile_id, contender_id FROM contender")
    lone = story.profile_of("who", source="webshop")
    assert {home for home, _ in contenders} == {lone}
    assert {other for _, other in contenders} == homes - {lone}
    assert story.answer("email", "mary@acme.com").outcome is LookupOutcome.FOUND
    [(ambiguous, total)] = story.rows("SELECT ambiguous, purchase_total_minor FROM profile WHERE profile_id = %s", lone)
    assert (ambiguous, total) == (True, 900)
    assert {row[0] for row in story.rows("SELECT purchase_total_minor FROM profile WHERE NOT ambiguous")} == {0}


@pytest.mark.parametrize("story", [round_weights()], indirect=True, ids=["round weights"])
def test_resolve_says_that_a_family_phone_is_ambiguous(story: Story) -> None:
    home: dict[str, Any] = {
        "phone": "(512) 478-1234",
        "family_name": "Rodriguez",
        "street": "12 Oak St",
        "postcode": "78701",
    }
    story.ingest(customer("mary", given_name="Mary", **home), customer("jose", given_name="Jose", **home))
    result = story.resolve(customer("who", source="webshop", phone="5124781234"))
    assert result.decision is Decision.AMBIGUOUS
    assert result.profile_id == profile_public_id(story.profile_of("who", source="webshop"))
    assert len(result.evidence) == 2


@pytest.mark.parametrize("story", [round_weights()], indirect=True, ids=["round weights"])
def test_a_bridge_merges_two_profiles_and_both_ids_resolve(story: Story) -> None:
    story.ingest(customer("e1", email="mary@acme.com", amount=1000, at=NOON))
    story.ingest(customer("e2", source="webshop", phone="512 478 1234", amount=500, at=NOON - timedelta(days=9)))
    first, second = story.profile_of("e1"), story.profile_of("e2", source="webshop")
    assert first != second
    before = story.answer("phone", "512 478 1234")
    [(last_version,)] = story.rows("SELECT max(version) FROM journal")
    report = story.ingest(customer("e3", source="crm", email="mary@acme.com", phone="512 478 1234", given_name="Mary"))
    assert report.merges == 1
    survivor, loser = min(first, second), max(first, second)
    assert {story.profile_of("e1"), story.profile_of("e2", source="webshop"), story.profile_of("e3", source="crm")} == {
        survivor
    }
    assert story.ledger.profile_of(first) == story.ledger.profile_of(second) == survivor
    assert story.rows("SELECT live FROM profile WHERE profile_id = %s", loser) == [(False,)]
    [(count, total, last)] = story.rows(
        "SELECT purchase_count, purchase_total_minor, last_purchase_at FROM profile WHERE live"
    )
    assert (count, total, last) == (2, 1500, NOON)
    entries = story.rows(
        "SELECT profile_id, live, before_records, after_records, successors, source, event_id FROM journal "
        "WHERE version > %s",
        last_version,
    )
    assert {row[0]: row[1] for row in entries} == {survivor: True, loser: False}
    ended = next(row for row in entries if not row[1])
    assert (ended[2], ended[3], ended[4]) == ([loser], [], [survivor])
    grown = next(row for row in entries if row[1])
    assert grown[2] == [survivor]
    assert grown[3] == sorted(grown[3])
    assert len(set(grown[3]) - {first, second}) == 1
    assert grown[5:] == ("crm", "e3")
    after = story.answer("phone", "512 478 1234")
    assert after.version > before.version
    assert after.card is not None
    assert after.card.profile_id == profile_public_id(survivor)


def test_a_review_asks_one_question_and_ends_when_evidence_decides(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics
) -> None:
    """A common family name and an initial at one address, with two e-mails: too much to be chance, too little to link."""
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=round_weights())
    smith: dict[str, Any] = {"family_name": "Smith", "street": "12 Oak St", "postcode": "78701"}
    story.ingest(customer("e1", email="m1@acme.com", given_name="Mary", **smith))
    report = story.ingest(customer("e2", source="crm", email="m2@acme.com", given_name="M.", **smith))
    assert report.reviews_opened == 1
    answer = story.answer("email", "m1@acme.com")
    assert (answer.outcome, answer.question) == (LookupOutcome.NEEDS_CONFIRMATION, QuestionKind.PHONE)
    assert answer.review_id
    assert answer.card is not None
    assert story.answer("email", "m2@acme.com").review_id == answer.review_id
    story.ingest(customer("e3", source="webshop", email=("m1@acme.com", "m2@acme.com"), given_name="Mary"))
    assert story.profile_of("e1") == story.profile_of("e2", source="crm")
    assert story.ledger.counts().open_reviews == 0
    assert story.ledger.counts().reviews == 1
    settled = story.answer("email", "m1@acme.com")
    assert (settled.outcome, settled.review_id) == (LookupOutcome.FOUND, "")
    assert settled.version > answer.version


@pytest.mark.parametrize("story", [shipped()], indirect=True, ids=["shipped"])
def test_a_phone_alone_asks_and_merges_nobody(story: Story) -> None:
    """Households share telephones and numbers change hands: under calibrated weights a nameless purchase by phone is likely hers, not surely."""
    phone = {"phone": "(512) 478-1234"}
    story.ingest(customer("mary", **phone, **MARY))
    report = story.ingest(customer("who", source="webshop", amount=900, **phone))
    assert (report.new_records, report.merges, report.reviews_opened) == (1, 0, 1)
    assert story.profile_of("mary") != story.profile_of("who", source="webshop")
    answer = story.answer("phone", "512-478-1234")
    assert (answer.outcome, answer.question) == (LookupOutcome.AMBIGUOUS, QuestionKind.LOYALTY_CARD)
    named = {"phone": "512.478.1234", "given_name": "Mary", "family_name": "Kowalczyk"}
    assert story.ingest(customer("again", source="crm", **named)).reviews_opened == 0
    assert story.profile_of("mary") == story.profile_of("again", source="crm")


def test_gmail_spellings_are_one_address(story: Story) -> None:
    story.ingest(customer("e1", email="mary.rodriguez@gmail.com", given_name="Mary"))
    story.ingest(customer("e2", source="webshop", email="MaryRodriguez+shop@googlemail.com", given_name="Mary"))
    assert story.profile_of("e1") == story.profile_of("e2", source="webshop")
    [contributions] = journal_links(story, "e2")
    assert "agree_folded" in {level for name, level, _ in contributions if name == "email"}


def test_a_customer_number_means_nothing_in_another_source(story: Story) -> None:
    story.ingest(
        customer("e1", source="crm", customer_number="4711"),
        customer("e2", source="webshop", customer_number="4711"),
        customer("e3", source="crm", customer_number="47-11", given_name="Mary"),
    )
    assert story.profile_of("e1", source="crm") == story.profile_of("e3", source="crm")
    assert story.profile_of("e2", source="webshop") != story.profile_of("e1", source="crm")


def test_resolve_gives_the_evidence_of_its_answer(story: Story) -> None:
    story.ingest(customer("e1", email="m@acme.com", **MARY))
    result = story.resolve(customer("e2", source="webshop", email="m@acme.com", given_name="Mary"))
    assert result.decision is Decision.LINK
    assert result.profile_id == profile_public_id(story.profile_of("e1"))
    assert result.probability > 0.94
    assert (result.duplicate, result.provisional) == (False, False)
    assert (result.model_version, result.calibrated) == (story.matcher.model_version, story.matcher.calibrated)
    [evidence] = result.evidence
    shown = {(part.comparison, part.level): part.weight for part in evidence.contributions}
    assert shown[("email", "agree")] > 0
    [(version,)] = story.rows("SELECT version FROM profile WHERE live")
    assert result.version == version


def test_a_stranger_stands_alone(story: Story) -> None:
    story.ingest(customer("e1", email="m@acme.com", **MARY))
    result = story.resolve(customer("e2", email="other@acme.com", given_name="Bob", family_name="Ng"))
    assert (result.decision, result.evidence, result.probability) == (Decision.SEPARATE, (), 0.0)
    assert result.profile_id == profile_public_id(story.profile_of("e2"))

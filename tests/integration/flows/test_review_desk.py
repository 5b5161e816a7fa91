"""Several people at one list of reviews: by value, claimed for a while, decided by whoever has the claim."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from fixtures.stewards import action, births, decision, done, homes, in_review, several_reviews
from fixtures.story import NOON, Story, customer
from goldthread.domain.errors import RequestIdConflictError, ReviewClaimedError, StaleReviewError, UnknownIdError
from goldthread.domain.steward import AssertRecords, Confirmation, ConfirmationOutcome, ReviewPlace, ReviewView


def listed(story: Story, size: int, **how: object) -> list[ReviewView]:
    """All open reviews, page by page."""
    found: list[ReviewView] = []
    after: ReviewPlace | None = None
    while True:
        page = story.steward.reviews(size=size, after=after, **how)  # type: ignore[arg-type]
        found += page.reviews
        if page.next is None:
            return found
        after = page.next


def test_the_most_valuable_decision_comes_first(story: Story) -> None:
    several_reviews(story)
    for number, amounts in enumerate([(500, 90), (40, 7000), (900, 900)]):
        for side, amount in zip("ab", amounts, strict=True):
            town = (("Austin", "78701"), ("Boston", "02134"), ("Chicago", "60601"))[number]
            street = {"street": "12 Oak St"} if side == "a" else {}
            story.ingest(
                customer(
                    f"buys{number}{side}",
                    source="pos" if side == "a" else "crm",
                    given_name="Jennifer",
                    family_name="Miller",
                    city=town[0],
                    postcode=town[1],
                    amount=amount,
                    at=NOON + timedelta(hours=1),
                    **street,
                )
            )
    whole = listed(story, 50, by_value=True)
    # The second is of two towns: whoever lives at 12 Oak St in one may have moved to the other's.
    assert [review.value_minor for review in whole][:4] == [900, 500, 90, 40]
    places = [(-review.value_minor, -review.strength, review.review_id) for review in whole]
    assert all(one < other for one, other in pairwise(places))
    assert listed(story, 2, by_value=True) == whole
    assert {review.review_id for review in listed(story, 2)} == {review.review_id for review in whole}


def test_a_claim_keeps_others_away_until_it_ends(story: Story) -> None:
    review = in_review(story)
    until = story.steward.claim(review.review_id, actor="ann", lease_seconds=60)
    assert timedelta(seconds=50) < until - datetime.now(UTC) < timedelta(seconds=70)
    [shown] = listed(story, 10)
    assert (shown.claimed_by, shown.claimed_until) == ("ann", until)
    assert [found.claimed_by for found in listed(story, 10, claimant="ann")] == ["ann"]
    assert listed(story, 10, claimant="bob") == []
    assert listed(story, 10, claimant="bob", by_value=True) == []
    with pytest.raises(ReviewClaimedError) as claimed:
        story.steward.claim(review.review_id, actor="bob", lease_seconds=60)
    assert claimed.value.metadata == {"claimed_until": until.isoformat()}
    with pytest.raises(ReviewClaimedError):
        story.steward.operate(action(actor="bob"), decision(review, same=True))
    assert story.steward.claim(review.review_id, actor="ann", lease_seconds=600) > until
    story.steward.release(review.review_id, actor="bob")
    assert listed(story, 10, claimant="bob") == []
    # A lease that is over is nobody's.
    story.rows("UPDATE review SET claimed_until = clock_timestamp() RETURNING 1")
    assert [found.claimed_by for found in listed(story, 10, claimant="bob")] == [""]
    story.steward.claim(review.review_id, actor="bob", lease_seconds=60)
    story.steward.release(review.review_id, actor="bob")
    assert [found.claimed_by for found in listed(story, 10)] == [""]


def test_whoever_has_the_claim_decides_and_the_rest_is_refused(story: Story) -> None:
    review = in_review(story)
    story.steward.claim(review.review_id, actor="ann", lease_seconds=60)
    done(story, decision(review, same=True), actor="ann")
    assert listed(story, 10) == []
    with pytest.raises(StaleReviewError) as stale:
        story.steward.claim(review.review_id, actor="ann", lease_seconds=60)
    assert stale.value.metadata["open"] == "false"
    with pytest.raises(StaleReviewError):
        story.steward.operate(action(actor="ann"), decision(review, same=False))
    with pytest.raises(UnknownIdError):
        story.steward.claim(10**9, actor="ann", lease_seconds=60)


@pytest.mark.parametrize("same", [True, False])
def test_a_customers_answer_is_evidence_and_settles_the_review(story: Story, same: bool) -> None:
    review = in_review(story)
    given = Confirmation(review_id=review.review_id, same=same, actor="store 12 till 3")
    outcome = story.steward.confirm(given, source="pos", event_id="e-9")
    assert outcome is ConfirmationOutcome.RECORDED
    one, other = homes(story, "a", "b")
    assert (one == other) is same
    assert listed(story, 10) == []
    # The event of the answer may be repeated; another answer with it may not be given.
    assert story.steward.confirm(given, source="pos", event_id="e-9") is ConfirmationOutcome.RECORDED
    with pytest.raises(RequestIdConflictError):
        story.steward.confirm(replace(given, same=not same), source="pos", event_id="e-9")
    # What is settled is not settled again, and the caller is told.
    assert story.steward.confirm(given, source="pos", event_id="e-10") is ConfirmationOutcome.SETTLED
    assert story.rows("SELECT kind, actor, actor_rank FROM operation") == [("review", "store 12 till 3", 0)]
    # Any steward's word counts more.
    [low], [high] = births(story, "a"), births(story, "b")
    done(story, AssertRecords(record_id=low, other_record_id=high, same=not same), actor_rank=1)
    one, other = homes(story, "a", "b")
    assert (one == other) is not same


def test_an_answer_to_a_question_that_nobody_asked_is_settled(story: Story) -> None:
    given = Confirmation(review_id=10**9, same=True, actor="till")
    assert story.steward.confirm(given, source="pos", event_id="e-9") is ConfirmationOutcome.SETTLED
    assert story.rows("SELECT FROM operation") == []

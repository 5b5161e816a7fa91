"""Reviews are listed, settled for good, and never settled on what is no longer so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from fixtures.stewards import (
    REVIEW_EVENTS,
    action,
    births,
    decision,
    done,
    homes,
    in_review,
    several_reviews,
)
from fixtures.story import Story, customer
from goldthread.domain.errors import (
    LedgerUnavailableError,
    StaleReviewError,
    UnknownIdError,
)
from goldthread.domain.steward import (
    DecideReview,
    MergeProfiles,
    RevertOperation,
    ReviewView,
)
from goldthread.domain.words import LookupOutcome


def test_a_review_is_settled_for_good(story: Story) -> None:
    review = in_review(story)
    assert review.evidence is not None
    assert 0.6 <= review.probability < 0.94
    assert {*review.low_records, *review.high_records} == set(births(story, "a", "b"))
    result = done(story, decision(review, same=False))
    assert result.reviews_closed == 1
    assert story.steward.reviews(size=10, after=None).reviews == ()
    assert len(set(homes(story, "a", "b"))) == 2
    # The review is over for good: seen again, the records ask nothing.
    story.ingest(*(customer(f"{event.event_id}2", source=event.source, **event.attributes) for event in REVIEW_EVENTS))
    assert story.steward.reviews(size=10, after=None).reviews == ()


def test_of_several_reviews_a_card_shows_the_same_one_after_a_merge_was_taken_back(story: Story) -> None:
    """The review that a merge closed is another row when it comes again: what is shown must not go by the age of rows."""
    jennifer = {"given_name": "Jennifer", "family_name": "Miller", "city": "Austin", "postcode": "78701"}
    story.ingest(
        customer("a", street="12 Oak St", **jennifer),
        customer("b", source="crm", email="j@acme.com", **jennifer),
        customer("c", source="webshop", street="99 Elm Rd", **jennifer),
    )
    asked = story.profile_of("b", source="crm")

    def shown() -> tuple[LookupOutcome, tuple[UUID, UUID]]:
        answer = story.answer("email", "j@acme.com")
        pairs = {
            str(review.review_id): (review.low_profile, review.high_profile)
            for review in story.steward.reviews(size=10, after=None).reviews
        }
        assert sum(asked in pair for pair in pairs.values()) == 2
        return answer.outcome, pairs[answer.review_id]

    before = shown()
    assert before[0] is LookupOutcome.NEEDS_CONFIRMATION
    for other in set(before[1]) - {asked}:
        merged = done(story, MergeProfiles(profile_ids=(asked, other)))
        done(story, RevertOperation(operation_id=merged.operation_id))
    assert shown() == before


def test_a_review_decided_same_merges(story: Story) -> None:
    review = in_review(story)
    result = done(story, decision(review, same=True))
    assert len(set(homes(story, "a", "b"))) == 1
    assert result.reviews_closed == 1
    entry = story.steward.entry(result.changed[0].version)
    assert entry.cause == "review"


def test_a_stale_decision_is_refused_and_the_review_stays(story: Story) -> None:
    review = in_review(story)
    story.ingest(
        customer(
            "a2",
            given_name="Jennifer",
            family_name="Miller",
            street="12 Oak St",
            city="Austin",
            postcode="78701",
            amount=9,
        )
    )
    content = story.content()
    with pytest.raises(StaleReviewError) as caught:
        done(story, decision(review, same=True))
    [now] = story.steward.reviews(size=10, after=None).reviews
    assert caught.value.metadata == {
        "open": "true",
        "low_version": str(now.low_version),
        "high_version": str(now.high_version),
    }
    assert (now.low_version, now.high_version) != (review.low_version, review.high_version)
    assert story.content() == content
    done(story, decision(now, same=True))
    with pytest.raises(StaleReviewError) as closed:
        done(story, decision(now, same=False))
    assert closed.value.metadata["open"] == "false"
    with pytest.raises(UnknownIdError):
        done(story, DecideReview(review_id=10**9, same=True, low_version=1, high_version=1))


def test_two_stewards_race_for_a_review_and_one_is_told(story: Story) -> None:
    several_reviews(story)
    reviews = story.steward.reviews(size=50, after=None).reviews
    assert reviews
    ends: list[object] = []

    def decide(same: bool) -> Callable[[], None]:
        def work() -> None:
            for review in reviews:
                try:
                    ends.append(
                        story.steward.operate(action(actor="one" if same else "two"), decision(review, same=same))
                    )
                except (StaleReviewError, LedgerUnavailableError) as error:
                    ends.append(error)

        return work

    racers = [threading.Thread(target=decide(same)) for same in (True, False)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert len(ends) == 2 * len(reviews)
    story.drain()
    # Nobody's decision was taken on a review that another decision had settled.
    done_rows = story.rows(
        "SELECT assertion.low, assertion.high, count(DISTINCT same) FROM assertion JOIN operation USING (operation_id) "
        "WHERE kind = 'review' GROUP BY 1, 2"
    )
    assert done_rows
    assert {count for _, _, count in done_rows} == {1}
    assert any(isinstance(end, StaleReviewError) for end in ends)


def test_reviews_come_strongest_first_in_pages(story: Story) -> None:
    several_reviews(story)
    everything = story.steward.reviews(size=50, after=None)
    assert everything.next is None
    assert len(everything.reviews) >= 3
    strengths = [review.strength for review in everything.reviews]
    assert strengths == sorted(strengths, reverse=True)
    paged: list[ReviewView] = []
    after = None
    while True:
        page = story.steward.reviews(size=1, after=after)
        paged += page.reviews
        after = page.next
        if after is None:
            break
    assert paged == list(everything.reviews)

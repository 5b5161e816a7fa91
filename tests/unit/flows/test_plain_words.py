"""What an explanation says of a probability that alone would not have put two together."""

from __future__ import annotations

from uuid import UUID

import pytest

from goldthread.domain.explaining import Explanation, Ground, Verdict
from goldthread.domain.ports import PairEvidence
from goldthread.domain.words import Rival
from goldthread.flows.plain_words import told

ONE, OTHER = UUID(int=1), UUID(int=2)


def explained(
    verdict: Verdict, probability: float, review: float | None = None, ground: Ground = Ground.PAIR
) -> tuple[str, ...]:
    pair = PairEvidence(
        record_id=str(ONE),
        other_record_id=str(OTHER),
        score=3000,
        probability=probability,
        nearest_rival=Rival.STRANGERS,
        contributions=(),
    )
    return told(
        Explanation(
            verdict=verdict,
            ground=ground,
            evidence=pair,
            link_probability=0.94,
            chain=(),
            statements=(),
            came_about=None,
            profile_id=ONE,
            other_profile_id=ONE if verdict is Verdict.ONE else OTHER,
            review_id=None if review is None else 1,
            review_probability=review,
        )
    )


@pytest.mark.parametrize(
    ("verdict", "probability", "said"),
    [(Verdict.ONE, 0.89, True), (Verdict.ONE, 0.95, False), (Verdict.REVIEW, 0.89, False)],
)
def test_two_put_together_below_the_link_are_told_why(verdict: Verdict, probability: float, said: bool) -> None:
    lines = explained(verdict, probability)
    assert any("from 94 % on two are put together" in line for line in lines)
    assert any("each counts once and not once for each record" in line for line in lines) is said


def test_a_review_that_is_surer_than_its_two_records_is_told_of() -> None:
    sure = explained(Verdict.REVIEW, 0.923, review=0.938)[-2]
    assert sure.startswith("Taken alone, the two records are one person with a probability of 92.3 %; from 94 % on")
    assert sure.endswith(
        "The review says 93.8 % of the two customers, because each counts once and not once for each record."
    )


@pytest.mark.parametrize("ground", [Ground.PAIR, Ground.WHOLE])
def test_a_review_that_is_less_sure_than_its_two_records_is_told_of(ground: Ground) -> None:
    sure = explained(Verdict.REVIEW, 0.923, review=0.71, ground=ground)[-2]
    assert sure.endswith("The review says 71 % of the two customers: all that is known of them fits less well.")


def test_a_review_that_says_what_its_two_records_say_adds_nothing() -> None:
    sure = explained(Verdict.REVIEW, 0.923, review=0.9231)[-2]
    assert sure == "All in all the two are one person with a probability of 92.3 %; from 94 % on two are put together."


@pytest.mark.parametrize(
    ("verdict", "so"), [(Verdict.REVIEW, "somebody is asked"), (Verdict.APART, "they are kept apart")]
)
def test_two_who_look_like_one_and_are_asked_about_are_not_said_to_be_settled(verdict: Verdict, so: str) -> None:
    review = 0.97 if verdict is Verdict.REVIEW else None
    lines = explained(verdict, 0.96, review=review, ground=Ground.WHOLE)
    assert lines[1].endswith(f"do not fit one person, so {so}.")
    assert not any("The review says" in line for line in lines)

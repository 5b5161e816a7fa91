"""What an explanation says of a probability that alone would not have put two together."""

from __future__ import annotations

from uuid import UUID

import pytest

from goldthread.domain.explaining import Explanation, Ground, Verdict
from goldthread.domain.ports import PairEvidence
from goldthread.domain.words import Rival
from goldthread.flows.plain_words import told

ONE, OTHER = UUID(int=1), UUID(int=2)


def explained(verdict: Verdict, probability: float, review: float | None = None) -> tuple[str, ...]:
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
            ground=Ground.PAIR,
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
    lines = explained(Verdict.REVIEW, 0.923, review=0.938)
    assert lines[-2].startswith(
        "Taken alone, the two records are one person with a probability of 92.3 %; from 94 % on"
    )
    assert lines[-2].endswith("Of the two customers, with all that is known of each, the review says 93.8 %.")


def test_a_review_that_says_what_its_two_records_say_adds_nothing() -> None:
    lines = explained(Verdict.REVIEW, 0.923, review=0.9231)
    assert (
        lines[-2]
        == "All in all the two are one person with a probability of 92.3 %; from 94 % on two are put together."
    )

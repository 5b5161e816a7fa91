"""What an explanation says of a probability that alone would not have put two together."""

from __future__ import annotations

from uuid import UUID

import pytest

from goldthread.domain.explaining import Explanation, Ground, Verdict
from goldthread.domain.ports import PairEvidence
from goldthread.domain.words import Rival
from goldthread.flows.plain_words import told

ONE, OTHER = UUID(int=1), UUID(int=2)


def explained(verdict: Verdict, probability: float) -> tuple[str, ...]:
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
            review_id=None,
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

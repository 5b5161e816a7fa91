"""The probability of an answer is that of its decision."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from goldthread.domain.words import Decision
from goldthread.flows.standing import AskedEvent, ask_answers
from goldthread.ledger import PairRow, RecordHome, Standing

HOME, AWAY = UUID(int=1), UUID(int=2)
MATCHER: Any = SimpleNamespace(
    link=4_000,
    once=300,
    model_version="m",
    calibrated=True,
    probabilities=lambda scores: [score / 10_000 for score in scores],
    nearest_rival=lambda _score, _weights: None,
    contributions=lambda _levels, _weights: [],
)


def told(standing: Standing, score: int | None) -> tuple[Decision, float]:
    """What is answered about record 1, which has a pair of this score with record 2 of the same profile, and one of 1,000 with record 3 of another."""
    event: Any = SimpleNamespace(source="pos", event_id="e")
    seen = SimpleNamespace(payload_digest=b"d", record_id=1)
    pairs = [PairRow(1, 3, 1_000, b"", ()), *([PairRow(1, 2, score, b"", ())] if score is not None else [])]
    homes = {record: RecordHome(UUID(int=10 + record), AWAY if record == 3 else HOME) for record in (1, 2, 3)}
    tx: Any = SimpleNamespace(
        ask_seen=lambda _: lambda: {("pos", "e"): seen},
        ask_standings=lambda _: lambda: {1: standing},
        ask_pairs_with=lambda _: lambda: pairs,
        ask_homes_around=lambda _: lambda: homes,
        ask_stamp=lambda: lambda: 7,
        ask_marked_around=lambda _: set,
    )
    [answer] = ask_answers(tx, MATCHER, [AskedEvent(event, b"d", False, 1)])()
    assert not isinstance(answer, Exception)
    return answer.decision, answer.probability


@pytest.mark.parametrize(
    ("score", "probability"),
    [
        (4_500, 0.45),
        (4_000, 0.4),
        # Clusters that link though no pair does: by the least that links.
        (3_999, 0.4),
        (3_700, 0.4),
        # Not even clusters would: somebody said so.
        (3_699, 0.3699),
        (None, 0.0),
    ],
)
def test_a_link_tells_of_its_best_pair_or_of_the_least_that_links(score: int | None, probability: float) -> None:
    linked = Standing(profile_id=HOME, version=1, ambiguous=False, members=2, review=None)
    assert told(linked, score) == (Decision.LINK, probability)


@pytest.mark.parametrize(
    ("ambiguous", "review", "expected"),
    [
        (False, 1_200, (Decision.REVIEW, 0.12)),
        (False, None, (Decision.SEPARATE, 0.1)),
        (True, 1_200, (Decision.AMBIGUOUS, 0.1)),
    ],
)
def test_a_review_tells_of_itself_and_others_of_the_best_pair_with_another_profile(
    ambiguous: bool, review: int | None, expected: tuple[Decision, float]
) -> None:
    alone = Standing(profile_id=HOME, version=1, ambiguous=ambiguous, members=1, review=review)
    assert told(alone, None) == expected

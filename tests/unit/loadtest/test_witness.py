"""Answers are held to what the ledger held at their version."""

from __future__ import annotations

import pytest
from loadtest.locust.calls import Sample
from loadtest.locust.faces import GRPC, OLDER, older_view, told_by_older
from loadtest.locust.witness import NOBODY, Histories, Verdict, age_of, judge

from goldthread.v1.lookup_service_pb2 import LOOKUP_OUTCOME_FOUND, LOOKUP_OUTCOME_NEEDS_CONFIRMATION, LookupResponse
from goldthread.v1.profile_pb2 import TIER_GOLD, Card

OLD, NEW, NEWER, OTHER = b"old", b"new", b"newer", b"somebody else"


def histories(*readings: tuple[int, float, bytes]) -> Histories:
    found = Histories()
    for stamp, at, content in readings:
        found.add([content], stamp=stamp, began=at, ended=at + 0.01)
    return found


def sample(content: bytes, *, version: int | None, at: float = 8.0, face: str = GRPC) -> Sample:
    return Sample(target=0, at=at, face=face, version=version, content=content)


CHANGING = histories((100, 1.0, OLD), (110, 2.0, OLD), (120, 3.0, NEW), (130, 4.0, NEW))
[HISTORY] = CHANGING.spans


def test_readings_that_show_the_same_are_one_span() -> None:
    assert [(span.first, span.last, span.content) for span in HISTORY] == [(100, 110, OLD), (120, 130, NEW)]
    assert CHANGING.changes == 1


@pytest.mark.parametrize(
    ("content", "version", "verdict"),
    [
        (OLD, 90, Verdict.EQUAL),  # a card from before the run
        (NEW, 90, Verdict.WRONG),
        (OLD, 105, Verdict.EQUAL),
        (NEW, 105, Verdict.WRONG),  # the new content under a version that did not have it yet
        (OLD, 115, Verdict.EQUAL),  # the change fell between two readings: either
        (NEW, 115, Verdict.EQUAL),
        (OTHER, 115, Verdict.UNSETTLED),
        (NEW, 120, Verdict.EQUAL),
        (OLD, 125, Verdict.WRONG),  # the old content under a version that had it no more
        (NEW, 131, Verdict.WRONG),  # a version that the ledger has not reached
        (NOBODY, 125, Verdict.UNKNOWN),
    ],
)
def test_an_answer_is_compared_at_its_version(content: bytes, version: int, verdict: Verdict) -> None:
    assert judge(HISTORY, sample(content, version=version)) is verdict


@pytest.mark.parametrize(
    ("content", "version", "at", "age", "verdict"),
    [
        (OLD, 105, 3.0, 0.0, Verdict.EQUAL),
        (OLD, 105, 12.9, 9.9, Verdict.EQUAL),
        (
            OLD,
            105,
            13.1,
            10.1,
            Verdict.STALE,
        ),  # right at its version, and the ledger has held something else for ten seconds
        (OLD, 90, 900.0, 897.0, Verdict.STALE),
        (NEW, 130, 900.0, 0.0, Verdict.EQUAL),  # nothing has changed since
        (NEW, 115, 2.5, 0.0, Verdict.EQUAL),  # seen by a register before the witness saw it
        (OLD, 125, 900.0, 897.0, Verdict.WRONG),
    ],
)
def test_what_is_right_at_its_version_may_trail_for_a_while_only(
    content: bytes, version: int, at: float, age: float, verdict: Verdict
) -> None:
    asked = sample(content, version=version, at=at)
    assert age_of(HISTORY, asked) == pytest.approx(age)
    assert judge(HISTORY, asked) is verdict


def test_a_change_may_fall_while_a_reading_is_made() -> None:
    """The answer came before the reading had ended, and holds what came after the snapshot of that reading."""
    found = Histories()
    for stamp, began, ended, content in ((100, 1.0, 1.1, OLD), (110, 8.0, 8.2, OLD), (120, 8.4, 8.5, NEW)):
        found.add([content], stamp=stamp, began=began, ended=ended)
    [history] = found.spans
    assert age_of(history, sample(NEW, version=115, at=8.1)) == 0
    assert judge(history, sample(NEW, version=115, at=8.1)) is Verdict.EQUAL
    assert judge(history, sample(NEW, version=110, at=8.1)) is Verdict.WRONG


def test_what_is_held_again_is_not_old() -> None:
    [history] = histories((1, 10.0, OLD), (2, 20.0, NEW), (3, 88.0, NEW), (4, 90.0, OLD), (5, 100.0, OLD)).spans
    assert judge(history, sample(OLD, version=1, at=95.0)) is Verdict.EQUAL
    assert judge(history, sample(OLD, version=1, at=85.0)) is Verdict.STALE
    assert age_of(history, sample(OTHER, version=1, at=85.0)) == 75.0


def test_nobody_is_right_while_such_an_entry_may_live() -> None:
    [history] = histories((1, 10.0, NOBODY), (2, 20.0, NEW), (3, 300.0, NEW)).spans
    assert judge(history, sample(NOBODY, version=0, at=60.0)) is Verdict.EQUAL
    assert judge(history, sample(NOBODY, version=0, at=299.0)) is Verdict.UNKNOWN


def test_an_answer_without_version_may_trail_for_a_while_only() -> None:
    [history] = histories((1, 10.0, OLD), (2, 20.0, NEW), (3, 100.0, NEW)).spans
    assert judge(history, sample(OLD, version=None, at=22.0)) is Verdict.EQUAL
    assert judge(history, sample(NEW, version=None, at=22.0)) is Verdict.EQUAL
    assert judge(history, sample(OLD, version=None, at=90.0)) is Verdict.WRONG
    assert judge(history, sample(OTHER, version=None, at=90.0)) is Verdict.WRONG


def test_the_older_face_is_held_to_what_it_can_say() -> None:
    card = Card(profile_id="GP-1", masked_name="J. D.", tier=TIER_GOLD)
    found = LookupResponse(outcome=LOOKUP_OUTCOME_FOUND, card=card).SerializeToString(deterministic=True)
    asked = LookupResponse(outcome=LOOKUP_OUTCOME_NEEDS_CONFIRMATION, card=card).SerializeToString(deterministic=True)
    told = told_by_older(
        200,
        b'{"success": true, "data": {"goldenProfileId": "GP-1", "customerName": "J. D.", "clvTier": "GOLD", "nextBestOffers": []}}',
    )
    other = told_by_older(
        200,
        b'{"success": true, "data": {"goldenProfileId": "GP-2", "customerName": "J. D.", "clvTier": "GOLD", "nextBestOffers": []}}',
    )
    nobody = told_by_older(404, b'{"success": false, "error": "nobody"}')
    question = told_by_older(409, b'{"success": false, "error": "ask"}')
    [known] = histories((1, 10.0, found), (2, 200.0, found)).spans
    [unsure] = histories((1, 10.0, asked), (2, 200.0, asked)).spans

    def verdict(history: list[object], content: bytes) -> Verdict:
        return judge(history, sample(content, version=None, at=150.0, face=OLDER))  # type: ignore[arg-type]

    assert verdict(known, told.content) is Verdict.EQUAL
    assert verdict(known, other.content) is Verdict.WRONG
    assert verdict(known, question.content) is Verdict.WRONG
    assert verdict(known, nobody.content) is Verdict.UNKNOWN
    assert verdict(unsure, question.content) is Verdict.EQUAL
    assert older_view(NOBODY) == nobody.content
    untiered = LookupResponse(outcome=LOOKUP_OUTCOME_FOUND, card=Card(profile_id="GP-1")).SerializeToString()
    bare = told_by_older(
        200, b'{"success": true, "data": {"goldenProfileId": "GP-1", "customerName": "", "clvTier": null}}'
    )
    assert older_view(untiered) == bare.content


def test_a_404_that_is_not_the_faces_own_is_no_answer() -> None:
    for status, body in ((404, b'{"error": {"code": 404}}'), (500, b"{}"), (200, b'{"success": true}'), (404, b"gone")):
        with pytest.raises(ValueError):
            told_by_older(status, body)

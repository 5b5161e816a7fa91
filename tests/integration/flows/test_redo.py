"""Components that are settled later and in pieces: nothing is taken for gone that was only not looked at."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from fixtures.partitions import of_batch, of_ledger
from fixtures.story import Story, customer, groups, row_events, tokens_told
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.domain.ports import Answer
from goldthread.domain.words import LookupOutcome
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights, shipped, small_limits

PHONE = "212 664 2368"
ANNABEL: dict[str, Any] = {
    "given_name": "Annabel",
    "family_name": "Leighton",
    "street": "12 Oak St",
    "postcode": "10115",
}
ALIKE = {**ANNABEL, "given_name": "A.", "family_name": "Leigton", "email": "r@acme.com"}
"""Close enough to Annabel for a review and no more."""


def part_what_a_phone_had_joined(story: Story) -> None:
    """Joins Annabel and Leighton by a phone, Annabel under review; a third name then closes the phone, too many records to settle inline."""
    story.ingest(customer("a", phone=PHONE, city="Kiel", **ANNABEL))
    story.ingest(customer("r", **ALIKE))
    story.ingest(customer("b", phone=PHONE, family_name="Leighton", birth_date="1980-02-03"))
    assert story.profile_of("a") == story.profile_of("b") != story.profile_of("r")
    assert open_reviews(story) == [(story.profile_of("a"), story.profile_of("r"))]
    story.ingest(customer("c", phone=PHONE, given_name="Boris", family_name="Katz"))
    assert story.ledger.counts().dirty_marks > 1


def open_reviews(story: Story) -> list[tuple[Any, ...]]:
    return story.rows("SELECT low_profile, high_profile FROM review WHERE closed_at IS NULL")


def redo_one_by_one(story: Story) -> int:
    """Works marks off with a transaction for each, and says how many transactions it took."""
    taken = 0
    while story.flow.redo(1):
        taken += 1
    assert story.ledger.counts().dirty_marks == 0
    return taken


def answers(story: Story) -> dict[bytes, Answer]:
    tokens = [bytes(token) for (token,) in story.rows("SELECT token FROM token")]
    return dict(zip(tokens, story.ledger.answers(tokens), strict=True))


def content(answer: Answer) -> Answer:
    """The answer without the snapshot it was read from."""
    return replace(answer, version=0)


def told_since(story: Story, place: int) -> tuple[set[bytes], int]:
    """Tokens that the outbox has named after this place, and the place where it ends now."""
    rows = [row for row in story.ledger.outbox(100_000) if row.outbox_id > place]
    return tokens_told(story.ledger, rows), max((row.outbox_id for row in rows), default=place)


def looks(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("goldthread_looks_total", {"outcome": outcome}) or 0


def assert_journal_is_a_chain(story: Story) -> None:
    """Each entry of a profile starts from what the entry before it left; the last one left what is there now."""
    left: dict[UUID, list[UUID]] = {}
    entries = story.rows("SELECT profile_id, live, before_records, after_records FROM journal ORDER BY version")
    assert entries
    for profile_id, live, before, after in entries:
        assert sorted(before) == sorted(left.get(profile_id, []))
        left[profile_id] = after if live else []
    held = story.rows("SELECT profile_id, array_agg(birth_id) FROM record JOIN membership USING (record_id) GROUP BY 1")
    assert {home: sorted(members) for home, members in left.items() if members} == {
        home: sorted(members) for home, members in held
    }


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_review_outlives_a_redo_in_pieces(ledger: Ledger, ledger_dsn: str, metrics: Metrics, limit: int) -> None:
    model = small_limits(base=round_weights(), max_block=100, max_component=100, generic=1)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model, inline_records=3)
    part_what_a_phone_had_joined(story)
    [(review, strength)] = story.rows("SELECT review_id, strength FROM review")
    while story.flow.redo(limit):
        pass
    assert len(groups(ledger.partition())) == 4
    assert open_reviews(story) == [tuple(sorted((story.profile_of("a"), story.profile_of("r"))))]
    assert story.rows("SELECT review_id, strength FROM review WHERE closed_at IS NULL") == [(review, strength)]
    assert_journal_is_a_chain(story)


@pytest.mark.parametrize("limit", [1, 100])
def test_the_other_side_of_a_review_keeps_its_question(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, limit: int
) -> None:
    model = small_limits(base=round_weights(), max_block=100, max_component=100, generic=1)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model, inline_records=3)
    part_what_a_phone_had_joined(story)
    before = story.answer("email", "r@acme.com")
    assert before.outcome is LookupOutcome.NEEDS_CONFIRMATION
    _, place = told_since(story, 0)
    while story.flow.redo(limit):
        after = story.answer("email", "r@acme.com")
        assert after.outcome is LookupOutcome.NEEDS_CONFIRMATION
        assert after.version > before.version
        told, place = told_since(story, place)
        assert content(after) == content(before) or after.token in told
        before = after
    assert place > 0


def test_the_other_side_hears_when_its_review_closes_in_redo(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    """The review rests on the phone alone, and the phone closes: the pair is gone, the answer changes, so its version and outbox row must come."""
    model = small_limits(base=round_weights(), max_block=100, max_component=100, generic=1)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model, inline_records=2)
    story.ingest(customer("a", phone=PHONE, given_name="Ann", family_name="Lee", email="a@acme.com"))
    story.ingest(
        customer("r", phone=PHONE, given_name="Ann", family_name="Lee", email="r@acme.com", birth_date="1980-02-03")
    )
    story.ingest(customer("c", phone=PHONE, given_name="Boris", family_name="Katz", email="c@acme.com"))
    known, mark = answers(story), max(row.outbox_id for row in ledger.outbox(1000))
    assert redo_one_by_one(story) >= 1
    told = tokens_told(ledger, [row for row in ledger.outbox(1000) if row.outbox_id > mark])
    changed = {token for token, answer in answers(story).items() if content(answer) != content(known[token])}
    assert changed
    assert changed <= told
    assert all(answers(story)[token].version > known[token].version for token in changed)
    assert_journal_is_a_chain(story)


def test_marks_of_what_was_settled_are_dropped(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    """A component that is too large for a look inline is looked at whole, and all the marks on it are done with that."""
    story = Story(ledger, metrics, dsn=ledger_dsn, inline_records=2)
    for number in range(9):
        story.ingest(customer(f"e{number}", source=f"s{number}", email="m@acme.com", given_name="Mary"))
    # The first two were looked at when they came.
    assert ledger.counts().dirty_marks == 7
    assert len(groups(ledger.partition())) == 1
    unplaced = "SELECT count(*) FROM membership WHERE profile_id IS NULL"
    assert story.rows(unplaced) == [(7,)]
    assert story.flow.redo(1) == 1
    # The first look found out who belongs together; the second one had them all before it.
    known = len(story.rows("SELECT FROM journal"))
    assert redo_one_by_one(story) == 1
    assert story.rows(unplaced) == [(0,)]
    assert len(groups(ledger.partition())) == 1
    assert len(story.rows("SELECT FROM journal")) <= known + 6
    assert_journal_is_a_chain(story)


def test_a_look_does_all_the_marks_it_is_given(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn, inline_records=2)
    for number in range(9):
        story.ingest(customer(f"e{number}", source=f"s{number}", email="m@acme.com", given_name="Mary"))
    whole = Story(ledger, metrics, dsn=ledger_dsn)
    done = looks(metrics, "done")
    assert whole.flow.redo(100) == 7
    assert looks(metrics, "done") == done + 1
    assert ledger.counts().dirty_marks == 0
    assert len(groups(ledger.partition())) == 1


def history(seed: int) -> list[dict[str, str]]:
    options = GenerateOptions(people=24, events=90, seed=seed, households_share=0.8, claims_per_person=2.8)
    return [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]


@pytest.mark.parametrize("seed", range(1, 13))
def test_histories_with_redo_between_batches_end_as_the_batch_engine_and_miss_no_step(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, seed: int
) -> None:
    model = shipped() if seed % 3 == 0 else small_limits(max_block=3, max_component=6, generic=1)
    rows, draw = history(seed), random.Random(seed)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model, inline_records=draw.choice([0, 2, 4, 8]))
    waiting = draw.sample(row_events(rows), len(rows))
    known: dict[bytes, Answer] = {}
    marks = place = 0

    def check() -> None:
        """No answer changes without a greater version, nor without a row of the outbox that names its token."""
        nonlocal known, place
        now = answers(story)
        told, place = told_since(story, place)
        for token, answer in now.items():
            former = known.get(token)
            if former is None:
                # Not placed yet, it is not found, as before.
                assert token in told or answer.outcome is LookupOutcome.NOT_FOUND
            elif content(answer) != content(former):
                assert answer.version > former.version
                assert token in told
        known = now

    while waiting:
        size = draw.randint(1, 20)
        batch, waiting = waiting[:size], waiting[size:]
        story.ingest(*batch)
        marks = max(marks, ledger.counts().dirty_marks)
        check()
        if draw.random() < 0.6:
            story.flow.redo(1)
            check()
    while story.flow.redo(1):
        check()
    assert marks > 0
    assert of_ledger(story) == of_batch(rows, model)
    assert_journal_is_a_chain(story)

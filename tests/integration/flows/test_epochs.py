"""One recycled phone, on PostgreSQL and on the twin: what was said without a name is whose the phone was, until evidence says otherwise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest

from fixtures.beaten import beat_wide_looks
from fixtures.counted import content_digest, untold
from fixtures.stewards import action, homes
from fixtures.story import NOON, Story, customer
from goldthread.domain.errors import EventIdConflictError, LedgerUnavailableError
from goldthread.domain.steward import MergeProfiles
from goldthread.domain.words import IncomingEvent, LookupOutcome, profile_public_id
from goldthread.flows.looked import Look
from goldthread.telemetry.metrics import Metrics
from memory import MemoryLedger

PHONE, OTHER_PHONE = "512 478 1234", "512 478 9999"
ANN = {"given_name": "Ann", "family_name": "Rowley"}
BORIS = {"given_name": "Boris", "family_name": "Katz"}
WANDA = {"given_name": "Wanda", "family_name": "Gunn"}


def said(event_id: str, day: int, *, amount: int = 100, **who: str) -> IncomingEvent:
    return customer(event_id, at=NOON + timedelta(days=day - 500), amount=amount, **{"phone": PHONE, **who})


OLD = [said("a1", 0, **ANN), said("a2", 20, **ANN), said("n1", 5), said("n2", 30)]
NEW = [said("b1", 200, **BORIS), said("b2", 230, **BORIS), said("n3", 205), said("n4", 260)]
"""The nameless ones with numbers: two while the phone was Ann's, two since it is Boris's."""


@pytest.fixture(params=["server", "twin"])
def either(request: pytest.FixtureRequest, metrics: Metrics) -> Story:
    """The flows over either ledger."""
    if request.param == "server":
        found: Story = request.getfixturevalue("story")
        return found
    return Story(MemoryLedger(), metrics, dsn="")


def together(story: Story) -> set[frozenset[str]]:
    """Events by the profile that they are credited to."""
    held: dict[UUID, set[str]] = {}
    for _, name, home in story.ledger.event_profiles():
        held.setdefault(home, set()).add(name)
    return set(map(frozenset, held.values()))


def sold(story: Story, events: Sequence[IncomingEvent], draw: random.Random) -> None:
    """In any order, in batches of any size, now and then by a worker that dies before its look."""
    waiting = draw.sample(events, len(events))
    while waiting:
        size = draw.randint(1, 4)
        (story.take if draw.random() < 0.3 else story.ingest)(*waiting[:size])
        waiting = waiting[size:]
    story.drain()


def handed_over(story: Story) -> float:
    return story.metrics.registry.get_sample_value("goldthread_hand_overs_total") or 0


def of_both(story: Story) -> None:
    """The state in which the phone changed hands once."""
    assert together(story) == {frozenset({"a1", "a2", "n1", "n2"}), frozenset({"b1", "b2", "n3", "n4"})}
    answer = story.answer("phone", PHONE)
    assert answer.outcome is LookupOutcome.FOUND
    assert answer.card is not None
    assert answer.card.masked_name == "Boris K."
    assert answer.card.profile_id == profile_public_id(story.profile_of("b1"))


def test_each_owner_keeps_what_was_bought_without_a_name(either: Story) -> None:
    either.ingest(*OLD)
    assert together(either) == {frozenset({"a1", "a2", "n1", "n2"})}
    assert handed_over(either) == 0
    # The new owner is known by name at last: what was bought before goes to them.
    either.ingest(NEW[2])
    either.ingest(NEW[0])
    either.drain()
    assert handed_over(either) == 1
    # And what comes then goes there at once.
    either.ingest(NEW[1], NEW[3])
    either.drain()
    of_both(either)
    assert handed_over(either) == 1


def test_what_a_hand_over_marks_takes_part_in_the_halves_of_a_look(story: Story) -> None:
    story.ingest(*OLD)
    beat_wide_looks(story.dsn)
    others = [customer(f"o{number}", email=f"o{number}@acme.com") for number in range(6)]
    story.ingest(*others[:3], NEW[2], NEW[0], NEW[1], NEW[3], *others[3:])
    assert handed_over(story) == 1
    assert story.metrics.registry.get_sample_value("goldthread_looks_total", {"outcome": "parted"})
    # Nothing was left to redo.
    assert story.ledger.counts().dirty_marks == 0
    owners = {frozenset({"a1", "a2", "n1", "n2"}), frozenset({"b1", "b2", "n3", "n4"})}
    assert together(story) == owners | {frozenset({f"o{number}"}) for number in range(6)}


@pytest.mark.parametrize("seed", range(6))
def test_no_order_matters(either: Story, seed: int) -> None:
    sold(either, [*OLD, *NEW], random.Random(seed))
    of_both(either)
    # The same event of the nameless claim again: it is known, wherever it hangs.
    assert either.ingest(NEW[3], OLD[2]).taken == 0
    of_both(either)


@pytest.mark.parametrize("seed", range(3))
def test_an_event_in_the_silence_takes_the_hand_over_back(either: Story, seed: int) -> None:
    sold(either, [*OLD, *NEW], random.Random(seed))
    of_both(either)
    either.ingest(said("a3", 150, **ANN))
    either.drain()
    # A phone of two people at a time says of neither who bought: nobody's, and one record again.
    assert together(either) == {
        frozenset({"a1", "a2", "a3"}),
        frozenset({"b1", "b2"}),
        frozenset({"n1", "n2", "n3", "n4"}),
    }
    assert either.answer("phone", PHONE).outcome is LookupOutcome.AMBIGUOUS
    fresh = Story(MemoryLedger(), Metrics(), dsn="")
    fresh.ingest(*OLD, *NEW, said("a3", 150, **ANN))
    assert dict(either.ledger.partition()).keys() == dict(fresh.ledger.partition()).keys()


def losing(story: Story, loser: IncomingEvent, winner: IncomingEvent) -> IncomingEvent:
    """The winner, its store varied until its content wins."""
    for number in range(64):
        assert winner.payload is not None
        tried = replace(winner, payload=replace(winner.payload, store=f"S{number}"))  # type: ignore[arg-type]
        if content_digest(story, tried) < content_digest(story, loser):
            return tried
    raise AssertionError("no content wins")


def test_a_new_owner_whose_only_event_loses_was_never_there(either: Story) -> None:
    """A withdrawn record carries no phone any more; the phone is looked at all the same."""
    either.ingest(*OLD)
    either.ingest(NEW[0], NEW[2])
    either.drain()
    assert together(either) == {frozenset({"a1", "a2", "n1", "n2"}), frozenset({"b1", "n3"})}
    either.ingest(losing(either, NEW[0], customer("b1", email="else@acme.com", amount=50)))
    either.drain()
    assert together(either) == {frozenset({"a1", "a2", "n1", "n2", "n3"}), frozenset({"b1"})}
    card = either.answer("phone", PHONE).card
    assert card is not None
    assert card.masked_name == "Ann R."


def test_two_phones_of_one_claim_count_together(either: Story) -> None:
    """One changes hands at day 200, the other one at day 400: three epochs of what names both and nobody."""
    both = [said(f"n{day}", day, email="two@acme.com") for day in (10, 210, 410)]
    both = [
        replace(event, identifiers=(*event.identifiers, replace(event.identifiers[0], raw=OTHER_PHONE)))
        for event in both
    ]
    others = [
        said("a1", 0, **ANN),
        said("b1", 200, **BORIS),
        said("w1", 0, phone=OTHER_PHONE, **WANDA),
        said("b2", 400, phone=OTHER_PHONE, **BORIS),
    ]
    sold(either, [*both, *others], random.Random(1))
    assert handed_over(either) >= 2
    assert len(dict(either.ledger.partition())) == 7
    if either.dsn:
        assert either.rows(
            "SELECT opener.first_seen, record.base_address IS NULL FROM record LEFT JOIN record AS opener ON opener.address = record.opener "
            "WHERE record.name_key IS NULL ORDER BY record.first_seen"
        ) == [(None, True), (others[1].occurred_at, False), (others[3].occurred_at, False)]
        # The e-mail address is one claim's, whatever its epochs.
        assert either.rows("SELECT records, name_keys FROM token WHERE type = 1") == [(1, 0)]
        assert untold(either) == []


def test_a_preview_shows_the_hand_over_and_changes_nothing(either: Story) -> None:
    either.ingest(*OLD, NEW[2])
    before = together(either)
    shown = either.resolve(NEW[0], preview=True)
    assert together(either) == before
    assert handed_over(either) == 0
    real = either.resolve(NEW[0])
    assert handed_over(either) == 1
    assert (shown.decision, len(shown.evidence)) == (real.decision, len(real.evidence))
    either.drain()
    assert together(either) == {frozenset({"a1", "a2", "n1", "n2"}), frozenset({"b1", "n3"})}


def test_a_preview_waits_for_no_phone_that_changed_hands(story: Story) -> None:
    """The phone's row is wanted out of the order of locks: where another writer holds it, the preview gives way and comes again."""
    story.ingest(*OLD)
    story.take(NEW[0])
    with psycopg.connect(story.dsn) as other:
        other.execute("SELECT FROM token WHERE type = 2 FOR NO KEY UPDATE")
        with pytest.raises(LedgerUnavailableError) as caught:
            story.resolve(NEW[2], preview=True)
        assert caught.value.metadata["sqlstate"] == "55P03"
        assert len(story.sleeps) == 4
    assert story.resolve(NEW[2], preview=True).duplicate is False
    assert handed_over(story) == 0


def test_resolve_answers_for_the_record_to_which_its_event_went(either: Story) -> None:
    """Somebody took the new owner's first event and died: the next nameless one finds out that the phone changed hands."""
    either.ingest(*OLD)
    either.take(NEW[0])
    answer = either.resolve(NEW[2])
    either.drain()
    assert handed_over(either) == 1
    assert together(either) == {frozenset({"a1", "a2", "n1", "n2"}), frozenset({"b1", "n3"})}
    assert (answer.profile_id, answer.duplicate) == (profile_public_id(either.profile_of("n3")), False)
    assert profile_public_id(either.profile_of("b1")) == answer.profile_id


def test_a_preview_names_no_profile_that_it_had_to_make_itself(either: Story) -> None:
    """Two new owners at once: what was bought since is nobody's, on a record whose id is drawn anew when the phone does change hands."""
    either.ingest(OLD[0], OLD[2])
    either.take(NEW[0], said("x1", 201, given_name="Xaver", family_name="Gunn"))
    shown = either.resolve(NEW[3], preview=True)
    assert shown.profile_id == ""
    either.drain()
    real = either.resolve(NEW[3])
    assert (shown.decision, shown.probability) == (real.decision, real.probability)
    assert real.profile_id == profile_public_id(either.profile_of("n4"))


def test_a_stewards_preview_leaves_hanging_anew_to_the_operation(either: Story) -> None:
    """The new owner's event waits for its look: a preview says that it does not know what that will find."""
    either.ingest(*OLD, NEW[2], customer("c", email="c@acme.com", amount=1))
    either.take(NEW[0])
    asked = MergeProfiles(profile_ids=tuple(homes(either, "a1", "c")))
    before = together(either)
    shown = either.steward.operate(action(preview=True), asked)
    assert (shown.provisional, shown.changed) == (True, ())
    assert (together(either), handed_over(either)) == (before, 0)
    done = either.steward.operate(action(), asked)
    assert not done.provisional
    assert [len(one.record_ids) for one in done.changed] == [3, 0, 2]
    either.drain()
    assert together(either) == {frozenset({"a1", "a2", "n1", "n2", "c"}), frozenset({"b1", "n3"})}
    if either.dsn:
        assert untold(either) == []


def test_a_chain_of_phones_is_followed_to_its_end(either: Story) -> None:
    """Each phone is found by a record that carries it and the one before: more rounds than a look may idle."""
    phones = [f"512 478 {1000 + number}" for number in range(8)]
    for number, phone in enumerate(phones):
        family = f"{'bcdfgklm'[number]}osta"
        either.take(said(f"a{number}", 0, phone=phone, given_name="Ann", family_name=family))
        either.take(said(f"b{number}", 300, phone=phone, given_name="Boris", family_name=f"Ka{family}"))
    for number, (one, other) in enumerate(pairwise(phones)):
        event = said(f"n{number}", 310, phone=one)
        more = replace(event.identifiers[0], raw=other)
        either.take(replace(event, identifiers=(*event.identifiers, more)))
    assert either.flow.redo(1) > 1
    assert handed_over(either) == len(phones)
    either.drain()
    assert handed_over(either) == len(phones)


def test_resolve_with_little_time_leaves_the_hand_over_to_redo(either: Story) -> None:
    either.ingest(*OLD)
    answer = either.resolve(NEW[0], seconds=0.9)
    assert answer.provisional
    assert handed_over(either) == 0
    either.drain()
    assert handed_over(either) == 1


def test_resolve_does_not_answer_for_a_content_that_lost_meanwhile(
    either: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    winner = losing(either, NEW[0], customer("b1", email="else@acme.com", amount=50))
    look = either.looker.look

    def beaten(*given: Any, **named: Any) -> Look:
        monkeypatch.setattr(either.looker, "look", look)
        either.ingest(winner)
        return look(*given, **named)

    monkeypatch.setattr(either.looker, "look", beaten)
    with pytest.raises(EventIdConflictError):
        either.resolve(NEW[0])

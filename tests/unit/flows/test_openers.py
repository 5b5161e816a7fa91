"""An epoch is named by who opened it: a hand-over found late takes nothing from those who had the phone afterwards, nor what was said of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest

from fixtures.stewards import done, homes
from fixtures.story import NOON, Story, customer
from goldthread.domain.steward import AssertRecords, MergeProfiles
from goldthread.domain.words import IncomingEvent, LookupOutcome, profile_public_id
from goldthread.telemetry.metrics import Metrics
from memory import MemoryLedger

PHONE = "512 478 1234"
ANN = {"given_name": "Ann", "family_name": "Rowley"}
WANDA = {"given_name": "Wanda", "family_name": "Gunn"}
BORIS = {"given_name": "Boris", "family_name": "Katz"}
KATZ = {"given_name": "Lena", "family_name": "Katz"}


def said(event_id: str, day: int, **who: str) -> IncomingEvent:
    return customer(event_id, at=NOON + timedelta(days=day - 900), amount=100, **{"phone": PHONE, **who})


EARLY = [said("a1", 0, **ANN), said("n1", 5), said("b1", 600, **BORIS), said("n3", 605)]
LATE = [said("w1", 300, **WANDA), said("n2", 305)]
BY_EMAIL = customer("c", email="c@acme.com", amount=1)


@pytest.fixture
def story(metrics: Metrics) -> Story:
    return Story(MemoryLedger(), metrics, dsn="")


def tell(story: Story, *events: IncomingEvent) -> None:
    story.ingest(*events)
    story.drain()


def together(story: Story) -> set[frozenset[str]]:
    """Events by the profile that they are credited to."""
    held: dict[UUID, set[str]] = {}
    for _, name, home in story.ledger.event_profiles():
        held.setdefault(home, set()).add(name)
    return set(map(frozenset, held.values()))


def birth(story: Story, event_id: str) -> UUID:
    """Birth id of the record on which an event of the register hangs."""
    assert isinstance(story.ledger, MemoryLedger)
    tables = story.ledger.tables
    return tables.record[tables.inbox["pos", event_id].record_id].birth_id


def groups(*profiles: str) -> set[frozenset[str]]:
    return {frozenset(profile.split()) for profile in profiles}


def test_a_merge_stays_with_whom_it_was_said_of(story: Story) -> None:
    tell(story, *EARLY, BY_EMAIL)
    kept, shown = birth(story, "n3"), profile_public_id(story.profile_of("n3"))
    done(story, MergeProfiles(profile_ids=tuple(homes(story, "b1", "c"))))
    assert together(story) == groups("a1 n1", "b1 n3 c")
    tell(story, *LATE)
    assert together(story) == groups("a1 n1", "w1 n2", "b1 n3 c")
    assert birth(story, "n3") == kept
    assert birth(story, "n2") not in {kept, birth(story, "n1")}
    answer = story.answer("phone", PHONE)
    assert (answer.outcome, answer.card and answer.card.masked_name) == (LookupOutcome.FOUND, "Boris K.")
    assert story.resolve(EARLY[3], preview=True, seconds=5).profile_id == profile_public_id(story.profile_of("n3"))
    assert shown in {profile_public_id(birth(story, event)) for event in ("b1", "n3")}


@pytest.mark.parametrize("order", list(permutations(("early", "late", "merge"))), ids="-".join)
def test_when_the_merge_is_said_makes_no_difference(order: Sequence[str], story: Story) -> None:
    # What is merged must have been said: the two names, before all else.
    tell(story, EARLY[2], BY_EMAIL)
    for step in order:
        match step:
            case "early":
                tell(story, EARLY[3], *EARLY[:2])
            case "late":
                tell(story, *LATE)
            case _:
                done(story, MergeProfiles(profile_ids=tuple(homes(story, "b1", "c"))))
    assert together(story) == groups("a1 n1", "w1 n2", "b1 n3 c")


def test_what_was_said_of_a_nameless_record_follows_its_opener_only(story: Story) -> None:
    tell(story, *EARLY, BY_EMAIL)
    done(story, AssertRecords(record_id=birth(story, "n3"), other_record_id=birth(story, "c"), same=True))
    assert together(story) == groups("a1 n1", "b1 n3 c")
    tell(story, *LATE)
    assert together(story) == groups("a1 n1", "w1 n2", "b1 n3 c")
    # Boris did not open it: somebody of his family had the phone before him. The record is another one, of which nothing was said.
    kept = birth(story, "n3")
    tell(story, said("k1", 550, **KATZ))
    assert birth(story, "n3") != kept
    assert frozenset({"c"}) in together(story)
    assert frozenset({"a1", "n1"}) in together(story)
    # Boris was seen with it sooner still: his record stands again, and what was said of it counts again.
    tell(story, said("b0", 540, **BORIS))
    assert birth(story, "n3") == kept
    assert any({"n3", "c"} <= profile for profile in together(story))

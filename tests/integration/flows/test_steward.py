"""Merges, splits and assertions on a real ledger: what they change, and that it stays so."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.stewards import births, done, homes, judge_everything, people, two_people
from fixtures.story import Story, customer
from goldthread.domain.errors import (
    LedgerUnavailableError,
)
from goldthread.domain.steward import (
    AssertRecords,
    MergeProfiles,
    SplitProfile,
)
from goldthread.domain.words import LookupOutcome
from goldthread.ledger import NewMark, Step


def test_a_split_stays_split_when_everything_is_played_again(story: Story) -> None:
    said: dict[str, dict[str, Any]] = {
        "k1": {"email": "kim@acme.com", "given_name": "Kim", "amount": 100},
        "k2": {"email": "kim@acme.com", "phone": "512 478 1234", "amount": 20},
        "k3": {"phone": "512 478 1234", "given_name": "Kim", "amount": 3},
    }
    story.ingest(*(customer(name, **claim) for name, claim in said.items()))
    [home] = set(homes(story, *said))
    done(story, SplitProfile(profile_id=home, record_ids=births(story, "k3")))
    assert homes(story, "k1") == homes(story, "k2") != homes(story, "k3")
    assert sorted(row[0] for row in story.rows("SELECT purchase_total_minor FROM profile WHERE live")) == [3, 120]
    after, place = people(story), homes(story, *said)
    # The same events, then the same claims in new ones, then every pair scored anew.
    story.ingest(*(customer(name, **claim) for name, claim in said.items()))
    assert people(story) == after
    for name, claim in said.items():
        story.ingest(customer(f"{name}-again", **claim))
    assert judge_everything(story) > 0
    assert people(story)["members"] == after["members"]
    assert homes(story, *(f"{name}-again" for name in said)) == homes(story, *said) == place


def test_a_merge_overrules_an_older_split_of_any_two(story: Story) -> None:
    two_people(story)
    story.ingest(customer("m3", email="mary@acme.com", given_name="Mary"))
    home = homes(story, "m1")[0]
    parts = births(story, "m2", "m3")
    done(story, SplitProfile(profile_id=home, record_ids=parts))
    apart = set(homes(story, "m1", "m2", "m3"))
    assert len(apart) == 2
    merged = done(story, MergeProfiles(profile_ids=tuple(apart)))
    assert set(homes(story, "m1", "m2", "m3")) == {home}
    assert merged.outranked == 0


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ((20, True), (10, False), True),
        ((10, True), (20, False), False),
        ((10, True), (10, False), False),
        ((10, False), (10, True), True),
    ],
    ids=["higher first", "higher second", "later different", "later same"],
)
def test_rank_then_time_decides_between_stewards(
    story: Story, first: tuple[int, bool], second: tuple[int, bool], winner: bool
) -> None:
    two_people(story)
    one, other = births(story, "m1")[0], births(story, "j1")[0]
    results = [
        done(story, AssertRecords(record_id=one, other_record_id=other, same=same), actor_rank=rank)
        for rank, same in (first, second)
    ]
    assert (homes(story, "m1") == homes(story, "j1")) is winner
    assert [result.outranked for result in results] == [0, int(first[0] > second[0])]


def test_an_assertion_may_expire_with_its_evidence_and_come_back(story: Story) -> None:
    story.ingest(
        customer("k1", email="kim@acme.com", given_name="Kim"), customer("k2", email="kim@acme.com", family_name="Park")
    )
    [home] = set(homes(story, "k1", "k2"))
    done(story, SplitProfile(profile_id=home, record_ids=births(story, "k2")), expire_on_change=True)
    assert homes(story, "k1") != homes(story, "k2")
    story.ingest(customer("other", email="lee@acme.com"))
    assert homes(story, "k1") != homes(story, "k2")
    story.ingest(customer("k3", email="kim@acme.com", given_name="Kim", family_name="Park"))
    assert len(set(homes(story, "k1", "k2", "k3"))) == 1


def test_a_basis_that_stands_holds_in_every_look(story: Story) -> None:
    two_people(story)
    done(
        story,
        AssertRecords(record_id=births(story, "m1")[0], other_record_id=births(story, "j1")[0], same=True),
        expire_on_change=True,
    )
    assert homes(story, "m1") == homes(story, "j1")
    assert judge_everything(story) > 0
    assert homes(story, "m1") == homes(story, "j1")


def test_a_look_with_an_older_snapshot_does_not_undo_an_operation(story: Story) -> None:
    """A look that began before an operation on the other side of its assertion must not be the last word."""
    for name, phone in (("m", "512 478 1234"), ("j", "512 478 9999")):
        both: dict[str, Any] = {"phone": phone, "email": f"{name}@acme.com", "loyalty_card": f"20123456{phone[-2:]}"}
        story.ingest(customer(f"{name}1", **both), customer(f"{name}2", source="crm", **both))
    one, other = births(story, "m1")[0], births(story, "j2")[0]
    [(record_id,)] = story.rows("SELECT record_id FROM record WHERE birth_id = %s", births(story, "j1")[0])
    with story.ledger.transaction() as tx:
        marks = tx.leave_marks([NewMark(record_id, Step.PLACE)], cause="redo", actor="test")()

    def races() -> None:
        with story.ledger.look() as tx:
            tx.as_of()
            done(story, AssertRecords(record_id=one, other_record_id=other, same=True))
            story.looker.attempt(tx, marks)

    with pytest.raises(LedgerUnavailableError):
        races()
    story.drain()
    assert len(set(homes(story, "m1", "m2", "j1", "j2"))) == 1


def three_merged(story: Story) -> None:
    """Three records that have nothing in common but that somebody said so."""
    story.ingest(*(customer(name, email=f"{name}@acme.com", amount=1) for name in "abc"))
    done(story, MergeProfiles(profile_ids=tuple(homes(story, "a", "b", "c"))))
    assert len(set(homes(story, "a", "b", "c"))) == 1


@pytest.mark.parametrize("parted", ["a", "bc", "ac"])
def test_a_split_leaves_each_part_of_a_merge_whole(story: Story, parted: str) -> None:
    three_merged(story)
    done(story, SplitProfile(profile_id=homes(story, "a")[0], record_ids=births(story, *parted)))
    place = dict(zip("abc", homes(story, "a", "b", "c"), strict=True))
    assert len({place[name] for name in parted}) == len({place[name] for name in "abc" if name not in parted}) == 1
    assert len(set(place.values())) == 2


def test_a_merge_outlives_the_record_in_its_middle(story: Story) -> None:
    three_merged(story)
    [middle] = story.rows("SELECT record_id FROM record ORDER BY birth_id LIMIT 1")
    [name] = [row[0] for row in story.rows("SELECT event_id FROM inbox WHERE record_id = %s", middle[0])]
    others = [other for other in "abc" if other != name]
    for number in range(50):
        story.ingest(customer(name, email=f"corrected{number}@acme.com"))
        if story.rows("SELECT sightings FROM record WHERE record_id = %s", middle[0]) == [(0,)]:
            break
    story.drain()
    assert story.rows("SELECT sightings FROM record WHERE record_id = %s", middle[0]) == [(0,)]
    assert len(set(homes(story, *others))) == 1
    assert judge_everything(story) > 0
    assert len(set(homes(story, *others))) == 1


def test_what_has_expired_stands_against_nobody(story: Story) -> None:
    two_people(story)
    one, other = births(story, "m1")[0], births(story, "j1")[0]
    done(story, AssertRecords(record_id=one, other_record_id=other, same=False), expire_on_change=True, actor_rank=90)
    weaker = AssertRecords(record_id=one, other_record_id=other, same=True)
    assert done(story, weaker, actor_rank=10).outranked == 1
    story.ingest(customer("m3", email="mary@acme.com", given_name="Mary", family_name="Smith", postcode="78701"))
    assert homes(story, "m1") == homes(story, "j1")
    assert done(story, weaker, actor_rank=10).outranked == 0


def test_a_lookup_after_a_split_shows_each_their_own(story: Story) -> None:
    story.ingest(
        customer("f", loyalty_card="2012345678", given_name="Ann", amount=100),
        customer("g", loyalty_card="2012345678", email="ben@acme.com", amount=7),
    )
    [home] = set(homes(story, "f", "g"))
    done(story, SplitProfile(profile_id=home, record_ids=births(story, "g")))
    answer = story.answer("loyalty_card", "2012345678")
    assert answer.outcome is LookupOutcome.AMBIGUOUS
    assert story.answer("email", "ben@acme.com").outcome is LookupOutcome.FOUND

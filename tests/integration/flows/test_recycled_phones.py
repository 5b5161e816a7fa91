"""A phone number given to somebody else takes nothing of its old owner along: 200 people, one number in twenty reassigned mid-stream."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from fixtures.counted import untold
from fixtures.partitions import decided_by, expected_of, of_ledger
from fixtures.story import NOON, Story, customer
from goldthread.domain.words import IncomingEvent, LookupOutcome

PEOPLE = 200
REASSIGNED = PEOPLE // 20
GAP_DAYS = 90
_OLD = ("bal", "dun", "fel", "jen", "kil", "lom", "mar", "nor")
_NEW = ("rad", "sul", "tam", "hob", "shor", "zan", "wil", "yor")
"""How families begin: none of the first sounds like any of the others."""
_GIVEN = (
    "Albert",
    "Boris",
    "Clara",
    "Dora",
    "Emil",
    "Felix",
    "Greta",
    "Hugo",
    "Ida",
    "Jonas",
    "Klara",
    "Lena",
    "Magnus",
    "Nora",
)


@dataclass(slots=True)
class Person:
    """Somebody with a phone, from and until some day, and what they bought, by events."""

    name: tuple[str, str]
    phone: str
    since: int
    until: int
    bought: dict[str, int] = field(default_factory=dict)


def people(draw: random.Random) -> list[Person]:
    """Everybody; the last ones got the numbers of the first ones after a silence, and have neither family nor initial in common."""
    old = draw.sample([f"{one}{other}".title() for one in _OLD for other in (*_OLD, *_NEW)], PEOPLE // 2)
    new = draw.sample([f"{one}{other}".title() for one in _NEW for other in (*_OLD, *_NEW)], PEOPLE // 2)
    found = [
        Person((_GIVEN[number % len(_GIVEN)], family), f"512 {300 + number // 50} {2000 + 37 * number}", 0, 360)
        for number, family in enumerate((*old, *new))
    ]
    for before, after in zip(found[:REASSIGNED], found[-REASSIGNED:], strict=True):
        initials = {"C": "CK", "K": "CK"}.get(before.name[0][0], before.name[0][0])
        given = draw.choice([one for one in _GIVEN if one[0] not in initials])
        after.name, after.phone = (given, after.name[1]), before.phone
        before.until = draw.randint(60, 120)
        after.since = before.until + draw.randint(GAP_DAYS + 1, GAP_DAYS + 60)
    return found


def shopping(person: Person, number: int, draw: random.Random) -> list[IncomingEvent]:
    """Purchases with the name and with the phone alone; the first and the last have the name, so all others lie between."""
    given, family = person.name
    days = sorted(draw.randint(person.since + 1, person.until - 1) for _ in range(6))
    sent = []
    for place, day in enumerate((person.since, *days, person.until)):
        named = place in (0, 3, 7)
        said = {"given_name": given, "family_name": family} if named else {}
        event_id, amount = f"p{number}-{place}", draw.randint(100, 90_000)
        person.bought[event_id] = amount
        at = NOON + timedelta(days=day - 400, minutes=draw.randrange(600))
        sent.append(
            customer(
                event_id,
                source="pos" if named or place % 2 else "web",
                at=at,
                amount=amount,
                phone=person.phone,
                **said,
            )
        )
    return sent


def shuffled_in_batches(story: Story, events: Sequence[IncomingEvent], draw: random.Random) -> None:
    """Sends everything in any order, now and then through Resolve or by a worker that dies before its look."""
    waiting = draw.sample(events, len(events))
    while waiting:
        size = draw.choice((1, 7, 40, 150))
        batch, waiting = waiting[:size], waiting[size:]
        if size == 1:
            story.resolve(batch[0])
        elif draw.random() < 0.2:
            story.take(*batch)
        else:
            story.ingest(*batch)
    story.drain()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_new_owner_sees_none_of_the_old_ones_purchases(story: Story, seed: int) -> None:
    draw = random.Random(seed)
    everybody = people(draw)
    events = [event for number, one in enumerate(everybody) for event in shopping(one, number, draw)]
    shuffled_in_batches(story, events, draw)

    profile_of = {(source, name): home for source, name, home in story.ledger.event_profiles()}
    credited: dict[object, dict[str, int]] = defaultdict(dict)
    amounts = {name: amount for one in everybody for name, amount in one.bought.items()}
    for (_, name), home in profile_of.items():
        credited[home][name] = amounts[name]
    totals = {
        home: (count, total)
        for home, count, total in story.rows(
            "SELECT profile_id, purchase_count, purchase_total_minor FROM profile WHERE live"
        )
    }
    # Each profile holds one person's purchases, all of them, and says so.
    assert sorted(map(sorted, credited.values())) == sorted(sorted(one.bought) for one in everybody)
    for home, held in credited.items():
        assert totals[home] == (len(held), sum(held.values()))
    assert totals.keys() == credited.keys()

    for old, new in zip(everybody[:REASSIGNED], everybody[-REASSIGNED:], strict=True):
        assert old.phone == new.phone
        answer = story.answer("phone", new.phone)
        assert answer.outcome is LookupOutcome.FOUND
        assert answer.card is not None
        assert answer.card.masked_name == f"{new.name[0]} {new.name[1][0]}."
        homes = [{home for (_, name), home in profile_of.items() if name in one.bought} for one in (old, new)]
        assert [len(ones) for ones in homes] == [1, 1]
        assert homes[0] != homes[1]

    expected = expected_of(events, story.matcher)
    assert sorted(map(len, expected.holdings.hand_overs.values())) == [1] * REASSIGNED
    assert of_ledger(story) == decided_by(expected.outcome)
    stored = {
        (bytes(token), (at, bytes(opener)))
        for token, at, opener in story.rows(
            "SELECT token, began_at, opener FROM token_epoch JOIN token USING (token_id)"
        )
    }
    assert stored == {(token, one) for token, [one] in expected.holdings.hand_overs.items()}
    assert untold(story) == []


def test_without_the_gap_the_phone_is_shared_and_its_purchases_are_nobodys(story: Story) -> None:
    """The same two people at the same time: a phone alone says nothing of either."""
    named = [("Albert", "Balcor"), ("Klara", "Dunfel")]
    for number, (given, family) in enumerate(named):
        for day in (0, 100):
            at = NOON + timedelta(days=day - 200 + number)
            story.ingest(
                customer(
                    f"n{number}-{day}", at=at, amount=100, phone="512 300 2000", given_name=given, family_name=family
                )
            )
    story.ingest(customer("bare", at=NOON, amount=7, phone="512 300 2000"))
    story.drain()
    assert story.answer("phone", "512 300 2000").outcome is LookupOutcome.AMBIGUOUS
    assert story.rows("SELECT count(*) FROM token_epoch") == [(0,)]
    assert untold(story) == []

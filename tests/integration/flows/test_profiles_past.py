"""Profiles in the past: membership at any time is what it was, whatever merged and split since."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from fixtures.stewards import NOBODY, action, births, done, homes, two_people
from fixtures.story import NOON, Story, customer
from goldthread.domain.errors import EndedIdError, InvalidArgumentError, UnknownIdError
from goldthread.domain.profiles import NOW, AsOf, Disclosure
from goldthread.domain.steward import MergeProfiles, SplitProfile
from goldthread.domain.words import Tier, profile_public_id

PEOPLE = 16
OPERATIONS = 100
TIMES = 20
MASKED, FULL = Disclosure.MASKED, Disclosure.FULL


@dataclass(frozen=True)
class Noted:
    """What the test saw at one time: which records each profile held."""

    at: datetime
    profiles: dict[UUID, frozenset[UUID]]


def note(story: Story) -> Noted:
    held: dict[UUID, set[UUID]] = {}
    for birth_id, home in story.rows(
        "SELECT birth_id, profile_id FROM record JOIN membership USING (record_id) WHERE sightings > 0"
    ):
        held.setdefault(home, set()).add(birth_id)
    [(now,)] = story.rows("SELECT clock_timestamp()")
    return Noted(now, {home: frozenset(records) for home, records in held.items()})


def as_of(story: Story, profile_id: UUID, moment: AsOf) -> tuple[UUID, frozenset[UUID]]:
    view = story.profiles.profile(profile_id, as_of=moment, disclosure=MASKED)
    return view.profile_id, frozenset(view.record_ids)


def test_membership_at_past_times_is_what_the_journal_of_the_test_says(story: Story) -> None:
    draw = random.Random(11)
    for number in range(PEOPLE):
        story.ingest(customer(f"e{number}", email=f"p{number}@acme.com", amount=1))
    noted = [note(story)]
    counted = {"merge": 0, "split": 0}
    for number in range(OPERATIONS):
        live = noted[-1].profiles
        large = [home for home, records in live.items() if len(records) > 1]
        if large and (len(live) < 3 or draw.random() < 0.5):
            home = draw.choice(sorted(large))
            records = sorted(live[home])
            named = draw.sample(records, draw.randint(1, len(records) - 1))
            story.steward.operate(action(f"r{number}"), SplitProfile(profile_id=home, record_ids=tuple(named)))
            counted["split"] += 1
        else:
            chosen = draw.sample(sorted(live), 2)
            story.steward.operate(action(f"r{number}"), MergeProfiles(profile_ids=tuple(chosen)))
            counted["merge"] += 1
        if draw.random() < 0.3:
            # A record of a new customer, which another event ties to somebody.
            story.ingest(customer(f"n{number}", email=f"n{number}@acme.com"))
            email = (f"n{number}@acme.com", f"p{draw.randrange(PEOPLE)}@acme.com")
            story.ingest(customer(f"t{number}", source="web", email=email))
        noted.append(note(story))
    assert min(counted.values()) > 25, counted
    everybody = {birth_id for seen in noted for birth_id in seen.profiles}
    for seen in draw.sample(noted[:-1], TIMES):
        at = AsOf(at=seen.at)
        where = {birth_id: home for home, records in seen.profiles.items() for birth_id in records}
        for home, records in seen.profiles.items():
            assert as_of(story, home, at) == (home, records)
        # Every id ever given out stands for the profile that held its record then.
        for birth_id in sorted(everybody):
            if birth_id in where:
                assert as_of(story, birth_id, at) == (where[birth_id], seen.profiles[where[birth_id]])
            else:
                with pytest.raises(UnknownIdError):
                    as_of(story, birth_id, at)
    last = noted[-1]
    for home, records in last.profiles.items():
        assert as_of(story, home, NOW) == (home, records)


def test_a_version_names_the_moment_when_it_had_been_written(story: Story) -> None:
    two_people(story)
    mary, jose = sorted({*homes(story, "m1"), *homes(story, "j1")})
    before = note(story)
    merged = done(story, MergeProfiles(profile_ids=(mary, jose)))
    done(story, SplitProfile(profile_id=mary, record_ids=births(story, "j1", "j2")))
    for changed in merged.changed:
        # Both entries of the merge name the moment after all of it.
        home, records = as_of(story, jose, AsOf(version=changed.version))
        assert (home, records) == (mary, before.profiles[mary] | before.profiles[jose])
    with pytest.raises(UnknownIdError) as caught:
        as_of(story, mary, AsOf(version=10**9))
    assert caught.value.metadata == {"field": "as_of.version"}


def test_a_profile_tells_where_each_attribute_comes_from(story: Story) -> None:
    two_people(story)
    story.ingest(
        customer(
            "m3",
            source="crm",
            email="mary@acme.com",
            given_name="Mary",
            family_name="Smith",
            birth_date="1980-02-03",
            street="12 Oak St",
            city="Austin",
            postcode="78701",
            at=NOON - timedelta(days=9),
        )
    )
    [home] = set(homes(story, "m1"))
    view = story.profiles.profile(home, as_of=NOW, disclosure=FULL)
    said = {one.name: one for one in view.attributes}
    assert {name: one.value for name, one in said.items()} == {
        "given_name": "mary",
        "family_name": "smith",
        "birth_date": "1980-02-03",
        "street": "12 oak st",
        "city": "austin",
        "postcode": "78701",
    }
    [crm] = story.rows("SELECT birth_id FROM record WHERE source = 'crm'")
    [register] = births(story, "m1")
    assert (said["given_name"].record_id, said["given_name"].source) == (register, "pos")
    assert (said["street"].record_id, said["street"].source) == (crm[0], "crm")
    assert said["street"].first_seen == NOON - timedelta(days=9)
    assert said["birth_date"].rule == "recency, address"
    assert (view.card.masked_name, view.totals.purchase_count) == ("Mary S.", 2)
    assert view.identifiers[0].number == 1
    masked = story.profiles.profile(home, as_of=NOW, disclosure=MASKED)
    assert {one.name: one.value for one in masked.attributes} == {
        "given_name": "Mary",
        "family_name": "S.",
        "birth_date": "1980",
        "street": "",
        "city": "austin",
        "postcode": "787",
    }
    page = story.profiles.records(home, as_of=NOW, disclosure=MASKED, size=2, after=None)
    assert [record.record_id for record in page.records] == list(view.record_ids[:2])
    rest = story.profiles.records(home, as_of=NOW, disclosure=MASKED, size=2, after=page.next)
    assert [record.record_id for record in (*page.records, *rest.records)] == list(view.record_ids)
    assert rest.next is None


def test_a_card_in_the_past_shows_what_it_showed(story: Story) -> None:
    story.ingest(customer("a", email="a@acme.com", given_name="Ann", family_name="Roe", amount=60_000, at=NOON))
    [home] = homes(story, "a")
    noted = note(story)
    later = NOON + timedelta(days=1)
    story.ingest(customer("b", email="a@acme.com", given_name="Annabel", family_name="Roe", amount=300_000, at=later))
    now = story.profiles.profile(home, as_of=NOW, disclosure=MASKED)
    then = story.profiles.profile(home, as_of=AsOf(at=noted.at), disclosure=MASKED)
    assert (then.card.masked_name, then.totals.purchase_count, then.totals.purchase_total_minor) == (
        "Ann R.",
        1,
        60_000,
    )
    assert (now.card.masked_name, now.totals.purchase_count) == ("Annabel R.", 2)
    assert (then.card.last_purchase_at, now.card.last_purchase_at) == (NOON, later)
    assert then.card.tier is not Tier.UNSPECIFIED
    assert then.card.profile_id == profile_public_id(home)


def test_a_diff_names_what_came_went_and_changed(story: Story) -> None:
    two_people(story)
    mary, jose = homes(story, "m1")[0], homes(story, "j1")[0]
    assert mary < jose
    start = note(story)
    done(story, MergeProfiles(profile_ids=(mary, jose)))
    merged = note(story)
    found = story.profiles.diff(jose, since=AsOf(at=start.at), until=AsOf(at=merged.at), disclosure=FULL)
    assert found.before is not None
    assert (found.before.profile_id, found.after.profile_id) == (jose, mary)
    assert set(found.joined) == start.profiles[mary]
    assert found.left == ()
    assert [other.profile_id for other in found.others] == [mary]
    moved = tuple(start.profiles[mary] - {mary})
    done(story, SplitProfile(profile_id=mary, record_ids=moved))
    back = story.profiles.diff(mary, since=AsOf(at=merged.at), until=NOW, disclosure=FULL)
    assert back.left == moved
    assert [other.record_ids for other in back.others] == [moved]
    fresh = story.profiles.diff(mary, since=AsOf(at=NOON), until=NOW, disclosure=FULL)
    assert fresh.before is None
    assert fresh.joined == fresh.after.record_ids


def test_a_record_that_was_withdrawn_keeps_its_past(story: Story) -> None:
    two_people(story)
    mary, jose = homes(story, "m1")[0], homes(story, "j1")[0]
    done(story, MergeProfiles(profile_ids=(mary, jose)))
    [j1] = births(story, "j1")
    merged = note(story)
    # The lower payload digest counts: some other content takes the event's place, and the record of the first one holds nothing any more.
    for number in range(40):
        story.ingest(customer("j1", email=f"somebody{number}@other.org", given_name="Sue", family_name="Poe"))
        if not story.rows("SELECT FROM record WHERE birth_id = %s AND sightings > 0", j1):
            break
    story.drain()
    assert not story.rows("SELECT FROM record WHERE birth_id = %s AND sightings > 0", j1)
    with pytest.raises(EndedIdError):
        as_of(story, j1, NOW)
    assert as_of(story, j1, AsOf(at=merged.at)) == (mary, merged.profiles[mary])


def test_what_cannot_be_asked_is_refused_by_name(story: Story) -> None:
    two_people(story)
    [mary, _] = homes(story, "m1", "m2")
    with pytest.raises(UnknownIdError) as unknown:
        as_of(story, NOBODY, NOW)
    assert unknown.value.metadata == {"field": "profile_id"}
    with pytest.raises(InvalidArgumentError) as future:
        as_of(story, mary, AsOf(at=datetime(2999, 1, 1, tzinfo=UTC)))
    assert [broken.field for broken in future.value.violations] == ["as_of.at"]
    with pytest.raises(InvalidArgumentError):
        story.profiles.diff(mary, since=NOW, until=AsOf(at=NOON), disclosure=MASKED)

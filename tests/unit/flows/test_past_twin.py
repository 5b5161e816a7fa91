"""Where records were, over the twin: every record at every moment, through merges, splits and withdrawals."""

from __future__ import annotations

import random
from datetime import datetime
from itertools import pairwise
from uuid import UUID

import pytest

from fixtures.stewards import action
from fixtures.story import Story, customer
from goldthread.domain.profiles import AsOf, Disclosure
from goldthread.domain.steward import MergeProfiles, SplitProfile
from goldthread.flows.past import holder, stays
from goldthread.telemetry.metrics import Metrics
from memory import MemoryLedger

PEOPLE = 8
OPERATIONS = 40

Held = dict[UUID, set[UUID]]


def held(memory: MemoryLedger) -> Held:
    """Records by the profile that holds them now; withdrawn ones are held by none."""
    at = memory.tables
    found: Held = {}
    for record_id, row in at.membership.items():
        if at.record[record_id].sightings and row.profile_id is not None:
            found.setdefault(row.profile_id, set()).add(at.record[record_id].birth_id)
    return found


def changed(story: Story, draw: random.Random, number: int, now: Held) -> None:
    """Merges two profiles, splits one, or lets an event be corrected away to a record of its own."""
    large = sorted(home for home, records in now.items() if len(records) > 1)
    if draw.random() < 0.2:
        name = f"e{draw.randrange(PEOPLE)}"
        story.ingest(customer(name, email=f"other{number}@acme.com"))
        story.drain()
    elif large and (len(now) < 3 or draw.random() < 0.5):
        home = draw.choice(large)
        records = sorted(now[home])
        named = tuple(draw.sample(records, draw.randint(1, len(records) - 1)))
        story.steward.operate(action(f"r{number}"), SplitProfile(profile_id=home, record_ids=named))
    else:
        ids = tuple(draw.sample(sorted(now), 2))
        story.steward.operate(action(f"r{number}"), MergeProfiles(profile_ids=ids))


@pytest.mark.parametrize("seed", range(6))
def test_every_record_is_found_where_it_was(seed: int) -> None:
    draw = random.Random(seed)
    memory = MemoryLedger()
    story = Story(memory, Metrics(), dsn="")
    for number in range(PEOPLE):
        story.ingest(customer(f"e{number}", email=f"p{number}@acme.com", amount=1))
    noted: list[tuple[datetime, Held]] = []
    for number in range(OPERATIONS):
        changed(story, draw, number, held(memory))
        noted.append((memory.tables.clock(), held(memory)))
    everybody = sorted(memory.tables.record_by_birth)
    assert any(not row.sightings for row in memory.tables.record.values())
    with memory.transaction() as tx:
        for at, profiles in noted:
            where = {birth_id: home for home, records in profiles.items() for birth_id in records}
            for birth_id in everybody:
                found = holder(tx, birth_id, at=at)
                home = where.get(birth_id)
                assert (found and (found.profile_id, set(found.members))) == (home and (home, profiles[home]))
        for birth_id in everybody:
            way = list(stays(tx, birth_id))
            # Nowhere twice at once, and never out of a profile but where it was withdrawn.
            assert all(earlier.until_at and later.since_at >= earlier.until_at for later, earlier in pairwise(way))
    for at, profiles in noted[::8]:
        for home, records in profiles.items():
            view = story.profiles.profile(home, as_of=AsOf(at=at), disclosure=Disclosure.MASKED)
            assert (view.profile_id, set(view.record_ids)) == (home, records)
            assert view.totals.purchase_count <= len(records)

"""Versions grow with every change of an answer or profile, and every id ever given out still leads somewhere."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from fixtures.story import Story, row_events, tokens_told
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.domain.ports import Answer
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from oracle.models import shipped, small_limits


def town(seed: int) -> list[dict[str, str]]:
    options = GenerateOptions(people=24, events=90, seed=seed, households_share=0.8, claims_per_person=2.8)
    return [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]


def answers(story: Story) -> dict[bytes, Answer]:
    tokens = [bytes(token) for (token,) in story.rows("SELECT token FROM token")]
    return dict(zip(tokens, story.ledger.answers(tokens), strict=True))


def content(answer: Answer) -> Answer:
    """The answer without the snapshot it was read from."""
    return replace(answer, version=0)


def profiles(story: Story) -> dict[UUID, tuple[Any, ...]]:
    rows = story.rows(
        "SELECT profile_id, version, live, ambiguous, name_record, address_record, birth_date_record, purchase_count, "
        "purchase_total_minor, last_purchase_at, last_purchase_store, "
        "ARRAY(SELECT birth_id FROM record JOIN membership USING (record_id) "
        "WHERE membership.profile_id = profile.profile_id ORDER BY 1) FROM profile"
    )
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize(
    ("seed", "model"), [(1, shipped()), (2, small_limits(max_block=3, max_component=6, generic=1))]
)
def test_versions_grow_with_every_change(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, seed: int, model: str
) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model)
    events = row_events(town(seed))
    draw = random.Random(seed)
    draw.shuffle(events)
    told: dict[bytes, Answer] = {}
    held: dict[UUID, tuple[Any, ...]] = {}
    changes = 0
    stamp = ledger.stamp()
    while events:
        size = draw.randint(1, 6)
        batch, events = events[:size], events[size:]
        story.ingest(*batch)
        now, standing = answers(story), profiles(story)
        # Every commit is a new stamp, so no answer of before can pass for one of after.
        assert min(answer.version for answer in now.values()) > stamp
        stamp = ledger.stamp()
        for token, before in told.items():
            after = now[token]
            if content(after) != content(before):
                changes += 1
                assert after.version > before.version
        for profile_id, former in held.items():
            present = standing[profile_id]
            assert present[0] >= former[0]
            if present[1:] != former[1:]:
                assert present[0] != former[0]
        told, held = now, standing
    assert changes > 50
    ended = {profile_id for profile_id, (_, live, *_) in held.items() if not live}
    assert ended
    for profile_id in held:
        home = ledger.profile_of(profile_id)
        assert home is not None
        assert held[home][1] is True
        assert (home == profile_id) is (profile_id not in ended)
    for profile_id, (_, live, *_, members) in held.items():
        assert (min(members) == profile_id) if live else (members == [])


def test_the_outbox_tells_of_every_version(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn)
    known: dict[bytes, Answer] = {}
    last = changes = 0
    for event in row_events(town(3))[:60]:
        story.ingest(event)
        # Every identifier whose answer is another now is named by a row that this event wrote.
        now, added = answers(story), [row for row in ledger.outbox(10_000) if row.outbox_id > last]
        named = tokens_told(ledger, added)
        changed = {
            token for token, answer in now.items() if token not in known or content(answer) != content(known[token])
        }
        assert changed <= named
        changes += len(changed)
        known, last = now, max((row.outbox_id for row in added), default=last)
    assert changes > 60
    rows = ledger.outbox(10_000)
    assert [row.version for row in rows] == sorted({row.version for row in rows})
    newest = {row.profile_id: (row.version, row.live) for row in rows if row.profile_id}
    assert newest == {
        f"GP-{profile_id}": (version, live)
        for profile_id, version, live in story.rows("SELECT profile_id, version, live FROM profile")
    }


def test_an_id_that_was_never_given_out_leads_nowhere(story: Story) -> None:
    assert story.ledger.profile_of(UUID(int=7)) is None

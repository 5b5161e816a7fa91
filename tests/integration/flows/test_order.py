"""Order independence: however a history is shuffled and cut into batches, the ledger ends where the batch engine and the oracle end."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.partitions import Decided, of_batch, of_ledger, of_oracle
from fixtures.servers import Postgres
from fixtures.story import Story, row_events
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.domain.words import IncomingEvent
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics
from oracle.models import shipped, small_limits

HISTORIES = range(1, 11)
ORDERS = 4
EVENTS = 150


def history(seed: int) -> list[dict[str, str]]:
    """A small town of households with noise, duplicates, shared phones and cards."""
    options = GenerateOptions(people=36, events=EVENTS, seed=seed, households_share=0.8, claims_per_person=2.8)
    return [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]


def model_of(seed: int) -> str:
    """The shipped model, or one whose limits nearly every household crosses."""
    return shipped() if seed % 3 == 0 else small_limits(max_block=3, max_component=6, generic=1)


def sizes(draw: random.Random, order: int) -> Iterator[int]:
    """Batch sizes: all at once, one by one, or anything up to 200."""
    while True:
        yield (EVENTS, 1, draw.randint(1, 25), draw.randint(1, 200))[order]


def standing(story: Story) -> dict[str, list[tuple[Any, ...]]]:
    """Everything else that must not depend on the order, named by addresses: pairs, key states, totals and survivors."""
    return {
        "pairs": story.rows(
            "SELECT least(a.address, b.address), greatest(a.address, b.address), score FROM pair "
            "JOIN record a ON a.record_id = low JOIN record b ON b.record_id = high ORDER BY 1, 2"
        ),
        "tokens": story.rows("SELECT token, generic FROM token ORDER BY 1"),
        "blocks": story.rows("SELECT key, rule, depth, records, crowded FROM block ORDER BY 1"),
        "profiles": story.rows(
            "SELECT (SELECT min(address) FROM record JOIN membership USING (record_id) "
            "WHERE membership.profile_id = profile.profile_id) AS least, "
            "(SELECT address FROM record WHERE record_id = name_record), "
            "(SELECT address FROM record WHERE record_id = address_record), "
            "(SELECT address FROM record WHERE record_id = birth_date_record), "
            "purchase_count, purchase_total_minor, last_purchase_at, last_purchase_store, ambiguous "
            "FROM profile WHERE live ORDER BY 1"
        ),
        "records": story.rows(
            "SELECT address, first_seen, last_seen, sightings, purchase_count, purchase_total_minor, last_purchase_at, "
            "last_purchase_store FROM record ORDER BY 1"
        ),
    }


def play(
    postgres: Postgres, model: str, events: list[IncomingEvent], *, seed: int, order: int
) -> tuple[Decided, object]:
    draw = random.Random(seed * 100 + order)
    shuffled = draw.sample(events, len(events)) if order else events
    dsn = postgres.clone()
    metrics = Metrics()
    try:
        with Ledger(LedgerSettings(dsn=dsn), metrics) as ledger:
            # A part of the orders leaves larger components to redo marks.
            story = Story(ledger, metrics, dsn=dsn, model_text=model, inline_records=4 if order == 2 else None)
            story.ingest_in_batches(shuffled, sizes(draw, order))
            story.drain()
            return of_ledger(story), standing(story)
    finally:
        postgres.drop(dsn)


@pytest.mark.parametrize("seed", HISTORIES)
def test_no_order_and_no_cut_into_batches_changes_the_outcome(postgres: Postgres, seed: int) -> None:
    model = model_of(seed)
    rows = history(seed)
    events = row_events(rows)
    first, first_standing = play(postgres, model, events, seed=seed, order=0)
    expected = of_batch(rows, model)
    assert len(expected.clusters) > 10
    assert any(len(cluster) > 2 for cluster in expected.clusters)
    assert first == expected
    for order in range(1, ORDERS):
        decided, standings = play(postgres, model, events, seed=seed, order=order)
        assert decided == expected, f"order {order}"
        assert standings == first_standing, f"order {order}"


@pytest.mark.parametrize("seed", HISTORIES)
def test_the_oracle_agrees(seed: int) -> None:
    model = model_of(seed)
    rows = history(seed)
    matcher = Story.matcher_for(model)
    assert of_oracle(row_events(rows), matcher) == of_batch(rows, model)

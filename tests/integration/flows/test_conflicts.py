"""Two contents under one event id: the lower digest counts, whichever came first, and what the other one had said is taken back whole."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fixtures.counted import content_digest, counted, ranked, untold
from fixtures.partitions import of_batch, of_ledger
from fixtures.servers import Postgres
from fixtures.story import NOON, Story, customer, row_events, tokens_told
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.domain.errors import EventIdConflictError
from goldthread.domain.words import (
    Click,
    ConsentChange,
    IncomingEvent,
    LookupOutcome,
    RejectionReason,
    Violation,
)
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights, shipped, small_limits

EVENT = customer("e1", email="m@acme.com", amount=1000)
OTHERS = {
    "amount": customer("e1", email="m@acme.com", amount=1001),
    "store": customer("e1", email="m@acme.com", amount=1000, store="S2"),
    "time": customer("e1", email="m@acme.com", amount=1000, at=NOON + timedelta(seconds=1)),
    "claim": customer("e1", email="n@acme.com", amount=1000),
    "kind": customer("e1", email="m@acme.com"),
    "click": customer("e1", email="m@acme.com", payload=Click("home")),
    "consent": customer("e1", email="m@acme.com", payload=ConsentChange("newsletter", granted=True)),
}
OTHER = pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())


def changed_tables(before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]) -> set[str]:
    return {table for table in after if after[table] != before[table]}


@OTHER
def test_a_content_that_loses_to_one_that_counts_is_a_dead_letter(story: Story, other: IncomingEvent) -> None:
    winner, loser = ranked(story, [EVENT, other])
    story.ingest(winner)
    before = story.content()
    report = story.ingest(loser)
    assert [rejection.reason for rejection in report.rejections] == [RejectionReason.EVENT_ID_CONFLICT]
    assert (report.taken, report.duplicates) == (0, 0)
    [letter] = story.ledger.dead_letters_unpublished(10)
    assert (letter.reason, letter.source, letter.event_id) == (RejectionReason.EVENT_ID_CONFLICT, "pos", "e1")
    assert letter.violations == (Violation("event_id", "was used before with another content"),)
    for preview in (False, True):
        with pytest.raises(EventIdConflictError) as caught:
            story.resolve(loser, preview=preview)
        assert caught.value.metadata == {"source": "pos", "event_id": "e1"}
    assert changed_tables(before, story.content()) == {"consumer_offset", "dead_letter", "event_conflict"}
    assert story.rows("SELECT payload_digest FROM inbox") == [(content_digest(story, winner),)]
    assert story.rows("SELECT payload_digest FROM event_conflict") == [(content_digest(story, loser),)]


@OTHER
def test_a_content_that_wins_late_takes_the_place_of_the_one_that_counted(story: Story, other: IncomingEvent) -> None:
    winner, loser = ranked(story, [EVENT, other])
    story.ingest(loser)
    before = story.content()
    assert story.resolve(winner, preview=True).duplicate is False
    assert story.content() == before
    report = story.ingest(winner)
    assert (report.taken, report.duplicates, report.rejections) == (1, 0, ())
    assert story.rows("SELECT payload_digest FROM inbox") == [(content_digest(story, winner),)]
    assert story.rows("SELECT payload_digest FROM event_conflict") == [(content_digest(story, loser),)]
    assert untold(story) == []
    # Now it is the one that counts: again it is a repeat, and the loser is refused.
    assert story.ingest(winner).duplicates == 1
    with pytest.raises(EventIdConflictError):
        story.resolve(loser)
    assert len(story.rows("SELECT FROM event_conflict")) == 1


def by_ingest(story: Story, first: IncomingEvent, second: IncomingEvent) -> None:
    story.ingest(first)
    story.ingest(second)


def by_one_batch(story: Story, first: IncomingEvent, second: IncomingEvent) -> None:
    report = story.ingest(first, second)
    assert report.taken == 1
    assert [rejection.reason for rejection in report.rejections] == [RejectionReason.EVENT_ID_CONFLICT]


def by_resolve(story: Story, first: IncomingEvent, second: IncomingEvent) -> None:
    for event in (first, second):
        try:
            story.resolve(event)
        except EventIdConflictError:
            assert event is second


def before_any_look(story: Story, first: IncomingEvent, second: IncomingEvent) -> None:
    story.take(first)
    story.take(second)
    assert story.drain() > 0


@OTHER
@pytest.mark.parametrize("send", [by_ingest, by_one_batch, by_resolve, before_any_look])
def test_both_orders_end_in_equal_content(
    postgres: Postgres,
    other: IncomingEvent,
    send: Callable[[Story, IncomingEvent, IncomingEvent], None],
) -> None:
    ends = []
    for turned in (False, True):
        dsn = postgres.clone()
        try:
            with Ledger(LedgerSettings(dsn=dsn), metrics := Metrics()) as ledger:
                story = Story(ledger, metrics, dsn=dsn)
                # Two profiles that the event may add to, and none of its own making.
                story.ingest(
                    customer("a", source="crm", email="m@acme.com", given_name="Mary", amount=5, at=NOON),
                    customer("b", source="crm", email="n@acme.com", given_name="Nora", amount=7, at=NOON),
                )
                send(story, *((other, EVENT) if turned else (EVENT, other)))
                assert ledger.counts().dirty_marks == 0
                assert untold(story) == []
                ends.append(counted(story))
        finally:
            postgres.drop(dsn)
    assert ends[0] == ends[1]
    assert len(ends[0]["conflicts"]) == 1
    assert len(ends[0]["inbox"]) == 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("cut", [[3], [2, 1], [1, 1, 1]], ids=str)
def test_of_three_contents_one_counts(story: Story, order: Sequence[int], cut: list[int]) -> None:
    contents = [customer("e1", email=f"{name}@acme.com", amount=number) for number, name in enumerate("klm", start=1)]
    winner, *losers = ranked(story, contents)
    story.ingest_in_batches([contents[place] for place in order], cut)
    assert story.rows("SELECT payload_digest FROM inbox") == [(content_digest(story, winner),)]
    assert story.rows("SELECT payload_digest FROM event_conflict ORDER BY 1") == [
        (content_digest(story, loser),) for loser in losers
    ]
    assert len(story.rows("SELECT FROM record WHERE sightings > 0")) == 1
    assert len(story.rows("SELECT FROM profile WHERE live")) == 1
    assert untold(story) == []


def losing(story: Story, loser: IncomingEvent, winner: IncomingEvent) -> IncomingEvent:
    """The winner, its store varied until its content wins."""
    for number in range(64):
        assert winner.payload is not None
        tried = replace(winner, payload=replace(winner.payload, store=f"S{number}"))  # type: ignore[arg-type]
        if content_digest(story, tried) < content_digest(story, loser):
            return tried
    raise AssertionError("no content wins")


def test_a_bridge_that_loses_parts_what_it_had_joined(story: Story) -> None:
    story.ingest(
        customer("a", email="a@acme.com", given_name="Mary", amount=1),
        customer("b", phone="512 478 1234", loyalty_card="777123", amount=2),
    )
    first, second = story.profile_of("a"), story.profile_of("b")
    bridge = customer("x", source="crm", email="a@acme.com", phone="512 478 1234", webshop_number="W-9", amount=50)
    story.ingest(bridge)
    assert story.profile_of("a") == story.profile_of("b")
    [(lost,)] = story.rows("SELECT birth_id FROM record WHERE source = 'crm'")
    before = {kind: story.answer(kind, raw) for kind, raw in (("webshop_number", "W-9"), ("email", "a@acme.com"))}
    winner = losing(story, bridge, customer("x", source="crm", email="else@acme.com", amount=50))
    report = story.ingest(winner)
    assert (report.taken, report.new_records) == (1, 1)
    assert (story.profile_of("a"), story.profile_of("b")) == (first, second)
    assert story.profile_of("x", source="crm") not in {first, second}
    assert untold(story) == []
    assert story.rows("SELECT profile_id, purchase_total_minor FROM profile WHERE live ORDER BY 2") == [
        (first, 1), (second, 2), (story.profile_of("x", source="crm"), 50),
    ]  # fmt: skip
    # What only the lost content said is known to nobody, at a stamp that beats every card of before; so is its id.
    gone = story.answer("webshop_number", "W-9")
    assert (gone.outcome, gone.card) == (LookupOutcome.NOT_FOUND, None)
    assert gone.version > before["webshop_number"].version
    assert gone.token in tokens_told(story.ledger, [row for row in story.ledger.outbox(100) if row.version > 0])
    home = story.ledger.profile_of(lost)
    assert story.rows("SELECT live FROM profile WHERE profile_id = %s", home) == [(False,)]
    after = story.answer("email", "a@acme.com")
    assert after.card is not None
    assert after.version > before["email"].version


def test_a_claim_that_was_withdrawn_comes_back_as_the_same_record(story: Story) -> None:
    story.ingest(customer("a", source="crm", email="a@acme.com", given_name="Mary"))
    lost = customer("x", email="a@acme.com", phone="512 478 1234", amount=5)
    story.ingest(lost)
    home = story.profile_of("x")
    assert home == story.profile_of("a", source="crm")
    born = story.rows("SELECT record_id, birth_id FROM record WHERE source = 'pos'")
    story.ingest(losing(story, lost, customer("x", email="b@acme.com", amount=5)))
    assert story.rows("SELECT sightings FROM record WHERE birth_id = %s", born[0][1]) == [(0,)]
    assert story.answer("phone", "512 478 1234").outcome is LookupOutcome.NOT_FOUND
    # Taken again but not looked at yet, it is as if it had not come: its former home is nobody's profile.
    early = replace(lost, event_id="w", occurred_at=NOON + timedelta(days=9))
    story.take(early)
    assert story.answer("phone", "512 478 1234").outcome is LookupOutcome.NOT_FOUND
    with story.ledger.look() as tx:
        assert tx.ask_standings([born[0][0]])()[born[0][0]].profile_id is None
    assert early.occurred_at is not None
    late = replace(lost, event_id="y", occurred_at=early.occurred_at + timedelta(days=1))
    report = story.ingest(late)
    assert (report.taken, report.new_records) == (1, 0)
    story.drain()
    [(record_id, birth_id, sightings, first_seen, count)] = story.rows(
        "SELECT record_id, birth_id, sightings, first_seen, purchase_count FROM record WHERE birth_id = %s", born[0][1]
    )
    # Nothing of its first life is left in its counts, not even that it was seen earlier.
    assert ((record_id, birth_id), sightings, first_seen, count) == (born[0], 2, early.occurred_at, 2)
    assert story.profile_of("y") == home
    assert story.answer("phone", "512 478 1234").outcome is LookupOutcome.FOUND
    assert untold(story) == []


PHONE = "512 478 1234"


@pytest.mark.parametrize("turned", [False, True], ids=["loser first", "winner first"])
def test_withdrawal_reopens_a_generic_token(ledger: Ledger, ledger_dsn: str, metrics: Metrics, turned: bool) -> None:
    model = small_limits(base=round_weights(), max_block=100, max_component=100, generic=1)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model)
    rows = [
        {"source": "pos", "event_id": "a", "occurred_at": "2025-03-01T10:00:00Z", "phone": PHONE, "given_name": "ann", "family_name": "lee"},
        {"source": "web", "event_id": "b", "occurred_at": "2025-03-01T10:00:00Z", "phone": PHONE, "email": "b@acme.com"},
    ]  # fmt: skip
    story.ingest(*row_events(rows))
    assert story.profile_of("a") == story.profile_of("b", source="web")
    joined = of_ledger(story)
    stranger = customer("x", source="web", phone=PHONE, given_name="Boris", family_name="Katz", amount=3)
    winner = losing(story, stranger, customer("x", source="web", email="else@acme.com", amount=3))
    if not turned:
        story.ingest(stranger)
        assert story.rows("SELECT generic FROM token WHERE type = 2") == [(True,)]
        assert story.rows("SELECT FROM pair") == []
        assert len(of_ledger(story).clusters) == 3
        crowd = story.answer("phone", PHONE)
        assert (crowd.outcome, crowd.card) == (LookupOutcome.AMBIGUOUS, None)
    story.ingest(winner)
    if turned:
        story.ingest(stranger)
    story.drain()
    assert story.rows("SELECT generic, records, name_keys FROM token WHERE type = 2") == [(False, 2, 1)]
    assert len(story.rows("SELECT FROM pair")) == 1
    assert untold(story) == []
    assert joined.clusters < of_ledger(story).clusters
    assert story.answer("phone", PHONE).outcome is LookupOutcome.FOUND


def test_withdrawal_reopens_a_crowded_block(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    """Four records share name and town, three are the limit: the block closes, its refinements part them, and it opens again without the fourth."""
    whole_names = 'parts = ["names_sorted"]\nrefinements = []'
    model = small_limits(max_block=3, max_component=100, generic=8)
    assert whole_names in model
    model = model.replace(whole_names, whole_names.replace("[]", '["postcode"]'))
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model)
    town: dict[str, Any] = {"given_name": "Annabel", "family_name": "Leighton", "city": "Kiel"}
    kept = [customer(f"e{number}", source=f"s{number}", postcode=f"{number}4103", **town) for number in range(3)]
    story.ingest(*kept)
    whole = counted(story)
    assert len(whole["pairs"]) == 3
    fourth = customer("x", source="s9", postcode="94103", amount=4, **town)
    story.ingest(fourth)
    story.drain()
    assert story.rows("SELECT FROM block WHERE crowded AND depth = 0") != []
    assert len(story.rows("SELECT FROM block WHERE depth > 0")) > 0
    assert story.rows("SELECT FROM pair") == []
    story.ingest(losing(story, fourth, customer("x", source="s9", email="else@acme.com", amount=4)))
    story.drain()
    assert story.rows("SELECT FROM block WHERE crowded") == []
    assert untold(story) == []
    after = counted(story)
    assert after["pairs"] == whole["pairs"]
    # And it closes again for the next one.
    story.ingest(replace(fourth, event_id="y"))
    story.drain()
    assert story.rows("SELECT FROM block WHERE crowded AND depth = 0") != []
    assert story.rows("SELECT FROM pair") == []
    assert untold(story) == []


def history(seed: int) -> list[dict[str, str]]:
    options = GenerateOptions(people=24, events=90, seed=seed, households_share=0.8, claims_per_person=2.8)
    return [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]


@pytest.mark.parametrize("seed", range(1, 7))
def test_histories_full_of_conflicts_end_as_the_batch_engine_in_any_order(postgres: Postgres, seed: int) -> None:
    """A third of the ids is used twice or three times, for what somebody else said elsewhere."""
    model = shipped() if seed % 3 == 0 else small_limits(max_block=3, max_component=6, generic=1)
    draw, rows = random.Random(seed), history(seed)
    said: list[tuple[dict[str, str], IncomingEvent]] = []
    for row in rows:
        key = {"source": row["source"], "event_id": row["event_id"]}
        contents = [row, *({**draw.choice(rows), **key} for _ in range(draw.choice([0, 0, 1, 2])))]
        said += [(one, event) for one, event in zip(contents, row_events(contents), strict=True)]
    ends = []
    for order in range(3):
        dsn = postgres.clone()
        try:
            with Ledger(LedgerSettings(dsn=dsn), metrics := Metrics()) as ledger:
                story = Story(ledger, metrics, dsn=dsn, model_text=model, inline_records=4 if order == 2 else None)
                best: dict[tuple[str, str], tuple[bytes, dict[str, str]]] = {}
                for row, event in said:
                    key, digest = (event.source, event.event_id), content_digest(story, event)
                    best[key] = min(best.get(key, (digest, row)), (digest, row), key=lambda one: one[0])
                waiting = draw.sample([event for _, event in said], len(said))
                while waiting:
                    size = draw.randint(1, 30)
                    story.ingest(*waiting[:size])
                    waiting = waiting[size:]
                story.drain()
                assert untold(story) == []
                assert of_ledger(story) == of_batch([row for _, row in best.values()], model), f"order {order}"
                ends.append(counted(story))
        finally:
            postgres.drop(dsn)
    assert len(ends[0]["conflicts"]) > 20
    assert ends[0] == ends[1] == ends[2]

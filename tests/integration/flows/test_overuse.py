"""Cards that are swiped for everybody: what the records that carry an identifier did on one UTC day closes it, whoever came first."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from fixtures.counted import counted, ranked, untold
from fixtures.models import of_one_pair
from fixtures.partitions import of_ledger, of_oracle
from fixtures.servers import Postgres
from fixtures.story import Story, customer, tokens_told
from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.words import IncomingEvent, LookupOutcome
from goldthread.ledger import Ledger, LedgerSettings, LedgerTransaction
from goldthread.telemetry.metrics import Metrics
from oracle.models import small_limits

CARD = "777123456"
DAY = datetime(2025, 6, 1, tzinfo=UTC)
CARD_STATE = "SELECT generic, overused FROM token WHERE type = 3"


def swipe(number: int, *, at: datetime | None = None, store: str = "S1", **said: str) -> IncomingEvent:
    """A purchase under the cashier's card; without anything else said, all of them are one claim."""
    at = at or DAY + timedelta(minutes=number)
    return customer(f"e{number}", loyalty_card=CARD, amount=100, store=store, at=at, **said)


def swiped_for(number: int, *, store: str = "S1") -> IncomingEvent:
    """The same for a customer whose e-mail address is known."""
    return swipe(number, store=store, email=f"c{number}@acme.com")


def card_token(story: Story) -> bytes:
    return story.answer("loyalty_card", CARD).token


def test_thirty_purchases_on_a_day_are_a_customers_and_thirty_one_are_not(story: Story) -> None:
    story.ingest(*(swipe(number) for number in range(30)))
    assert story.rows(CARD_STATE) == [(False, False)]
    before = story.answer("loyalty_card", CARD)
    assert before.outcome is LookupOutcome.FOUND
    known = {row.outbox_id for row in story.ledger.outbox(1000)}
    story.ingest(swipe(30))
    story.drain()
    assert story.rows(CARD_STATE) == [(True, True)]
    after = story.answer("loyalty_card", CARD)
    assert (after.outcome, after.card) == (LookupOutcome.AMBIGUOUS, None)
    assert after.version > before.version
    fresh = [row for row in story.ledger.outbox(1000) if row.outbox_id not in known]
    assert after.token in tokens_told(story.ledger, fresh)
    assert story.metrics.registry.get_sample_value("goldthread_keys_closed_total", {"kind": "token_loyalty_card"}) == 1
    # Closed once; more of the same is no news.
    story.ingest(swipe(31))
    assert story.drain() == 0
    assert story.metrics.registry.get_sample_value("goldthread_keys_closed_total", {"kind": "token_loyalty_card"}) == 1


def test_the_day_is_that_of_the_events_in_utc(story: Story) -> None:
    """Thirty before midnight and thirty after it are two busy days; the clock of the till's time zone does not count."""
    zone = timezone(timedelta(hours=5))
    midnight = datetime(2025, 6, 2, tzinfo=UTC)
    story.ingest(*(swipe(number, at=midnight - timedelta(minutes=number + 1)) for number in range(30)))
    story.ingest(*(swipe(100 + n, at=(midnight + timedelta(minutes=n)).astimezone(zone)) for n in range(30)))
    story.drain()
    assert story.rows(CARD_STATE) == [(False, False)]
    story.ingest(swipe(200, at=(midnight + timedelta(hours=23, minutes=59)).astimezone(zone)))
    story.drain()
    assert story.rows(CARD_STATE) == [(True, True)]


def test_six_stores_on_a_day_close_a_card_and_five_with_the_web_shop_do_not(story: Story) -> None:
    story.ingest(*(swipe(number, store=store) for number, store in enumerate(["", "S1", "S2", "S3", "S4", "S5", "S5"])))
    story.drain()
    assert story.rows(CARD_STATE) == [(False, False)]
    story.ingest(swipe(50, store="S6", at=DAY + timedelta(days=1)))
    story.drain()
    assert story.rows(CARD_STATE) == [(False, False)]
    story.ingest(swipe(51, store="S6"))
    story.drain()
    assert story.rows(CARD_STATE) == [(True, True)]


def test_clicks_are_no_use(story: Story) -> None:
    story.ingest(*(customer(f"e{number}", loyalty_card=CARD) for number in range(60)))
    story.drain()
    assert story.rows(CARD_STATE) == [(False, False)]


def cuts(draw: random.Random, order: int) -> list[int]:
    return ([1000], [1] * 1000, [draw.randint(1, 9) for _ in range(1000)])[order]


def crowd(kind: str) -> list[IncomingEvent]:
    """Six customers, all swiped with one card beside their own device, and each seen elsewhere as well."""
    own = [customer(f"own{number}", source="webshop", device=f"dev-{number}") for number in range(6)]
    if kind == "stores":
        return own + [swipe(number, store=f"S{number}", device=f"dev-{number}") for number in range(6)]
    # Each of them five times, and one once more: no record alone buys too often.
    return own + [
        swipe(10 * again + number, device=f"dev-{number}")
        for again in range(6)
        for number in range(6)
        if again < 5 or number == 0
    ]


@pytest.mark.parametrize("kind", ["purchases", "stores"])
def test_no_order_and_no_cut_decides_whether_a_card_is_closed(postgres: Postgres, kind: str) -> None:
    events = crowd(kind)
    model = small_limits(max_block=100, max_component=100, generic=8)
    ends = []
    for order in range(3):
        for inline in (None, 3):
            draw = random.Random(order)
            dsn = postgres.clone()
            try:
                with Ledger(LedgerSettings(dsn=dsn), metrics := Metrics()) as ledger:
                    story = Story(ledger, metrics, dsn=dsn, model_text=model, inline_records=inline)
                    story.ingest_in_batches(draw.sample(events, len(events)), cuts(draw, order))
                    story.drain()
                    assert ledger.counts().dirty_marks == 0
                    assert story.rows(CARD_STATE) == [(True, True)]
                    assert untold(story) == []
                    assert of_ledger(story) == of_oracle(events, story.matcher, closed=[card_token(story)])
                    ends.append(counted(story))
            finally:
                postgres.drop(dsn)
    assert len(ends[0]["profiles"]) == 6
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize("order", range(3))
def test_one_swipe_fewer_leaves_it_open(ledger: Ledger, ledger_dsn: str, metrics: Metrics, order: int) -> None:
    events = crowd("purchases")[:-1]
    assert sum(event.event_id.startswith("e") for event in events) == 30
    draw = random.Random(order)
    model = small_limits(base=of_one_pair(), max_block=100, max_component=100, generic=8)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model)
    story.ingest_in_batches(draw.sample(events, len(events)), cuts(draw, order))
    story.drain()
    assert story.rows(CARD_STATE) == [(False, False)]
    assert of_ledger(story) == of_oracle(events, story.matcher)
    assert len(of_ledger(story).clusters) == 1
    assert len(of_oracle(events, story.matcher, closed=[card_token(story)]).clusters) == 6


def test_a_preview_of_the_swipe_that_closes_a_card_shows_it_closed(story: Story) -> None:
    story.ingest(customer("a", source="webshop", loyalty_card=CARD, email="m@acme.com"), *(swipe(n) for n in range(30)))
    home = story.profile_of("a", source="webshop")
    assert story.profile_of("e0") == home
    before = story.content()
    told = story.resolve(swipe(30, email="n@acme.com"), preview=True)
    assert (told.profile_id, told.evidence) == ("", ())
    assert story.content() == before
    done = story.resolve(swipe(30, email="n@acme.com"))
    assert done.decision is told.decision
    story.drain()
    assert story.profile_of("e0") != story.profile_of("a", source="webshop")


def test_a_preview_locks_places_once_though_it_begins_again_in_its_transaction(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places locked before it begins again come before others in no order: two such transactions would wait in a circle."""
    story.ingest(*(swiped_for(number) for number in range(10)), *(swipe(number) for number in range(10, 30)))
    locked: list[set[int]] = []
    original = LedgerTransaction.ask_members

    def ask_members(self: LedgerTransaction, record_ids: Collection[int]) -> Any:
        locked.append(set(record_ids))
        return original(self, record_ids)

    monkeypatch.setattr(LedgerTransaction, "ask_members", ask_members)
    assert story.resolve(swipe(30), preview=True).duplicate is False
    [places] = locked
    assert len(places) > 1


def test_a_preview_waits_for_no_lock_that_it_would_take_out_of_order(story: Story) -> None:
    """A writer who holds the card might wait for what the preview holds: so the preview gives way, and comes again."""
    story.ingest(*(swipe(number) for number in range(30)))
    with psycopg.connect(story.dsn) as other:
        other.execute("SELECT FROM token WHERE type = 3 FOR NO KEY UPDATE")
        with pytest.raises(LedgerUnavailableError) as caught:
            story.resolve(swipe(30), preview=True)
        assert caught.value.metadata["sqlstate"] == "55P03"
        assert len(story.sleeps) == 4
    assert story.resolve(swipe(30), preview=True).duplicate is False


@pytest.mark.parametrize("late", [False, True], ids=["counted first", "lost at once"])
def test_a_card_opens_again_when_the_purchase_too_many_is_taken_back(story: Story, late: bool) -> None:
    last = [swipe(30, at=DAY + timedelta(days=days, minutes=30)) for days in (0, 1, 2, 3)]
    order = ranked(story, last)
    # The content on the busy day must lose: vary what is on the other days until it does.
    extra = 0
    while order[0] is last[0]:
        extra += 1
        last[1] = swipe(30, at=DAY + timedelta(days=1, minutes=30 + extra))
        order = ranked(story, last)
    busy, winner = last[0], order[0]
    story.ingest(*(swipe(number) for number in range(30)))
    for event in (busy, winner) if not late else (winner, busy):
        story.ingest(event)
        story.drain()
        if event is busy and not late:
            assert story.rows(CARD_STATE) == [(True, True)]
    assert story.rows(CARD_STATE) == [(False, False)]
    assert story.answer("loyalty_card", CARD).outcome is LookupOutcome.FOUND
    assert untold(story) == []


def test_two_workers_that_each_take_half_close_it_together(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    """Both have committed before either looks: the look of whoever was last to mark counts all."""
    one, other = (Story(ledger, metrics, dsn=ledger_dsn) for _ in range(2))

    def half(numbers: Sequence[int]) -> list[IncomingEvent]:
        return [swiped_for(number) for number in numbers]

    marks = one.take(*half(range(16)))
    more = other.take(*half(range(16, 31)))
    one.looker.look(marks)
    other.looker.look(more)
    one.drain()
    assert one.rows(CARD_STATE) == [(True, True)]
    assert one.rows("SELECT FROM pair") == []
    assert len(of_ledger(one).clusters) == 31

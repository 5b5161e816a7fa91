"""Survivorship by a policy: what the ledger picks is what the twin picks, and a change of policy reaches every profile."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import permutations

import pytest

from fixtures.story import NOON, Story, customer
from goldthread.domain.profiles import NOW, Disclosure
from goldthread.domain.survivorship import DEFAULT_SURVIVORSHIP, Rule, Survivorship, survivorship_of
from goldthread.flows.remodel import RemodelFlow
from goldthread.flows.retry import Retry
from goldthread.ledger import ProfileRow
from goldthread.telemetry.metrics import Metrics
from memory import MemoryLedger

POLICY = """
version = "shop-1"
trust = ["crm", "web"]
[name]
order = ["trust", "recency"]
[address]
order = ["frequency", "recency"]
[birth_date]
order = ["trust", "frequency"]
"""


def several_words(story: Story, seed: int = 5) -> None:
    """One customer of whom several sources say different things, in one order whatever the ledger."""
    draw = random.Random(seed)
    number = 0
    for source in ("pos", "web", "crm", "app"):
        for version in range(3):
            said = {"email": "mary@acme.com"}
            if draw.random() < 0.8:
                said |= {"given_name": "Mary", "family_name": draw.choice(["Smith", "Smyth"])}
            if draw.random() < 0.7:
                said |= {"city": "Austin", **({"street": f"{version + 1} Oak St"} if draw.random() < 0.5 else {})}
            if draw.random() < 0.6:
                said |= {"birth_date": "1980-02-03"}
            for _ in range(draw.randint(1, 3)):
                number += 1
                at = NOON + timedelta(hours=draw.randint(0, 5))
                story.ingest(customer(f"e{number}", source=source, at=at, phone=f"512 478 10{version:02}", **said))


def surveyed(story: Story, policy: Survivorship) -> dict[bytes, tuple[bytes | None, ...]]:
    """Survivors of each profile by address: surrogates are each ledger's own."""
    held: dict[object, list[bytes]] = {}
    for address, home in story.ledger.partition().items():
        held.setdefault(home, []).append(address)
    with story.ledger.transaction() as tx:
        rows: list[ProfileRow] = list(tx.ask_survey(held, policy)().values())  # type: ignore[arg-type]
        address_of = tx.addresses_of({one for row in rows for one in row.survivors if one is not None})
    return {
        min(held[row.profile_id]): tuple(None if one is None else address_of[one] for one in row.survivors)
        for row in rows
    }


def by_policy(order: tuple[Rule, ...], *, trust: tuple[str, ...] = ("crm", "web")) -> Survivorship:
    return Survivorship("test", name=order, address=order, birth_date=order, trust=trust)


@pytest.mark.parametrize("seed", range(5))
def test_every_order_of_rules_is_decided_as_the_twin_decides(story: Story, seed: int) -> None:
    twin = Story(MemoryLedger(), Metrics(), dsn="")
    for one in (story, twin):
        several_words(one, seed)
    found = set()
    for length in range(1, 5):
        for order in permutations(Rule, length):
            policy = by_policy(order)
            here = surveyed(story, policy)
            assert here == surveyed(twin, policy), order
            found.add(tuple(sorted(here.items())))
    assert len(found) > 3
    # The rules of the default policy, by the query of policies, give what its own query gives.
    default = surveyed(story, DEFAULT_SURVIVORSHIP)
    also = Survivorship("same", birth_date=(Rule.RECENCY, Rule.COMPLETENESS))
    assert not also.is_default
    assert surveyed(story, also) == default


def test_a_change_of_policy_reaches_every_profile(story: Story) -> None:
    several_words(story)
    story.ingest(customer("other", email="jose@other.org", given_name="Jose", family_name="Rivera"))
    home = story.profile_of("e1")
    before = story.profiles.profile(home, as_of=NOW, disclosure=Disclosure.FULL)
    assert {one.rule for one in before.attributes} == {"completeness, recency, address", "recency, address"}
    flow = RemodelFlow(
        ledger=story.ledger,
        matcher=story.matcher,
        retry=Retry(metrics=Metrics(), uniform=random.Random(1).random, sleep=lambda _: None),
        actor="test",
        page=3,
    )
    assert flow.let_survive(POLICY)
    assert not flow.let_survive(POLICY)
    story.drain()
    after = story.profiles.profile(home, as_of=NOW, disclosure=Disclosure.FULL)
    assert {one.name: one.source for one in after.attributes}["family_name"] == "crm"
    assert {one.name: one.rule for one in after.attributes}["street"] == "frequency, recency, address"
    picked = surveyed(story, survivorship_of(POLICY))
    stored = story.rows(
        "SELECT (SELECT address FROM record WHERE record_id = name_record), "
        "(SELECT address FROM record WHERE record_id = address_record), "
        "(SELECT address FROM record WHERE record_id = birth_date_record) FROM profile WHERE live"
    )
    assert sorted(map(tuple, stored), key=str) == sorted(picked.values(), key=str)
    # What comes later is under it too.
    story.ingest(
        customer(
            "late",
            source="pos",
            email="mary@acme.com",
            given_name="Mary",
            family_name="Late",
            at=NOON + timedelta(days=3),
        )
    )
    later = story.profiles.profile(home, as_of=NOW, disclosure=Disclosure.FULL)
    assert {one.name: one.source for one in later.attributes}["family_name"] == "crm"


@pytest.mark.parametrize("seed", range(3))
def test_survivors_do_not_depend_on_the_order_of_events(story: Story, seed: int) -> None:
    flow = RemodelFlow(
        ledger=story.ledger,
        matcher=story.matcher,
        retry=Retry(metrics=Metrics(), uniform=random.Random(1).random, sleep=lambda _: None),
        actor="test",
    )
    events = [
        customer(
            f"e{number}",
            source=source,
            email="mary@acme.com",
            given_name="Mary",
            family_name=family,
            at=NOON + timedelta(hours=number),
        )
        for number, (source, family) in enumerate(
            [("pos", "Smith"), ("crm", "Smyth"), ("web", "Smith"), ("pos", "Smith")]
        )
    ]
    story.ingest(customer("first", email="jose@other.org"))
    flow.let_survive(POLICY)
    story.drain()
    random.Random(seed).shuffle(events)
    for event in events:
        story.ingest(event)
    [[source]] = story.rows(
        "SELECT source FROM profile JOIN record ON record_id = name_record WHERE live AND family_name IS NOT NULL"
    )
    assert source == "crm"

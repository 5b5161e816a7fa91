"""What one record may do to people it has nothing to do with: limits per identifier, shared lines, households, and how far a bridge reaches."""

from __future__ import annotations

import itertools
import random
from typing import Any
from uuid import UUID

import pytest

from fixtures.counted import counted, untold
from fixtures.models import indifferent
from fixtures.partitions import of_ledger, of_oracle
from fixtures.servers import Postgres
from fixtures.story import Story, customer
from goldthread.domain.words import Decision, IncomingEvent, LookupOutcome
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights, small_limits

PHONE = "512 478 1234"
HOME: dict[str, Any] = {"phone": PHONE, "family_name": "Rodriguez", "street": "12 Oak St", "postcode": "78701"}


@pytest.fixture
def limited(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> Story:
    """The flows with a model in which several cards speak against one person by their number alone."""
    return Story(ledger, metrics, dsn=ledger_dsn, model_text=indifferent("loyalty_card"))


def ties(name: str, *kinds: str) -> dict[str, str]:
    """What all records of a group say."""
    number = 100 + ord(name)
    known = {"email": f"{name}@acme.com", "webshop_number": f"W-{number}", "crm_number": f"C-{number}"}
    return {kind: known[kind] for kind in kinds}


def group(name: str, *kinds: str, size: int = 6, cards: int = 3, bare: int = 0) -> list[IncomingEvent]:
    """Records densely linked by the values of these types, which share some cards; `bare` ones carry none."""
    return [
        customer(
            f"{name}{number}",
            source=f"s{number}",
            **ties(name, *kinds),
            **({"loyalty_card": f"7771{ord(name)}{number % cards}"} if number < size else {}),
        )
        for number in range(size + bare)
    ]


def bystanders(metrics: Metrics) -> float:
    """Profiles changed so far though none of their records was marked."""
    return metrics.registry.get_sample_value("goldthread_blast_radius_sum") or 0


BRIDGE = customer("bridge", source="web", **ties("a", "email", "crm_number"), **ties("b", "webshop_number"))


def test_a_bridge_between_two_groups_that_are_full_joins_only_one(limited: Story) -> None:
    """Three cards are one person's limit, and each group has three: what lies between them is for somebody to decide."""
    story = limited
    events = [*group("a", "email", "crm_number"), *group("b", "webshop_number")]
    story.ingest(*events)
    first, second = story.profile_of("a0", source="s0"), story.profile_of("b0", source="s0")
    assert sorted(map(len, of_ledger(story).clusters)) == [6, 6]
    known, versions = bystanders(story.metrics), profile_versions(story)
    story.ingest(BRIDGE)
    assert (story.profile_of("a0", source="s0"), story.profile_of("b0", source="s0")) == (first, second)
    decided = of_ledger(story)
    assert sorted(map(len, decided.clusters)) == [6, 7]
    assert decided == of_oracle([*events, BRIDGE], story.matcher)
    # The limit alone stands between them, so it is asked about, however strong the link is.
    [(low, high)] = story.rows("SELECT low_profile, high_profile FROM review WHERE closed_at IS NULL")
    assert {low, high} == {first, second}
    assert (
        story.answer("webshop_number", ties("b", "webshop_number")["webshop_number"]).outcome is LookupOutcome.AMBIGUOUS
    )
    assert story.answer("loyalty_card", "7771970").outcome is LookupOutcome.NEEDS_CONFIRMATION
    # One record of thirteen was touched; what it did not touch is at most the group that it did not join.
    assert bystanders(story.metrics) - known <= 1
    assert changed_since(versions, story) <= {first, second}
    assert untold(story) == []


@pytest.mark.parametrize("bare", [1, 5])
def test_what_a_bridge_does_to_records_that_fit_both_sides_is_measured(limited: Story, bare: int) -> None:
    """Records without a card fit either side of the limit about equally well, so they stay alone until somebody decides: no more than those."""
    story = limited
    events = [*group("a", "email", "crm_number"), *group("b", "webshop_number", bare=bare)]
    story.ingest(*events)
    assert len(of_ledger(story).clusters) == 2
    known = bystanders(story.metrics)
    story.ingest(BRIDGE)
    decided = of_ledger(story)
    assert decided == of_oracle([*events, BRIDGE], story.matcher)
    assert sorted(map(len, decided.clusters)) == [1] * bare + [6, 7]
    assert bystanders(story.metrics) - known == bare + 1
    assert untold(story) == []


def test_with_room_for_their_cards_the_same_bridge_joins_both(limited: Story) -> None:
    """The control: with three cards between them nothing but the limit is another."""
    story = limited
    events = [*group("a", "email", "crm_number", cards=2), *group("b", "webshop_number", cards=1)]
    story.ingest(*events)
    known = bystanders(story.metrics)
    story.ingest(BRIDGE)
    assert [len(cluster) for cluster in of_ledger(story).clusters] == [13]
    assert of_ledger(story) == of_oracle([*events, BRIDGE], story.matcher)
    # Of the two profiles that changed, the one that lives on holds the bridge; the other one is what it did to a bystander.
    assert bystanders(story.metrics) - known == 1


def test_a_bridge_in_a_chain_of_groups_changes_its_ends_and_at_most_their_neighbours(limited: Story) -> None:
    """Twelve full groups in a row, each bridged to the next. Where a bridge stays can depend on the one before it: no further than that."""
    story = limited
    names = "abcdefghijkl"
    kinds = {
        name: ("email", "crm_number") if place % 2 == 0 else ("webshop_number",) for place, name in enumerate(names)
    }
    events = [event for name in names for event in group(name, *kinds[name], size=4)]
    story.ingest(*events)
    assert len(of_ledger(story).clusters) == len(names)
    for number, (one, other) in enumerate(itertools.pairwise(names)):
        bridge = customer(f"x{number}", source="web", **ties(one, *kinds[one]), **ties(other, *kinds[other]))
        near = {story.profile_of(f"{name}0", source="s0") for name in names[max(0, number - 1) : number + 3]}
        known, versions = bystanders(story.metrics), profile_versions(story)
        story.ingest(bridge)
        events.append(bridge)
        assert bystanders(story.metrics) - known <= 3, number
        # Besides bridges that stay alone.
        bridges = {story.profile_of(f"x{place}", source="web") for place in range(max(0, number - 1), number + 1)}
        assert changed_since(versions, story) <= near | bridges, number
    decided = of_ledger(story)
    assert decided == of_oracle(events, story.matcher)
    assert len(decided.clusters) >= len(names)
    # They are one component all the same: every look at it has all of them before it.
    with story.ledger.look(preview=True) as tx:
        assert len(tx.closure([1])) == len(events)
    assert untold(story) == []


def changed_since(versions: dict[UUID, int], story: Story) -> set[UUID]:
    """Profiles that are new or at another version."""
    return {
        profile_id for profile_id, version in profile_versions(story).items() if versions.get(profile_id) != version
    }


def profile_versions(story: Story) -> dict[UUID, int]:
    return {row[0]: row[1] for row in story.rows("SELECT profile_id, version FROM profile")}


@pytest.mark.parametrize("kind", ["email", "phone", "loyalty_card", "crm_number", "webshop_number", "device", "cookie"])
def test_every_type_has_its_limit(ledger: Ledger, ledger_dsn: str, metrics: Metrics, kind: str) -> None:
    """With room for two values of each type, a chain of claims that would give one person three stops at the second."""
    model = small_limits(max_block=100, max_component=100, generic=8, limit=2)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model)
    tie = "cookie" if kind != "cookie" else "device"
    values = {
        "email": ["k@acme.com", "l@acme.com", "m@acme.com"],
        "phone": ["512 478 1234", "512 478 1235", "512 478 1236"],
    }.get(kind, ["777123450", "777123451", "777123452"])
    events = [
        customer(f"e{number}", source=f"s{number}", **{kind: value, tie: "tie-1"})
        for number, value in enumerate(values)
    ]
    for event in events:
        story.ingest(event)
    sizes = sorted(len(cluster) for cluster in of_ledger(story).clusters)
    assert sum(sizes) == 3
    assert max(sizes) <= 2
    assert of_ledger(story) == of_oracle(events, story.matcher)
    carried = story.rows(
        "SELECT profile_id, count(DISTINCT token_id) FROM membership JOIN record_token USING (record_id) JOIN token USING (token_id) "
        "WHERE type = (SELECT type FROM token WHERE token = %s) GROUP BY 1 HAVING count(DISTINCT token_id) > 2",
        story.answer(kind, values[0]).token,
    )
    assert carried == []


def test_limits_do_not_depend_on_the_order(postgres: Postgres) -> None:
    events = [*group("a", "email", "crm_number"), *group("b", "webshop_number"), *group("c", "email", cards=1), BRIDGE]
    events += [customer("z", source="crm", **ties("c", "email"), **ties("b", "webshop_number"))]
    ends = []
    for seed in range(4):
        dsn = postgres.clone()
        try:
            with Ledger(LedgerSettings(dsn=dsn), metrics := Metrics()) as ledger:
                inline = 3 if seed == 3 else None
                model = indifferent("loyalty_card")
                story = Story(ledger, metrics, dsn=dsn, model_text=model, inline_records=inline)
                draw = random.Random(seed)
                story.ingest_in_batches(draw.sample(events, len(events)), [draw.randint(1, 5) for _ in events])
                story.drain()
                assert of_ledger(story) == of_oracle(events, story.matcher)
                ends.append(counted(story))
        finally:
            postgres.drop(dsn)
    assert all(end == ends[0] for end in ends)


def test_a_number_that_two_card_holders_share_is_a_line_and_no_person(story: Story) -> None:
    """A recycled phone: each of them holds a card and accounts of her own, and nothing but the line speaks for one person."""
    old = {"loyalty_card": "777123", "webshop_number": "W-1", "crm_number": "C-1"}
    new = {"loyalty_card": "777124", "webshop_number": "W-2", "crm_number": "C-2"}
    events = [
        customer("old", phone=PHONE, amount=10, **old),
        customer("new", source="webshop", phone=PHONE, amount=20, **new),
    ]
    story.ingest(*events)
    assert story.profile_of("old") != story.profile_of("new", source="webshop")
    assert story.answer("phone", PHONE).outcome is LookupOutcome.AMBIGUOUS
    assert [story.answer("loyalty_card", card).outcome for card in ("777123", "777124")] == [LookupOutcome.FOUND] * 2
    # Who comes with the line alone is neither of them.
    lone = customer("lone", source="till", phone=PHONE, amount=40)
    assert story.resolve(lone).decision is Decision.AMBIGUOUS
    assert {total for (total,) in story.rows("SELECT purchase_total_minor FROM profile WHERE NOT ambiguous")} == {
        10,
        20,
    }
    assert of_ledger(story) == of_oracle([*events, lone], story.matcher)


@pytest.mark.parametrize(
    "said", [{"given_name": "Mary"}, {"birth_date": "1980-02-03"}, {"email": "m@acme.com"}], ids=str
)
def test_a_line_with_a_name_a_birthday_or_another_identifier_is_no_longer_alone(
    story: Story, said: dict[str, str]
) -> None:
    """The control: such a pair does not contradict, so it is left to its score, and two cards more are one person's."""
    events = [
        customer("old", loyalty_card="777123", phone=PHONE, **said),
        customer("new", source="webshop", loyalty_card="777124", phone=PHONE, **said),
    ]
    story.ingest(*events)
    assert story.profile_of("old") == story.profile_of("new", source="webshop")
    assert of_ledger(story) == of_oracle(events, story.matcher)


def test_a_household_is_written_and_is_no_merge(story: Story) -> None:
    events = [customer("mary", given_name="Mary", **HOME), customer("jose", given_name="Jose", **HOME)]
    story.ingest(*events)
    mary, jose = story.profile_of("mary"), story.profile_of("jose")
    assert mary != jose
    [(low, high, strength)] = story.rows("SELECT low_profile, high_profile, strength FROM household")
    assert {low, high} == {mary, jose}
    # They would be one person if there were no households: so strong is the relation, and so weak what links them.
    [(score,)] = story.rows("SELECT score FROM pair")
    assert strength >= story.matcher.link > score
    decided = of_ledger(story)
    assert len(decided.households) == 1
    assert decided == of_oracle(events, story.matcher)
    # Seen again, they are the same household; nobody's version moves for it.
    versions = profile_versions(story)
    story.ingest(customer("mary2", source="pos", given_name="Mary", **HOME))
    assert len(story.rows("SELECT FROM household")) == 1
    assert profile_versions(story)[jose] == versions[jose]


def test_a_household_ends_with_what_it_shared(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    """A third name closes the phone that was all they had in common."""
    model = small_limits(base=round_weights(), max_block=100, max_component=100, generic=2)
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=model)
    events = [
        customer("mary", given_name="Mary", family_name="Rodriguez", phone=PHONE),
        customer("jose", given_name="Jose", family_name="Rodriguez", phone=PHONE),
    ]
    story.ingest(*events)
    assert len(story.rows("SELECT FROM household")) == len(of_oracle(events, story.matcher).households) == 1
    events.append(customer("boris", given_name="Boris", family_name="Katz", phone=PHONE))
    story.ingest(events[-1])
    story.drain()
    assert story.rows("SELECT FROM household") == []
    assert of_ledger(story) == of_oracle(events, story.matcher)
    assert untold(story) == []


def test_a_household_follows_its_profiles_when_they_merge(story: Story) -> None:
    """Jose's other profile turns out to be his: the relation is between two people, not between their records."""
    events = [
        customer("mary", given_name="Mary", **HOME),
        customer("jose", given_name="Jose", **HOME),
        customer("j2", source="crm", given_name="Jose", email="jose@acme.com"),
    ]
    for event in events:
        story.ingest(event)
    assert len(set(story.ledger.partition().values())) == 3
    events.append(customer("j3", source="web", given_name="Jose", email="jose@acme.com", **HOME))
    story.ingest(events[-1])
    story.drain()
    assert story.profile_of("j2", source="crm") == story.profile_of("jose")
    [(low, high)] = story.rows("SELECT low_profile, high_profile FROM household")
    assert {low, high} == {story.profile_of("mary"), story.profile_of("jose")}
    assert of_ledger(story) == of_oracle(events, story.matcher)
    assert untold(story) == []

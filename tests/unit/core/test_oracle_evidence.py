"""What the oracle makes of plain events: which payloads count, what records hold, which tokens their use closes, survivors.

Phones that change hands are in `test_oracle_epochs`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle import Model, Record, evidence, match
from oracle.cases import plain
from oracle.evidence import (
    Event,
    Golden,
    HeldRecord,
    Purchase,
    Totals,
    Use,
    counting,
    golden,
    use_by_day,
)
from oracle.identity import Digest
from oracle.models import round_weights, small_limits
from oracle.population import ADDRESS_KEY, Population, record_of

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
MODEL = Model.parse(small_limits(base=round_weights(), limit=2, purchases_per_day=3, stores_per_day=2))
PHONE = Digest(2, "", 1, sha256(b"phone").digest())
ANN = record_of("pos", {"given_name": "ann", "family_name": "roe"}, [PHONE])
BOB = record_of("pos", {"given_name": "bob", "family_name": "roe"}, [PHONE])
TOKEN = ANN.identifiers[0].token

holdings = partial(evidence.holdings, address_key=ADDRESS_KEY)
expected = partial(evidence.expected, address_key=ADDRESS_KEY)


def said(
    event_id: str,
    record: Record = ANN,
    *,
    at: datetime = NOON,
    amount: int | None = None,
    store: str = "S1",
    digest: bytes | None = None,
) -> Event:
    """An event; without a digest of its own it has that of its content, as real ones do."""
    content = f"{record.address.hex()} {at.isoformat()} {amount} {store}".encode()
    return Event(
        source="pos",
        event_id=event_id,
        digest=digest or sha256(content).digest(),
        record=record,
        occurred_at=at,
        purchase=None if amount is None else Purchase(amount_minor=amount, store=store),
    )


def test_of_two_payloads_the_lower_digest_counts_and_the_other_leaves_no_trace() -> None:
    low = said("e1", ANN, amount=100, digest=b"\x01")
    high = said("e1", BOB, at=NOON - timedelta(days=9), amount=900, store="S9", digest=b"\xff")
    held = holdings([high, low, high], MODEL)
    assert held.events == {("pos", "e1"): low}
    assert held.quarantined == {(("pos", "e1"), b"\xff")}
    assert held.records.keys() == {ANN.address}
    assert held.records[ANN.address].first_seen == NOON
    assert held.use == {(TOKEN, NOON.date()): Use(1, 1)}


def test_a_record_whose_events_all_went_elsewhere_does_not_exist() -> None:
    before = [said("e1", BOB, digest=b"b"), said("e2", ANN)]
    assert holdings(before, MODEL).records.keys() == {ANN.address, BOB.address}
    after = holdings([*before, said("e1", ANN, digest=b"a")], MODEL)
    assert after.records.keys() == {ANN.address}
    assert after.records[ANN.address].sightings == 2
    kept = holdings([*before, said("e1", ANN, digest=b"a"), said("e3", BOB)], MODEL)
    assert kept.records[BOB.address].sightings == 1


def test_one_event_id_of_two_sources_is_two_events() -> None:
    ours, theirs = said("e1"), replace(said("e1"), source="web")
    assert len(counting([ours, theirs, ours])) == 2


def test_a_record_counts_what_hangs_on_it() -> None:
    days = [timedelta(days=n) for n in range(3)]
    events = [said("e1", at=NOON), said("e2", at=NOON - days[2], amount=250), said("e3", at=NOON - days[1], amount=50)]
    [held] = holdings([*events, *events], MODEL).records.values()
    assert (held.sightings, held.first_seen, held.last_seen) == (3, NOON - days[2], NOON)
    assert held.totals == Totals(
        purchase_count=2, purchase_total_minor=300, last_purchase_at=NOON - days[1], last_purchase_store="S1"
    )


def test_of_two_purchases_at_one_moment_the_greater_store_code_is_the_last() -> None:
    events = [said("e1", amount=1, store="B"), said("e2", amount=2, store="a"), said("e3", amount=3, store="")]
    [held] = holdings(events, MODEL).records.values()
    assert held.totals.last_purchase_store == "a"
    later = said("e4", at=NOON + timedelta(microseconds=1), amount=4, store="")
    [held] = holdings([*events, later], MODEL).records.values()
    assert held.totals.last_purchase_store == ""


def purchases(count: int, *, stores: int = 1, record: Record = ANN, at: datetime = NOON) -> list[Event]:
    """Purchases a second apart, in so many stores in turn."""
    names = [record.attributes["given_name"], f"{at:%d}"]
    return [
        said("-".join((*names, str(n))), record, at=at + timedelta(seconds=n), amount=1, store=f"S{n % stores}")
        for n in range(count)
    ]


@pytest.mark.parametrize(("count", "stores", "closed"), [(3, 2, False), (4, 1, True), (3, 3, True)])
def test_a_token_is_closed_by_what_its_records_bought_in_one_day(count: int, stores: int, closed: bool) -> None:
    assert holdings(purchases(count, stores=stores), MODEL).closed == ({TOKEN} if closed else set())


def test_all_records_of_a_token_and_one_day_alone_count_together() -> None:
    both = [*purchases(2), *purchases(2, record=BOB)]
    assert holdings(both, MODEL).use == {(TOKEN, NOON.date()): Use(4, 1)}
    assert holdings(both, MODEL).closed == {TOKEN}
    yesterday = NOON - timedelta(days=1)
    two_days = [*purchases(2), *purchases(2, record=BOB, at=yesterday)]
    assert holdings(two_days, MODEL).closed == set()


def test_days_are_those_of_utc() -> None:
    late = datetime(2025, 6, 1, 22, 30, tzinfo=timezone(timedelta(hours=-5)))
    events = [said("e1", at=late, amount=1), said("e2", at=datetime(2025, 6, 2, 12, tzinfo=UTC), amount=1)]
    assert use_by_day(events) == {(TOKEN, datetime(2025, 6, 2, tzinfo=UTC).date()): Use(2, 1)}


def test_the_web_shop_is_no_store_and_a_visit_no_purchase() -> None:
    events = [*(said(f"e{n}", amount=1, store=store) for n, store in enumerate(("", "S1", "S2"))), said("e9")]
    assert use_by_day(events) == {(TOKEN, NOON.date()): Use(3, 2)}


def test_a_claim_that_names_a_token_twice_carries_it_once() -> None:
    twice = replace(ANN, identifiers=(*ANN.identifiers, *ANN.identifiers))
    assert use_by_day([said("e1", twice, amount=1)]) == {(TOKEN, NOON.date()): Use(1, 1)}


def test_a_payload_that_counts_no_more_opens_a_token_again() -> None:
    many = purchases(4)
    click = replace(many[0], purchase=None, digest=bytes(32))
    assert holdings(many, MODEL).closed == {TOKEN}
    assert holdings([*many, click], MODEL).closed == set()


def held(
    name: str, *, days: int = 0, given: str = "", family: str = "", said_also: Mapping[str, str] | None = None
) -> HeldRecord:
    """A record seen once; its name is its address."""
    attributes = {"given_name": given, "family_name": family, **(said_also or {})}
    record = Record(
        address=name.encode(), attributes={attribute: value for attribute, value in attributes.items() if value}
    )
    return HeldRecord(record, (said(name, record, at=NOON + timedelta(days=days)),))


def test_a_name_survives_by_parts_then_time_then_address() -> None:
    whole, half = held("a", given="ann", family="roe"), held("b", days=9, family="smith")
    assert golden([whole, half]).name_record == b"a"
    assert golden([whole, half, held("c", days=1, given="anna", family="roe")]).name_record == b"c"
    assert golden([whole, held("b", given="ann", family="doe")]).name_record == b"b"
    assert golden([held("a")]).name_record is None


def test_an_address_survives_by_street_and_postcode_and_a_city_is_one_too() -> None:
    full = held("a", said_also={"street": "12 oak st", "postcode": "02134"})
    street, town = held("b", days=1, said_also={"street": "9 elm st"}), held("c", days=9, said_also={"city": "boston"})
    assert golden([full, street, town]).address_record == b"a"
    assert golden([street, town]).address_record == b"b"
    assert golden([town, held("d", days=10, given="ann")]).address_record == b"c"


def test_a_birth_date_survives_from_the_latest_that_has_one() -> None:
    old, new = (
        held("b", said_also={"birth_date": "1970-01-02"}),
        held("a", days=1, said_also={"birth_date": "1970-02-01"}),
    )
    assert golden([old, new, held("z", days=5)]).birth_date_record == b"a"
    assert golden([held("z")]).birth_date_record is None


def test_a_token_closed_by_use_holds_nobody_together() -> None:
    card = Digest(3, "", 1, sha256(b"till").digest())
    claims = [
        record_of("pos", {"given_name": "ann", "family_name": "roe", "city": city}, [card]) for city in ("york", "bath")
    ]
    few = [said(f"{n}", claim, amount=1) for n, claim in enumerate(claims)]
    more = [said(f"more {n}", claims[0], at=NOON + timedelta(minutes=n), amount=1) for n in range(2)]
    before, after = expected(few, MODEL), expected([*few, *more], MODEL)
    assert [sorted(map(len, one.outcome.partition)) for one in (before, after)] == [[2], [1, 1]]
    assert before.generic == frozenset()
    assert after.generic == {claims[0].identifiers[0].token}
    [profile] = before.profiles.values()
    assert profile.totals.purchase_count == 2
    assert {one.totals.purchase_count for one in after.profiles.values()} == {1, 3}


def test_what_would_be_a_guess_is_refused() -> None:
    with pytest.raises(ValueError, match="time without zone"):
        said("e1", at=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="one digest and two contents"):
        counting([said("e1", amount=1, digest=b"d"), said("e1", digest=b"a"), said("e1", amount=2, digest=b"d")])
    with pytest.raises(ValueError, match="stands for two claims"):
        holdings([said("e1"), said("e2", replace(ANN, attributes={"given_name": "eve"}))], MODEL)


def history(seed: int, *, people: int, events: int) -> list[Event]:
    """A shop's day or two: few event ids, so that payloads collide, repeats, and purchases that close tokens."""
    random = Random(seed)
    records = Population(people, copies=2, noise=0.3, missing=0.3, shared=0.7).records(seed)
    sent = [
        said(
            f"e{random.randrange(max(1, events * 3 // 4))}",
            random.choice(records),
            at=NOON + timedelta(hours=random.randrange(36)),
            amount=random.choice((None, random.randrange(1000))),
            store=random.choice(("", "S1", "S2", "S3")),
        )
        for _ in range(events)
    ]
    return sent + random.sample(sent, len(sent) // 4)


HISTORIES = {"seed": st.integers(0, 2**32), "people": st.integers(1, 12), "events": st.integers(0, 80)}


@settings(max_examples=60, deadline=None)
@given(**HISTORIES, random=st.randoms(use_true_random=False))
def test_no_order_and_no_repetition_matters(seed: int, people: int, events: int, random: Random) -> None:
    sent = history(seed, people=people, events=events)
    again = [*sent, *random.sample(sent, len(sent) // 2)]
    random.shuffle(again)
    first, second = expected(sent, MODEL), expected(again, MODEL)
    assert second.holdings == first.holdings
    assert plain(second.outcome) == plain(first.outcome)
    assert second.profiles == first.profiles


@settings(max_examples=60, deadline=None)
@given(**HISTORIES)
def test_everything_that_counts_is_counted_once(seed: int, people: int, events: int) -> None:
    sent = history(seed, people=people, events=events)
    found = expected(sent, MODEL)
    kept = found.holdings
    assert kept.events.keys() == {event.key for event in sent}
    assert all(event.digest >= kept.events[event.key].digest for event in sent)
    assert len(kept.quarantined) + len(kept.events) == len({(event.key, event.digest) for event in sent})
    assert sum(record.sightings for record in kept.records.values()) == len(kept.events)
    members = Counter(address for profile in found.profiles.values() for address in profile.members)
    assert members == Counter(kept.records.keys())
    bought = [event.purchase for event in kept.events.values() if event.purchase is not None]
    totals = [profile.totals for profile in found.profiles.values()]
    assert sum(one.purchase_count for one in totals) == len(bought)
    assert sum(one.purchase_total_minor for one in totals) == sum(one.amount_minor for one in bought)
    per_token: Counter[bytes] = Counter()
    for (token, _), use in kept.use.items():
        per_token[token] += use.purchases
    for token, count in per_token.items():
        carriers = [one for one in kept.records.values() if token in {two.token for two in one.record.identifiers}]
        assert count == sum(one.totals.purchase_count for one in carriers)


@settings(max_examples=40, deadline=None)
@given(**HISTORIES)
def test_no_record_beats_a_survivor(seed: int, people: int, events: int) -> None:
    found = expected(history(seed, people=people, events=events), MODEL)
    for profile in found.profiles.values():
        records = [found.holdings.records[address] for address in profile.members]
        for other in records:
            assert not _beats(other, profile, found.holdings.records)


def _beats(other: HeldRecord, profile: Golden, records: Mapping[bytes, HeldRecord]) -> bool:
    """Whether another record should have given the name, address or birth date: pair by pair, part by part."""
    parts: tuple[tuple[bytes | None, Sequence[str], Sequence[str]], ...] = (
        (profile.name_record, ("given_name", "family_name"), ("given_name", "family_name")),
        (profile.address_record, ("street", "postcode", "city"), ("street", "postcode")),
        (profile.birth_date_record, ("birth_date",), ()),
    )
    for survivor, wanted, counted in parts:
        if not any(name in other.record.attributes for name in wanted):
            continue
        if survivor is None:
            return True
        mine, theirs = (sum(n in one.record.attributes for n in counted) for one in (other, records[survivor]))
        if mine != theirs:
            if mine > theirs:
                return True
        elif other.last_seen != records[survivor].last_seen:
            if other.last_seen > records[survivor].last_seen:
                return True
        elif other.record.address > survivor:
            return True
    return False


def test_the_generated_histories_reach_every_rule() -> None:
    reached: Counter[str] = Counter()
    for seed in range(30):
        sent = history(seed, people=10, events=80)
        found = expected(sent, MODEL)
        records = [one.record for one in found.holdings.records.values()]
        reached["quarantined"] += len(found.holdings.quarantined)
        reached["withdrawn"] += len({event.record.address for event in sent}) - len(records)
        reached["closed by use"] += len(found.holdings.closed)
        reached["partitions by use"] += plain(match(records, MODEL)) != plain(found.outcome)
        reached["profiles of several"] += sum(len(cluster) > 1 for cluster in found.profiles)
        reached["households"] += len(found.outcome.households)
        reached["over the limit"] += sum(review.strength >= MODEL.link for review in found.outcome.reviews)
        pairs = [(one.left, one.right) for one in found.outcome.households]
        asserted = expected(sent, MODEL, same=pairs[:1], different=pairs[1:])
        reached["assertions"] += set(asserted.outcome.partition) != set(found.outcome.partition)
    assert {name: count for name, count in reached.items() if count < 4} == {}, reached


def test_five_thousand_records_are_not_too_many() -> None:
    """The size the gate compares at: a few seconds, so that the limit on every test would tell if it became hours."""
    records = Population(2500, copies=2, noise=0.3, missing=0.3, shared=0.6).records(3)
    sent = [
        said(f"{n}-{place}", record, at=NOON + timedelta(hours=n), amount=n)
        for n in range(3)
        for place, record in enumerate(records)
    ]
    found = expected(sent, Model.parse(small_limits(max_block=100, max_component=200, generic=8)))
    assert len(records) >= 5000
    assert len(found.holdings.records) == len(records)

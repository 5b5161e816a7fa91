from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import phonenumbers
import pytest

from goldthread.app.generate import (
    COLUMNS,
    Claim,
    EventSort,
    EventStream,
    GeneratedEvent,
    GenerateOptions,
    GenerateSummary,
    Profile,
    generate_events,
)
from goldthread.app.generate.noise import EMAIL_PLACEHOLDERS, NAME_PLACEHOLDERS, PHONE_PLACEHOLDERS

SMALL = GenerateOptions(people=3_000, events=12_000, seed=7)
LOAD = GenerateOptions(people=3_000, events=20_000, seed=7, profile=Profile.REFERENCE)


def made(options: GenerateOptions) -> tuple[list[GeneratedEvent], GenerateSummary]:
    stream = generate_events(options)
    return list(stream), stream.summary()


@pytest.fixture(scope="module")
def default() -> tuple[list[GeneratedEvent], GenerateSummary]:
    return made(SMALL)


@pytest.fixture(scope="module")
def load() -> tuple[list[GeneratedEvent], GenerateSummary]:
    return made(LOAD)


def e164(phone: str, region: str = "US") -> str:
    return phonenumbers.format_number(phonenumbers.parse(phone, region), phonenumbers.PhoneNumberFormat.E164)


def identifiers(claim: Claim) -> set[tuple[str, str]]:
    """The claim's real identifiers in a form of their own making, not the generator's."""
    found: set[tuple[str, str]] = set()
    if claim.email and claim.email not in EMAIL_PLACEHOLDERS:
        found.add(("email", claim.email.strip().lower()))
    if claim.phone and claim.phone not in PHONE_PLACEHOLDERS:
        found.add(("phone", e164(claim.phone)))
    if claim.loyalty_card:
        found.add(("card", claim.loyalty_card.replace(" ", "")))
    for kind in ("crm_number", "webshop_number", "device", "cookie"):
        if value := getattr(claim, kind):
            found.add((kind, value))
    return found


def test_equal_options_give_equal_events() -> None:
    options = replace(SMALL, events=3_000, people=800)
    assert list(generate_events(options)) == list(generate_events(options))


def test_another_seed_gives_other_events() -> None:
    options = replace(SMALL, events=500, people=200)
    assert list(generate_events(options)) != list(generate_events(replace(options, seed=8)))


def test_events_are_made_one_at_a_time_whatever_their_number() -> None:
    stream = generate_events(GenerateOptions(people=1_800_000, events=2_400_000))
    assert isinstance(stream, EventStream)
    assert len(list(itertools.islice(stream, 100))) == 100
    assert stream.summary().events == 100


def test_pools_never_grow_beyond_the_window() -> None:
    stream = generate_events(replace(SMALL, window=50))
    for _ in stream:
        assert len(stream._people) <= 50
        assert len(stream._records) <= 100
        assert len(stream._bridges) <= 50
        assert all(len(person.records) <= 32 for person in stream._people[:3])
    assert stream.summary().people == 3_000


def test_default_profile_has_four_claims_of_three_people(
    default: tuple[list[GeneratedEvent], GenerateSummary],
) -> None:
    events, summary = default
    assert len(events) == summary.events == 12_000
    assert summary.people == len({event.truth for event in events}) == 3_000
    assert summary.records == 4_000
    assert summary.duplicates == 120
    assert summary.bridges == 240
    settled = events[len(events) * 4 // 10 :]
    assert sum(event.sort is EventSort.NEW for event in settled) / len(settled) == pytest.approx(0.15, abs=0.002)


def test_reference_profile_is_the_load_mix(load: tuple[list[GeneratedEvent], GenerateSummary]) -> None:
    events, summary = load
    assert (summary.new_claims, summary.repeats, summary.bridges, summary.duplicates) == (4_000, 15_000, 1_000, 0)
    assert Counter(event.sort for event in events) == {
        EventSort.NEW: 4_000,
        EventSort.REPEAT: 15_000,
        EventSort.BRIDGE: 1_000,
    }
    # Evenly mixed: no quarter of the stream strays far from the shares.
    for start in range(0, 20_000, 5_000):
        part = Counter(event.sort for event in events[start : start + 5_000])
        assert part[EventSort.NEW] / 5_000 == pytest.approx(0.20, abs=0.03)
        assert part[EventSort.BRIDGE] / 5_000 == pytest.approx(0.05, abs=0.02)


def test_new_claims_were_never_made_before_and_repeats_were(
    load: tuple[list[GeneratedEvent], GenerateSummary],
) -> None:
    made_before: set[Claim] = set()
    for event in load[0]:
        assert (event.claim in made_before) == (event.sort is EventSort.REPEAT)
        made_before.add(event.claim)
    assert len(made_before) == load[1].records


@pytest.mark.parametrize("profile", ["default", "load"])
def test_bridges_join_two_records_of_one_person_with_nothing_in_common(
    profile: str, request: pytest.FixtureRequest
) -> None:
    events, summary = request.getfixturevalue(profile)
    seen: defaultdict[int, list[set[tuple[str, str]]]] = defaultdict(list)
    bridges = 0
    for event in events:
        carried = identifiers(event.claim)
        if event.sort is EventSort.BRIDGE:
            bridges += 1
            pairs = itertools.combinations([one for one in seen[event.truth] if one & carried], 2)
            assert any(not one & other for one, other in pairs), event
        if event.sort in {EventSort.NEW, EventSort.BRIDGE}:
            seen[event.truth].append(carried)
    assert bridges == summary.bridges > 0


def test_duplicates_repeat_an_earlier_row_exactly(default: tuple[list[GeneratedEvent], GenerateSummary]) -> None:
    rows: dict[tuple[str, str], tuple[str, ...]] = {}
    duplicates = 0
    for event in default[0]:
        key = (event.claim.source, event.event_id)
        if event.sort is EventSort.DUPLICATE:
            duplicates += 1
            assert rows[key] == event.row()
        else:
            assert key not in rows
            rows[key] = event.row()
    assert duplicates == default[1].duplicates


def test_phones_are_valid_and_variously_written(default: tuple[list[GeneratedEvent], GenerateSummary]) -> None:
    phones = {event.claim.phone for event in default[0] if event.claim.phone} - set(PHONE_PLACEHOLDERS)
    assert len(phones) > 1_000
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(phone, "US")) for phone in phones)
    assert not any(e164(phone)[5:8] == "555" for phone in phones)
    shapes = {"".join("9" if mark.isdigit() else mark for mark in phone) for phone in phones}
    assert {"(999) 999-9999", "999-999-9999", "9999999999", "999.999.9999", "+99999999999"} <= shapes


def test_british_customers_have_british_phones_and_postcodes() -> None:
    events = list(generate_events(GenerateOptions(people=600, events=2_000, region="GB")))
    phones = {event.claim.phone for event in events if event.claim.phone} - set(PHONE_PLACEHOLDERS)
    parsed = [phonenumbers.parse(phone, "GB") for phone in phones]
    assert len(parsed) > 200
    assert all(phonenumbers.is_valid_number(one) and one.country_code == 44 for one in parsed)
    assert {event.currency for event in events} == {"", "GBP"}
    assert all(any(mark.isalpha() for mark in event.claim.postcode) for event in events if event.claim.postcode)


def test_a_locale_mix_brings_foreign_customers_with_their_country_code() -> None:
    options = GenerateOptions(people=1_000, events=3_000, locale_mix={"US": 0.8, "GB": 0.2})
    events = list(generate_events(options))
    phones = {event.claim.phone for event in events if event.claim.phone} - set(PHONE_PLACEHOLDERS)
    codes = Counter(phonenumbers.parse(phone, "US").country_code for phone in phones)
    assert codes[44] / codes.total() == pytest.approx(0.2, abs=0.06)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(phone, "US")) for phone in phones)


def test_six_of_ten_register_records_have_no_email(default: tuple[list[GeneratedEvent], GenerateSummary]) -> None:
    summary = default[1]
    registers = {(e.claim, e.truth) for e in default[0] if e.claim.source == "pos"}
    without = [claim for claim, _ in registers if not claim.email or claim.email in EMAIL_PLACEHOLDERS]
    assert len(registers) == summary.register_records
    assert len(without) == summary.register_records_without_email
    assert len(without) / len(registers) == pytest.approx(0.60, abs=0.03)


def test_registers_know_no_customer_number_and_crm_mostly_does(
    default: tuple[list[GeneratedEvent], GenerateSummary],
) -> None:
    numbered: defaultdict[str, list[bool]] = defaultdict(list)
    for event in default[0]:
        numbered[event.claim.source].append(bool(event.claim.customer_number))
        assert bool(event.store) == (event.claim.source == "pos")
    assert not any(numbered["pos"])
    assert sum(numbered["crm"]) / len(numbered["crm"]) > 0.7
    assert sum(numbered["webshop"]) / len(numbered["webshop"]) > 0.7


def test_store_phones_and_cashier_cards_serve_many_customers(
    default: tuple[list[GeneratedEvent], GenerateSummary],
) -> None:
    people: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for event in default[0]:
        for identifier in identifiers(event.claim):
            people[identifier].add(event.truth)
    crowded = [kind for (kind, _), of in people.items() if len(of) > 8]
    assert set(crowded) == {"phone", "card"}
    assert default[1].store_phone_uses > 0
    assert default[1].cashier_card_uses > 0


def test_personal_identifiers_belong_to_one_person(default: tuple[list[GeneratedEvent], GenerateSummary]) -> None:
    owners: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for event in default[0]:
        for kind, value in identifiers(event.claim):
            if kind in {"crm_number", "webshop_number", "device", "cookie"}:
                owners[kind, value].add(event.truth)
    assert len(owners) > 500
    assert all(len(of) == 1 for of in owners.values())


def test_households_share_phones_and_cards_without_sharing_everything() -> None:
    def shared(households_share: float) -> int:
        people: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        for event in generate_events(replace(SMALL, households_share=households_share)):
            for identifier in identifiers(event.claim):
                people[identifier].add(event.truth)
        return sum(2 <= len(of) <= 4 for of in people.values())

    assert shared(0.8) > 2 * shared(0.0)


def test_placeholders_keep_the_truth_of_the_customer(default: tuple[list[GeneratedEvent], GenerateSummary]) -> None:
    placeholders = 0
    for event in default[0]:
        claim = event.claim
        placeholders += (claim.email in EMAIL_PLACEHOLDERS) + (claim.phone in PHONE_PLACEHOLDERS)
        placeholders += claim.family_name in NAME_PLACEHOLDERS
        assert 1 <= event.truth <= 3_000
    assert placeholders == default[1].placeholders > 0


def test_events_stay_within_their_days_and_some_come_late(
    default: tuple[list[GeneratedEvent], GenerateSummary],
) -> None:
    times = [event.occurred_at for event in default[0] if event.sort is not EventSort.DUPLICATE]
    assert min(times) >= "2024-01-02T00:00:00Z"
    assert max(times) < "2026-01-01T00:00:00Z"
    newest, behind = "", 0
    for time in times:
        newest = max(newest, time)
        behind += time[:10] < newest[:10] and time[:13] < newest[:13]
    assert default[1].late / len(times) == pytest.approx(0.03, abs=0.01)
    assert behind > default[1].late * 0.5


def test_as_of_moves_the_days_of_the_events() -> None:
    events = generate_events(replace(SMALL, events=200, people=50, as_of=date(2025, 6, 1)))
    times = [event.occurred_at for event in events]
    assert max(times)[:7] == "2025-05"


def test_a_purchase_has_an_amount_and_nothing_else_does(
    default: tuple[list[GeneratedEvent], GenerateSummary],
) -> None:
    kinds = Counter(event.kind for event in default[0])
    assert set(kinds) == {"purchase", "customer_change", "click", "consent"}
    assert (kinds["purchase"] + kinds["customer_change"]) / kinds.total() > 0.9
    for event in default[0]:
        assert event.amount_minor.isdigit() == (event.kind == "purchase")
        assert event.currency == ("USD" if event.kind == "purchase" else "")


def test_every_claim_says_something(default: tuple[list[GeneratedEvent], GenerateSummary]) -> None:
    for event in default[0]:
        claim = event.claim
        assert identifiers(claim) or (claim.given_name and claim.family_name and claim.birth_date)


def test_a_row_has_all_columns_in_order(default: tuple[list[GeneratedEvent], GenerateSummary]) -> None:
    event = default[0][0]
    row = dict(zip(COLUMNS, event.row(), strict=True))
    assert row["source"] == event.claim.source
    assert row["postcode"] == event.claim.postcode
    assert row["truth"] == str(event.truth)
    assert tuple(COLUMNS[4:20]) == Claim._fields[1:]


def crowds() -> Iterator[GenerateOptions]:
    for people, events in itertools.product((1, 2, 40), (1, 7, 300)):
        for profile in Profile:
            yield GenerateOptions(people=people, events=events, profile=profile, households_share=0.9)


@pytest.mark.parametrize("options", list(crowds()), ids=lambda o: f"{o.people}-{o.events}-{o.profile.value}")
def test_any_proportion_of_people_and_events_gives_exactly_the_events(options: GenerateOptions) -> None:
    events, summary = made(options)
    assert len(events) == summary.events == options.events
    assert len({event.truth for event in events}) == summary.people <= options.people


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("people", 0),
        ("events", 0),
        ("region", "FR"),
        ("locale_mix", {"US": -1.0}),
        ("households_share", 1.0),
        ("claims_per_person", 0.5),
        ("days", 0),
        ("window", 0),
    ],
)
def test_bad_options_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        replace(SMALL, **{name: value})

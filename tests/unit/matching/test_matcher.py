"""The matcher over the real core: what it makes of events, keys and lookups."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from goldthread._core import SealError
from goldthread.domain.errors import ModelFileError, SettingsError
from goldthread.domain.words import (
    Claim,
    CustomerChange,
    DigestForm,
    Identifier,
    IdentifierStatus,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
    RejectionReason,
    Rival,
    Violation,
)
from goldthread.matching import (
    ClusterHousehold,
    ClusterReview,
    Keys,
    LookupKey,
    Matchable,
    Matcher,
    Refusal,
    digest_identifiers,
)
from oracle.models import round_weights

KEYS = Keys.derive(bytes(range(32)))
MATCHER = Matcher(model_text=round_weights(), keys=KEYS, region="US")


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def raw(kind: IdentifierType, value: str, *, namespace: str = "", path: str = "id.raw") -> IncomingIdentifier:
    return IncomingIdentifier(path=path, type=kind, namespace=namespace, raw=value)


def ready(kind: IdentifierType, digest: bytes, form: DigestForm = DigestForm.CANONICAL) -> IncomingIdentifier:
    return IncomingIdentifier(path="id.digest", type=kind, namespace="", form=form, digest=digest)


def event(*identifiers: IncomingIdentifier, source: str = "pos", **attributes: str) -> IncomingEvent:
    return IncomingEvent(
        source=source,
        event_id="e",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        identifiers=identifiers,
        attributes=attributes,
        payload=CustomerChange(),
    )


def claim_of(one: IncomingEvent) -> Claim:
    [[claim], _] = [*MATCHER.normalize([one])]
    assert isinstance(claim, Claim)
    return claim


def test_a_wrong_model_names_its_key() -> None:
    with pytest.raises(ModelFileError) as caught:
        Matcher(model_text=round_weights().replace("link = 3970", 'link = "much"'), keys=KEYS, region="US")
    assert "link" in caught.value.metadata["key"]


def test_keys_differ_by_purpose_and_version_and_hide() -> None:
    second = Keys.derive(bytes(range(32)), version=2)
    every = [KEYS.token, KEYS.address, KEYS.blocking, KEYS.seal, second.token, second.seal]
    assert len(set(every)) == 6
    assert second.address == KEYS.address
    assert all(len(key) == 32 for key in every)
    assert KEYS.token.hex() not in repr(KEYS)
    assert repr(KEYS.token) not in repr(KEYS)
    with pytest.raises(SettingsError):
        Keys.derive(b"short")


def test_raw_values_and_their_canonical_digests_are_one_identifier() -> None:
    spelled = claim_of(event(raw(IdentifierType.PHONE, "(512) 478-1234"), raw(IdentifierType.EMAIL, " Ann@Acme.COM ")))
    digested = claim_of(
        event(ready(IdentifierType.EMAIL, sha("ann@acme.com")), ready(IdentifierType.PHONE, sha("+15124781234")))
    )
    assert spelled == digested
    assert MATCHER.addresses([spelled]) == MATCHER.addresses([digested])


def test_a_repeated_identifier_counts_once() -> None:
    twice = claim_of(event(raw(IdentifierType.PHONE, "512 478 1234"), raw(IdentifierType.PHONE, "+15124781234")))
    assert len(twice.identifiers) == 1


def test_gmail_addresses_have_a_second_form_that_counts_like_any_identifier() -> None:
    both = claim_of(event(raw(IdentifierType.EMAIL, "a.nn+x@gmail.com")))
    assert {one.form for one in both.identifiers} == {DigestForm.CANONICAL, DigestForm.GMAIL_FOLDED}
    sent = claim_of(
        event(
            ready(IdentifierType.EMAIL, sha("a.nn+x@gmail.com")),
            ready(IdentifierType.EMAIL, sha("ann@gmail.com"), DigestForm.GMAIL_FOLDED),
        )
    )
    assert sent == both
    alone = claim_of(event(ready(IdentifierType.EMAIL, sha("a.nn+x@gmail.com"))))
    # What a record carries is a function of its address: a claim that lacks the second form is another record.
    assert MATCHER.addresses([alone]) != MATCHER.addresses([both])
    assert [len(tokens) for tokens in MATCHER.tokens([both, alone])] == [2, 1]


def test_an_anchor_never_meets_our_own_digest() -> None:
    digest = sha("ann@acme.com")
    ours, theirs = (
        claim_of(event(ready(IdentifierType.EMAIL, digest, form))) for form in (DigestForm(1), DigestForm(3))
    )
    assert MATCHER.addresses([ours]) != MATCHER.addresses([theirs])
    assert MATCHER.tokens([ours])[0][0][3] != MATCHER.tokens([theirs])[0][0][3]


def test_a_customer_number_belongs_to_its_source() -> None:
    number = raw(IdentifierType.CUSTOMER_NUMBER, "47-11")
    pos, crm = claim_of(event(number)), claim_of(event(number, source="crm"))
    assert [one.namespace for one in (*pos.identifiers, *crm.identifiers)] == ["pos", "crm"]
    assert MATCHER.tokens([pos]) != MATCHER.tokens([crm])


def test_addresses_depend_on_source_and_claim_alone() -> None:
    base = event(raw(IdentifierType.EMAIL, "ann@acme.com"), given_name="Ann")
    same = event(raw(IdentifierType.EMAIL, "ANN@acme.com"), given_name=" ann ")
    others = [
        event(raw(IdentifierType.EMAIL, "ann@acme.com"), given_name="Ann", source="crm"),
        event(raw(IdentifierType.EMAIL, "ann@acme.com"), given_name="Anne"),
        event(raw(IdentifierType.EMAIL, "ann@acme.com"), family_name="Ann"),
        event(raw(IdentifierType.EMAIL, "ann@acme.com")),
        event(given_name="Ann"),
    ]
    addresses = MATCHER.addresses([claim_of(one) for one in (base, same, *others)])
    assert addresses[0] == addresses[1]
    assert len(set(addresses)) == 1 + len(others)
    assert {len(address) for address in addresses} == {32}


def test_blanks_and_placeholders_are_taken_away() -> None:
    kept = claim_of(
        event(raw(IdentifierType.EMAIL, "test@test.com"), raw(IdentifierType.PHONE, " "), given_name="Ann", city="n/a")
    )
    assert (kept.identifiers, kept.attributes) == ((), ("ann", None, None, None, None, None, None, None))
    [refused], seen = MATCHER.normalize([event(raw(IdentifierType.EMAIL, "n/a"), ready(IdentifierType.PHONE, sha("")))])
    assert isinstance(refused, Refusal)
    assert refused.reason is RejectionReason.NO_USABLE_CLAIM
    assert dict(seen) == {("email", "placeholder"): 1, ("phone", "placeholder"): 1}


def test_every_invalid_value_is_named_and_only_its_event_refused() -> None:
    bad = event(
        raw(IdentifierType.PHONE, "12", path="first"),
        raw(IdentifierType.EMAIL, "x@", path="second"),
        birth_date="born 1985",
    )
    [refused, taken], _ = MATCHER.normalize([bad, event(given_name="Ann")])
    assert isinstance(refused, Refusal)
    assert {violation.field for violation in refused.violations} == {"first", "second", "claim.attributes.birth_date"}
    assert isinstance(taken, Claim)


def test_a_birth_date_that_no_calendar_has_is_compared_digit_by_digit() -> None:
    kept = claim_of(event(given_name="Ann", birth_date="1985-02-31"))
    assert kept.attributes == ("ann", None, None, None, "1985-02-31", None, None, None)
    dates = ("1985-02-31", "1985-02-13", "1985-02-28")
    [slip] = MATCHER.score(
        [
            matchable(place, given_name="ann", family_name="kowalczyk", birth_date=date)
            for place, date in enumerate(dates[:2])
        ],
        [(0, 1)],
    )
    assert ("birth_date", "near") in [part[:2] for part in MATCHER.contributions(slip.levels, slip.weights)]


def test_nothing_in_nothing_out() -> None:
    assert MATCHER.normalize([]) == ([], {})
    assert MATCHER.addresses([]) == []
    assert MATCHER.tokens([]) == []
    assert MATCHER.score([], []) == []
    assert MATCHER.lookup_keys([]) == []
    assert MATCHER.partition([], [], same=[], different=[]).clusters == []


def test_lookup_keys_are_the_tokens_that_ingest_keeps() -> None:
    claim = claim_of(event(raw(IdentifierType.EMAIL, "a.nn@gmail.com")))
    tokens = {form: token for _, _, form, token in MATCHER.tokens([claim])[0]}
    keys = MATCHER.lookup_keys(
        [
            raw(IdentifierType.EMAIL, "A.NN@gmail.com"),
            raw(IdentifierType.EMAIL, "n/a"),
            raw(IdentifierType.PHONE, "12", path="identifier.raw"),
            ready(IdentifierType.EMAIL, sha("ann@gmail.com"), DigestForm.GMAIL_FOLDED),
        ]
    )
    assert keys == [
        LookupKey(IdentifierType.EMAIL, (tokens[DigestForm.CANONICAL], tokens[DigestForm.GMAIL_FOLDED])),
        None,
        Violation("identifier.raw", "is not a valid phone"),
        LookupKey(IdentifierType.EMAIL, (tokens[DigestForm.GMAIL_FOLDED],)),
    ]


def test_digests_for_producers() -> None:
    found = digest_identifiers(
        [IdentifierType.EMAIL, IdentifierType.PHONE, IdentifierType.LOYALTY_CARD, IdentifierType.EMAIL],
        ["Ann@Acme.com", "12", None, "a.nn@gmail.com"],
        region="US",
    )
    assert [one.status for one in found] == [
        IdentifierStatus.OK,
        IdentifierStatus.INVALID,
        IdentifierStatus.MISSING,
        IdentifierStatus.OK,
    ]
    assert [one.digest for one in found] == [sha("ann@acme.com"), None, None, sha("a.nn@gmail.com")]
    assert [one.folded for one in found] == [None, None, None, sha("ann@gmail.com")]
    assert sha("ann@acme.com").hex() not in repr(found)


def matchable(number: int, *tokens: tuple[int, str, int, bytes], **said: str) -> Matchable:
    names = ("given_name", "middle_name", "family_name", "name_suffix", "birth_date", "street", "city", "postcode")
    return Matchable(bytes([number]) * 32, tuple(said.get(name) for name in names), tokens)


def test_scores_below_the_floor_are_left_out_and_contributions_add_up() -> None:
    email = (1, "", 1, bytes(32))
    records = [
        matchable(1, email, given_name="ann", family_name="kowalczyk"),
        matchable(2, email, given_name="anne", family_name="kowalczyk"),
        matchable(3, given_name="bob", family_name="ng"),
    ]
    [pair] = MATCHER.score(records, [(0, 1), (0, 2), (1, 2)])
    assert pair.place == 0
    parts = MATCHER.contributions(pair.levels, pair.weights)
    assert [(name, level) for name, level, _ in parts] == [
        ("email", "agree"),
        ("given_name", "nickname"),
        ("family_name", "exact"),
    ]
    assert pair.score == 2000 + sum(weight for _, _, weight in parts)
    assert MATCHER.nearest_rival(pair.score, pair.weights) is Rival.HOUSEHOLD
    low, high = MATCHER.probabilities([0, pair.score])
    assert (low, high > 0.99) == (0.5, True)


def test_what_a_household_does_not_share_is_weighed_against_strangers() -> None:
    named = {"given_name": "ann", "family_name": "kowalczyk", "birth_date": "1980-02-03"}
    [pair] = MATCHER.score([matchable(1, **named), matchable(2, **named)], [(0, 1)])
    assert MATCHER.nearest_rival(pair.score, pair.weights) is Rival.STRANGERS


def test_assertions_rule_over_scores() -> None:
    email = (1, "", 1, bytes(32))
    records = [
        matchable(1, email, given_name="ann"),
        matchable(2, email, given_name="ann"),
        matchable(3, city="austin"),
    ]
    [pair] = MATCHER.score(records, [(0, 1)])
    kept = [(0, 1, pair.score)]
    assert MATCHER.partition(records, kept, same=[], different=[]).clusters == [0, 0, 2]
    assert MATCHER.partition(records, kept, same=[(1, 2)], different=[]).clusters == [0, 0, 0]
    assert MATCHER.partition(records, kept, same=[], different=[(0, 1)]).clusters == [0, 1, 2]


def test_spouses_with_one_phone_are_a_household_and_no_review() -> None:
    phone = (2, "", 1, bytes(32))
    records = [
        matchable(1, phone, given_name="otto", family_name="zimmer"),
        matchable(2, phone, given_name="zebulon", family_name="zimmer"),
    ]
    [pair] = MATCHER.score(records, [(0, 1)])
    assert MATCHER.nearest_rival(pair.score, pair.weights) is Rival.HOUSEHOLD
    kept = [(0, 1, pair.score)]
    found = MATCHER.partition(records, kept, same=[], different=[])
    assert (found.clusters, found.reviews) == ([0, 1], [])
    [household] = found.households
    assert household == ClusterHousehold(low=0, high=1, strength=household.strength, low_row=0, high_row=1)
    assert household.strength >= MATCHER.link > pair.score
    assert MATCHER.partition(records, kept, same=[], different=[(0, 1)]).households == []
    assert MATCHER.partition(records, kept, same=[(0, 1)], different=[]).households == []


def test_cards_beyond_the_limit_make_a_review_and_no_merge() -> None:
    email = (1, "", 1, bytes(32))
    cards = [(3, "", 1, bytes([card]) * 32) for card in range(1, 5)]
    records = [
        matchable(1, email, *cards[:2], given_name="otto"),
        matchable(2, email, *cards[2:], given_name="otto"),
    ]
    [pair] = MATCHER.score(records, [(0, 1)])
    assert pair.score >= MATCHER.link
    found = MATCHER.partition(records, [(0, 1, pair.score)], same=[], different=[])
    assert (found.clusters, found.households) == ([0, 1], [])
    [review] = found.reviews
    assert review == ClusterReview(low=0, high=1, strength=review.strength, low_row=0, high_row=1)
    # Asked once, however many records they have: the odds of clusters, not those of a pair (docs/matching.md section 8).
    assert review.strength > pair.score
    fewer = [records[0], matchable(2, email, cards[2], given_name="otto")]
    assert MATCHER.partition(fewer, [(0, 1, pair.score)], same=[], different=[]).clusters == [0, 0]


def test_what_a_token_may_do_in_one_day_is_told_by_the_model() -> None:
    assert (MATCHER.purchases_per_day, MATCHER.stores_per_day) == (30, 5)


def test_name_keys_and_blocking_keys_are_parallel_to_the_records() -> None:
    records = [matchable(1, given_name="robert", family_name="ng"), matchable(2, postcode="78701")]
    assert [key is not None for key in MATCHER.name_keys(records)] == [True, False]
    keys = MATCHER.blocking_keys([matchable(1, family_name="kowalczyk", postcode="78701", given_name="ann"), *records])
    assert {key.row for key in keys} <= {0, 1, 2}
    roots = {key.key for key in keys if key.depth == 0}
    assert all((key.parent == 0) is (key.depth == 0) for key in keys)
    assert {key.parent for key in keys if key.depth == 1} <= roots


def test_what_is_sealed_opens_in_its_context_only() -> None:
    [box] = MATCHER.seal([bytes(24)], [b"here"], [b"payload"])
    assert b"payload" not in box
    assert MATCHER.unseal([b"here"], [box]) == [b"payload"]
    for context, content in ((b"there", box), (b"here", box[:-1] + bytes([box[-1] ^ 1]))):
        with pytest.raises(SealError):
            MATCHER.unseal([context], [content])
    other = Matcher(model_text=round_weights(), keys=Keys.derive(bytes(32)), region="US")
    with pytest.raises(SealError):
        other.unseal([b"here"], [box])


def test_the_form_of_an_identifier_is_part_of_its_value() -> None:
    one = Identifier(type=IdentifierType.EMAIL, namespace="", form=DigestForm.CANONICAL, digest=sha("a"))
    assert one != Identifier(type=IdentifierType.EMAIL, namespace="", form=DigestForm.ANCHOR, digest=sha("a"))

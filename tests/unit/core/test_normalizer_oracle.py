"""The normaliser, tokens and addresses of the core against the oracle and against `phonenumbers`."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from random import Random

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goldthread import _core
from oracle import normalize_attributes, normalize_identifier
from oracle.identity import Digest, address_of, token_of
from oracle.normalizer import Normalized, normalize_extra
from oracle.population import ADDRESS_KEY, CITIES, FAMILY, GIVEN, TOKEN_KEY
from oracle.records import ATTRIBUTES

WRITTEN_REGIONS = """
    US CA GB IE AU NZ DE FR ES IT NL BE CH AT SE NO DK FI PL PT BR MX AR IN JP KR ZA SG TR IL
"""
REGIONS = WRITTEN_REGIONS.split()
SPELLINGS = 50


def by_core(raw: Mapping[str, str | None], region: str) -> tuple[dict[str, str], set[str]]:
    """Clean forms and invalid attributes of one row."""
    clean, invalid = _core.normalize_attributes({name: [value] for name, value in raw.items()}, region=region)
    return {name: value for name, (value,) in clean.items() if value is not None}, {name for _, name in invalid}


def identifier(kind: int, value: str | None, region: str = "US") -> tuple[int, bytes | None, bytes | None]:
    """Status and digests of one identifier."""
    (status,), (digest,), (folded,) = _core.normalize_identifiers([kind], [value], region=region)
    return status, digest, folded


def expected(one: Normalized) -> tuple[int, bytes | None, bytes | None]:
    return one.status, one.digest, one.folded_digest


# Names

LATIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZàâäåçéèëêíïñóôöøúüßłđŁØÆæœşğčžÅÉÖ"
pieces = st.one_of(
    st.sampled_from([word.replace("+", " ") for word in (*GIVEN, *FAMILY)]),
    st.text(LATIN, min_size=1, max_size=9),
)
joints = st.sampled_from([" ", "  ", "-", "'", "’", "–", ". ", ", ", "_", "\u00a0", "/", " & "])
titles = st.sampled_from(["", "", "", "Mr ", "mrs. ", "DR ", "Prof. Dr. ", "Miss "])
suffixes = st.sampled_from(["", "", "", " Jr", " jr.", " SR", " III", " iv", " 2nd", " Jr. III", " Junior", " senior"])
CASES: list[Callable[[str], str]] = [str, str.upper, str.title, str.lower]
cases = st.sampled_from(CASES)


@st.composite
def names(draw: st.DrawFn) -> str:
    words = draw(st.lists(pieces, min_size=1, max_size=3))
    text = words[0]
    for word in words[1:]:
        text += draw(joints) + word
    edge = draw(st.sampled_from(["", " ", "\t", "\ufeff", "\u2003", "-", "'"]))
    return edge + draw(cases)(draw(titles) + text + draw(suffixes)) + edge


@settings(max_examples=300, deadline=None)
@given(names(), names(), st.one_of(st.none(), names()), st.sampled_from([None, "Jr.", "III", "senior", "", "x"]))
def test_names_come_out_alike(given_name: str, family: str, middle: str | None, suffix: str | None) -> None:
    raw = {"given_name": given_name, "family_name": family, "middle_name": middle, "name_suffix": suffix}
    assert by_core(raw, "US") == normalize_attributes(raw, "US")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Madonna", ("", "", "madonna", "")),
        ("John Smith", ("john", "", "smith", "")),
        ("Dr. John Quincy Adams Jr.", ("john", "quincy", "adams", "jr")),
        ("SMITH, JOHN", ("john", "", "smith", "")),
        ("Ludwig van Beethoven", ("ludwig", "", "van beethoven", "")),
        ("María Ana de la Cruz", ("maría", "ana", "de la cruz", "")),
        ("Smith, John Lee", ("john", "lee", "smith", "")),
        ("  ", ("", "", "", "")),
        ("n/a", ("", "", "", "")),
    ],
)
def test_a_full_name_is_split(text: str, parts: tuple[str, ...]) -> None:
    columns = ("given_name", "middle_name", "family_name", "name_suffix")
    wanted = {name: part for name, part in zip(columns, parts, strict=True) if part}
    assert normalize_attributes({"full_name": text}, "US") == (wanted, set())
    assert by_core({"full_name": text}, "US") == (wanted, set())


@settings(max_examples=300, deadline=None)
@given(st.one_of(names(), st.text(max_size=30)), st.one_of(names(), st.text(max_size=30)), st.text(max_size=30))
def test_a_clean_form_is_its_own_clean_form(given_name: str, family: str, other: str) -> None:
    raw: dict[str, str | None] = dict.fromkeys(ATTRIBUTES, other)
    raw |= {"given_name": given_name, "family_name": family}
    once, invalid = by_core(raw, "GB")
    again, still_invalid = by_core({name: once.get(name) for name in ATTRIBUTES}, "GB")
    assert again == once
    # A date that is no calendar day stays one; what could not be read at all is gone.
    assert still_invalid == (invalid & {"birth_date"} if "birth_date" in once else set())


# Dates, streets, cities, postcodes

dates = st.dates(dt.date(1601, 1, 1), dt.date(2100, 12, 31))
layouts = st.sampled_from(
    ["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m-%d-%Y", "%d-%m-%Y", " %Y-%m-%d "]
)


@settings(max_examples=300, deadline=None)
@given(dates, layouts, st.sampled_from(["US", "PH", "BZ", "GB", "DE", "CA"]))
@example(dt.date(1900, 1, 1), "%d/%m/%Y", "GB")
@example(dt.date(1970, 1, 1), "%Y-%m-%d", "US")
def test_birth_dates_are_read_alike(date: dt.date, layout: str, region: str) -> None:
    raw = {"birth_date": date.strftime(layout)}
    assert by_core(raw, region) == normalize_attributes(raw, region)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("1980-02-30", "1980-02-30"),
        ("1980-13-01", "1980-13-01"),
        ("31/31/1980", "1980-31-31"),
        ("14/15/1980", "1980-14-15"),
        ("30/02/1980", "1980-02-30"),
        ("1980-00-00", "1980-00-00"),
        ("2101-01-01", "2101-01-01"),
        ("0000-01-01", "0000-01-01"),
        ("1980-2-30T00:00", "1980-02-30"),
        ("80-1-1", None),
        ("1/1/80", None),
        ("9999", None),
        ("1980-02/03", None),
        ("03/02/1980 10:00", None),
        ("19800203T10:00", None),
    ],
)
def test_what_is_no_date_is_invalid_and_its_digits_stay(text: str, clean: str | None) -> None:
    wanted = ({} if clean is None else {"birth_date": clean}, {"birth_date"})
    assert by_core({"birth_date": text}, "US") == wanted
    assert normalize_attributes({"birth_date": text}, "US") == wanted


joints_of_dates = st.sampled_from(["-", "/", ".", "", " "])
month_or_day = st.sampled_from(["00", "0", "1", "01", "11", "12", "13", "2", "31"])
years = st.sampled_from(["1980", "0000", "1111", "1900", "9999", "1599", "198", "19", "２０００"])
digits_of_dates = st.one_of(
    st.tuples(years, joints_of_dates, month_or_day, joints_of_dates, month_or_day),
    st.tuples(month_or_day, joints_of_dates, month_or_day, joints_of_dates, years),
    st.builds(
        lambda year, joint, one, other: (year, joint, one, joint, other), years, joints_of_dates, *[month_or_day] * 2
    ),
)


@settings(max_examples=300, deadline=None)
@given(
    digits_of_dates,
    st.sampled_from(["{}", "{}", " {}", "{}T10:00", "{} 10:00", "{}t", "{}x", "{}\u00a010", "\u00a0{}"]),
    st.sampled_from(["US", "GB"]),
)
def test_digits_are_read_alike(parts: Sequence[str], written: str, region: str) -> None:
    raw = {"birth_date": written.format("".join(parts))}
    assert by_core(raw, region) == normalize_attributes(raw, region)


@pytest.mark.parametrize(
    "text", ["0000-00-00", "1111-11-11", "9999-99-99", "31/12/9999", "1900-01-01", "N/A", "none", " "]
)
def test_a_date_that_says_nothing_is_missing(text: str) -> None:
    assert by_core({"birth_date": text}, "US") == ({}, set())
    assert normalize_attributes({"birth_date": text}, "US") == ({}, set())


extras = st.one_of(
    names(),
    st.text("abcXYZ012 -'é", max_size=20),
    st.sampled_from(["N/A", "-", "Test", "x" * 513, "é" * 256, "é" * 257]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.none(), extras), max_size=8))
def test_extras_come_out_alike(values: list[str | None]) -> None:
    clean = _core.normalize_extras(values)
    assert clean == [normalize_extra(value) or None for value in values]
    assert _core.normalize_extras(clean) == clean


STREET_PIECES = """
    12 7 120 221b 5th 33 Main Oak Élm Street STREET St. Avenue Avnue Road rd Drive Lane Court Blvd Boulevard North
    n. S SW Apartment Apt unit Suite #4 # Place Square Terrace King Edward's Rosewood Cottage flat
"""
street_pieces = st.sampled_from(STREET_PIECES.split())


@settings(max_examples=400, deadline=None)
@given(st.lists(street_pieces, min_size=1, max_size=6), st.sampled_from([" ", "  ", ", ", " - "]))
@example(["#"], " ")
def test_streets_come_out_alike(words: list[str], joint: str) -> None:
    raw = {"street": joint.join(words)}
    assert by_core(raw, "US") == normalize_attributes(raw, "US")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [*(city.replace("+", " ") for city in CITIES), "St. Paul", "Ft Worth", "MT. Vernon", "St", "Zürich"]
    ),
    cases,
    st.text("0123456789abcXYZ -", max_size=12),
)
def test_cities_and_postcodes_come_out_alike(city: str, case: Callable[[str], str], code: str) -> None:
    raw = {"city": case(city), "postcode": code}
    assert by_core(raw, "US") == normalize_attributes(raw, "US")


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize(
    "text", ["", " ", "\u00a0", "\ufeff", "n/a", "N/A", "null", "None", "UNKNOWN", "-", ".", "?", "xxx", "test"]
)
def test_blanks_and_placeholders_are_missing(attribute: str, text: str) -> None:
    assert by_core({attribute: text}, "US") == ({}, set())
    assert normalize_attributes({attribute: text}, "US") == ({}, set())


# Identifiers


def spellings(number: phonenumbers.PhoneNumber, region: str, random: Random) -> list[str]:
    """Ways in which people write one number, most of them with the country understood."""
    layout = phonenumbers.PhoneNumberFormat
    national = phonenumbers.format_number(number, layout.NATIONAL)
    international = phonenumbers.format_number(number, layout.INTERNATIONAL)
    e164 = phonenumbers.format_number(number, layout.E164)
    bases = [national, international, e164, phonenumbers.format_number(number, layout.RFC3966)]
    made = {*bases, national + " ext. 12", national + " x7", f" {national}\t", f"\u00a0{international}\ufeff"}
    while len(made) < SPELLINGS:
        base = random.choice(bases[:3])
        joint = random.choice(["", " ", "-", ".", "  ", "\u00a0", "/", "‑", " - "])
        spaced = "".join(joint if char in " -" else char for char in base)
        wrapped = random.choice(["{}", " {}", "{} ", "\t{}", "{}\u2003", "\ufeff{}", "Tel: {}", "{};ext=4", "{} x123"])
        full = "".join(chr(0xFF10 + int(char)) if char.isdigit() else char for char in spaced)
        made.add(wrapped.format(random.choice([spaced, spaced, full])))
    return sorted(made)


def example_number(region: str) -> phonenumbers.PhoneNumber:
    """A valid mobile number; the example of the United States is one of the placeholders."""
    if region == "US":
        return phonenumbers.parse("201 666 1234", region)
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert number is not None
    return number


@pytest.mark.parametrize("region", REGIONS)
def test_fifty_spellings_of_a_phone_are_one_token(region: str) -> None:
    number = example_number(region)
    texts = spellings(number, region, Random(region))
    assert len(texts) == SPELLINGS
    statuses, digests, _ = _core.normalize_identifiers([2] * len(texts), texts, region=region)
    wanted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    digest = hashlib.sha256(wanted.encode()).digest()
    assert [text for text, one in zip(texts, digests, strict=True) if one != digest] == []
    assert set(statuses) == {0}
    count = len(texts)
    tokens = _core.tokenize(TOKEN_KEY, [2] * count, [""] * count, [1] * count, [one for one in digests if one])
    assert set(tokens) == {token_of(TOKEN_KEY, Digest(2, "", 1, digest))}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(REGIONS), st.integers(0, 10**9), st.integers(0, 9), st.integers(0, 9))
def test_digits_are_valid_phones_of_the_same_number(region: str, seed: int, first: int, second: int) -> None:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.FIXED_LINE)
    assert number is not None
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    digits = [at for at, char in enumerate(text) if char.isdigit()]
    random = Random(seed)
    for digit in (first, second):
        at = random.choice(digits[1:])
        text = text[:at] + str(digit) + text[at + 1 :]
    assert identifier(2, text, region) == expected(normalize_identifier(2, text, region))


locals_ = st.text("abcXYZ019._+-é", min_size=1, max_size=20).filter(lambda text: text.strip(".") == text)
DOMAINS = """
    gmail.com GMAIL.com googlemail.com Example.co.uk shop.test example.com example.org test.com mail.bücher.de
    web.de a.b.c.d localhost
"""
domains = st.sampled_from(DOMAINS.split())
email_edges = st.sampled_from(["", " ", "\t", "\u00a0", "\ufeff", "\u2003\n", "\x1f"])


@settings(max_examples=300, deadline=None)
@given(locals_, domains, email_edges, st.sampled_from(["@", "@", "@", "@", "", "@@", " @", "@ "]))
@example("test", "test.com", "", "@")
@example("a" * 64, "web.de", "", "@")
@example("a" * 65, "web.de", "", "@")
@example("é" * 33, "web.de", "", "@")
def test_emails_come_out_alike(local: str, domain: str, edge: str, at: str) -> None:
    text = edge + local + at + domain + edge
    assert identifier(1, text) == expected(normalize_identifier(1, text, "US"))


@settings(max_examples=400, deadline=None)
@given(st.integers(3, 8), st.text("abcXYZ0129 -\t\u00a0é/.", max_size=20))
@example(3, "1234567890")
@example(3, "1 2345-6789")
@example(4, "000-000")
@example(5, "x" * 128)
@example(5, "x" * 129)
@example(6, "ab\x07c")
@example(7, "---")
def test_other_numbers_come_out_alike(kind: int, text: str) -> None:
    assert identifier(kind, text) == expected(normalize_identifier(kind, text, "US"))


@pytest.mark.parametrize("kind", range(1, 9))
@pytest.mark.parametrize("text", [None, "", " ", "\t\n", "\u00a0", "\x85", "\ufeff", "\u3000"])
def test_white_space_is_missing_for_every_type(kind: int, text: str | None) -> None:
    assert identifier(kind, text) == (1, None, None)
    assert expected(normalize_identifier(kind, text, "US")) == (1, None, None)


# Digests, tokens and addresses


def test_ready_made_digests_of_nothing_are_placeholders() -> None:
    nothing = ["", " ", "\u00a0", "   ", "test@test.com", "none@none.com", "N/A", "null", "0000000000", "+10000000000"]
    real = ["ann@web.de", "+12016661234", "7", "1111"]
    made = [hashlib.sha256(text.encode()).digest() for text in (*nothing, *real)]
    statuses = _core.check_digests([1] * (len(made) + 1), [*made, b"short"])
    assert statuses == [2] * len(nothing) + [0] * len(real) + [3]


digests = st.builds(
    Digest,
    st.integers(1, 8),
    st.sampled_from(["", "crm", "web shop"]),
    st.sampled_from([1, 2, 3]),
    st.binary(min_size=32, max_size=32),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(digests, min_size=1, max_size=8), st.binary(min_size=32, max_size=70))
def test_tokens_are_those_of_the_page(identifiers: Sequence[Digest], key: bytes) -> None:
    answer = _core.tokenize(key, *map(list, zip(*identifiers, strict=True)))
    assert answer == [token_of(key, one) for one in identifiers]


clean_rows = st.dictionaries(st.sampled_from(ATTRIBUTES), st.text("abc é-'", min_size=1, max_size=8))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["pos", "crm"]),
            st.lists(digests, max_size=4, unique=True),
            clean_rows,
            st.integers(0, 3),
            st.dictionaries(st.sampled_from(["sex", "birth_place", "a1"]), st.text("abc 1", min_size=1, max_size=8)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_addresses_are_those_of_the_page(
    rows: Sequence[tuple[str, list[Digest], dict[str, str], int, dict[str, str]]],
) -> None:
    offsets = [0]
    for _, identifiers, *_ in rows:
        offsets.append(offsets[-1] + len(identifiers))
    every = [one for _, identifiers, *_ in rows for one in identifiers]
    answer = _core.address_records(
        ADDRESS_KEY,
        [source for source, *_ in rows],
        offsets,
        [one.type for one in every],
        [one.namespace for one in every],
        [one.form for one in every],
        [one.digest for one in every],
        {name: [attributes.get(name) for _, _, attributes, *_ in rows] for name in ATTRIBUTES},
        [epoch for *_, epoch, _ in rows],
        extras={name: [said.get(name) for *_, said in rows] for name in ("sex", "birth_place", "a1")},
    )
    assert answer == [
        address_of(ADDRESS_KEY, source, identifiers, attributes, epoch, extras=said)
        for source, identifiers, attributes, epoch, said in rows
    ]

"""What tables are taken for, by headers and by the shapes of values."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from goldthread.files import ExtraKind, Role, Understanding, understand
from goldthread.files.patterns import Pattern, profile_of

ROWS = 200


def column(*values: str | None) -> list[str | None]:
    return [values[row % len(values)] for row in range(ROWS)]


def numbered(form: str) -> list[str | None]:
    return [form.format(row, row % 28 + 1, row % 12 + 1) for row in range(ROWS)]


NAMES = column("Ann", "Bob", "Carla", "Dirk", "Eve")
FAMILIES = column("Smith", "Jones", "Okafor", "Lee", "Vasquez", "Meyer", "Kok")
TOWNS = column("Leeds", "York", "Bath")


def understood(table: Mapping[str, Sequence[str | None]]) -> Understanding:
    return understand(table)


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        (("ann@x.com", "bob@y.org", "carl@z.net"), Pattern.EMAIL),
        (("1980-05-12", "12/5/1981", "19820707"), Pattern.DATE),
        (("+1 360 671 8751", "360-671-8752", "3606718753"), Pattern.PHONE),
        (("3606718751", "3606718752", "3606718753"), Pattern.NUMBER),
        (("SW1A 1AA", "M1 2AB", "98204-1234"), Pattern.POSTCODE),
        (("f", "M", "female"), Pattern.SEX),
        (("1980", "1981", "1999"), Pattern.YEAR),
        (("0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"), Pattern.RANDOM),
        (("York", "St. Ives", "Stoke-on-Trent"), Pattern.WORDS),
        (("came in twice to ask about the blue one", "is going to call again some time next week"), Pattern.TEXT),
        (("A12", "York", "7"), Pattern.MIXED),
    ],
)
def test_shapes_of_values(values: tuple[str, ...], pattern: Pattern) -> None:
    assert profile_of([*values, None, " "]).pattern is pattern


def test_values_decide_where_the_header_is_silent() -> None:
    found = understood(
        {
            "c1": NAMES,
            "field_a": numbered("p{0}@shop{1}.com"),
            "field_b": numbered("+1 360 671 {0:04}"),
            "field_c": numbered("19{1:02}-{2:02}-{1:02}"),
            "field_d": column("SW1A 1AA", "M1 2AB", "LS1 4DY"),
            "field_e": column("m", "f"),
        }
    )
    assert found.mapping.columns == {
        "email": ("field_a",),
        "phone": ("field_b",),
        "birth_date": ("field_c",),
        "postcode": ("field_d",),
    }
    assert found.mapping.extras["field_e"].kind is ExtraKind.PERSON
    assert "values: e-mail addresses" in {finding.reason for finding in found.findings}


def people(*letters: str) -> list[str | None]:
    """A name for every row, many of them different."""
    draw = random.Random(len(letters))
    return ["".join(draw.choice(letters) for _ in range(6)) for _ in range(ROWS)]


def test_where_no_header_names_a_name_the_most_varied_words_are_names() -> None:
    given, family = people(*"abcd"), people(*"efghij")
    found = understood(
        {"c1": TOWNS, "c2": given, "c3": numbered("{0}"), "c4": family, "c5": numbered("+1 360 671 {0:04}")}
    )
    assert found.mapping.columns == {"full_name": ("c2", "c4"), "phone": ("c5",)}
    named = understood({"c1": TOWNS, "c2": given, "nachname": family})
    assert "full_name" not in named.mapping.columns
    assert understood({"c1": TOWNS, "email": numbered("p{0}@x.org")}).mapping.columns.keys() == {"email"}


@pytest.mark.parametrize(("header", "part"), [("nome", "full_name"), ("nom", "full_name"), ("name", "full_name")])
def test_one_name_of_several_words_is_the_whole_name(header: str, part: str) -> None:
    assert understood({header: column("Ana Silva", "João da Costa", "Rui Lopes")}).mapping.columns == {part: (header,)}


def test_values_overrule_a_header_they_contradict() -> None:
    found = understood(
        {"address": numbered("p{0}@shop.com"), "name": FAMILIES, "birthday": column("cake", "none", "card")}
    )
    assert found.mapping.columns == {"email": ("address",), "full_name": ("name",)}


def test_a_birth_date_in_parts_and_a_street_with_its_number() -> None:
    table = {
        "year_of_birth": numbered("19{1:02}"),
        "month_of_birth": numbered("{2}"),
        "day_of_birth": numbered("{1}"),
        "house_no": numbered("{0}"),
        "street_name": column("High Street", "Mill Lane"),
    }
    found = understood(table)
    assert found.mapping.columns == {
        "birth_date": ("year_of_birth", "month_of_birth", "day_of_birth"),
        "street": ("house_no", "street_name"),
    }
    assert found.mapping.table(table)["birth_date"][0] == "1901-1-1"
    whole = understood({**table, "dob": numbered("19{1:02}-{2:02}-{1:02}")})
    assert whole.mapping.columns["birth_date"] == ("dob",)
    assert whole.mapping.table({**table, "dob": ["1901-01-01"] * ROWS})["birth_date"][0] == "1901-01-01"


@pytest.mark.parametrize("date", ["19{1:02}-{2:02}-{1:02}", "{1}.{2}.19{1:02}", "19{1:02}{2:02}{1:02}"])
def test_what_the_birth_date_says_is_left_out_under_any_header(date: str) -> None:
    slips = ["7" if row % 25 == 0 else value for row, value in enumerate(numbered("{2}"))]
    table = {
        "c0": numbered(date),
        "c1": numbered("19{1:02}"),
        "c2": numbered("{1:02}"),
        "c3": slips,
        "c4": column("1", "2", "3"),
    }
    found = understood(table)
    assert found.mapping.columns == {"birth_date": ("c0",)}
    assert found.mapping.extras.keys() == {"c4"}
    reasons = {finding.column: finding.reason for finding in found.findings}
    assert {reasons[part] for part in ("c1", "c2", "c3")} == {"part of the birth date in c0"}
    few = {name: [*values[:15], *[None] * (ROWS - 15)] for name, values in table.items()}
    assert "part of the birth date in c0" not in {finding.reason for finding in understood(few).findings}


def test_names_are_told_apart() -> None:
    whole = column("Ann Smith", "Bob Lee")
    assert understood({"nom": whole}).mapping.columns == {"full_name": ("nom",)}
    assert understood({"Vorname": NAMES, "Name": FAMILIES}).mapping.columns == {
        "given_name": ("Vorname",),
        "family_name": ("Name",),
    }
    assert understood({"voorletters": column("A.", "B.C."), "achternaam": FAMILIES}).mapping.columns == {
        "given_name": ("voorletters",),
        "family_name": ("achternaam",),
    }


def test_what_is_left_out_and_why() -> None:
    found = understood(
        {
            "id": numbered("{0}"),
            "truth": column("1", "2", "3"),
            "customer_id": numbered("K{0}"),
            "first": NAMES,
            "first_again": NAMES,
            "country": column("UK"),
            "notes": column("rang twice about the delivery of her order", "wants to be called in the evening only"),
            "nickname": [None] * ROWS,
            "seldom": ["yes" if row < 3 else None for row in range(ROWS)],
            "code": numbered("X{0}"),
            "joined_us": numbered("2021-{2:02}-{1:02}"),
            "email": numbered("p{0}@x.com"),
            "email_2": numbered("q{0}@x.com"),
        }
    )
    told = {finding.column: (finding.role, finding.reason) for finding in found.findings}
    assert told["id"] == told["customer_id"] == (Role.RECORD_ID, "every row has its own")
    assert told["truth"][0] is Role.LEFT_OUT
    assert told["first_again"] == (Role.LEFT_OUT, "equal to first")
    assert told["country"] == (Role.LEFT_OUT, "(nearly) always the same")
    assert told["nickname"] == (Role.LEFT_OUT, "empty")
    assert told["seldom"] == (Role.LEFT_OUT, "nearly always missing")
    assert told["code"] == (Role.LEFT_OUT, "too many different values")
    assert told["joined_us"] == (Role.LEFT_OUT, "dates, but not of birth")
    assert told["email_2"] == (Role.LEFT_OUT, "another email; email is matched by")
    assert told["notes"][0] is Role.LEFT_OUT
    assert found.mapping.columns == {"given_name": ("first",), "email": ("email",)}
    assert found.mapping.extras == {}


NUMBERS = {name: numbered("K{0}") for name in ("loyalty_id", "crm_id", "webshop_id", "customer_id")}


def test_numbers_of_people_may_be_shared_with_rows_that_are_not_in_the_sample() -> None:
    def made(*, alone: bool, whole: bool) -> set[str]:
        return set(understand({"surname": FAMILIES, **NUMBERS}, alone=alone, whole=whole).mapping.columns)

    shared = {"family_name", "loyalty_card", "crm_number", "webshop_number"}
    assert made(alone=True, whole=True) == {"family_name"}
    # A customer number counts within its source, of which each row is one.
    assert made(alone=True, whole=False) == shared
    assert made(alone=False, whole=True) == made(alone=False, whole=False) == {*shared, "customer_number"}


@pytest.mark.parametrize(("alone", "whole"), [(True, False), (False, True)])
def test_what_headers_name_is_matched_by_whatever_the_first_rows_look_like(alone: bool, whole: bool) -> None:
    table = {
        "phone": [None] * ROWS,
        "loyalty_id": [None] * ROWS,
        "birth_date": column("1900-01-01"),
        "city": column("Leeds"),
        "first_name": NAMES,
        "last_name": NAMES,
    }
    found = understand(table, alone=alone, whole=whole)
    everything = {"phone", "loyalty_card", "birth_date", "city", "given_name", "family_name"}
    assert set(found.mapping.columns) == everything
    # Of a file that has been seen whole and is matched with no other it is known that a town says nothing.
    told = {finding.column: finding.reason for finding in understood(table).findings}
    assert (told["city"], told["last_name"]) == ("(nearly) always the same", "equal to first_name")
    assert told["loyalty_id"] == "header"
    assert set(understood({"first_name": [], "last_name": []}).mapping.columns) == {"given_name", "family_name"}


def test_a_filled_column_is_taken_before_an_empty_one_and_an_exact_header_before_another() -> None:
    phones = numbered("+1 360 671 {0:04}")
    assert understood({"phone": [None] * ROWS, "line": phones}).mapping.columns == {"phone": ("line",)}
    assert understood({"shipping_city": TOWNS, "city": [*TOWNS[1:], None]}).mapping.columns == {"city": ("city",)}


def test_names_of_a_mapping_are_not_looked_for_again() -> None:
    words = {"c0": [f"{chr(97 + row % 26)}{chr(97 + row // 26)}" for row in range(ROWS)]}
    assert understand(words).mapping.columns == {"full_name": ("c0",)}
    assert understand(words, given={"family_name"}).mapping.columns == {}


def test_what_a_mapping_makes_is_not_made_twice() -> None:
    dice = random.Random(1)
    ssn = [str(dice.randrange(10**8, 10**9)) for _ in range(ROWS // 2)] * 2
    table = {
        "email": numbered("p{0}@x.org"),
        "dob": numbered("19{1:02}-{2:02}-{1:02}"),
        "street": column("1 High St", "2 Mill Lane"),
        "birth place": TOWNS,
        "ssn": ssn,
        "sex": column("f", "m"),
    }
    found = understand(table, given={"email", "birth_date", "street", "city", "crm_number", "sex"})
    assert found.mapping.columns == {"loyalty_card": ("ssn",)}
    assert set(found.mapping.extras) == {"birth_place", "sex_2"}
    told = {finding.column: finding.reason for finding in found.findings}
    assert told["email"] == "another email; the mapping names one"


def test_people_who_are_all_alike_are_still_matched_by_what_they_have() -> None:
    alike = understood(
        {
            "source": numbered("till {0}"),
            "first_name": column("Ann"),
            "last_name": column("Lee"),
            "zip": column("98204"),
        }
    )
    assert set(alike.mapping.columns) == {"source", "given_name", "family_name", "postcode"}


def test_further_columns_are_compared_by_kind() -> None:
    found = understood(
        {
            "surname": FAMILIES,
            "city": TOWNS,
            "Place of Birth": column("Hull", "Cork", "Bonn"),
            "occupation": column("baker", "nurse"),
            "county": column("Kent", "Devon", "Devon", "Kent", "Devon"),
            "shoe size": column("38", "41", "44", "38", "41", "38", "44"),
        }
    )
    kinds = {name: (extra.column, extra.kind) for name, extra in found.mapping.extras.items()}
    assert kinds == {
        "place_of_birth": ("Place of Birth", ExtraKind.PERSON),
        "occupation": ("occupation", ExtraKind.PERSON),
        "county": ("county", ExtraKind.HOUSEHOLD),
        "shoe_size": ("shoe size", ExtraKind.HOUSEHOLD),
    }
    without_city = understood({"surname": FAMILIES, "Place of Birth": TOWNS})
    assert without_city.mapping.columns["city"] == ("Place of Birth",)


def test_names_of_further_columns_can_stand_in_a_model() -> None:
    kinds = column("a", "b")
    found = understood(
        {
            "3rd col": kinds,
            "3RD-COL": column("a", "b", "b", "a", "b"),
            "Ünï": column("x", "y", "z"),
            "???": column("q", "r", "s", "t"),
        }
    )
    assert set(found.mapping.extras) == {"x_3rd_col", "x_3rd_col_2", "uni", "column"}


def test_numbers_of_a_person_take_identifier_types_that_are_free() -> None:
    dice = random.Random(1)
    number = [str(dice.randrange(10**8, 10**9)) for _ in range(ROWS // 2)] * 2
    other, third, fourth = ([f"{letter}{value}" for value in number] for letter in "XYZ")
    found = understood(
        {"ssn": number, "passport no": other, "BSN": third, "nino": fourth, "crm id": [*number[1:], "1"]}
    )
    assert found.mapping.columns == {
        "crm_number": ("crm id",),
        "loyalty_card": ("ssn",),
        "webshop_number": ("passport no",),
    }
    assert [finding.role for finding in found.findings if finding.target is None] == [Role.LEFT_OUT, Role.LEFT_OUT]


def test_findings_show_no_value() -> None:
    found = understood({"email": numbered("secret{0}@x.com"), "hobby": column("skydiving", "chess")})
    assert not any(value in repr(found) for value in ("secret", "skydiving", "chess"))


def test_a_house_number_of_another_address_does_not_come_before_a_street() -> None:
    streets, numbers = column("12 Main St", "3 Oak Ave"), column("7", "9", "11")
    other = {"street": streets, "mailing_address_street_number": numbers}
    assert understood(other).mapping.columns["street"] == ("street",)
    own = {"mailing_address_street": streets, "mailing_address_street_number": numbers}
    assert understood(own).mapping.columns["street"] == ("mailing_address_street_number", "mailing_address_street")

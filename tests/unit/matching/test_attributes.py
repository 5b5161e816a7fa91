from __future__ import annotations

from goldthread.matching.attributes import CheckedAttributes, check_attributes


def test_each_claim_is_told_usable_or_not_and_which_values_are_invalid():
    claims = [
        {"given_name": "Jane", "birth_date": "born 1980"},
        {"family_name": "n/a", "city": " "},
        {},
        {"full_name": "Jane Miller"},
        {"birth_date": "born 1980"},
        {"birth_date": "1980-02-30"},
    ]
    assert check_attributes(claims, region="US") == [
        CheckedAttributes(usable=True, invalid=("birth_date",)),
        CheckedAttributes(usable=False, invalid=()),
        CheckedAttributes(usable=False, invalid=()),
        CheckedAttributes(usable=True, invalid=()),
        CheckedAttributes(usable=False, invalid=("birth_date",)),
        CheckedAttributes(usable=True, invalid=()),
    ]

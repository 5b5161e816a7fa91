"""What counts as findable, on claims of two people whose fields are known."""

from __future__ import annotations

import pytest

from goldthread.app.settings import Settings
from goldthread.domain.words import IdentifierType
from goldthread.flows.match import batch_keys
from goldthread.matching.batch import ClaimColumns, ClaimGatherer, GatheredRecords
from goldthread.matching.findable import FindablePairs
from goldthread.matching.model_file import restated

OTTILIE = {
    "given_name": "ottilie",
    "family_name": "zimmermann",
    "street": "12 main st",
    "postcode": "78701",
    "city": "austin",
    "birth_date": "1980-05-12",
    "email": "oz@ozmail.net",
}
ROWS = (
    OTTILIE,
    OTTILIE | {"given_name": "otillie", "family_name": "zimmerman"},
    {"given_name": "ottilie", "family_name": "zimmermann"},
    {"email": "oz@ozmail.net"},
    {"loyalty_card": "600000001864"},
    {"email": "zo@ozmail.net", "city": "houston"},
    {"postcode": "78701", "city": "austin"},
    {"given_name": "ottilie", "city": "austyn"},
    {"given_name": "ottilie", "birth_date": "1980-11-30", "street": "12 oak rd"},
    {"street": "9 main st", "postcode": "78702"},
    {"birth_date": "1980-05-13", "given_name": "gwendolyn", "street": "12 mian st"},
)


def gathered() -> GatheredRecords:
    gatherer = ClaimGatherer(keys=batch_keys(), region="US")
    column = {
        name: [row.get(name) for row in ROWS]
        for name in ("given_name", "family_name", "street", "postcode", "city", "birth_date", "email", "loyalty_card")
    }
    gatherer.add(
        ClaimColumns(
            sources=["shop"] * len(ROWS),
            identifiers={
                IdentifierType.EMAIL: column.pop("email"),
                IdentifierType.LOYALTY_CARD: column.pop("loyalty_card"),
            },
            attributes=column,
        )
    )
    return gatherer.gather()


@pytest.mark.parametrize(
    ("left", "right", "findable", "beyond_names", "kept"),
    [
        (0, 1, 1, 1, 1),
        (0, 2, 1, 0, 1),  # names and nothing else
        (0, 3, 1, 1, 1),  # an identifier alone
        (0, 6, 0, 0, 0),  # the place alone, though both of its parts agree
        (0, 4, 0, 0, 0),  # no field in common
        (2, 3, 0, 0, 0),
        (0, 5, 0, 0, 0),  # both fields differ
        (0, 7, 1, 1, 0),  # a name and nearly the place
        (0, 8, 0, 0, 0),  # one name, a year and a house number: one field
        (0, 9, 1, 1, 0),  # street without its number, place but for a digit
        (0, 10, 1, 1, 0),  # a birth date and a street with a slip each, and another name
    ],
)
def test_two_fields_or_an_identifier_can_be_found(
    left: int, right: int, findable: int, beyond_names: int, kept: int
) -> None:
    records = gathered()
    judge = FindablePairs(records, model_text=Settings().model_text())
    found = judge([records.row_records[left]], [records.row_records[right]])
    assert (found.findable, found.beyond_names) == (bytes([findable]), bytes([beyond_names]))
    assert found.kept == bytes([kept])


def test_no_weight_enters_what_can_be_found() -> None:
    records = gathered()
    pairs = [(a, b) for a in range(len(ROWS)) for b in range(a + 1, len(ROWS))]
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    shipped = FindablePairs(records, model_text=Settings().model_text())(left, right)
    small = FindablePairs(records, model_text=restated(Settings().model_text(), 300))(left, right)
    assert shipped.kept != small.kept
    assert (shipped.findable, shipped.beyond_names) == (small.findable, small.beyond_names)


def test_pairs_are_judged_together_as_they_are_alone() -> None:
    records = gathered()
    judge = FindablePairs(records, model_text=Settings().model_text())
    pairs = [(a, b) for a in range(len(ROWS)) for b in range(a + 1, len(ROWS))]
    together = judge([a for a, _ in pairs], [b for _, b in pairs])
    alone = [judge([a], [b]) for a, b in pairs]
    assert together.findable == b"".join(one.findable for one in alone)
    assert together.kept == b"".join(one.kept for one in alone)
    assert judge([], []).findable == b""

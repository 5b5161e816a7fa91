"""What counts as findable, on claims of two people whose fields are known."""

from __future__ import annotations

import pytest

from goldthread.app.settings import Settings
from goldthread.domain.words import IdentifierType
from goldthread.flows.match import batch_keys
from goldthread.matching.batch import ClaimColumns, ClaimGatherer, GatheredRecords
from goldthread.matching.findable import FindablePairs

ROWS = (
    # Everything; the same with slips; a name alone; an e-mail alone; a card alone; another e-mail and the town; a postcode alone.
    {
        "given_name": "ottilie",
        "family_name": "zimmermann",
        "postcode": "78701",
        "city": "austin",
        "email": "oz@ozmail.net",
    },
    {
        "given_name": "otillie",
        "family_name": "zimmerman",
        "postcode": "78701",
        "city": "austin",
        "email": "oz@ozmail.net",
    },
    {"given_name": "ottilie", "family_name": "zimmermann"},
    {"email": "oz@ozmail.net"},
    {"loyalty_card": "600000001864"},
    {"email": "zo@ozmail.net", "city": "houston"},
    {"postcode": "78701"},
)


def gathered() -> GatheredRecords:
    gatherer = ClaimGatherer(keys=batch_keys(), region="US")
    column = {
        name: [row.get(name) for row in ROWS]
        for name in ("given_name", "family_name", "postcode", "city", "email", "loyalty_card")
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
    ("left", "right", "alike", "kept"),
    [
        (0, 1, 1, 1),
        (0, 2, 1, 1),
        (0, 3, 1, 1),
        (0, 6, 1, 0),  # half the town shares it
        (0, 4, 0, 0),  # no field in common
        (2, 3, 0, 0),
        (0, 5, 0, 0),  # both fields differ
    ],
)
def test_alike_is_one_field_and_kept_is_what_the_model_would_keep(left: int, right: int, alike: int, kept: int) -> None:
    records = gathered()
    judge = FindablePairs(records, model_text=Settings().model_text())
    found = judge([records.row_records[left]], [records.row_records[right]])
    assert (found.alike, found.kept) == (bytes([alike]), bytes([kept]))


def test_pairs_are_judged_together_as_they_are_alone() -> None:
    records = gathered()
    judge = FindablePairs(records, model_text=Settings().model_text())
    pairs = [(a, b) for a in range(len(ROWS)) for b in range(a + 1, len(ROWS))]
    together = judge([a for a, _ in pairs], [b for _, b in pairs])
    alone = [judge([a], [b]) for a, b in pairs]
    assert together.alike == b"".join(one.alike for one in alone)
    assert together.kept == b"".join(one.kept for one in alone)
    assert judge([], []).alike == b""

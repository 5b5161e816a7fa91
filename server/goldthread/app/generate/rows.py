"""The flat row: the one flat format of the project, and the values it is made of.

A row has the columns of ``COLUMNS``, all text; an empty or absent one is missing. CSV files carry every column in this
order, JSON lines leave the empty ones out. Claims and events are named tuples because a load run makes tens of
thousands of them a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

__all__ = ["COLUMNS", "Claim", "EventSort", "GenerateSummary", "GeneratedEvent", "Row"]

COLUMNS = (
    "source",
    "event_id",
    "occurred_at",
    "kind",
    "customer_number",
    "email",
    "phone",
    "loyalty_card",
    "crm_number",
    "webshop_number",
    "device",
    "cookie",
    "given_name",
    "middle_name",
    "family_name",
    "name_suffix",
    "birth_date",
    "street",
    "city",
    "postcode",
    "store",
    "amount_minor",
    "currency",
    "truth",
)
"""Column names of a flat row, in the order of a CSV file."""

Row = tuple[str, ...]


class Claim(NamedTuple):
    """What one source says of one customer. The fields after ``source`` are the row's columns 5 to 20."""

    source: str
    customer_number: str = ""
    email: str = ""
    phone: str = ""
    loyalty_card: str = ""
    crm_number: str = ""
    webshop_number: str = ""
    device: str = ""
    cookie: str = ""
    given_name: str = ""
    middle_name: str = ""
    family_name: str = ""
    name_suffix: str = ""
    birth_date: str = ""
    street: str = ""
    city: str = ""
    postcode: str = ""


class EventSort(Enum):
    """Why an event exists in the mix. The values are the names of their counts in ``GenerateSummary``."""

    NEW = "new_claims"
    """Its claim was never made before."""
    REPEAT = "repeats"
    """Its claim was made before, word for word, under another event id."""
    BRIDGE = "bridges"
    """Its claim is new and holds an identifier of each of two records of one person that had none in common."""
    DUPLICATE = "duplicates"
    """The whole row was delivered before: same source, event id and content."""


class GeneratedEvent(NamedTuple):
    """One event with the truth about it. ``truth`` is the person's number, from 1."""

    sort: EventSort
    event_id: str
    occurred_at: str
    kind: str
    claim: Claim
    store: str
    amount_minor: str
    currency: str
    truth: int

    def row(self) -> Row:
        """Returns the values of ``COLUMNS``."""
        claim = self.claim
        return (
            claim[0],
            self.event_id,
            self.occurred_at,
            self.kind,
            *claim[1:],
            self.store,
            self.amount_minor,
            self.currency,
            str(self.truth),
        )


@dataclass(frozen=True, kw_only=True)
class GenerateSummary:
    """Counts of what a stream has given so far.

    ``records`` are distinct claims, bridges included. The counts under ``events`` are of rows, so a repeat or a
    duplicate of a row with a placeholder counts again; those under ``records`` and ``people`` count once.
    """

    people: int
    households: int
    records: int
    register_records: int
    register_records_without_email: int
    moves: int
    changed_emails: int
    changed_phones: int
    recycled_phones: int
    marriages: int
    events: int
    new_claims: int
    repeats: int
    bridges: int
    duplicates: int
    late: int
    placeholders: int
    store_phone_uses: int
    cashier_card_uses: int

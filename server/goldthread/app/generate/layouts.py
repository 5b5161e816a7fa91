"""Exports of other systems: what the events of one source look like there, for the mappings that ship (``goldthread/mappings``)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.resources import files

from goldthread.app.generate.rows import EventSort, GeneratedEvent

__all__ = ["LAYOUTS", "Layout"]

_SHOP_CLOCK = timezone(timedelta(hours=-5))
_FIRST_ORDER = 5_000_000_000_000
_FIRST_CUSTOMER = 7_000_000_000_000
_LINES = 3


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The rows of one kind of export. An export holds some events only, and knows them by names of its own."""

    name: str
    nothing: str
    """What stands where there is nothing."""
    holds: Callable[[GeneratedEvent], bool]
    rows: Callable[[GeneratedEvent], Iterator[dict[str, str]]]
    identity: Callable[[GeneratedEvent], tuple[str, str]]
    """Source and event id that the shipped mapping makes of a row; for rows without an event, the customer number."""

    @property
    def columns(self) -> list[str]:
        """The export's headers."""
        lines = files(__package__).joinpath("data", "export_columns.tsv").read_text(encoding="utf-8").splitlines()
        return next(columns for name, *columns in (line.split("\t") for line in lines) if name == self.name)


def _is_order(event: GeneratedEvent) -> bool:
    return event.claim.source == "webshop" and event.kind == "purchase"


def _is_customer(event: GeneratedEvent) -> bool:
    """New claims only: a customers export has a line for each customer, however often they bought."""
    claim = event.claim
    return claim.source == "webshop" and event.sort is EventSort.NEW and bool(claim.webshop_number)


def _is_receipt(event: GeneratedEvent) -> bool:
    # A warehouse holds a receipt once.
    return event.claim.source == "pos" and event.kind == "purchase" and event.sort is not EventSort.DUPLICATE


def _number(event: GeneratedEvent) -> int:
    return int(event.event_id[1:])


def _quoted(value: str) -> str:
    """A value as such exports protect it from spreadsheets, which would take it for a number."""
    return f"'{value}" if value else ""


def _major(amount_minor: str) -> str:
    return f"{int(amount_minor) // 100}.{int(amount_minor) % 100:02d}"


def _utc(event: GeneratedEvent) -> datetime:
    return datetime.fromisoformat(event.occurred_at)


def _full_name(event: GeneratedEvent) -> str:
    claim = event.claim
    return " ".join(part for part in (claim.given_name, claim.middle_name, claim.family_name) if part)


def _order_rows(event: GeneratedEvent) -> Iterator[dict[str, str]]:
    claim, number = event.claim, _number(event)
    name = f"#{1000 + number}"
    created = _utc(event).astimezone(_SHOP_CLOCK).strftime("%Y-%m-%d %H:%M:%S %z")
    address = {
        "Name": _full_name(event),
        "Street": claim.street,
        "Address1": claim.street,
        "City": claim.city,
        "Zip": _quoted(claim.postcode),
        "Phone": _quoted(claim.phone),
    }
    total = _major(event.amount_minor)
    first = {
        "Name": name,
        "Email": claim.email,
        "Financial Status": "paid",
        "Paid at": created,
        "Fulfillment Status": "fulfilled",
        "Fulfilled at": created,
        "Accepts Marketing": "no",
        "Currency": event.currency,
        "Subtotal": total,
        "Shipping": "0.00",
        "Taxes": "0.00",
        "Total": total,
        "Discount Amount": "0.00",
        "Created at": created,
        "Id": str(_FIRST_ORDER + number),
        "Source": "web",
        **{f"Billing {part}": value for part, value in address.items()},
        **{f"Shipping {part}": value for part, value in address.items()},
    }
    for line in range(1 + number % _LINES):
        item = {
            "Name": name,
            "Email": claim.email,
            "Lineitem quantity": "1",
            "Lineitem name": f"Article {number % 997 + line}",
            "Lineitem price": total if line == 0 else "0.00",
            "Lineitem requires shipping": "true",
            "Lineitem taxable": "true",
        }
        yield {**first, **item} if line == 0 else item


def _order_identity(event: GeneratedEvent) -> tuple[str, str]:
    return "shopify", str(_FIRST_ORDER + _number(event))


def _customer_number(event: GeneratedEvent) -> str:
    return str(_FIRST_CUSTOMER + zlib.crc32(event.claim.webshop_number.encode()))


def _customer_rows(event: GeneratedEvent) -> Iterator[dict[str, str]]:
    claim = event.claim
    yield {
        "Customer ID": _quoted(_customer_number(event)),
        "First Name": claim.given_name,
        "Last Name": claim.family_name,
        "Email": claim.email,
        "Accepts Email Marketing": "no",
        "Default Address Address1": claim.street,
        "Default Address City": claim.city,
        "Default Address Zip": _quoted(claim.postcode),
        "Default Address Phone": _quoted(claim.phone),
        "Phone": _quoted(claim.phone),
        "Accepts SMS Marketing": "no",
        "Total Spent": "0.00",
        "Total Orders": "0",
        "Tax Exempt": "no",
    }


def _customer_identity(event: GeneratedEvent) -> tuple[str, str]:
    return "shopify", _customer_number(event)


def _receipt(event: GeneratedEvent) -> tuple[str, str, str, str]:
    """Day, store, register and number of a receipt."""
    number = _number(event)
    return _utc(event).strftime("%Y-%m-%d"), event.store, str(1 + number % 6), str(number)


def _receipt_rows(event: GeneratedEvent) -> Iterator[dict[str, str]]:
    claim = event.claim
    day, store, register, number = _receipt(event)
    values = {
        "STORE_NBR": store,
        "REGISTER_NBR": register,
        "TRANSACTION_NBR": number,
        "BUSINESS_DT": day,
        "TRANSACTION_UTC_TS": _utc(event).strftime("%Y-%m-%d %H:%M:%S.000"),
        "CUSTOMER_NBR": claim.crm_number,
        "LOYALTY_CARD_NBR": claim.loyalty_card,
        "FIRST_NAME": claim.given_name,
        "MIDDLE_NAME": claim.middle_name,
        "LAST_NAME": claim.family_name,
        "BIRTH_DT": claim.birth_date,
        "EMAIL_ADDR": claim.email,
        "PHONE_NBR": claim.phone,
        "ADDRESS_LINE_1": claim.street,
        "CITY_NAME": claim.city,
        "POSTAL_CD": claim.postcode,
        "ITEM_CNT": str(1 + _number(event) % 5),
        "NET_SALES_AMT": _major(event.amount_minor),
        "CURRENCY_CD": event.currency,
    }
    yield {name: value for name, value in values.items() if value}


def _receipt_identity(event: GeneratedEvent) -> tuple[str, str]:
    return "pos", "-".join(_receipt(event))


LAYOUTS = {
    "shopify-orders": Layout(
        name="shopify-orders", nothing="", holds=_is_order, rows=_order_rows, identity=_order_identity
    ),
    "shopify-customers": Layout(
        name="shopify-customers", nothing="", holds=_is_customer, rows=_customer_rows, identity=_customer_identity
    ),
    "pos-extract": Layout(
        name="pos-extract", nothing="NULL", holds=_is_receipt, rows=_receipt_rows, identity=_receipt_identity
    ),
}
"""Exports that can be generated, by the name of the mapping that reads them."""

"""The other tools on each set: their plan, and the table as a careful user hands it to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from goldthread.app.peers import GoldenmatchPlan, Peer, PeerPlan, RecordlinkagePlan, automatic_plan, prepared
from goldthread.files import Table
from goldthread.flows.match import CLAIM_COLUMNS
from loadtest.quality.sets import GENERATED, LabelledRows, LabelledSet
from loadtest.quality.splink_plans import splink_plan

__all__ = ["PeerCase", "peer_case"]


@dataclass(frozen=True, slots=True)
class PeerCase:
    """What a tool is given: never the truth."""

    peer: Peer
    table: Table = field(repr=False)
    plan: PeerPlan


def peer_case(system: str, labelled: LabelledSet, rows: LabelledRows) -> PeerCase | None:
    """The case of a system of that name (`splink`, `splink-plus`, `recordlinkage`, `goldenmatch`) on a set; None where it has no plan."""
    table = dict(rows.table)
    if labelled.name == GENERATED:
        return _generated_case(table) if system == "splink" else None
    match system:
        case "splink" | "splink-plus":
            plan = splink_plan(labelled.name, table, plus=system == "splink-plus")
            return None if plan is None else PeerCase(Peer.SPLINK, _for_splink(labelled.name, table), plan)
        case "recordlinkage":
            linkage = _recordlinkage_plan(labelled.name, table)
            return None if linkage is None else PeerCase(Peer.RECORDLINKAGE, _normalised(table), linkage)
        case "goldenmatch":
            return PeerCase(Peer.GOLDENMATCH, table, GoldenmatchPlan())
        case _:
            raise ValueError(f"no peer is called {system}")


def _generated_case(table: Table) -> PeerCase:
    """The generated set is in the flat format, for which there is a plan; one tool is enough to set our figures against."""
    flat = prepared({name: column for name, column in table.items() if name in CLAIM_COLUMNS})
    return PeerCase(Peer.SPLINK, flat, automatic_plan(Peer.SPLINK, flat))


_RECORDLINKAGE = {
    "febrl": RecordlinkagePlan(
        blocking=(
            ("given_name",),
            ("surname",),
            ("postcode",),
            ("date_of_birth",),
            ("soc_sec_id",),
            ("phone_number",),
            ("street_number", "address_1"),
        ),
        near=("given_name", "surname", "address_1", "suburb"),
        exact=("postcode", "date_of_birth", "soc_sec_id", "phone_number", "street_number", "state"),
    ),
    "historical_dev": RecordlinkagePlan(
        blocking=(
            ("first_name", "surname"),
            ("surname", "dob"),
            ("first_name", "dob"),
            ("postcode_fake", "first_name"),
            ("postcode_fake", "surname"),
            ("dob", "birth_place"),
        ),
        near=("first_name", "surname", "dob", "postcode_fake"),
        exact=("birth_place", "occupation"),
    ),
    "fake1000": RecordlinkagePlan(
        blocking=(("first_name",), ("surname",), ("dob",), ("email",)),
        near=("first_name", "surname", "email"),
        exact=("dob", "city"),
    ),
    "rldata500": RecordlinkagePlan(
        blocking=(("fname_c1", "lname_c1"), ("fname_c1", "by"), ("lname_c1", "by"), ("dob",)),
        near=("fname_c1", "lname_c1"),
        exact=("by", "bm", "bd"),
    ),
    "retail_us_dev": RecordlinkagePlan(
        blocking=(
            ("first_name", "last_name"),
            ("email",),
            ("phone",),
            ("loyalty_id",),
            ("last_name", "zip"),
            ("first_name", "zip"),
        ),
        near=("first_name", "last_name", "address", "email"),
        exact=("phone", "loyalty_id", "zip", "dob"),
    ),
}


def _recordlinkage_plan(name: str, table: Table) -> RecordlinkagePlan | None:
    plan = _RECORDLINKAGE.get("febrl" if name.startswith("febrl") else name)
    if plan is None:
        return None
    return RecordlinkagePlan(
        blocking=tuple(rule for rule in plan.blocking if all(column in table for column in rule)),
        near=tuple(column for column in plan.near if column in table),
        exact=tuple(column for column in plan.exact if column in table),
    )


def _for_splink(name: str, table: Table) -> Table:
    match name:
        case "historical_dev":
            return table | {"first_name_surname_concat": _joined(table["first_name"], table["surname"])}
        case "rldata500":
            return table | {
                f"{part}s": _each(table[part], lambda value: f"{int(value):02d}") for part in ("by", "bm", "bd")
            }
        case "retail_us_dev":
            plain = _normalised(table)
            plain["email"] = _each(plain["email"], lambda value: None if _NO_EMAIL.match(value) else value)
            plain["phone"] = _each(plain["phone"], lambda value: None if _NO_PHONE.search(value) else value)
            return plain
        case _:
            return table


_NO_EMAIL = re.compile(r"(no|none|na|noemail|test|guest)@")
_NO_PHONE = re.compile(r"^(\d)\1+$|^555|1234567890")
"""Placeholders that anybody who looks at the data takes out."""


def _normalised(table: Table) -> Table:
    """Lower case and plain digits, where anybody would see to it first."""
    cleaners: dict[str, Callable[[str], str | None]] = {
        "email": _plain,
        "phone": _digits,
        "phone_number": _digits,
        "zip": lambda value: value[:5],
        "first_name": _plain,
        "last_name": _plain,
        "address": _plain,
        "city": _plain,
    }
    return {name: _each(column, cleaners[name]) if name in cleaners else column for name, column in table.items()}


def _each(column: list[str | None], change: Callable[[str], str | None]) -> list[str | None]:
    return [None if value is None else change(value) for value in column]


def _joined(first: list[str | None], second: list[str | None]) -> list[str | None]:
    return [f"{a} {b}" if a is not None and b is not None else None for a, b in zip(first, second, strict=True)]


def _plain(value: str) -> str:
    return value.lower().strip()


def _digits(value: str) -> str | None:
    digits = re.sub(r"\D", "", value)[-10:]
    return digits if len(digits) >= 7 else None

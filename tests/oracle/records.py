"""Words of the oracle: what a record is when it reaches the matching rules of docs/matching.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

__all__ = ["ATTRIBUTES", "COMPARISONS", "IDENTIFIER_TYPES", "Identifier", "Record"]

IDENTIFIER_TYPES = (
    "email",
    "phone",
    "loyalty_card",
    "crm_number",
    "webshop_number",
    "device",
    "cookie",
    "customer_number",
)
"""Type names; the type number is the position here plus one."""

ATTRIBUTES = (
    "given_name",
    "middle_name",
    "family_name",
    "name_suffix",
    "birth_date",
    "street",
    "city",
    "postcode",
)

COMPARISONS = (
    *IDENTIFIER_TYPES,
    "given_name",
    "family_name",
    "middle_name",
    "name_suffix",
    "birth_date",
    "street",
    "place",
)
"""What every model compares; the extras of a model follow in its order."""


@dataclass(frozen=True, kw_only=True, order=True)
class Identifier:
    """One token of a record. Forms: 1 canonical, 2 gmail-folded, 3 anchor."""

    type: int
    namespace: str = ""
    form: int = 1
    token: bytes


@dataclass(frozen=True, kw_only=True)
class Record:
    """One claim: an address, clean attributes and extras (missing ones left out) and tokens."""

    address: bytes
    attributes: Mapping[str, str] = field(default_factory=dict, hash=False)
    identifiers: tuple[Identifier, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict, hash=False)

    def get(self, attribute: str) -> str | None:
        """Clean form of an attribute, or nothing."""
        return self.attributes.get(attribute)

    def without(self, tokens: Iterable[bytes]) -> Record:
        """The same record as if it did not carry these tokens."""
        gone = set(tokens)
        return replace(self, identifiers=tuple(one for one in self.identifiers if one.token not in gone))

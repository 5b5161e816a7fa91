"""How much of a personal attribute is told: all of it, or what a register may show."""

from __future__ import annotations

from goldthread.domain.profiles import Disclosure

__all__ = ["disclosed"]

_TOLD = frozenset({"name_suffix", "city"})
_BEGINNINGS = {"birth_date": 4, "postcode": 3}
"""Of a birth date the year, of a postal code the area."""


def disclosed(name: str, value: str, disclosure: Disclosure) -> str:
    """A clean value as far as it may be told; empty if nothing of it may. `name` is one of `ATTRIBUTE_NAMES`."""
    if disclosure is Disclosure.FULL or name in _TOLD:
        return value
    match name:
        case "given_name":
            return value.title()
        case "middle_name" | "family_name":
            return f"{value[0].upper()}."
        case "birth_date" | "postcode":
            return value[: _BEGINNINGS[name]]
        case _:
            return ""

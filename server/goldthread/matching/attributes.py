"""What a producer must know of attributes before it sends them as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from goldthread import _core
from goldthread.domain.words import ATTRIBUTE_NAMES, AttributeValues

__all__ = ["CheckedAttributes", "check_attributes", "clean_attributes"]


@dataclass(frozen=True, slots=True)
class CheckedAttributes:
    """Whether anything is left of a claim's attributes once blanks, placeholders and invalid values are taken away, and which are invalid."""

    usable: bool
    invalid: tuple[str, ...]


def clean_attributes(
    claims: Sequence[Mapping[str, str]], *, region: str
) -> tuple[list[AttributeValues], dict[int, list[str]]]:
    """Clean values of each claim, and by claim the names of those that cannot be used.

    A birth date that no calendar has can: the batch engine compares its digits, so a ledger of the same claims must as well.
    """
    columns = {name: [claim.get(name) for claim in claims] for name in (*ATTRIBUTE_NAMES, "full_name")}
    clean, bad = _core.normalize_attributes(columns, region=region)
    invalid: dict[int, list[str]] = {}
    for place, name in bad:
        if name != "birth_date" or clean[name][place] is None:
            invalid.setdefault(place, []).append(name)
    return list(zip(*(clean[name] for name in ATTRIBUTE_NAMES), strict=True)), invalid


def check_attributes(claims: Sequence[Mapping[str, str]], *, region: str) -> list[CheckedAttributes]:
    """What the normaliser makes of each claim's attributes, parallel to them. `region` decides how dates are read."""
    clean, invalid = clean_attributes(claims, region=region)
    kept = [{name for name, value in zip(ATTRIBUTE_NAMES, values, strict=True) if value} for values in clean]
    return [
        CheckedAttributes(bool(names.difference(invalid.get(place, ()))), tuple(invalid.get(place, ())))
        for place, names in enumerate(kept)
    ]

"""Names of the levels of every comparison in their order: the table of section 5 of docs/matching.md."""

from __future__ import annotations

from oracle.records import IDENTIFIER_TYPES

__all__ = ["EXTRA_LEVELS", "LEVELS", "PLACE", "STREET"]


def _joint(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Levels of two fields together, the one that has neither left out: it is `missing`."""
    return tuple(f"{one}_{other}" for one in ("none", *first) for other in ("none", *second))[1:]


STREET = _joint(("equal", "near", "close", "different"), ("equal", "near", "different"))
PLACE = _joint(("equal", "near", "area", "different"), ("equal", "near", "different"))

EXTRA_LEVELS = ("exact", "near", "different")

_NAME = ("near", "compound", "initial", "phonetic", "close", "loose", "different")

LEVELS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(IDENTIFIER_TYPES, ("agree", "differ")),
    "email": ("agree", "agree_folded", "differ"),
    "given_name": ("exact", "nickname", "swapped", "crossed", *_NAME),
    "family_name": ("exact", "crossed", *_NAME),
    "middle_name": ("exact", "initial", "different"),
    "name_suffix": ("exact", "different"),
    "birth_date": ("exact", "exact_january", "near", "part", "near2", "year", "different"),
    "street": STREET,
    "place": PLACE,
}
"""Without `missing`, which is level 0 of every comparison."""

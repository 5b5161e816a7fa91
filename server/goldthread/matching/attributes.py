"""What a producer must know of attributes before it sends them as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from goldthread import _core
from goldthread.domain.words import ATTRIBUTE_NAMES

__all__ = ["CheckedAttributes", "check_attributes"]


@dataclass(frozen=True, slots=True)
class CheckedAttributes:
    """Whether anything is left of a claim's attributes once blanks, placeholders and invalid values are taken away, and which are invalid."""

    usable: bool
    invalid: tuple[str, ...]


def check_attributes(claims: Sequence[Mapping[str, str]], *, region: str) -> list[CheckedAttributes]:
    """What the normaliser makes of each claim's attributes, parallel to them. `region` decides how dates are read."""
    columns = {name: [claim.get(name) for claim in claims] for name in (*ATTRIBUTE_NAMES, "full_name")}
    clean, bad = _core.normalize_attributes(columns, region=region)
    invalid: dict[int, list[str]] = {}
    for place, name in bad:
        invalid.setdefault(place, []).append(name)
    kept = [{name for name in ATTRIBUTE_NAMES if clean[name][place] is not None} for place in range(len(claims))]
    return [
        CheckedAttributes(bool(names.difference(invalid.get(place, ()))), tuple(invalid.get(place, ())))
        for place, names in enumerate(kept)
    ]

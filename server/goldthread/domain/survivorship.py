"""Whose word survives: of the records of one profile, which one's name, address and birth date are shown.

A policy is a TOML file. Names survive together, and so do street, town and postal code: half of one record's address and half of another's is an address
that nobody has. For each of the three it says which rules decide, first the one that counts most; what they leave equal goes to the greatest record
address, so that the outcome is a function of the records alone.

    version = "shop-1"
    trust = ["crm", "web"]

    [name]
    order = ["trust", "completeness", "recency"]

    [address]
    order = ["recency"]

A section that is left out is as in the default policy: names and addresses by completeness, then recency, birth dates by recency.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

from goldthread.domain.errors import SurvivorshipFileError

__all__ = ["DEFAULT_SURVIVORSHIP", "Rule", "Survivorship", "survivorship_of"]

_MAX_TEXT = 64 * 1024
_MAX_SOURCES = 1_000
_MAX_NAME = 200


class Rule(IntEnum):
    """What speaks for a record; numbers as `survey_profiles_by_policy` has them."""

    COMPLETENESS = 1
    """More parts: given and family name; street and postal code."""
    RECENCY = 2
    """A later last event."""
    FREQUENCY = 3
    """More events."""
    TRUST = 4
    """An earlier place of its source in `trust`; sources that are not there come last, and alike."""


_RULES = {rule.name.lower(): rule for rule in Rule}


@dataclass(frozen=True, slots=True)
class Survivorship:
    """A policy: the rules for each part, first the one that counts most, and sources, most trusted first."""

    version: str
    name: tuple[Rule, ...] = (Rule.COMPLETENESS, Rule.RECENCY)
    address: tuple[Rule, ...] = (Rule.COMPLETENESS, Rule.RECENCY)
    birth_date: tuple[Rule, ...] = (Rule.RECENCY,)
    trust: tuple[str, ...] = ()

    @property
    def orders(self) -> tuple[tuple[Rule, ...], tuple[Rule, ...], tuple[Rule, ...]]:
        """Rules for name, address and birth date."""
        return self.name, self.address, self.birth_date

    @property
    def is_default(self) -> bool:
        """Whether it decides as the default policy does, whatever it is called."""
        return self.orders == DEFAULT_SURVIVORSHIP.orders

    def told(self, place: int) -> str:
        """What decides of name (0), address (1) or birth date (2), such as "completeness, recency, address"."""
        return ", ".join([*(rule.name.lower() for rule in self.orders[place]), "address"])


DEFAULT_SURVIVORSHIP = Survivorship("default")
"""What decides where no file says otherwise."""


@lru_cache(maxsize=16)
def survivorship_of(text: str) -> Survivorship:
    """The policy of a file's text, the default one of an empty text. Raises `SurvivorshipFileError`, which names the field."""
    if not text:
        return DEFAULT_SURVIVORSHIP
    if len(text) > _MAX_TEXT:
        raise SurvivorshipFileError("", f"at most {_MAX_TEXT} characters")
    try:
        body = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise SurvivorshipFileError("", "must be TOML") from None
    for key in body:
        if key not in ("version", "trust", "name", "address", "birth_date"):
            raise SurvivorshipFileError(key, "is not known")
    version = body.get("version")
    if not isinstance(version, str) or not 0 < len(version) <= _MAX_NAME or not version.isprintable():
        raise SurvivorshipFileError("version", f"required: 1 to {_MAX_NAME} printable characters")
    trust = body.get("trust", [])
    if not isinstance(trust, list) or not all(isinstance(source, str) and source for source in trust):
        raise SurvivorshipFileError("trust", "must be a list of sources")
    if len(set(trust)) < len(trust) or len(trust) > _MAX_SOURCES:
        raise SurvivorshipFileError("trust", f"names each source once, and at most {_MAX_SOURCES}")
    policy = Survivorship(
        version,
        name=_order(body, "name", DEFAULT_SURVIVORSHIP.name),
        address=_order(body, "address", DEFAULT_SURVIVORSHIP.address),
        birth_date=_order(body, "birth_date", DEFAULT_SURVIVORSHIP.birth_date),
        trust=tuple(trust),
    )
    if not trust and any(Rule.TRUST in order for order in policy.orders):
        raise SurvivorshipFileError("trust", "required where a rule is trust")
    return policy


def _order(body: dict[str, Any], part: str, default: tuple[Rule, ...]) -> tuple[Rule, ...]:
    section = body.get(part)
    if section is None:
        return default
    if not isinstance(section, dict) or section.keys() != {"order"}:
        raise SurvivorshipFileError(part, "must have an order, and nothing else")
    named = section["order"]
    if not isinstance(named, list) or not named:
        raise SurvivorshipFileError(f"{part}.order", "must be a list of rules")
    for place, name in enumerate(named):
        if not isinstance(name, str) or name not in _RULES:
            raise SurvivorshipFileError(f"{part}.order[{place}]", f"must be one of {', '.join(_RULES)}")
    if len(set(named)) < len(named):
        raise SurvivorshipFileError(f"{part}.order", "names each rule once")
    if part == "birth_date" and "completeness" in named:
        raise SurvivorshipFileError(f"{part}.order", "has no use for completeness: a birth date is there or not")
    return tuple(_RULES[name] for name in named)

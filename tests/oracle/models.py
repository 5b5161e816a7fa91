"""Match models for the comparison with the core: the shipped file, one of round weights, and both with limits small enough to be reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from random import Random

from oracle.records import IDENTIFIER_TYPES

__all__ = [
    "calibrated",
    "every_part",
    "round_weights",
    "shaken",
    "shipped",
    "small_limits",
    "variants",
    "with_extras",
    "without_households",
]

_ROOT = Path(__file__).resolve().parents[2]
_SHIPPED = _ROOT / "server" / "goldthread" / "models" / "retail-persons-1.toml"
_ROUND = _ROOT / "resolver_core" / "matching" / "tests" / "models" / "plain.toml"

_LEVEL = re.compile(r"^(?P<name>[a-z_0-9]+) = \[?(?P<stranger>-?\d+)(?:, (?P<household>-?\d+)\])?$", re.MULTILINE)
"""A level with its weights, one or two; other integers of a model look alike, so it is for the sections of comparisons only."""

_RULES: tuple[tuple[str, list[str], list[str]], ...] = (
    ("names", ["names_sorted"], ["postcode_area", "birth_year", "city_metaphone", "postcode"]),
    ("street", ["street_key"], ["given_initial", "family3", "city"]),
    ("birth", ["birth_date"], ["given3", "family_metaphone"]),
    ("letters", ["given3", "family3"], ["family", "street_name", "birth_date"]),
    ("end", ["given_canonical", "family_end"], ["family"]),
    ("street_name", ["street_name"], ["given_metaphone", "street_key"]),
    ("email", ["family_metaphone", "birth_year"], ["given_canonical", "names_sorted"]),
    ("town", ["city_metaphone"], ["family_metaphone", "given_initial"]),
    ("city", ["city", "given_canonical"], ["postcode"]),
    ("area", ["postcode_area", "given_metaphone"], []),
    ("postcode", ["postcode"], ["birth_year"]),
)


def shipped() -> str:
    """Text of the shipped model."""
    return _SHIPPED.read_text(encoding="utf-8")


def round_weights() -> str:
    """Text of the model that the tests of the core read: it has round weights, an extra, and changes with no training."""
    return _ROUND.read_text(encoding="utf-8")


def small_limits(
    *,
    base: str | None = None,
    max_block: int = 6,
    max_component: int = 8,
    generic: int = 2,
    generic_records: int = 200,
    limit: int | None = None,
    purchases_per_day: int | None = None,
    stores_per_day: int | None = None,
    phone_gap_days: int | None = None,
    ambiguity_margin: int | None = None,
    apart: int | None = None,
) -> str:
    """The shipped model, or `base`, with small blocks, small components and few name keys.

    If asked for, also with few records, purchases or stores to a token, with `limit` identifiers of each type to a cluster, with
    another gap after which a phone may have changed hands, and with other bounds of ambiguity; `None` leaves these as they are.
    """
    text = shipped() if base is None else base
    for name, value in (("max_block", max_block), ("max_component", max_component)):
        text = _with(text, f"{name} = ", value)
    bounds = {"ambiguity_margin": ambiguity_margin, "apart": apart}
    text = _section(text, "partition", {name: value for name, value in bounds.items() if value is not None})
    text = _section(text, "generic", {**dict.fromkeys(IDENTIFIER_TYPES, generic), "records": generic_records})
    use = {"purchases_per_day": purchases_per_day, "stores_per_day": stores_per_day}
    text = _section(text, "generic", {name: value for name, value in use.items() if value is not None})
    if phone_gap_days is not None:
        text = _section(text, "epochs", {"phone_gap_days": phone_gap_days})
    return text if limit is None else _section(text, "limits", dict.fromkeys(IDENTIFIER_TYPES, limit))


def every_part(text: str) -> str:
    """The model with blocking rules that between them use every part, bare and as a refinement; one is named like a token type."""
    head, mark, rest = text.partition("[[blocking.rules]]\n")
    rules = (f'name = "{name}"\nparts = {parts}\nrefinements = {more}\n\n' for name, parts, more in _RULES)
    while mark in rest:
        _, _, rest = rest.partition(mark)
    tail = rest[rest.index("\n[") :]
    return head + "".join(mark + rule for rule in rules) + tail


def calibrated(text: str, *, slope: int, intercept: int) -> str:
    """An uncalibrated model with a calibration: thousandths and millibits."""
    changed = text.replace("calibrated = false", "calibrated = true")
    return f"{changed}\n[calibration]\nslope = {slope}\nintercept = {intercept}\n"


def with_extras(text: str, **kinds: str) -> str:
    """A model with these extras behind its own, each `person` or `household`."""
    levels = {
        "person": "{ exact = 1800, near = 900, different = -2500 }",
        "household": "{ exact = [2200, 1700], near = [1100, 800], different = [-1500, -900] }",
    }
    tables = (
        f'\n[[extra]]\nname = "{name}"\nkind = "{kind}"\nlevels = {levels[kind]}\n' for name, kind in kinds.items()
    )
    return text + "".join(tables)


def without_households(text: str) -> str:
    """The model with strangers as the only rivals."""
    alone = re.sub(r"\[(-?\d+), -?\d+\]", r"\1", text)
    return re.sub(r"^household = -?\d+\n", "", alone, flags=re.MULTILINE)


def shaken(text: str, seed: int, *, by: int = 2500) -> str:
    """The model with both priors and all its levels moved at random, each weight by up to so many millibits.

    Names, dates and extras of a person get something to say within a household too.
    """
    random = Random(seed)

    def moved(found: re.Match[str]) -> str:
        stranger, household = int(found["stranger"]), int(found["household"] or 0)
        aside = random.randint(-by, by), random.choice((0, random.randint(-by, by)))
        return f"{found['name']} = [{stranger + aside[0]}, {household + aside[1]}]"

    def prior(found: re.Match[str]) -> str:
        return f"{found['name']} = {int(found['weight']) + random.randint(-by, by)}"

    head, mark, rest = text.partition("[comparisons.")
    head = re.sub(r"^(?P<name>stranger|household) = (?P<weight>-?\d+)$", prior, head, flags=re.MULTILINE)
    levels, frequency, tail = (mark + rest).partition("[frequency.")
    return head + re.sub(_LEVEL, moved, levels) + frequency + tail


def variants() -> dict[str, str]:
    """Models that between them have everything a model may have, by name."""
    round_extras = with_extras(round_weights(), birth_place="household")
    return {
        "shipped": shipped(),
        "round": round_weights(),
        "calibrated": calibrated(round_extras, slope=777, intercept=-333),
        "strangers only": without_households(round_extras),
        "shaken": shaken(every_part(round_extras), 3),
    }


def _section(text: str, name: str, values: Mapping[str, int]) -> str:
    """The text with these keys of one section set."""
    head, title, tail = text.partition(f"[{name}]\n")
    body, following, rest = tail.partition("\n[")
    for key, value in values.items():
        body = _with(body, f"{key} = ", value)
    return "".join((head, title, body, following, rest))


def _with(text: str, start: str, value: int) -> str:
    """The text with the number set on its one line of this start; raises `ValueError` if there is no such line."""
    changed, count = re.subn(rf"^{start}-?\d+$", f"{start}{value}", text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{count} lines of the model start with {start!r}")
    return changed

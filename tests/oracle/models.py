"""Match models for the comparison with the core: the shipped file, and the same with limits small enough to be reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from oracle.records import IDENTIFIER_TYPES

__all__ = ["shipped", "small_limits"]

_MODEL = Path(__file__).resolve().parents[2] / "server" / "goldthread" / "models" / "retail-persons-0.toml"


def shipped() -> str:
    """Text of the shipped model."""
    return _MODEL.read_text(encoding="utf-8")


def small_limits(
    *,
    max_block: int = 6,
    max_component: int = 8,
    generic: int = 2,
    generic_records: int = 200,
    limit: int | None = None,
    purchases_per_day: int | None = None,
    stores_per_day: int | None = None,
    phone_gap_days: int | None = None,
) -> str:
    """The shipped model with small blocks, small components and few name keys.

    If asked for, also with few records, purchases or stores to a token, with `limit` identifiers of each type to a cluster, and
    with another gap after which a phone may have changed hands; `None` leaves these as shipped.
    """
    text = shipped()
    for name, value in (("max_block", max_block), ("max_component", max_component)):
        text = _with(text, f"{name} = ", value)
    text = _section(text, "generic", {**dict.fromkeys(IDENTIFIER_TYPES, generic), "records": generic_records})
    use = {"purchases_per_day": purchases_per_day, "stores_per_day": stores_per_day}
    text = _section(text, "generic", {name: value for name, value in use.items() if value is not None})
    if phone_gap_days is not None:
        text = _section(text, "epochs", {"phone_gap_days": phone_gap_days})
    return text if limit is None else _section(text, "limits", dict.fromkeys(IDENTIFIER_TYPES, limit))


def _section(text: str, name: str, values: Mapping[str, int]) -> str:
    """The text with these keys of one section set."""
    head, title, tail = text.partition(f"[{name}]\n")
    body, following, rest = tail.partition("\n[")
    for key, value in values.items():
        body = _with(body, f"{key} = ", value)
    return "".join((head, title, body, following, rest))


def _with(text: str, start: str, value: int) -> str:
    """The text with the number set on its one line of this start; raises `ValueError` if there is no such line."""
    changed, count = re.subn(rf"^{start}\d+$", f"{start}{value}", text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{count} lines of the model start with {start!r}")
    return changed

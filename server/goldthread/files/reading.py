"""How the values of a file are written where they are not written as the flat row format has them: what a mapping says in `[values]` and `[rows]`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from goldthread.files.failure import FileFormatError

__all__ = ["EVERY_ROW", "PASSED_OVER", "PLAIN_VALUES", "Passing", "Reading", "passing_of", "reading_of"]

PASSED_OVER = "passed_over"
"""Beside the flat columns: set in rows that are no event of their own, such as the further lines of an order."""

_MOST_DECIMALS = 4
_APART = re.compile(r"\s+(?=[+-]\d{2}:?\d{2}$)")
_AMOUNT = re.compile(r"-?\d{1,15}(\.\d{0,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What stands in a cell and what is meant by it."""

    missing: frozenset[str] = frozenset()
    """Texts that say that there is nothing, such as `NULL`."""
    apostrophes: bool = False
    """Whether an apostrophe before a value is a spreadsheet's mark for text and no part of it."""
    zone: tzinfo | None = None
    """Where the clocks of times without an offset hang. Of an hour that a clock shows twice, the first is meant."""
    decimals: int = 0
    """Digits behind the point of amounts in major units; 0 where amounts are in minor units already."""

    @property
    def plain(self) -> bool:
        """Whether every cell means what it says."""
        return not self.missing and not self.apostrophes

    def cell(self, text: str) -> str | None:
        """What a cell means; None for nothing."""
        if text.strip() in self.missing:
            return None
        if self.apostrophes:
            text = text.removeprefix("'")
        return text or None

    def made(self, target: str, text: str) -> str:
        """A flat column's value of what its cells mean; a time or an amount that is none stays as it is, for the rules of events to refuse."""
        match target:
            case "occurred_at":
                return self._moment(text)
            case "amount_minor" if self.decimals:
                return self._amount(text)
            case _:
                return text

    def makes(self, target: str) -> bool:
        """Whether `made` may change the values of a flat column."""
        return target == "occurred_at" or (target == "amount_minor" and self.decimals > 0)

    def _moment(self, text: str) -> str:
        joined = _APART.sub("", text.strip())
        try:
            moment = datetime.fromisoformat(joined)
        except ValueError:
            return text
        if moment.tzinfo is None and self.zone is not None:
            moment = moment.replace(tzinfo=self.zone)
        return moment.isoformat()

    def _amount(self, text: str) -> str:
        plain = text.strip()
        if not _AMOUNT.fullmatch(plain):
            return text
        try:
            minor = Decimal(plain).scaleb(self.decimals)
        except InvalidOperation:
            return text
        return str(int(minor)) if minor == minor.to_integral_value() else text


PLAIN_VALUES = Reading()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """Which rows are no event of their own."""

    needs: tuple[str, ...] = ()
    """Columns that such rows leave empty: one of them is enough."""
    unless: tuple[str, ...] = ()
    """Columns that only such rows fill."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that decide."""
        return (*self.needs, *self.unless)

    def over(self, values: Mapping[str, str | None]) -> bool:
        """Whether a row with these values is passed over."""
        return any(not values.get(name) for name in self.needs) or any(values.get(name) for name in self.unless)


EVERY_ROW = Passing()


def reading_of(path: Path, said: Mapping[str, object]) -> Reading:
    """The table `[values]` of a mapping file; raises `FileFormatError`."""
    _check_keys(path, "values", said, ("missing", "apostrophes", "zone", "decimals"))
    apostrophes, decimals, zone = said.get("apostrophes", False), said.get("decimals", 0), said.get("zone")
    if not isinstance(apostrophes, bool):
        raise FileFormatError(path, "values.apostrophes must be true or false")
    if not isinstance(decimals, int) or isinstance(decimals, bool) or not 0 <= decimals <= _MOST_DECIMALS:
        raise FileFormatError(path, f"values.decimals must be a whole number from 0 to {_MOST_DECIMALS}")
    return Reading(
        missing=frozenset(_names(path, "values.missing", said.get("missing", []))),
        apostrophes=apostrophes,
        zone=None if zone is None else _zone(path, zone),
        decimals=decimals,
    )


def passing_of(path: Path, said: Mapping[str, object]) -> Passing:
    """The table `[rows]` of a mapping file; raises `FileFormatError`."""
    _check_keys(path, "rows", said, ("needs", "unless"))
    return Passing(
        needs=_names(path, "rows.needs", said.get("needs", [])),
        unless=_names(path, "rows.unless", said.get("unless", [])),
    )


def _zone(path: Path, name: object) -> tzinfo:
    try:
        return ZoneInfo(str(name))
    except (ValueError, OSError, KeyError):
        raise FileFormatError(
            path, "values.zone must be a time zone that this machine knows, such as 'Europe/London' or 'UTC'"
        ) from None


def _check_keys(path: Path, table: str, said: Mapping[str, object], known: Collection[str]) -> None:
    if unknown := sorted(said.keys() - set(known)):
        raise FileFormatError(path, f"{table}.{unknown[0]} is none of {', '.join(known)}")


def _names(path: Path, key: str, said: object) -> tuple[str, ...]:
    names = [said] if isinstance(said, str) else said
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise FileFormatError(path, f"{key} must be a text or a list of them")
    return tuple(names)

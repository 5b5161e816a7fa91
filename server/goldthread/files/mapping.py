"""Which column of a file plays which part: a mapping file, or the common names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from operator import itemgetter
from pathlib import Path
from typing import Self

from goldthread.domain.words import ATTRIBUTE_NAMES, IdentifierType
from goldthread.files.failure import FileFormatError
from goldthread.files.headers import Part, exact_part_of, plain_words
from goldthread.files.texts import whole_number

__all__ = ["FLAT_COLUMNS", "ExtraColumn", "ExtraKind", "Mapping", "joint_of"]

FLAT_COLUMNS = (
    "source",
    "event_id",
    "occurred_at",
    "kind",
    *(kind.label for kind in IdentifierType),
    *ATTRIBUTE_NAMES,
    "full_name",
    "store",
    "amount_minor",
    "currency",
    "page",
    "purpose",
    "granted",
    "truth",
)
"""Every column of the flat row format: what a mapping can name on its left side."""

_EVENT_COLUMNS: dict[str, tuple[str, ...]] = {
    "occurred_at": ("event_timestamp", "timestamp", "event_time"),
    "store": ("store_id", "store_code"),
}
"""Other names of columns that are about an event and not a claim, which `headers` passes over."""
_OTHER_COMPARISONS = frozenset({*FLAT_COLUMNS, "place"})
_EXTRA_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class ExtraKind(StrEnum):
    """Whether the members of a household agree in a further column more than strangers do."""

    PERSON = "person"
    HOUSEHOLD = "household"


@dataclass(frozen=True, slots=True)
class ExtraColumn:
    """A column beyond the flat ones that is compared, and how."""

    column: str
    kind: ExtraKind


def joint_of(target: str) -> str:
    """What stands between the columns that make a flat column: a birth date is written with dashes, everything else with blanks."""
    return "-" if target == "birth_date" else " "


@dataclass(frozen=True, slots=True)
class Mapping:
    """For each flat column the file's columns that make it, joined by `joint_of` it, and constants for all rows.

    `extras` are further columns under the names by which a model compares them, `ignored` columns that are not even looked at, and with `detect`
    the columns of which the mapping says nothing are understood by themselves. A birth date made of several columns needs all of them.
    """

    columns: AbstractMapping[str, tuple[str, ...]]
    constants: AbstractMapping[str, str] = field(default_factory=dict)
    extras: AbstractMapping[str, ExtraColumn] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    detect: bool = False

    @classmethod
    def read(cls, path: Path) -> Self:
        """The mapping of a TOML file; raises `FileFormatError` for anything else.

        Such a file reads:

            given_name = "first_name"
            street = ["street_number", "address_1"]
            ignore = ["truth"]
            detect = true
            [constants]
            source = "crm"
            [extras]
            occupation = "person"
            state = { column = "addr_state", kind = "household" }
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise FileFormatError(path, f"not readable as TOML ({type(error).__name__})") from None
        constants: dict[str, str] = {}
        for target, value in _table(path, "constants", content.pop("constants", {})).items():
            if not isinstance(value, str):
                raise FileFormatError(path, f"constants.{target} must be a text")
            constants[target] = value
        extras = {
            name: _extra(path, name, said) for name, said in _table(path, "extras", content.pop("extras", {})).items()
        }
        ignored = content.pop("ignore", [])
        if not isinstance(ignored, list) or not all(isinstance(name, str) for name in ignored):
            raise FileFormatError(path, "ignore must be a list of column names")
        detect = content.pop("detect", False)
        if not isinstance(detect, bool):
            raise FileFormatError(path, "detect must be true or false")
        columns: dict[str, tuple[str, ...]] = {}
        for target, sources in content.items():
            parts = [sources] if isinstance(sources, str) else sources
            if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part for part in parts):
                raise FileFormatError(path, f"{target} must be a column name or a list of them")
            columns[target] = tuple(parts)
        for target in (*columns, *constants):
            if target not in FLAT_COLUMNS:
                raise FileFormatError(path, f"{target} is not a column of the flat row format")
        if both := columns.keys() & constants.keys():
            raise FileFormatError(path, f"{min(both)} is given twice")
        return cls(columns, constants, extras, frozenset(ignored), detect)

    @classmethod
    def automatic(cls, names: Iterable[str]) -> Self:
        """The mapping that column names alone suggest, read as `headers` reads them where they say it without further words. Others are passed over."""
        plain: dict[str, str] = {}
        best: dict[str, tuple[int, str]] = {}
        for name in names:
            plain.setdefault("_".join(plain_words(name)), name)
            if found := exact_part_of(name):
                best.setdefault(found[0].value, (found[1], name))
                best[found[0].value] = min(best[found[0].value], (found[1], name), key=itemgetter(0))
        columns: dict[str, tuple[str, ...]] = {}
        for target in FLAT_COLUMNS:
            own = next((name for name in (target, *_EVENT_COLUMNS.get(target, ())) if name in plain), None)
            if own is not None:
                columns[target] = (plain[own],)
            elif target in best and target != Part.TRUTH.value:
                columns[target] = (best[target][1],)
        if "street" in columns and (number := best.get(Part.HOUSE_NUMBER.value)):
            columns["street"] = (number[1], *columns["street"])
        return cls(columns)

    def without(self, names: Collection[str]) -> Self:
        """The mapping without some columns of the file. What was joined of them and others is made of the others; a birth date is not made then."""
        columns = {
            target: kept
            for target, sources in self.columns.items()
            if (kept := tuple(source for source in sources if source not in names))
            and (target != "birth_date" or kept == sources)
        }
        extras = {name: extra for name, extra in self.extras.items() if extra.column not in names}
        return replace(self, columns=columns, extras=extras, ignored=self.ignored | frozenset(names))

    def check(self, path: Path, names: Sequence[str]) -> None:
        """Raises `FileFormatError` if the file with these columns lacks one that the mapping names."""
        made = [*self.columns.items(), *((name, (extra.column,)) for name, extra in self.extras.items())]
        for target, sources in made:
            for source in sources:
                if source not in names:
                    raise FileFormatError(path, f"has no column {source!r}, which {target} is made of")

    def row(self, values: AbstractMapping[str, str]) -> dict[str, str]:
        """The flat row of a file's row; missing values are left out."""
        flat = dict(self.constants)
        for target, sources in self.columns.items():
            parts = [whole_number(part) for source in sources if (part := values.get(source))]
            if value := parts[0] if parts and len(sources) == 1 else _joined(target, parts, len(sources)):
                flat[target] = value
        return flat

    def table(self, table: AbstractMapping[str, Sequence[str | None]]) -> dict[str, list[str | None]]:
        """The flat columns of a file's columns."""
        rows = len(next(iter(table.values()), ()))
        flat: dict[str, list[str | None]] = {target: [value] * rows for target, value in self.constants.items()}
        for target, sources in self.columns.items():
            if len(sources) == 1:
                flat[target] = _whole_numbers(table[sources[0]])
            else:
                parts = zip(*(_whole_numbers(table[source]) for source in sources), strict=True)
                flat[target] = [_joined(target, part, len(sources)) for part in parts]
        return flat


def _joined(target: str, values: Sequence[str | None], needed: int) -> str | None:
    parts = [part for value in values if value and (part := value.strip())]
    if target == "birth_date" and len(parts) < needed:
        return None
    return joint_of(target).join(parts) or None


def _whole_numbers(column: Sequence[str | None]) -> list[str | None]:
    return [None if value is None else whole_number(value) for value in column]


def _table(path: Path, name: str, content: object) -> dict[str, object]:
    if not isinstance(content, dict):
        raise FileFormatError(path, f"[{name}] must be a table")
    return content


def _extra(path: Path, name: str, said: object) -> ExtraColumn:
    column, kind = (said.get("column"), said.get("kind")) if isinstance(said, dict) else (name, said)
    if name in _OTHER_COMPARISONS:
        raise FileFormatError(path, f"extras.{name} has the name of a comparison that every model has")
    if not _EXTRA_NAME.fullmatch(name) or not isinstance(column, str) or kind not in list(ExtraKind):
        raise FileFormatError(path, f"extras.{name} must be 'person' or 'household', or a table of column and kind")
    return ExtraColumn(column, ExtraKind(str(kind)))

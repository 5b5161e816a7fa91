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
from goldthread.files.reading import EVERY_ROW, PASSED_OVER, PLAIN_VALUES, Passing, Reading, passing_of, reading_of
from goldthread.files.texts import whole_number

__all__ = ["FLAT_COLUMNS", "ExtraColumn", "ExtraKind", "Mapping", "is_whole", "joint_of"]

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


def is_whole(target: str) -> bool:
    """Whether a flat column is not made at all unless each of its columns has a value: a birth date, an event id."""
    return target in {"birth_date", "event_id"}


def joint_of(target: str) -> str:
    """What stands between the columns that make a flat column: those of `is_whole` are written with dashes, everything else with blanks."""
    return "-" if is_whole(target) else " "


@dataclass(frozen=True, slots=True)
class Mapping:
    """For each flat column the file's columns that make it, joined by `joint_of` it, and constants for all rows.

    Of a flat column in `firsts`, the first of its columns that has a value makes it. `extras` are further columns under the names by which a model
    compares them, `ignored` columns that are not even looked at, and with `detect` the columns of which the mapping says nothing are understood by
    themselves. `reading` says how values are written, and `passing` which rows are no events of their own: those get `PASSED_OVER`.
    """

    columns: AbstractMapping[str, tuple[str, ...]]
    constants: AbstractMapping[str, str] = field(default_factory=dict)
    extras: AbstractMapping[str, ExtraColumn] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    detect: bool = False
    firsts: frozenset[str] = frozenset()
    reading: Reading = PLAIN_VALUES
    passing: Passing = EVERY_ROW

    @classmethod
    def read(cls, path: Path) -> Self:
        """The mapping of a TOML file; raises `FileFormatError` for anything else.

        Such a file reads:

            given_name = "first_name"
            street = ["street_number", "address_1"]
            phone = { first = ["mobile", "landline"] }
            ignore = ["truth"]
            detect = true
            [constants]
            source = "crm"
            [extras]
            occupation = "person"
            state = { column = "addr_state", kind = "household" }
            [values]
            missing = ["NULL"]
            apostrophes = true
            zone = "America/New_York"
            decimals = 2
            [rows]
            needs = ["Id"]
            unless = ["Cancelled at"]
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
        reading = reading_of(path, _table(path, "values", content.pop("values", {})))
        passing = passing_of(path, _table(path, "rows", content.pop("rows", {})))
        columns: dict[str, tuple[str, ...]] = {}
        firsts: set[str] = set()
        for target, sources in content.items():
            said = sources
            if isinstance(said, dict) and said.keys() == {"first"}:
                said = said["first"]
                firsts.add(target)
            parts = [said] if isinstance(said, str) else said
            if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part for part in parts):
                raise FileFormatError(
                    path, f"{target} must be a column name, a list of them, or {{ first = a list of them }}"
                )
            columns[target] = tuple(parts)
        for target in (*columns, *constants):
            if target not in FLAT_COLUMNS:
                raise FileFormatError(path, f"{target} is not a column of the flat row format")
        if both := columns.keys() & constants.keys():
            raise FileFormatError(path, f"{min(both)} is given twice")
        return cls(columns, constants, extras, frozenset(ignored), detect, frozenset(firsts), reading, passing)

    @classmethod
    def named(cls, names: Iterable[str]) -> Self:
        """The columns that carry the flat names themselves, or the other names of those that are about an event."""
        plain: dict[str, str] = {}
        for name in names:
            plain.setdefault("_".join(plain_words(name)), name)
        columns: dict[str, tuple[str, ...]] = {}
        for target in FLAT_COLUMNS:
            own = next((name for name in (target, *_EVENT_COLUMNS.get(target, ())) if name in plain), None)
            if own is not None:
                columns[target] = (plain[own],)
        return cls(columns)

    @classmethod
    def automatic(cls, names: Iterable[str]) -> Self:
        """The mapping that column names alone suggest, read as `headers` reads them where they say it without further words. Others are passed over."""
        names = list(names)
        own = cls.named(names).columns
        best: dict[str, tuple[int, str]] = {}
        for name in names:
            if found := exact_part_of(name):
                best.setdefault(found[0].value, (found[1], name))
                best[found[0].value] = min(best[found[0].value], (found[1], name), key=itemgetter(0))
        columns: dict[str, tuple[str, ...]] = {}
        for target in FLAT_COLUMNS:
            if target in own:
                columns[target] = own[target]
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
            and (not is_whole(target) or kept == sources)
        }
        extras = {name: extra for name, extra in self.extras.items() if extra.column not in names}
        return replace(self, columns=columns, extras=extras, ignored=self.ignored | frozenset(names))

    def check(self, path: Path, names: Sequence[str]) -> None:
        """Raises `FileFormatError` if the file with these columns lacks one that the mapping names."""
        made = [
            *self.columns.items(),
            *((name, (extra.column,)) for name, extra in self.extras.items()),
            ("[rows]", self.passing.columns),
        ]
        for target, sources in made:
            for source in sources:
                if source not in names:
                    raise FileFormatError(path, f"has no column {source!r}, which {target} is made of")

    def row(self, values: AbstractMapping[str, str]) -> dict[str, str]:
        """The flat row of a file's row; missing values are left out."""
        flat = dict(self.constants)
        cell = None if self.reading.plain else self.reading.cell
        for target, sources in self.columns.items():
            parts = [whole_number(part) for source in sources if (part := values.get(source))]
            if cell is not None:
                parts = [meant for part in parts if (meant := cell(part))]
            value = parts[0] if parts and len(sources) == 1 else self._made(target, parts, len(sources))
            if value:
                flat[target] = self.reading.made(target, value) if self.reading is not PLAIN_VALUES else value
        if self.passing.columns:
            deciding = {name: values.get(name) for name in self.passing.columns}
            if self.passing.over({name: cell(text) if cell and text else text for name, text in deciding.items()}):
                flat[PASSED_OVER] = "true"
        return flat

    def table(self, table: AbstractMapping[str, Sequence[str | None]]) -> dict[str, list[str | None]]:
        """The flat columns of a file's columns."""
        rows = zip(*table.values(), strict=True)
        flat = [self.row({name: value for name, value in zip(table, row, strict=True) if value}) for row in rows]
        return {target: [row.get(target) for row in flat] for target in (*self.constants, *self.columns)}

    def _made(self, target: str, parts: Sequence[str], needed: int) -> str | None:
        stripped = [part for value in parts if (part := value.strip())]
        if target in self.firsts:
            return stripped[0] if stripped else None
        if is_whole(target) and len(stripped) < needed:
            return None
        return joint_of(target).join(stripped) or None


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

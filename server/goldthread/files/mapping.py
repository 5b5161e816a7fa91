"""Which column of a file plays which part: a mapping file, or the common names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from goldthread.domain.words import ATTRIBUTE_NAMES, IdentifierType
from goldthread.files.failure import FileFormatError

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

_ALIASES: dict[str, tuple[str, ...]] = {
    "source": ("source_system", "data_source"),
    "occurred_at": ("event_timestamp", "timestamp", "event_time"),
    "email": ("email_address", "e_mail", "mail"),
    "phone": ("phone_number", "telephone", "mobile", "tel"),
    "loyalty_card": ("loyalty_id", "loyalty_number", "loyalty_card_number"),
    "crm_number": ("crm_id",),
    "webshop_number": ("webshop_id",),
    "device": ("device_id",),
    "cookie": ("cookie_id",),
    "customer_number": ("customer_id",),
    "given_name": ("first_name", "firstname", "fname", "fname_c1", "primary_name_first", "first"),
    "middle_name": ("middle_initial", "middle", "primary_name_middle"),
    "family_name": ("last_name", "lastname", "surname", "lname", "lname_c1", "primary_name_last", "last"),
    "name_suffix": ("suffix",),
    "full_name": ("name", "primary_name_full"),
    "birth_date": ("dob", "date_of_birth", "birthdate", "birthday"),
    "street": ("street_address", "address", "addr_line1", "address_1"),
    "city": ("town", "suburb", "addr_city"),
    "postcode": ("zip", "zip_code", "zipcode", "postal_code", "postcode_fake", "addr_postal_code"),
    "store": ("store_id", "store_code"),
}
_HOUSE_NUMBERS = ("street_number", "house_number")
_UNPLAIN = re.compile(r"[^a-z0-9]+")
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
        """The mapping that common column names suggest; case, spaces and punctuation do not count. Other columns are passed over."""
        plain: dict[str, str] = {}
        for name in names:
            plain.setdefault(_UNPLAIN.sub("_", name.lower()).strip("_"), name)
        columns: dict[str, tuple[str, ...]] = {}
        for target in FLAT_COLUMNS:
            found = next((name for name in (target, *_ALIASES.get(target, ())) if name in plain), None)
            if found is None:
                continue
            numbers = [plain[name] for name in _HOUSE_NUMBERS if name in plain and target == "street"]
            columns[target] = (*numbers[:1], plain[found])
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
            parts = [part for source in sources if (part := values.get(source))]
            if value := parts[0] if parts and len(sources) == 1 else _joined(target, parts, len(sources)):
                flat[target] = value
        return flat

    def table(self, table: AbstractMapping[str, Sequence[str | None]]) -> dict[str, list[str | None]]:
        """The flat columns of a file's columns; columns of one part are shared, not copied."""
        rows = len(next(iter(table.values()), ()))
        flat: dict[str, list[str | None]] = {target: [value] * rows for target, value in self.constants.items()}
        for target, sources in self.columns.items():
            if len(sources) == 1:
                column = table[sources[0]]
                flat[target] = column if isinstance(column, list) else list(column)
            else:
                parts = zip(*(table[source] for source in sources), strict=True)
                flat[target] = [_joined(target, part, len(sources)) for part in parts]
        return flat


def _joined(target: str, values: Sequence[str | None], needed: int) -> str | None:
    parts = [part for value in values if value and (part := value.strip())]
    if target == "birth_date" and len(parts) < needed:
        return None
    return joint_of(target).join(parts) or None


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

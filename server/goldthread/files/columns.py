"""Understands a table: which column says what of a person, told by its header and by the shapes of its values.

Headers come first, in eight languages; values decide where a header is silent, and overrule it where they contradict it. Nothing here shows a
value: a finding is a name, counts and a reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from goldthread.files.headers import CLAIM_PARTS, PLAIN_PARTS, Part, exact_part_of, part_of, plain_words, which_address
from goldthread.files.mapping import ExtraColumn, ExtraKind
from goldthread.files.mapping import Mapping as ColumnMapping
from goldthread.files.patterns import Pattern, Profile, is_part_of_dates, profile_of, uncomparable

__all__ = ["MOST_EXTRAS", "Finding", "Role", "Understanding", "understand"]

MOST_EXTRAS = 16
_NAMED = 0.5
"""Share of the rows that have a name in a table of persons."""
_VARIED = 0.15
"""Different values for each value of a column of names, at least; towns have fewer."""
_SEVERAL = 10
"""Different values below which words are not taken for names: every word of a few rows differs."""

_NUMBERS = (Part.CRM_NUMBER, Part.LOYALTY_CARD, Part.WEBSHOP_NUMBER)
"""Identifier types that a passport, social security or similar number may take, if nothing else does."""

_BY_VALUES = {
    Pattern.EMAIL: Part.EMAIL,
    Pattern.PHONE: Part.PHONE,
    Pattern.POSTCODE: Part.POSTCODE,
    Pattern.SEX: Part.PERSONAL,
}


class Role(StrEnum):
    """What becomes of a column."""

    CLAIM = "claim"
    EXTRA = "extra"
    RECORD_ID = "record id"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One column: its role, the flat column or extra it makes (a part of), why, and counts."""

    column: str
    role: Role
    target: str | None
    kind: ExtraKind | None
    reason: str
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """All columns in the table's order, and the mapping they amount to."""

    findings: tuple[Finding, ...]
    mapping: ColumnMapping


def understand(
    sample: Mapping[str, Sequence[str | None]],
    *,
    ignored: Collection[str] = (),
    given: Collection[str] = (),
    alone: bool = True,
    whole: bool = True,
) -> Understanding:
    """What the columns of a table are; `sample` holds some of its rows, by column, or the `whole` of them. Deterministic.

    `given` are flat columns and extras that a mapping makes of other columns. A table that is not `alone` is matched with others, whose numbers may be
    those of this one.
    """
    reading = partial(_Reading, sample, ignored, frozenset(given), alone=alone, whole=whole)
    found = reading().understanding()
    # Of people who are all alike, what is always the same is all there is.
    told = found.mapping.columns.keys() - {Part.SOURCE.value}
    return found if told else reading(constants=True).understanding()


@dataclass(slots=True)
class _Column:
    name: str
    profile: Profile
    part: Part | None
    named: bool
    """Whether the header says so; else the values do."""
    exact: bool = False
    """Whether the header says it without further words."""
    role: Role | None = None
    target: str | None = None
    kind: ExtraKind | None = None
    reason: str = ""

    def settle(self, role: Role, reason: str, *, target: str | None = None, kind: ExtraKind | None = None) -> None:
        self.role, self.reason, self.target, self.kind = role, reason, target, kind

    def leave_out(self, reason: str) -> None:
        self.settle(Role.LEFT_OUT, reason)

    @property
    def claimed(self) -> bool:
        """Whether the header names something of a claim. That is matched by whatever some of the rows look like: others may differ."""
        return self.named and self.part in CLAIM_PARTS

    @property
    def said_by(self) -> str:
        return "header" if self.named else f"values: {self.profile.pattern}"


@dataclass(slots=True)
class _Reading:
    sample: Mapping[str, Sequence[str | None]]
    ignored: Collection[str]
    given: frozenset[str]
    alone: bool
    whole: bool
    constants: bool = False
    """Whether columns that are always the same are matched by."""
    columns: list[_Column] = field(default_factory=list)
    made: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def understanding(self) -> Understanding:
        self.columns = [self._column(name) for name in self.sample]
        self._settle_useless()
        self._tell_names_apart()
        self._find_names()
        self._settle_birth_date()
        self._settle_plain()
        self._settle_parts_of_birth_date()
        self._settle_street()
        self._settle_personal_numbers()
        self._settle_rest()
        extras = {
            column.target: ExtraColumn(column.name, column.kind)
            for column in self.columns
            if column.role is Role.EXTRA and column.target and column.kind
        }
        findings = tuple(
            Finding(
                column=column.name,
                role=column.role or Role.LEFT_OUT,
                target=column.target,
                kind=column.kind,
                reason=column.reason,
                profile=column.profile,
            )
            for column in self.columns
        )
        return Understanding(findings=findings, mapping=ColumnMapping(self.made, extras=extras))

    def _column(self, name: str) -> _Column:
        profile, part = profile_of(self.sample[name]), part_of(name)
        if part is not None and not _contradicted(part, profile):
            return _Column(name, profile, part, named=True, exact=exact_part_of(name) is not None)
        found = _BY_VALUES.get(profile.pattern)
        if (
            profile.pattern is Pattern.DATE
            and part is None
            and profile.born * 2 > profile.dates
            and profile.distinct > 20
        ):
            found = Part.BIRTH_DATE
        return _Column(name, profile, found, named=False)

    def _open(self, *parts: Part | None) -> list[_Column]:
        """Columns of these parts that are not settled, the best first: named ones before others, then those that say most; empty ones last."""
        found = [column for column in self.columns if column.role is None and column.part in parts]
        return sorted(
            found,
            key=lambda column: (
                not column.profile.present,
                not column.named,
                not column.exact,
                -column.profile.present,
            ),
        )

    def _take(self, target: str, *columns: _Column, reason: str | None = None) -> None:
        self.made[target] = tuple(column.name for column in columns)
        for column in columns:
            column.settle(Role.CLAIM, reason or column.said_by, target=target)

    def _settle_useless(self) -> None:
        seen: dict[tuple[str | None, ...], str] = {}
        for column in self.columns:
            profile = column.profile
            if column.name in self.ignored:
                column.leave_out("ignored, as asked")
            elif not profile.present and not column.named:
                # A column that a header explains may have values further down.
                column.leave_out("empty")
            elif column.part is Part.TRUTH:
                column.leave_out("header: the answer, never matched by")
            elif column.part is Part.BESIDES:
                column.leave_out("header: not about the person")
            elif column.part is Part.RECORD_ID or (profile.unique and self._is_of_the_row(column.part)):
                if profile.unique or profile.pattern is not Pattern.NUMBER or profile.distinct * 2 > profile.present:
                    column.settle(Role.RECORD_ID, "every row has its own" if profile.unique else column.said_by)
                else:
                    column.leave_out("an id that repeats; a mapping can say whose it is")
            elif self.constants or (column.claimed and not (self.alone and self.whole)):
                seen.setdefault(tuple(self.sample[column.name]), column.name)
            elif profile.constant:
                column.leave_out("(nearly) always the same")
            elif profile.present and (values := tuple(self.sample[column.name])) in seen:
                column.leave_out(f"equal to {seen[values]}")
            else:
                seen[tuple(self.sample[column.name])] = column.name

    def _is_of_the_row(self, part: Part | None) -> bool:
        """Whether a number of which every row has its own is one of the row and tells nothing of the person.

        A customer number counts within its source. Others may be shared with rows that are not in the sample, and with those of another table.
        """
        if part is Part.CUSTOMER_NUMBER:
            return self.alone
        return part in _NUMBERS and self.alone and self.whole

    def _tell_names_apart(self) -> None:
        """`Name` beside a first name is the family name; `nom` without one is the whole name, and so is `nome` alone if it has several words."""
        given = self._open(Part.GIVEN_NAME, Part.INITIALS)
        family, full = self._open(Part.FAMILY_NAME), self._open(Part.FULL_NAME)
        single = [column for column in full if column.profile.several_words * 2 < column.profile.present]
        first, last = (
            bool(found) or name in self.given for found, name in ((given, "given_name"), (family, "family_name"))
        )
        if first and not last and single:
            single[0].part = Part.FAMILY_NAME
        if not first and not full and family and family[0].profile.several_words * 2 > family[0].profile.present:
            family[0].part = Part.FULL_NAME
        if given and not full and not family and given[0].profile.several_words * 2 > given[0].profile.present:
            given[0].part = Part.FULL_NAME
        initials = self._open(Part.INITIALS)
        if initials:
            taken = {column.part for column in self._open(Part.GIVEN_NAME, Part.MIDDLE_NAME)}
            free = [part for part in (Part.GIVEN_NAME, Part.MIDDLE_NAME) if part not in taken]
            if free:
                initials[0].part = free[0]

    def _find_names(self) -> None:
        """Where no header names a name, the words that differ most from row to row are names: they make whole ones, in the table's order."""
        names = (Part.GIVEN_NAME, Part.FAMILY_NAME, Part.FULL_NAME)
        if self._open(*names) or not self.given.isdisjoint(part.value for part in names):
            return
        words = [
            column
            for column in self.columns
            if column.role is None and column.part is None and column.profile.pattern is Pattern.WORDS
            if column.profile.coverage >= _NAMED
            and column.profile.distinct > max(_VARIED * column.profile.present, _SEVERAL)
        ]
        words.sort(key=lambda column: -column.profile.distinct / column.profile.present)
        chosen = [column for column in self.columns if column in words[:2]]
        if chosen:
            self._take(
                Part.FULL_NAME.value, *chosen, reason="values: words, nearly as many as people; no header names a name"
            )

    def _settle_birth_date(self) -> None:
        parts = [self._open(part) for part in (Part.BIRTH_YEAR, Part.BIRTH_MONTH, Part.BIRTH_DAY)]
        whole = self._open(Part.BIRTH_DATE)
        if "birth_date" in self.given:
            for columns in parts:
                for column in columns:
                    column.leave_out("part of the birth date, which the mapping names")
            return
        if not whole and all(parts):
            self._take("birth_date", *(columns[0] for columns in parts), reason="header: year, month and day")
        for columns in parts:
            for column in columns:
                if column.role is None and whole:
                    column.leave_out("part of the birth date, which has a column of its own")
                elif column.role is None:
                    column.part = Part.PERSONAL

    def _settle_plain(self) -> None:
        if not self._open(Part.CITY) and "city" not in self.given:
            for column in self._open(Part.BIRTH_PLACE)[:1]:
                column.part = Part.CITY
        for part in PLAIN_PARTS:
            found = self._open(part)
            if part.value in self.given:
                for column in found:
                    column.leave_out(f"another {part.value}; the mapping names one")
                continue
            for best in found[:1]:
                self._take(part.value, best)
                for column in found[1:]:
                    column.leave_out(f"another {part.value}; {best.name} is matched by")

    def _settle_parts_of_birth_date(self) -> None:
        """What the birth date says already would count twice, whatever its header is. So it would where a header says so (`_settle_birth_date`)."""
        dates = self.made.get(Part.BIRTH_DATE.value, ())
        if len(dates) != 1:
            return
        written = self.sample[dates[0]]
        for column in self.columns:
            unexplained = column.role is None and column.part is None
            if unexplained and is_part_of_dates(self.sample[column.name], written):
                column.leave_out(f"part of the birth date in {dates[0]}")

    def _settle_street(self) -> None:
        lines, numbers = self._open(Part.STREET), self._open(Part.HOUSE_NUMBER)
        if "street" in self.given:
            lines = []
        elif lines:
            of_it = [number for number in numbers if which_address(number.name) == which_address(lines[0].name)]
            self._take("street", *of_it[:1], lines[0])
        elif whole := self._open(Part.WHOLE_ADDRESS):
            self._take("street", whole[0])
        for column in self._open(Part.STREET, Part.HOUSE_NUMBER, Part.WHOLE_ADDRESS):
            column.leave_out("another form of the street")

    def _settle_personal_numbers(self) -> None:
        free = [part for part in _NUMBERS if part.value not in self.made and part.value not in self.given]
        found = sorted(self._open(Part.PERSONAL_NUMBER), key=lambda column: -column.profile.present)
        for column, part in zip(found, free, strict=False):
            self._take(part.value, column, reason="header: a number of the person, in place of " + part.value)
        for column in found[len(free) :]:
            column.leave_out("a number of the person, but no identifier type is left for it")

    def _settle_rest(self) -> None:
        names = set(self.given)
        usable: list[_Column] = []
        for column in self.columns:
            if column.role is not None:
                continue
            if reason := uncomparable(column.profile):
                column.leave_out(reason)
            else:
                usable.append(column)
        usable.sort(key=lambda column: -column.profile.present)
        for column in usable[MOST_EXTRAS:]:
            column.leave_out(f"more than {MOST_EXTRAS} further columns")
        for column in usable[:MOST_EXTRAS]:
            kind = ExtraKind.PERSON if column.part in {Part.PERSONAL, Part.BIRTH_PLACE} else ExtraKind.HOUSEHOLD
            reason = column.said_by if column.part is not None else "values of a few kinds, worth comparing"
            column.settle(Role.EXTRA, reason, target=_extra_name(column.name, names), kind=kind)


def _contradicted(part: Part, profile: Profile) -> bool:
    """Whether the values are something that the header does not say. A few odd values are none."""
    if not profile.present:
        return False
    match part:
        case Part.EMAIL:
            return profile.emails * 5 < profile.present
        case Part.BIRTH_DATE:
            return profile.dates * 5 < profile.present
        case Part.PHONE:
            return profile.pattern in {Pattern.EMAIL, Pattern.WORDS, Pattern.DATE}
        case Part.GIVEN_NAME | Part.FAMILY_NAME | Part.FULL_NAME | Part.CITY | Part.STREET:
            return profile.pattern in {Pattern.EMAIL, Pattern.DATE, Pattern.NUMBER, Pattern.RANDOM, Pattern.PHONE}
        case _:
            return False


def _extra_name(header: str, taken: set[str]) -> str:
    """A name that a model can have for the column; nobody else in the table has it."""
    stem = "_".join(plain_words(header))[:56] or "column"
    name = base = stem if stem[0].isalpha() and stem not in _RESERVED else f"x_{stem}"
    number = 2
    while name in taken:
        name = f"{base}_{number}"
        number += 1
    taken.add(name)
    return name


_RESERVED = frozenset({*(part.value for part in PLAIN_PARTS), "street", "place"})

"""What the values of a column look like: counts and shapes, never the values themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Pattern", "Profile", "is_part_of_dates", "profile_of", "uncomparable"]


class Pattern(StrEnum):
    """Shapes of values, the telling ones first."""

    EMAIL = "e-mail addresses"
    DATE = "dates"
    PHONE = "telephone numbers"
    POSTCODE = "postcodes"
    SEX = "sexes"
    YEAR = "years"
    RANDOM = "random characters"
    NUMBER = "numbers"
    WORDS = "words"
    TEXT = "free text"
    MIXED = "mixed"


_SHAPES: tuple[tuple[Pattern, re.Pattern[str]], ...] = (
    (Pattern.EMAIL, re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")),
    (
        Pattern.DATE,
        re.compile(
            r"(1[6-9]|20)\d\d[-/.](0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])([T ].*)?"
            r"|(0?[1-9]|[12]\d|3[01])[-/.](0?[1-9]|[12]\d|3[01])[-/.]((1[6-9]|20)\d\d|\d\d)"
            r"|(1[6-9]|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
        ),
    ),
    (
        Pattern.POSTCODE,
        re.compile(
            r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|\d{4} ?[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{5}-\d{4}", re.IGNORECASE
        ),
    ),
    (
        Pattern.SEX,
        re.compile(r"[mfwvx]|male|female|man|woman|mannlich|männlich|weiblich|homme|femme|hombre|mujer", re.IGNORECASE),
    ),
    (Pattern.YEAR, re.compile(r"(1[6-9]|20)\d\d")),
    (Pattern.RANDOM, re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|(?=.*\d)[0-9a-f]{16,}", re.IGNORECASE)),
    (Pattern.NUMBER, re.compile(r"[+-]?\d+([.,]\d+)*")),
    (Pattern.WORDS, re.compile(r"[^\W\d_]+([ '.,/-]+[^\W\d_]+){0,3}\.?")),
)
_PHONE = re.compile(r"[+(]?[\d\s()./-]{6,22}\d( ?(x|ext\.?) ?\d+)?", re.IGNORECASE)
_CLEAR = 0.8
"""Share of the values from which a shape is that of the column."""
_MARKED = 0.2
_PHONE_MARKS = frozenset("+() -./")
_LATEST_BIRTH = 2010
_ENOUGH = 50
_LEAST_COVERAGE = 0.1
"""Share of rows below which a further column says too little to be weighed."""
_REPEATED = 0.9
"""Share of the dates of which a column has a part, from which it repeats them: slips strike either."""
_LONGEST_PART = 4
"""Digits of a year."""
_LEAST_DATES = 20
"""Dates below which numbers may be parts of them by chance."""
_LONG_TEXT = 5
"""Words beyond which a value is free text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Counts of a sample of a column."""

    rows: int
    present: int
    distinct: int
    commonest: int
    pattern: Pattern
    emails: int
    dates: int
    born: int
    """Dates of years in which an adult was born."""
    several_words: int

    @property
    def coverage(self) -> float:
        """Share of the rows that have a value."""
        return self.present / self.rows if self.rows else 0.0

    @property
    def unique(self) -> bool:
        """Every row has a value of its own."""
        return self.present == self.rows == self.distinct and self.rows > 1

    @property
    def constant(self) -> bool:
        """Nearly every value is the same, and there are enough of them to say so."""
        return self.present >= _ENOUGH and self.commonest > 0.99 * self.present


def profile_of(values: Sequence[str | None]) -> Profile:
    """The profile of a sample of a column; blank values are missing."""
    present = [value for raw in values if raw and (value := raw.strip())]
    counts = Counter(present)
    shapes: Counter[Pattern] = Counter()
    dialled = marked = born = 0
    for value in present:
        shape = _shape(value)
        shapes[shape] += 1
        born += shape is Pattern.DATE and _year(value) <= _LATEST_BIRTH
        if shape in {Pattern.NUMBER, Pattern.MIXED} and _can_be_dialled(value):
            dialled += 1
            marked += any(letter in _PHONE_MARKS for letter in value)
    pattern = next((shape for shape, count in shapes.most_common(1) if count >= _CLEAR * len(present)), Pattern.MIXED)
    # Digits alone may be any number: some of a column of telephone numbers are written with the marks of one.
    if dialled >= _CLEAR * len(present) and marked >= _MARKED * len(present) > 0:
        pattern = Pattern.PHONE
    return Profile(
        rows=len(values),
        present=len(present),
        distinct=len(counts),
        commonest=max(counts.values(), default=0),
        pattern=pattern,
        emails=shapes[Pattern.EMAIL],
        dates=shapes[Pattern.DATE],
        born=born,
        several_words=sum(len(value.split()) > 1 for value in present),
    )


def is_part_of_dates(values: Sequence[str | None], dates: Sequence[str | None]) -> bool:
    """Whether a column repeats the year, the month or the day of another, nearly always where both have a value. A year may lack its century."""
    both = [
        (int(value), date)
        for value, written in zip(map(_plain, values), dates, strict=True)
        if value.isdecimal() and len(value) <= _LONGEST_PART and (date := _numbers_of(_plain(written)))
    ]
    if len(both) < _LEAST_DATES:
        return False
    agreeing = (sum(value in {date[place], date[place] % 100} for value, date in both) for place in range(3))
    return max(agreeing) >= _REPEATED * len(both)


def uncomparable(profile: Profile) -> str | None:
    """Why a column that is no part of a claim is not compared, if so."""
    complaints = (
        (profile.coverage < _LEAST_COVERAGE, "nearly always missing"),
        (profile.pattern is Pattern.TEXT, "free text"),
        (profile.pattern is Pattern.DATE, "dates, but not of birth"),
        (profile.pattern in {Pattern.EMAIL, Pattern.RANDOM}, f"{profile.pattern} that no header explains"),
        (profile.distinct < 2, "always the same"),
        (profile.distinct * 2 > profile.rows, "too many different values"),
    )
    return next((reason for applies, reason in complaints if applies), None)


def _shape(value: str) -> Pattern:
    short = value[:200]
    found = next((pattern for pattern, expression in _SHAPES if expression.fullmatch(short)), None)
    if found is not None:
        return found
    return Pattern.TEXT if len(short.split()) > _LONG_TEXT else Pattern.MIXED


def _can_be_dialled(value: str) -> bool:
    return bool(_PHONE.fullmatch(value)) and 7 <= sum(letter.isdigit() for letter in value) <= 15


def _year(value: str) -> int:
    found = re.search(r"(?<!\d)(1[6-9]|20)\d\d|^(1[6-9]|20)\d\d", value)
    return int(found.group()) if found else 0


def _plain(value: str | None) -> str:
    return (value or "").strip()


def _numbers_of(date: str) -> tuple[int, ...]:
    """Year, month and day in the order in which they are written; nothing if they are not all there."""
    if _shape(date) is not Pattern.DATE:
        return ()
    compact = (date[:4], date[4:6], date[6:]) if date.isdecimal() else re.split(r"\D", date, maxsplit=3)[:3]
    return tuple(map(int, compact))

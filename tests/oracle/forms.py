"""Compared forms of a record: section 4 of docs/matching.md."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from oracle import tables
from oracle.phonetic import metaphone
from oracle.records import Record

__all__ = ["Forms", "ascii_of", "fold", "nickname_classes", "prepare"]

_LATIN = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ł": "l",
        "ı": "i",
        "ħ": "h",
        "Æ": "AE",
        "Œ": "OE",
        "Ø": "O",
        "Đ": "D",
        "Ð": "D",
        "Þ": "Th",
        "Ł": "L",
        "Ħ": "H",
        "‘": "'",
        "’": "'",
        "–": "-",
        "—": "-",
    }
)


def ascii_of(text: str) -> str:
    """Letters of the Latin script without their marks. Other scripts are outside what the oracle is asked."""
    bare = unicodedata.normalize("NFKD", text.translate(_LATIN))
    return "".join(char for char in bare if not unicodedata.combining(char))


@lru_cache(maxsize=200_000)
def fold(text: str, *, apostrophe: str = "") -> str:
    """Words of `a-z0-9` parted by single spaces."""
    lowered = ascii_of(text).lower().replace("'", apostrophe)
    return " ".join(re.sub("[^a-z0-9]", " ", lowered).split())


def nickname_classes(word: str) -> frozenset[str]:
    """Canonical names of the classes a folded name belongs to."""
    return tables.nicknames().get(word, frozenset())


@dataclass(frozen=True)
class Forms:
    """What the comparisons and blocking keys read. An empty string is missing."""

    given_words: tuple[str, ...]
    given: str
    family_words: tuple[str, ...]
    family: str
    middle: str
    suffix: str
    birth_date: str
    street: str
    city: str
    postcode: str
    extras: Mapping[str, str]

    @property
    def canonical_given(self) -> str:
        """First given word where it names a class or belongs to none, otherwise its alphabetically first class."""
        if not self.given_words:
            return ""
        word = self.given_words[0]
        classes = nickname_classes(word)
        return word if word in classes else min(classes, default=word)

    @cached_property
    def house_number(self) -> str:
        """First word of the street that begins with a digit and is no ordinal."""
        return next((word for word in self.street.split() if _numbers(word)), "")

    @cached_property
    def street_name(self) -> str:
        """The other words of the street, joined."""
        words = self.street.split()
        if self.house_number:
            words.remove(self.house_number)
        return "".join(words)

    @property
    def name_key(self) -> str | None:
        """Metaphone of the family name and first letter of the canonical given name."""
        code = metaphone(self.family)
        if not code or not self.canonical_given:
            return None
        return f"{code}|{self.canonical_given[0]}"

    def part(self, name: str) -> str:
        """A part of a blocking key."""
        return self._parts[name]

    @cached_property
    def _parts(self) -> dict[str, str]:
        family, given = metaphone(self.family), metaphone(self.given)
        return {
            "family_metaphone": family,
            "given_metaphone": given,
            "given_canonical": self.canonical_given,
            "given_initial": self.canonical_given[:1],
            "given3": self.given[:3],
            "family3": self.family[:3],
            "family": self.family,
            "family_end": self.family[-3:],
            "names_sorted": "+".join(sorted((given, family))) if given and family else "",
            "postcode": self.postcode,
            "postcode_area": self.postcode[:3] if len(self.postcode) >= 3 else "",
            "city": self.city,
            "city_metaphone": metaphone(self.city, 6),
            "street_key": self._street_key(),
            "street_name": metaphone(self.street_name, 8),
            "birth_date": self.birth_date,
            "birth_year": self.birth_date[:4],
        }

    def _street_key(self) -> str:
        digits = next((word for word in self.street.split() if re.fullmatch("[0-9]+", word)), "")
        words = (word for word in self.street.split() if len(word) >= 2 and word.isalpha())
        code = metaphone(next(words, ""))
        return digits + code if digits and code else ""


def _numbers(word: str) -> bool:
    """Whether a word of a street is a house number."""
    return word[0] in "0123456789" and not re.fullmatch("[0-9]+(st|nd|rd|th)", word)


def _joined(clean: str | None) -> str:
    return (clean or "").replace(" ", "")


def prepare(record: Record) -> Forms:
    """Compared forms of a record's clean attributes and extras."""
    given = tuple(fold(record.get("given_name") or "").split())
    family = list(fold(record.get("family_name") or "").split())
    for word in list(family):
        if len(family) > 1 and word in tables.particles():
            family.remove(word)
    return Forms(
        given_words=given,
        given="".join(given),
        family_words=tuple(family),
        family="".join(family),
        middle=_joined(fold(record.get("middle_name") or "")),
        suffix=record.get("name_suffix") or "",
        birth_date=record.get("birth_date") or "",
        street=record.get("street") or "",
        city=_joined(record.get("city")),
        postcode=record.get("postcode") or "",
        extras={name: joined for name, value in record.extras.items() if (joined := _joined(value))},
    )

"""Clean forms of attributes and canonical identifiers: sections 1 and 2 of docs/matching.md.

Exact for the Latin script; the tests ask it nothing else.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple

import phonenumbers

from oracle import tables
from oracle.forms import fold

__all__ = ["Normalized", "normalize_attributes", "normalize_extra", "normalize_identifier"]

_BLANK = "\t\n\v\f\r\x1c-\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""Inside of a character class: Unicode White_Space, U+FEFF and U+001C to U+001F."""

_MONTH_FIRST = frozenset({"US", "PH", "BZ"})
_PLAIN = str.maketrans(dict.fromkeys("‘’‛ʼ`´", "'") | dict.fromkeys("‐‑‒–—―−", "-"))


class Normalized(NamedTuple):
    """Status (0 ok, 1 missing, 2 placeholder, 3 invalid), canonical value and gmail-folded value."""

    status: int
    canonical: str | None = None
    folded: str | None = None

    @property
    def digest(self) -> bytes | None:
        """SHA-256 of the canonical value."""
        return None if self.canonical is None else hashlib.sha256(self.canonical.encode()).digest()

    @property
    def folded_digest(self) -> bytes | None:
        """SHA-256 of the gmail-folded value."""
        return None if self.folded is None else hashlib.sha256(self.folded.encode()).digest()


_MISSING, _PLACEHOLDER, _INVALID = Normalized(1), Normalized(2), Normalized(3)


def _trim(value: str) -> str:
    return re.sub(f"^[{_BLANK}]+|[{_BLANK}]+$", "", value)


def _unprintable(value: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Cf") for char in value)


def _ascii_case(value: str, case: Callable[[str], str]) -> str:
    return "".join(case(char) if char.isascii() else char for char in value)


def normalize_identifier(kind: int, value: str | None, region: str) -> Normalized:
    """Canonical form of one raw identifier of a type number."""
    trimmed = _trim(value or "")
    if not trimmed:
        return _MISSING
    lines = {1: ("email",), 2: ("phone", "number")}.get(kind, ("number",))
    if any(tables.is_placeholder(line, trimmed) for line in lines):
        return _PLACEHOLDER
    if kind == 1:
        return _email(trimmed)
    if kind == 2:
        return _phone(trimmed, region)
    return _number(trimmed)


def _email(value: str) -> Normalized:
    local, _, domain = value.partition("@")
    local = _ascii_case(local, str.lower)
    try:
        domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        return _INVALID
    named = re.fullmatch(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", domain)
    canonical = f"{local}@{domain}"
    if not local or not named or value.count("@") != 1 or re.search(f"[{_BLANK}]", value) or _unprintable(value):
        return _INVALID
    if len(local.encode()) > 64 or len(canonical.encode()) > 254:
        return _INVALID
    if tables.is_placeholder_email(canonical):
        return _PLACEHOLDER
    plain = local.split("+")[0].replace(".", "")
    gmail = domain in ("gmail.com", "googlemail.com") and plain
    return Normalized(0, canonical, f"{plain}@gmail.com" if gmail else None)


def _phone(value: str, region: str) -> Normalized:
    plain = unicodedata.normalize("NFKC", value)
    if len(set(re.findall("[0-9]", plain))) == 1 and not re.search("[^\\W0-9_]", plain):
        return _PLACEHOLDER
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return _INVALID
    national = phonenumbers.national_significant_number(number)
    if len(set(national)) == 1 or (number.country_code == 1 and re.fullmatch("[0-9]{3}55501[0-9]{2}", national)):
        return _PLACEHOLDER
    if not phonenumbers.is_valid_number(number):
        return _INVALID
    number.extension = None
    return Normalized(0, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _number(value: str) -> Normalized:
    canonical = _ascii_case(re.sub(f"[{_BLANK}-]", "", value), str.upper)
    if _unprintable(canonical) or len(canonical.encode()) > 128:
        return _INVALID
    alike = len(set(canonical)) == 1 and (canonical[0] == "0" or len(canonical) >= 6)
    return _PLACEHOLDER if alike else Normalized(0, canonical)


def normalize_attributes(raw: Mapping[str, str | None], region: str) -> tuple[dict[str, str], set[str]]:
    """Clean forms of what one row holds, and the names of the attributes that are present but invalid.

    An invalid birth date of eight digits has a clean form nevertheless.
    """
    given, family = _name(raw.get("given_name")), _name(raw.get("family_name"))
    middle = _name(raw.get("middle_name"), middle=True)
    suffixes = [_suffix(raw.get("name_suffix")), _generation(family), _generation(given)]
    if not given and not family and raw.get("full_name"):
        given, between, family, generation = _split(raw["full_name"] or "")
        middle = middle or between
        suffixes.append(generation)
    clean = {
        "given_name": _named(given),
        "middle_name": _named(middle),
        "family_name": _named(family),
        "name_suffix": next((suffix for suffix in suffixes if suffix), ""),
        "street": _street(raw.get("street")),
        "city": _city(raw.get("city")),
        "postcode": _postcode(raw.get("postcode")),
    }
    clean["birth_date"], broken = _birth_date(raw.get("birth_date"), region)
    return {name: value for name, value in clean.items() if value}, {"birth_date"} if broken else set()


def normalize_extra(value: str | None) -> str:
    """Clean form of a value of a column beyond the attributes; empty where it says nothing."""
    clean = fold(value or "") if len((value or "").encode()) <= 512 else ""
    return "" if any(tables.is_placeholder("any", said) for said in (value or "", clean)) else clean


def _present(value: str | None, attribute: str) -> str:
    trimmed = _trim(value or "")
    return "" if tables.is_placeholder(attribute, trimmed) else trimmed


def _name(value: str | None, *, middle: bool = False) -> list[str]:
    """Words of a name without titles; generation suffixes at its end are spelled in letters, but not those of a middle name."""
    text = unicodedata.normalize("NFKC", _present(value, "names").translate(_PLAIN)).lower()
    words = [word for part in _spaced(text, "LMN").split() if (word := part.strip("-'"))]
    if not middle:
        end = next((at for at in range(len(words), 1, -1) if words[at - 1] not in tables.suffixes()), 1)
        words[end:] = [tables.suffixes()[word] for word in words[end:]]
    words = [word for part in _spaced(" ".join(words), "LM").split() if (word := part.strip("-'"))]
    for word in list(words):
        if len(words) > 1 and word in tables.titles():
            words.remove(word)
    return words


def _spaced(text: str, categories: str) -> str:
    kept = (char if char in "-'" or unicodedata.category(char)[0] in categories else " " for char in text)
    return "".join(kept)


def _generation(words: list[str]) -> str:
    """Takes the generation suffixes off the end of a name; the last of them counts."""
    taken = []
    while len(words) > 1 and words[-1] in tables.suffixes():
        taken.append(tables.suffixes()[words.pop()])
    return taken[0] if taken else ""


def _named(words: list[str]) -> str:
    return _present(" ".join(words), "names")


def _split(full_name: str) -> tuple[list[str], list[str], list[str], str]:
    """Given, middle and family name and generation suffix of a full name."""
    before, _, after = full_name.partition(",")
    left, right = _name(before), _name(after)
    if left and right and any(word not in tables.suffixes() for word in _spaced(after.lower(), "LMN").split()):
        generation = _generation(right) or _generation(left)
        return right[:1], right[1:], left, generation
    words = _name(full_name)
    generation = _generation(words)
    start = max(len(words) - 1, 0)
    while start > 1 and fold(words[start - 1]) in tables.particles():
        start -= 1
    return words[: min(1, start)], words[1:start], words[start:], generation


def _suffix(value: str | None) -> str:
    return tables.suffixes().get(tables.squash(_present(value, "name_suffix")), "")


def _birth_date(value: str | None, region: str) -> tuple[str, bool]:
    """Clean form, and whether it is invalid: not read, or read and no calendar day between 1600 and 2100."""
    text = _trim(unicodedata.normalize("NFKC", _present(value, "birth_date")))
    if not text:
        return "", False
    if found := re.fullmatch(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[Tt ].*)?", text):
        year, month, day = (int(found[group]) for group in (1, 3, 4))
    elif found := re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})", text):
        year, month, day = (int(group) for group in found.groups())
    elif found := re.fullmatch(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})", text):
        first, second, year = (int(found[group]) for group in (1, 3, 4))
        month_first = region in _MONTH_FIRST if max(first, second) <= 12 else second > 12
        month, day = (first, second) if month_first else (second, first)
    else:
        return "", True
    clean = _present(f"{year:04}-{month:02}-{day:02}", "birth_date")
    if not clean or year == 9999:
        return "", False
    try:
        dt.date(year, month, day)
    except ValueError:
        return clean, True
    return clean, not 1600 <= year <= 2100


def _street(value: str | None) -> str:
    text = fold(_present(value, "street").replace("#", " apt "), apostrophe=" ")
    words: list[str] = []
    for word in text.split():
        standard = tables.street_words().get(word, word)
        if standard != "apt" or words[-1:] != ["apt"]:
            words.append(standard)
    return _present(re.sub(r"\bp o box\b", "po box", " ".join(words)), "street")


def _city(value: str | None) -> str:
    words = fold(_present(value, "city"), apostrophe=" ").split()
    if len(words) > 1:
        words[0] = {"st": "saint", "mt": "mount", "ft": "fort"}.get(words[0], words[0])
    return _present(" ".join(words), "city")


def _postcode(value: str | None) -> str:
    text = unicodedata.normalize("NFKC", _present(value, "postcode")).upper()
    code = re.sub("[^A-Z0-9]", "", text)
    if re.fullmatch("([0-9])\\1*", code):
        return ""
    return _present(code[:5] if re.fullmatch("[0-9]{9}", code) else code, "postcode")

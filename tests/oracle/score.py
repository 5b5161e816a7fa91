"""Comparison levels, weights and scores of a pair: section 5 of docs/matching.md."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from oracle.distance import jaro_winkler, osa
from oracle.forms import Forms, nickname_classes, prepare
from oracle.model import Frequencies, Model
from oracle.phonetic import metaphone
from oracle.records import COMPARISONS, IDENTIFIER_TYPES, Identifier, Record

__all__ = ["Comparison", "Prepared", "compare"]

_TYPES = len(IDENTIFIER_TYPES)


@dataclass(frozen=True)
class Prepared:
    """A record together with its compared forms. Generic tokens have been taken from it by the caller."""

    record: Record
    forms: Forms

    @staticmethod
    def of(record: Record) -> Prepared:
        """Prepares a record."""
        return Prepared(record, prepare(record))


@dataclass(frozen=True)
class Comparison:
    """Level names and effective weights of one pair, both in the order of the comparisons; millibits."""

    levels: tuple[str, ...]
    weights: tuple[int, ...]
    prior: int

    @property
    def evidence(self) -> int:
        """Sum of the weights."""
        return sum(self.weights)

    @property
    def score(self) -> int:
        """Prior and evidence together."""
        return self.prior + self.evidence

    def level(self, comparison: str) -> str:
        """Level name of one comparison."""
        return self.levels[COMPARISONS.index(comparison)]

    @property
    def held_by_a_line(self) -> bool:
        """Whether nothing but a phone, device or cookie speaks for two who hold different cards or numbers."""
        differ = any(self.level(kind) == "differ" for kind in ("loyalty_card", "crm_number", "customer_number"))
        on_line = any(self.level(kind) == "agree" for kind in ("phone", "device", "cookie"))
        keyed = any(
            self.level(kind) in ("agree", "agree_folded")
            for kind in ("email", "loyalty_card", "crm_number", "webshop_number", "customer_number")
        )
        named = self.level("given_name") not in ("missing", "initial", "different")
        born = self.level("birth_date") in ("exact", "near", "part")
        return differ and on_line and not (keyed or named or born)

    @property
    def contradicts(self) -> bool:
        """Whether the two cannot well be one person."""
        return self.held_by_a_line or self.contradicts_by_claim

    @property
    def contradicts_by_claim(self) -> bool:
        """Whether names or birth dates contradict, however the two were brought together."""
        if self.level("name_suffix") == "different":
            return True
        if self.level("given_name") == "different" and self.level("birth_date") not in ("exact", "near"):
            return True
        one_name = self.level("given_name") in ("exact", "nickname", "near") and self.level("family_name") in (
            "exact",
            "near",
        )
        identified = any(self.level(kind) in ("agree", "agree_folded") for kind in COMPARISONS[:8])
        return self.level("birth_date") == "different" and not (one_name and identified)

    @property
    def comparable(self) -> bool:
        """Whether the two could have contradicted each other."""
        return (
            self.held_by_a_line
            or self.level("given_name") not in ("missing", "initial")
            or self.level("birth_date") != "missing"
            or self.level("name_suffix") != "missing"
        )


def compare(a: Prepared, b: Prepared, model: Model) -> Comparison:
    """Compares two records."""
    levels = [_identifier(a.record, b.record, number) for number in range(1, _TYPES + 1)]
    levels += [rule(a.forms, b.forms) for rule in _RULES]
    weights = [model.weights[number][level] for number, level in enumerate(levels)]
    for name, value in (("given_name", a.forms.given), ("family_name", a.forms.family)):
        number = COMPARISONS.index(name)
        if levels[number] == "exact" and name in model.frequencies:
            weights[number] += _rarity(model.frequencies[name], value)
    agreeing = [number for number in range(_TYPES) if levels[number].startswith("agree")]
    if agreeing:
        largest = max(agreeing, key=lambda number: (weights[number], -number))
        for number in agreeing:
            if number != largest:
                weights[number] = model.corroboration
    return Comparison(tuple(levels), tuple(weights), model.prior)


def _rarity(table: Frequencies, value: str) -> int:
    count = table.per_million.get(value, table.default)
    bits = math.floor(1000 * math.log2(table.baseline / count) + 0.5)
    return max(-table.limit, min(table.limit, bits))


def _identifier(a: Record, b: Record, number: int) -> str:
    plain_a, plain_b = (
        [one for one in record.identifiers if one.type == number and one.form in (1, 3)] for record in (a, b)
    )
    if {one.token for one in plain_a} & {one.token for one in plain_b}:
        return "agree"
    if number == 1:
        folded_a, folded_b = (
            {one.token for one in record.identifiers if one.type == 1 and one.form == 2} for record in (a, b)
        )
        if folded_a & folded_b:
            return "agree_folded"
    kinds_a, kinds_b = ({_kind(one) for one in plain} for plain in (plain_a, plain_b))
    return "differ" if kinds_a & kinds_b else "missing"


def _kind(one: Identifier) -> tuple[str, int]:
    """What two identifiers of a type must have in common to differ rather than say nothing of each other."""
    return ("" if one.type <= 2 else one.namespace, one.form)


def _swapped(a: Forms, b: Forms) -> bool:
    return bool(a.given and a.family and b.given and b.family) and a.given == b.family and a.family == b.given


def _near(left: str, right: str) -> bool:
    close = jaro_winkler(left, right) >= 9200
    return close or (min(len(left), len(right)) >= 4 and osa(left, right) <= 1)


def _compound(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    return any(len(word) >= 3 for word in set(left) & set(right))


def _phonetic(left: str, right: str) -> bool:
    return bool(metaphone(left)) and metaphone(left) == metaphone(right)


def _first_true(*levels: tuple[str, bool]) -> str:
    return next((name for name, holds in levels if holds), "different")


def _given_name(a: Forms, b: Forms) -> str:
    if not a.given or not b.given:
        return "missing"
    shorter, longer = sorted((a.given, b.given), key=len)
    return _first_true(
        ("exact", a.given == b.given),
        ("nickname", bool(nickname_classes(a.given_words[0]) & nickname_classes(b.given_words[0]))),
        ("swapped", _swapped(a, b)),
        ("near", _near(a.given, b.given)),
        ("compound", _compound(a.given_words, b.given_words)),
        ("initial", len(shorter) == 1 and longer.startswith(shorter)),
        ("phonetic", _phonetic(a.given, b.given)),
        ("close", jaro_winkler(a.given, b.given) >= 8000),
    )


def _family_name(a: Forms, b: Forms) -> str:
    if not a.family or not b.family:
        return "missing"
    return _first_true(
        ("exact", a.family == b.family),
        ("swapped", _swapped(a, b)),
        ("near", _near(a.family, b.family)),
        ("compound", _compound(a.family_words, b.family_words)),
        ("phonetic", _phonetic(a.family, b.family)),
        ("close", jaro_winkler(a.family, b.family) >= 8000),
    )


def _middle_name(a: Forms, b: Forms) -> str:
    if not a.middle or not b.middle:
        return "missing"
    return _first_true(("exact", a.middle == b.middle), ("initial", a.middle[0] == b.middle[0]))


def _name_suffix(a: Forms, b: Forms) -> str:
    if not a.suffix or not b.suffix:
        return "missing"
    return _first_true(("exact", a.suffix == b.suffix))


def _birth_date(a: Forms, b: Forms) -> str:
    if not a.birth_date or not b.birth_date:
        return "missing"
    left, right = a.birth_date.split("-"), b.birth_date.split("-")
    exchanged = left == [right[0], right[2], right[1]]
    equal = sum(x == y for x, y in zip(left, right, strict=True))
    return _first_true(
        ("exact", left == right),
        ("near", exchanged or osa("".join(left), "".join(right)) <= 1),
        ("part", equal == 2),
        ("year", left[0] == right[0]),
    )


def _address(a: Forms, b: Forms) -> str:
    streets, cities, codes = (
        bool(left and right) for left, right in ((a.street, b.street), (a.city, b.city), (a.postcode, b.postcode))
    )
    if not (streets or cities or codes):
        return "missing"
    same_street = streets and a.street == b.street
    near_street = same_street or (
        streets and a.house_number == b.house_number and jaro_winkler(a.street_rest, b.street_rest) >= 9000
    )
    same_code = codes and a.postcode == b.postcode
    off_by_one = codes and osa(a.postcode, b.postcode) <= 1
    same_city = cities and a.city == b.city
    same_area = codes and min(len(a.postcode), len(b.postcode)) >= 3 and a.postcode[:3] == b.postcode[:3]
    bare = any(not forms.postcode and not forms.city for forms in (a, b))
    return _first_true(
        ("street_postcode", same_street and same_code),
        ("near_street_postcode", near_street and same_code),
        ("street_city", near_street and (same_city or off_by_one)),
        ("street", same_street and bare),
        ("postcode", same_code),
        ("postcode_near", off_by_one or same_area),
        ("city", cities and jaro_winkler(a.city, b.city) >= 9200),
    )


_RULES: tuple[Callable[[Forms, Forms], str], ...] = (
    _given_name,
    _family_name,
    _middle_name,
    _name_suffix,
    _birth_date,
    _address,
)

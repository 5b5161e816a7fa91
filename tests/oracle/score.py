"""Comparison levels, weights and scores of a pair: section 5 of docs/matching.md."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from oracle.distance import jaro_winkler, osa
from oracle.forms import Forms, nickname_classes, prepare
from oracle.model import Frequencies, Model, Weight
from oracle.phonetic import metaphone
from oracle.records import COMPARISONS, IDENTIFIER_TYPES, Identifier, Record

__all__ = ["Comparison", "Prepared", "Sums", "compare"]

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


class Sums(NamedTuple):
    """Log odds of "one person" against strangers, and against people of one household in a model that knows them."""

    stranger: int
    household: int | None

    @property
    def least(self) -> int:
        """Log odds against the nearer rival."""
        return min(one for one in self if one is not None)

    @property
    def household_is_nearer(self) -> bool:
        """Whether a household explains the two better than chance does."""
        return self.household is not None and self.household < self.stranger


@dataclass(frozen=True)
class Comparison:
    """Level names and effective weights of one pair, in the order of the model's comparisons, and their sums; millibits."""

    levels: tuple[str, ...]
    evidence: tuple[Weight, ...]
    sums: Sums

    @property
    def score(self) -> int:
        """Log odds against the nearest rival."""
        return self.sums.least

    @property
    def weights(self) -> tuple[int, ...]:
        """Weights against the nearest rival, as they are shown: its prior and they sum up to the score."""
        return tuple(one.within if self.sums.household_is_nearer else one.stranger for one in self.evidence)

    def is_kin(self, model: Model) -> bool:
        """Whether the two would be one person if there were no households."""
        return self.sums.household_is_nearer and self.sums.stranger >= model.link

    def is_kept(self, model: Model) -> bool:
        """Whether the pair is evidence."""
        return self.score >= model.edge_floor or self.is_kin(model)


def compare(a: Prepared, b: Prepared, model: Model) -> Comparison:
    """Compares two records."""
    given, family = _names(a.forms, b.forms)
    levels = [_identifier(a.record, b.record, number) for number in range(1, _TYPES + 1)]
    levels += [given, family, *(rule(a.forms, b.forms) for rule in _RULES)]
    levels += [_extra(a.forms, b.forms, name) for name in model.comparisons[len(COMPARISONS) :]]
    evidence = [table[level] for table, level in zip(model.weights, levels, strict=True)]
    for name, value in (("given_name", a.forms.given), ("family_name", a.forms.family)):
        number = COMPARISONS.index(name)
        if levels[number] == "exact" and name in model.frequencies:
            rarity = model.calibration.scaled(_rarity(model.frequencies[name], value))
            evidence[number] = evidence[number]._replace(
                stranger=evidence[number].stranger + rarity, household=evidence[number].household + rarity
            )
    return Comparison(
        tuple(levels),
        tuple(evidence),
        Sums(
            model.stranger_prior + sum(one.stranger for one in evidence),
            None if model.household_prior is None else model.household_prior + sum(one.within for one in evidence),
        ),
    )


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


def _first_true(*levels: tuple[str, bool], otherwise: str = "different") -> str:
    return next((name for name, holds in levels if holds), otherwise)


class _Name(NamedTuple):
    """One name of one record, given or family: its joined form, which is empty if it is missing, and its words."""

    joined: str
    words: tuple[str, ...]


def _alike(left: _Name, right: _Name) -> str:
    """How two names that are not equal are alike, without a look at nicknames or at the other columns."""
    a, b = left.joined, right.joined
    shorter, longer = sorted((a, b), key=len)
    letter, winkler = len(shorter) == 1, jaro_winkler(a, b)
    return _first_true(
        ("near", winkler >= 9200 or (len(shorter) >= 4 and osa(a, b) <= 1)),
        ("compound", any(len(word) >= 3 for word in set(left.words) & set(right.words))),
        ("initial", letter and longer.startswith(shorter)),
        ("phonetic", not letter and bool(metaphone(a)) and metaphone(a) == metaphone(b)),
        ("close", not letter and winkler >= 8200),
        ("loose", not letter and winkler >= 7000),
    )


def _fit(left: _Name, right: _Name) -> bool:
    """Whether one name may stand for the other, whatever columns they are in."""
    return left.joined == right.joined or _alike(left, right) not in ("loose", "different")


def _names(a: Forms, b: Forms) -> tuple[str, str]:
    """Levels of given_name and family_name, which look at each other."""
    given_a, given_b = (_Name(forms.given, forms.given_words) for forms in (a, b))
    family_a, family_b = (_Name(forms.family, forms.family_words) for forms in (a, b))
    given = family = "missing"
    if given_a.joined and given_b.joined:
        given = _first_true(
            ("exact", given_a.joined == given_b.joined),
            ("nickname", bool(nickname_classes(given_a.words[0]) & nickname_classes(given_b.words[0]))),
            otherwise=_alike(given_a, given_b),
        )
    if family_a.joined and family_b.joined:
        family = _first_true(("exact", family_a.joined == family_b.joined), otherwise=_alike(family_a, family_b))
    if {given, family} <= {"missing", "loose", "different"}:
        return _crossed([(given_a, family_b), (given_b, family_a)]) or (given, family)
    return given, family


def _crossed(pairs: list[tuple[_Name, _Name]]) -> tuple[str, str] | None:
    """Levels of given_name and family_name if the two stand crosswise: given names against family names."""
    held = [(one, other) for one, other in pairs if one.joined and other.joined]
    if not held or not all(_fit(one, other) for one, other in held):
        return None
    if len(held) == 1:
        return "missing", "crossed"
    return "swapped" if all(one.joined == other.joined for one, other in held) else "crossed", "missing"


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
    equal = [x == y for x, y in zip(left, right, strict=True)]
    default = left[1:] == ["01", "01"] or "00" in left[1:]
    distance = osa("".join(left), "".join(right))
    return _first_true(
        ("exact", left == right and not default),
        ("exact_january", left == right),
        ("near", exchanged or distance <= 1),
        ("part", sum(equal) == 2 and (equal[0] or not default)),
        ("near2", distance <= 2),
        ("year", equal[0]),
    )


def _joint(first: str, second: str) -> str:
    """Level of two fields together."""
    return "missing" if first == second == "none" else f"{first}_{second}"


def _street(a: Forms, b: Forms) -> str:
    name = number = "none"
    if (one := a.street_name) and (other := b.street_name):
        winkler = jaro_winkler(one, other)
        name = _first_true(
            ("equal", one == other), ("near", winkler >= 9200 or osa(one, other) <= 2), ("close", winkler >= 8200)
        )
    if (one := a.house_number) and (other := b.house_number):
        number = _first_true(("equal", one == other), ("near", osa(one, other) <= 1 and max(len(one), len(other)) >= 2))
    return _joint(name, number)


def _place(a: Forms, b: Forms) -> str:
    code = city = "none"
    if (one := a.postcode) and (other := b.postcode):
        area = min(len(one), len(other)) >= 3 and one[:3] == other[:3]
        code = _first_true(("equal", one == other), ("near", osa(one, other) <= 1), ("area", area))
    if (one := a.city) and (other := b.city):
        city = _first_true(("equal", one == other), ("near", jaro_winkler(one, other) >= 9000 or osa(one, other) <= 1))
    return _joint(code, city)


_RULES: tuple[Callable[[Forms, Forms], str], ...] = (_middle_name, _name_suffix, _birth_date, _street, _place)


def _extra(a: Forms, b: Forms, name: str) -> str:
    one, other = a.extras.get(name, ""), b.extras.get(name, "")
    if not one or not other:
        return "missing"
    shorter = min(len(one), len(other))
    return _first_true(
        ("exact", one == other),
        ("near", (shorter >= 5 and jaro_winkler(one, other) >= 8800) or (shorter >= 4 and osa(one, other) <= 1)),
    )

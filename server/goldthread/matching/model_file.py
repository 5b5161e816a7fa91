"""Writes match model files: TOML with fixed order and fixed number formats, so that equal models are equal bytes.

A *blueprint* is what is not learned: thresholds, partition, blocking, key states, limits, and whatever further sections the core reads. Any
model file can be one; its weights are then left aside, and what it was trained to (`[training.shares]`) is where the next training begins.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log2
from typing import Any, Self

from goldthread import _core
from goldthread.domain.errors import ModelFileError
from goldthread.domain.words import IdentifierType

__all__ = ["Blueprint", "LevelShares", "LevelWeights", "NameFrequencies", "model_text", "restated"]

LevelWeights = Sequence[tuple[int, int]]
"""`(stranger, household)` of each level after `missing`."""

LevelShares = tuple[Sequence[float], Sequence[float], Sequence[float]]
"""Shares of each level after `missing` among pairs of one person, of one household, and of strangers."""

NameFrequencies = tuple[float, float, int, Sequence[tuple[str, float]]]
"""Baseline, default, limit and listed names."""

_LEARNED = frozenset(
    {"version", "calibrated", "description", "prior", "calibration", "comparisons", "frequency", "extra", "training"}
)
_NO_FREQUENCIES: NameFrequencies = (1000.0, 1000.0, 0, ())
_EXTRA_LEVELS = ("exact", "near", "different")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What a model has beside what is learned.

    `sections` are tables of scalars in file order, `rules` the blocking rules, `shares` what an earlier training found, by comparison;
    `extras` are pairs of a name and its kind, `person` or `household`. `deterministic` are identifier types of which one that agrees is to link
    by itself, unless something contradicts it.
    """

    sections: Mapping[str, Mapping[str, Any]]
    rules: Sequence[Mapping[str, Any]]
    extras: tuple[tuple[str, str], ...] = ()
    shares: Mapping[str, Mapping[str, Any]]
    deterministic: tuple[IdentifierType, ...] = ()

    @classmethod
    def read(cls, text: str, *, extras: Sequence[tuple[str, str]] = ()) -> Self:
        """The blueprint in a text; `extras` stand beside those of the text. Raises `ModelFileError`."""
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ModelFileError("the blueprint is not readable as TOML", metadata={"key": str(error)}) from None
        sections = {name: _scalars(name, value) for name, value in content.items() if name not in _LEARNED}
        rules = _tables("blocking.rules", sections.get("blocking", {}).pop("rules", []))
        own = tuple(_extra(said) for said in _tables("extra", content.get("extra", [])))
        known = {name for name, _ in own}
        training = _table("training", content.get("training", {}))
        shares = _table("training.shares", training.get("shares", {}))
        return cls(
            sections=sections,
            rules=[_scalars("blocking.rules", rule) for rule in rules],
            extras=own + tuple((name, kind) for name, kind in extras if name not in known),
            shares={name: _scalars(f"training.shares.{name}", said) for name, said in shares.items()},
            deterministic=_identifiers("training.deterministic", training.get("deterministic", [])),
        )

    def draft(self) -> str:
        """A model of this blueprint that has learned nothing: every weight is zero."""
        return model_text(
            self,
            head={"version": "blueprint", "calibrated": False, "description": "Nothing is learned yet."},
            priors=(0, 0, 1),
            weights=[[(0, 0)] * len(levels) for _, levels in self.levels()],
        )

    def decided(
        self, weights: Sequence[LevelWeights], *, priors: tuple[int, int], calibration: tuple[int, int]
    ) -> list[LevelWeights]:
        """Learned weights, save that each deterministic identifier that agrees reaches `link` alone, against strangers and as household.

        All are in millibits; the calibration has thousandths and millibits.
        """
        slope, intercept = calibration
        # A millibit more for each number that the core rounds.
        needed = ceil((self.sections["thresholds"]["link"] + 3 - intercept) * 1000 / slope)
        found = list(weights)
        for kind in self.deterministic:
            place = _core.COMPARISONS.index(kind.label)
            # A comparison that took no part has no weight for anything.
            if not any(any(weight) for weight in found[place]):
                continue
            (stranger, household), *others = found[place]
            stranger = max(stranger, needed - priors[0])
            found[place] = [(stranger, min(household, stranger + priors[1] - needed)), *others]
        return found

    def levels(self) -> list[tuple[str, Sequence[str]]]:
        """Comparisons and their levels without `missing`: those that every model has, then the extras."""
        named = [(name, levels[1:]) for name, levels in zip(_core.COMPARISONS, _core.LEVELS, strict=True)]
        return [*named, *((name, _EXTRA_LEVELS) for name, _ in self.extras)]


def _invalid(key: str) -> ModelFileError:
    return ModelFileError(f"the blueprint is not valid: {key} is not what a model has there", metadata={"key": key})


def _table(key: str, said: object) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise _invalid(key)
    return dict(said)


def _tables(key: str, said: object) -> list[dict[str, Any]]:
    if not isinstance(said, list):
        raise _invalid(key)
    return [_table(key, one) for one in said]


def _scalars(key: str, said: object) -> dict[str, Any]:
    """A table of values that a model file can hold; the blocking rules are tables of their own."""
    found = _table(key, said)
    for name, value in found.items():
        parts = value if isinstance(value, list) else [value]
        if (key, name) != ("blocking", "rules") and not all(
            isinstance(part, bool | int | float | str) for part in parts
        ):
            raise _invalid(f"{key}.{name}")
    return found


def _identifiers(key: str, said: object) -> tuple[IdentifierType, ...]:
    kinds = {kind.label: kind for kind in IdentifierType}
    if not isinstance(said, list) or not all(isinstance(name, str) and name in kinds for name in said):
        raise _invalid(key)
    return tuple(kinds[name] for name in said)


def _extra(said: Mapping[str, Any]) -> tuple[str, str]:
    name, kind = said.get("name"), said.get("kind")
    if not isinstance(name, str) or kind not in ("person", "household"):
        raise _invalid("extra")
    return name, str(kind)


def model_text(
    blueprint: Blueprint,
    *,
    head: Mapping[str, str | bool],
    priors: tuple[int, int, int],
    weights: Sequence[LevelWeights],
    calibration: tuple[int, int] | None = None,
    frequencies: tuple[NameFrequencies, NameFrequencies] = (_NO_FREQUENCIES, _NO_FREQUENCIES),
    training: Mapping[str, str | int | float | list[str]] | None = None,
    shares: Mapping[str, LevelShares] | None = None,
) -> str:
    """A model file. `priors` are stranger, household and population; `weights` follow `Blueprint.levels`.

    Without `shares` those of the blueprint are written again.
    """
    stranger, household, population = priors
    lines = [*_pairs(head), ""]
    lines += _section("prior", {"stranger": stranger, "household": household, "population": population})
    if calibration is not None:
        lines += _section("calibration", {"slope": calibration[0], "intercept": calibration[1]})
    for name, section in blueprint.sections.items():
        lines += _section(name, section if name != "blocking" or blueprint.rules else {**section, "rules": []})
        if name == "blocking":
            for rule in blueprint.rules:
                lines += ["[[blocking.rules]]", *_pairs(rule), ""]
    lines += _weights(blueprint, weights)
    for name, (baseline, default, limit, listed) in zip(("given_name", "family_name"), frequencies, strict=True):
        lines += _section(f"frequency.{name}", {"baseline": baseline, "default": default, "limit": limit})
        lines += _section(f"frequency.{name}.per_million", dict(listed))
    if training is not None:
        lines += _section("training", training)
    for name, stated in (blueprint.shares if shares is None else _stated(shares)).items():
        lines += _section(f"training.shares.{name}", stated)
    return "\n".join(lines).rstrip() + "\n"


def restated(text: str, population: int) -> str:
    """A model for another number of records, as a training for that many states it (docs/training.md section 4).

    Persons keep their number of records, so pairs of one person are the rarer the more records there are, and so are strangers who share an
    identifier. The version says so. Comments are gone. Raises `ModelFileError` for a text without priors.
    """
    try:
        content = tomllib.loads(text)
        prior = content["prior"]
        before = prior["population"]
        slope = content.get("calibration", {}).get("slope", 1000)
        shift = floor(1000 * log2(before / population) * 1000 / slope + 0.5)
        prior |= {"stranger": prior["stranger"] + shift, "population": population}
        comparisons = content["comparisons"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ModelFileError("the match model has no priors that can be read", metadata={"key": str(error)}) from None
    content["version"] = f"{content.get('version', '')}-for-{population}"
    for kind in IdentifierType:
        levels = comparisons.get(kind.label, {})
        # A comparison that was never learned says nothing for any population.
        if any(weight not in (0, [0, 0]) for weight in levels.values()):
            for level in levels.keys() - {"differ"}:
                levels[level] = _lowered(levels[level], shift, households="household" in prior)
    return "\n".join(_document(content)).rstrip() + "\n"


def _lowered(weight: int | list[int], by: int, *, households: bool) -> int | list[int]:
    """A weight that is so much less, against strangers and as household."""
    stranger, household = weight if isinstance(weight, list) else (weight, 0)
    return [stranger - by, household - by] if households else stranger - by


def _document(content: Mapping[str, Any], path: str = "") -> list[str]:
    """Tables of any depth, each after the plain values of the one it is in."""
    lines = _pairs({key: value for key, value in content.items() if not _is_table(value)})
    for key, value in content.items():
        if _is_table(value):
            name = f"{path}{_key(key)}"
            for table in value if isinstance(value, list) else [value]:
                head = f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
                lines += ["", head, *_document(table, f"{name}.")]
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _weights(blueprint: Blueprint, weights: Sequence[LevelWeights]) -> list[str]:
    lines: list[str] = []
    extras = dict(blueprint.extras)
    for (name, levels), row in zip(blueprint.levels(), weights, strict=True):
        texts = {level: f"[{against}, {rival}]" for level, (against, rival) in zip(levels, row, strict=True)}
        if name in extras:
            inline = ", ".join(f"{level} = {text}" for level, text in texts.items())
            lines += ["[[extra]]", *_pairs({"name": name, "kind": extras[name]}), f"levels = {{ {inline} }}", ""]
        else:
            lines += [f"[comparisons.{name}]", *(f"{level} = {text}" for level, text in texts.items()), ""]
    return lines


def _stated(shares: Mapping[str, LevelShares]) -> dict[str, dict[str, list[float]]]:
    """Shares as a model file states them: six digits."""
    classes = ("same", "household", "strangers")
    return {
        name: {key: [float(f"{share:.6g}") for share in row] for key, row in zip(classes, rows, strict=True)}
        for name, rows in shares.items()
    }


def _section(name: str, values: Mapping[str, Any]) -> list[str]:
    return [f"[{name}]", *_pairs(values), ""]


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in values.items()]


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() else json.dumps(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int():
            return str(value)
        case float():
            # TOML wants a fraction or an exponent in every float, which is what repr gives.
            return repr(value)
        case list() | tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a model file")

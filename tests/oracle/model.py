"""Reads a match model file for the oracle: as it is in force, that is with its calibration applied."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from oracle.levels import EXTRA_LEVELS, LEVELS
from oracle.records import COMPARISONS, IDENTIFIER_TYPES

__all__ = ["BlockingRule", "Calibration", "Frequencies", "Model", "Weight"]

_PERSONAL = frozenset({"given_name", "middle_name", "name_suffix", "birth_date"})
"""What members of a household do not share, besides extras of kind `person`."""


class Weight(NamedTuple):
    """Evidence of one level, in millibits: against strangers, and against people of one household as far as those differ from strangers."""

    stranger: int
    household: int = 0

    @property
    def within(self) -> int:
        """Evidence against people of one household."""
        return self.stranger - self.household


@dataclass(frozen=True)
class BlockingRule:
    """Parts every key of the rule has, and the refinements that a crowded key is extended by, in order."""

    name: str
    parts: tuple[str, ...]
    refinements: tuple[str, ...]


@dataclass(frozen=True)
class Frequencies:
    """Counts per million of the values of one attribute."""

    baseline: float
    default: float
    limit: int
    per_million: Mapping[str, float]


@dataclass(frozen=True)
class Calibration:
    """A straight line from the log odds of the file to those that are meant; thousandths and millibits."""

    slope: int = 1000
    intercept: int = 0

    def scaled(self, weight: int) -> int:
        """A weight in force, rounded half up."""
        return (self.slope * weight + 500) // 1000

    def prior(self, weight: int) -> int:
        """A prior in force: it alone moves by the intercept, once in every sum."""
        return self.scaled(weight) + self.intercept

    def weight(self, written: int | list[int]) -> Weight:
        """A level's weight in force; one number is that against strangers of a level that households do not explain."""
        return Weight(self.scaled(written)) if isinstance(written, int) else Weight(*map(self.scaled, written))


@dataclass(frozen=True)
class Model:
    """A match model; weights in millibits. `comparisons`, `levels` and `weights` are parallel, extras at the end; `personal` are names."""

    version: str
    stranger_prior: int
    household_prior: int | None
    once: int
    """Log2 of the records of a person, in millibits."""
    link: int
    review: int
    edge_floor: int
    max_component: int
    ambiguity_margin: int
    apart: int
    max_block: int
    rules: tuple[BlockingRule, ...]
    generic: tuple[int, ...]
    generic_records: int
    purchases_per_day: int
    stores_per_day: int
    phone_gap_days: int
    limits: tuple[int, ...]
    comparisons: tuple[str, ...]
    personal: frozenset[str]
    levels: tuple[tuple[str, ...], ...]
    weights: tuple[Mapping[str, Weight], ...]
    calibration: Calibration
    frequencies: Mapping[str, Frequencies]

    @staticmethod
    def load(path: Path | str) -> Model:
        """Reads a TOML model file."""
        return Model.parse(Path(path).read_text(encoding="utf-8"))

    @staticmethod
    def parse(text: str) -> Model:
        """Reads the text of a TOML model file."""
        document = tomllib.loads(text)
        thresholds, partition, blocking = document["thresholds"], document["partition"], document["blocking"]
        prior, extras = document["prior"], document.get("extra", [])
        calibration = Calibration(**document.get("calibration", {}))
        written = [document["comparisons"][name] for name in COMPARISONS] + [extra["levels"] for extra in extras]
        return Model(
            version=document["version"],
            stranger_prior=calibration.prior(prior["stranger"]),
            household_prior=calibration.prior(prior["household"]) if "household" in prior else None,
            once=min(_once(prior), thresholds["link"] - thresholds["review"]),
            link=thresholds["link"],
            review=thresholds["review"],
            edge_floor=thresholds["edge_floor"],
            max_component=partition["max_component"],
            ambiguity_margin=partition["ambiguity_margin"],
            apart=partition["apart"],
            max_block=blocking["max_block"],
            rules=tuple(
                BlockingRule(rule["name"], tuple(rule["parts"]), tuple(rule["refinements"]))
                for rule in blocking["rules"]
            ),
            generic=tuple(document["generic"][name] for name in IDENTIFIER_TYPES),
            generic_records=document["generic"]["records"],
            purchases_per_day=document["generic"]["purchases_per_day"],
            stores_per_day=document["generic"]["stores_per_day"],
            phone_gap_days=document["epochs"]["phone_gap_days"],
            limits=tuple(document["limits"][name] for name in IDENTIFIER_TYPES),
            comparisons=(*COMPARISONS, *(extra["name"] for extra in extras)),
            personal=_PERSONAL | {extra["name"] for extra in extras if extra["kind"] == "person"},
            levels=tuple(
                ("missing", *names)
                for names in (*(LEVELS[name] for name in COMPARISONS), *(EXTRA_LEVELS for _ in extras))
            ),
            weights=tuple(
                {"missing": Weight(0), **{level: calibration.weight(one) for level, one in table.items()}}
                for table in written
            ),
            calibration=calibration,
            frequencies={
                name: Frequencies(
                    table["baseline"], table["default"], table["limit"], dict(table.get("per_million", {}))
                )
                for name, table in document.get("frequency", {}).items()
            },
        )

    def generic_limit(self, identifier_type: int) -> int:
        """More distinct name keys than this make a token of the type generic."""
        return self.generic[identifier_type - 1]

    def cluster_limit(self, identifier_type: int) -> int:
        """More distinct identifiers of the type than this are not brought together by evidence alone."""
        return self.limits[identifier_type - 1]


def _once(prior: Mapping[str, int]) -> int:
    """From the prior as it is written: a record has so many others of its person, twice what a person has beyond the first."""
    others = prior["population"] * 2 ** (prior["stranger"] / 1000)
    return math.floor(1000 * math.log2(1 + others / 2) + 0.5)

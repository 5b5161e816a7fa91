"""Reads a match model file for the oracle."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oracle.records import COMPARISONS, IDENTIFIER_TYPES

__all__ = ["BlockingRule", "Frequencies", "Model"]


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
class Model:
    """A match model; weights in millibits."""

    version: str
    prior: int
    link: int
    review: int
    edge_floor: int
    max_component: int
    contradiction_limit: int
    ambiguity_margin: int
    max_block: int
    rules: tuple[BlockingRule, ...]
    generic: tuple[int, ...]
    generic_records: int
    purchases_per_day: int
    stores_per_day: int
    phone_gap_days: int
    limits: tuple[int, ...]
    corroboration: int
    levels: tuple[tuple[str, ...], ...]
    weights: tuple[Mapping[str, int], ...]
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
        weights = tuple(document["comparisons"][name] for name in COMPARISONS)
        return Model(
            version=document["version"],
            prior=document["prior"]["weight"],
            link=thresholds["link"],
            review=thresholds["review"],
            edge_floor=thresholds["edge_floor"],
            max_component=partition["max_component"],
            contradiction_limit=partition["contradiction_limit"],
            ambiguity_margin=partition["ambiguity_margin"],
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
            corroboration=document["identifiers"]["corroboration"],
            levels=tuple(("missing", *_LEVELS[name]) for name in COMPARISONS),
            weights=tuple({"missing": 0, **table} for table in weights),
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


_LEVELS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(IDENTIFIER_TYPES, ("agree", "differ")),
    "email": ("agree", "agree_folded", "differ"),
    "given_name": (
        "exact",
        "nickname",
        "swapped",
        "near",
        "compound",
        "initial",
        "phonetic",
        "close",
        "different",
    ),
    "family_name": ("exact", "swapped", "near", "compound", "phonetic", "close", "different"),
    "middle_name": ("exact", "initial", "different"),
    "name_suffix": ("exact", "different"),
    "birth_date": ("exact", "near", "part", "year", "different"),
    "address": (
        "street_postcode",
        "near_street_postcode",
        "street_city",
        "street",
        "postcode",
        "postcode_near",
        "city",
        "different",
    ),
}

"""How a peer is set up for a table: plain values, so that a plan can be written down, shown and sent to another process.

A *rule* is a tuple of columns, or SQL expressions over them, that two rows must agree in; a rule of Splink may also be one SQL condition over
the rows `l` and `r`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

__all__ = [
    "GoldenmatchPlan",
    "Peer",
    "PeerPlan",
    "RecordlinkagePlan",
    "Rule",
    "SplinkComparison",
    "SplinkLevel",
    "SplinkPlan",
]

Rule: TypeAlias = tuple[str, ...]


class Peer(StrEnum):
    """The tools that can be compared with."""

    SPLINK = "splink"
    RECORDLINKAGE = "recordlinkage"
    GOLDENMATCH = "goldenmatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplinkLevel:
    """One level of a comparison of one's own; the first that is true counts.

    `value` is a column for `missing`, `exact` and `jaro_winkler`, and an SQL condition for `missing_where` and `where`.
    """

    kind: Literal["missing", "missing_where", "exact", "jaro_winkler", "where", "else"]
    value: str = ""
    threshold: float = 0.0
    frequencies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SplinkComparison:
    """A comparison of Splink's library, or one made of `levels`, in which case `columns` is the name of what it is about."""

    kind: Literal[
        "exact",
        "name",
        "forename_surname",
        "levenshtein",
        "damerau_levenshtein",
        "jaro_winkler",
        "birth_date",
        "postcode",
        "email",
        "levels",
    ]
    columns: Rule
    thresholds: tuple[float, ...] = ()
    frequencies: bool = False
    """Adjusts an exact level for how frequent the value is."""
    date_format: str | None = None
    levels: tuple[SplinkLevel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SplinkPlan:
    """Comparisons, blocking for predictions, rules that hold for matches only with the recall they are thought to have, blocking of each training pass."""

    comparisons: tuple[SplinkComparison, ...]
    blocking: tuple[Rule | str, ...]
    certain: tuple[Rule | str, ...]
    certain_recall: float
    training: tuple[Rule, ...]
    link: float = 0.95
    """Pairs of this probability or more are links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordlinkagePlan:
    """Blocks, columns compared by Jaro-Winkler similarity with a threshold of 0.85, and columns compared exactly."""

    blocking: tuple[Rule, ...]
    near: Rule
    exact: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenmatchPlan:
    """Nothing to set up: it configures itself from the table."""


PeerPlan: TypeAlias = SplinkPlan | RecordlinkagePlan | GoldenmatchPlan

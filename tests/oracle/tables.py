"""Word tables of the matching rules, read from the data files both implementations share.

The tables are facts, not code: sharing them keeps the oracle independent while both follow one list of words.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

__all__ = [
    "is_placeholder",
    "is_placeholder_email",
    "nicknames",
    "particles",
    "squash",
    "street_words",
    "suffixes",
    "titles",
]

_FOLDER = Path(__file__).resolve().parents[2] / "resolver_core" / "matching" / "tables"


def _lines(name: str) -> list[str]:
    text = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _listed(name: str) -> Mapping[str, frozenset[str]]:
    entries: dict[str, set[str]] = defaultdict(set)
    for line in _lines(name):
        head, _, members = line.partition(":")
        entries[head.strip()].update(members.split())
    return {head: frozenset(members) for head, members in entries.items()}


def _spellings(name: str) -> Mapping[str, str]:
    return {word: head for head, members in _listed(name).items() for word in (head, *members)}


@lru_cache
def nicknames() -> Mapping[str, frozenset[str]]:
    """Names of the classes of each folded given name."""
    classes: dict[str, set[str]] = defaultdict(set)
    for head, members in _listed("nicknames").items():
        for word in (head, *members):
            classes[word].add(head)
    return {word: frozenset(heads) for word, heads in classes.items()}


@lru_cache
def particles() -> frozenset[str]:
    """Words before a family name that do not count while another word remains."""
    return frozenset(" ".join(_lines("particles")).split())


@lru_cache
def titles() -> frozenset[str]:
    """Words that address a person and do not name one."""
    return frozenset(" ".join(_lines("titles")).split())


@lru_cache
def suffixes() -> Mapping[str, str]:
    """Generation suffix by spelling."""
    return _spellings("suffixes")


@lru_cache
def street_words() -> Mapping[str, str]:
    """Standard word by spelling."""
    return _spellings("street_words")


@lru_cache
def _placeholders() -> Mapping[str, frozenset[str]]:
    return _listed("placeholders")


def squash(value: str) -> str:
    """Letters, marks and numbers only, lower case."""
    lowered = unicodedata.normalize("NFKC", value).lower()
    return "".join(char for char in lowered if unicodedata.category(char)[0] in "LMN")


def is_placeholder(kind: str, value: str) -> bool:
    """Whether a value says that nothing was given; kinds are those of the table."""
    squashed = squash(value)
    return not squashed or squashed in _placeholders()["any"] | _placeholders().get(kind, frozenset())


def is_placeholder_email(canonical: str) -> bool:
    """Whether a canonical e-mail stands in the table, where `*` is any text."""
    return any(fnmatchcase(canonical, pattern) for pattern in _placeholders()["email"] if "@" in pattern)

"""Whom a storm of stewards merges and splits: drawn by a seed from what the ledger holds."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from storms.snapshots import Snapshot

__all__ = ["Merge", "Split", "pick_merges", "pick_splits"]

Ordered = TypeVar("Ordered", str, tuple[str, str])

_CHAINED = 10
"""One merge in so many is followed by another one that builds on it."""


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge to ask for, and everybody who is one person after it; `builds_on` is the place of the merge before it in a chain."""

    kind: str
    asked: tuple[str, str]
    people: tuple[str, ...]
    builds_on: int | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """A split to ask for: these records from the rest."""

    profile_id: str
    part: tuple[str, ...]
    rest: tuple[str, ...]


def pick_merges(held: Snapshot, *, count: int, draw: random.Random) -> list[Merge]:
    """A third from open reviews, a third of households that contradict each other, the others of strangers, nobody twice; and chains on top.

    Nor does anybody take part in one who is near to somebody in another: who fits both of a pair may be joined to what they become, and operations
    that were to be far apart would meet in him.
    """
    related = held.reviews.keys() | held.households.keys()
    around: dict[str, set[str]] = defaultdict(set)
    for one, other in related:
        around[one].add(other)
        around[other].add(one)
    used: set[str] = set()

    def take(*people: str) -> bool:
        """Whether none of them is used or near to one who is; then they are."""
        if not used.isdisjoint(people):
            return False
        used.update(people, *(around[person] for person in people))
        return True

    third = count // 3
    near = list(itertools.islice((pair for pair in _shuffled(held.reviews, draw) if take(*pair)), third))
    contradicting = list(itertools.islice((pair for pair in _shuffled(held.households, draw) if take(*pair)), third))
    strangers = (one for one in _shuffled(held.profiles, draw) if take(one))
    far = list(itertools.islice(_pairs(strangers), count - len(near) - len(contradicting)))
    kinds = (("near", near), ("contradicting", contradicting), ("far", far))
    found = [Merge(kind, pair, pair) for kind, pairs in kinds for pair in pairs]
    draw.shuffle(found)
    ends = draw.sample(range(len(found)), len(found) // _CHAINED)
    for place, third_one in zip(ends, strangers, strict=False):
        before = found[place]
        found.append(Merge("chained", (before.asked[1], third_one), (*before.people, third_one), place))
    return found


def pick_splits(held: Snapshot, *, count: int, draw: random.Random) -> list[Split]:
    """Profiles of which the evidence says that they are one person, each to be parted somewhere."""
    found = []
    members = held.members()
    for profile_id in _shuffled((one for one in held.profiles if len(members[one]) > 1), draw)[:count]:
        births = draw.sample(sorted(map(str, members[profile_id])), len(members[profile_id]))
        cut = draw.randrange(1, len(births))
        found.append(Split(profile_id, tuple(births[:cut]), tuple(births[cut:])))
    return found


def _pairs(ones: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Two and two; who is left over alone takes part in nothing."""
    return zip(ones, ones, strict=False)


def _shuffled(ones: Iterable[Ordered], draw: random.Random) -> list[Ordered]:
    listed = sorted(ones)
    draw.shuffle(listed)
    return listed

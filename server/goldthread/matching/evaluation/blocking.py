"""What blocking finds: the share of the true pairs that become candidates, and what that costs.

Of all true pairs, some say nothing of each other: a purchase by card and another by e-mail alone. Nothing finds those, so beside the share of all pairs
stand those of the pairs that could be found (`Findable`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from typing import TypeAlias

__all__ = [
    "FINDABLE",
    "MOST_JUDGED",
    "Blocking",
    "FoundPairs",
    "Judge",
    "Judged",
    "RecordPersons",
    "tally_blocking",
    "tally_findable",
]

FINDABLE = ("findable", "beyond_names", "kept")
"""The kinds of pairs that could be found, as `Judged` has them."""
MOST_JUDGED = 2_000_000
"""True pairs of records that are judged, at some hundred bytes each; a truth with more is one of crowds rather than of persons."""
_CHUNK = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One byte for each of some pairs of records, 1 or 0."""

    findable: bytes = field(repr=False)
    """They share an identifier, or agree or nearly agree in at least two fields of which one is not the place."""
    beyond_names: bytes = field(repr=False)
    """Likewise, and given and family name are not all that they agree in."""
    kept: bytes = field(repr=False)
    """They would be kept if they were candidates."""


Judge: TypeAlias = Callable[[Sequence[int], Sequence[int]], Judged]
"""Says of pairs of records, as two parallel columns, which could be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocking:
    """Candidates are those of the design (section 3): pairs of records that share a non-generic token or a refined blocking key."""

    records: int
    candidates: int
    true_pairs: int
    direct: float
    """Share of the true pairs of rows whose records are one, or candidates."""
    through_cluster: float
    """Share of the true pairs of rows whose records are one, or joined by a chain of candidates of that same person."""
    true_record_pairs: int = 0
    """Pairs of different records of one person."""
    judged: bool | None = None
    """Whether it was judged which of them could be found; None where nothing could judge, False where they are more than `MOST_JUDGED`."""
    findable_pairs: int | None = None
    """None where they were not judged, as the two that follow."""
    beyond_names_pairs: int | None = None
    kept_pairs: int | None = None

    @property
    def per_record(self) -> float:
        """Candidates that a record has: every pair counts for both of its records."""
        return 2 * self.candidates / self.records if self.records else 0.0


class RecordPersons:
    """Whose rows each record holds. Rows without a record stand alone; rows without a truth (None) must have been left out.

    Persons are numbered in the order in which they first come.
    """

    def __init__(self, row_records: Sequence[int | None], truth: Sequence[Hashable]) -> None:
        self.place = {person: index for index, person in enumerate(dict.fromkeys(truth))}
        cells = Counter(
            (record, self.place[person])
            for record, person in zip(row_records, truth, strict=True)
            if record is not None
        )
        self._held: dict[int, list[tuple[int, int]]] = {}
        for (record, person), rows in cells.items():
            self._held.setdefault(record, []).append((person, rows))

    def of(self, record: int) -> list[tuple[int, int]]:
        """`(person, rows)` of a record; empty where none of its rows has a known person."""
        return self._held.get(record, [])

    def rows(self, record: int) -> int:
        """Labelled rows of a record."""
        return sum(rows for _, rows in self.of(record))

    def shared(self, left: int, right: int) -> list[tuple[int, int]]:
        """`(person, pairs of rows)` of each person in both records."""
        held, others = self.of(left), dict(self.of(right))
        return [(person, rows * others[person]) for person, rows in held if person in others]

    def within(self) -> list[int]:
        """For each person the pairs of its rows that are one record."""
        pairs = [0] * len(self.place)
        for held in self._held.values():
            for person, rows in held:
                pairs[person] += rows * (rows - 1) // 2
        return pairs

    def joined(self) -> int:
        """Pairs of rows that are one record, of one person or not."""
        return sum(rows * (rows - 1) // 2 for rows in map(self.rows, self._held))

    def pairs(self) -> Iterator[tuple[int, int, int]]:
        """`(person, record, other record)` of every pair of records that one person has, the lower record first."""
        own: dict[int, list[int]] = {}
        for record, person, _ in self.nodes():
            own.setdefault(person, []).append(record)
        return ((person, a, b) for person, records in own.items() for a, b in combinations(sorted(records), 2))

    def pair_count(self) -> int:
        """How many pairs of records one person has, of all persons."""
        records = Counter(person for _, person, _ in self.nodes())
        return sum(count * (count - 1) // 2 for count in records.values())

    def own(self, left: Sequence[int], right: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
        """`(person, record, other record, pairs of rows)` of those of some pairs of records that are of one person. O(pairs)."""
        single = {record: held[0] for record, held in self._held.items() if len(held) == 1}
        for a, b in zip(left, right, strict=True):
            one, other = single.get(a), single.get(b)
            if one is None or other is None:
                yield from ((person, a, b, pairs) for person, pairs in self.shared(a, b))
            elif one[0] == other[0]:
                yield one[0], a, b, one[1] * other[1]

    def nodes(self) -> Iterable[tuple[int, int, int]]:
        """`(record, person, rows)` of every person in every record."""
        return ((record, person, rows) for record, held in self._held.items() for person, rows in held)


class _Chains:
    """Records of one person joined by candidates."""

    def __init__(self) -> None:
        self._parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(self, node: tuple[int, int]) -> tuple[int, int]:
        """What names the chain of a record and a person."""
        parent = self._parent
        while (above := parent.get(node, node)) != node:
            parent[node] = parent.get(above, above)
            node = parent[node]
        return node

    def join(self, left: int, right: int, person: int) -> None:
        """Joins two records of a person."""
        self._parent[self.root((left, person))] = self.root((right, person))


class FoundPairs:
    """The candidates that are of one person, and the chains that they make of a person's records. O(candidates).

    `remembered` keeps which they are, for `tally_findable`: some hundred bytes each.
    """

    def __init__(
        self, persons: RecordPersons, left: Sequence[int], right: Sequence[int], *, remembered: bool = False
    ) -> None:
        self.direct = [float(pairs) for pairs in persons.within()]
        """For each person its pairs of rows whose records are one, or candidates."""
        self._chains = _Chains()
        self._pairs: set[tuple[int, int]] = set()
        for person, a, b, pairs in persons.own(left, right):
            self.direct[person] += pairs
            self._chains.join(a, b, person)
            if remembered:
                self._pairs.add((min(a, b), max(a, b)))

    def has(self, left: int, right: int) -> bool:
        """Whether two records, the lower first, are a candidate."""
        return (left, right) in self._pairs

    def chain(self, record: int, person: int) -> tuple[int, int]:
        """What names the chain that a record of a person belongs to."""
        return self._chains.root((record, person))


def tally_blocking(persons: RecordPersons, found: FoundPairs) -> dict[str, list[float]]:
    """For each person its true pairs of rows found directly and through the cluster; O(records)."""
    sizes: Counter[tuple[int, int]] = Counter()
    for record, person, rows in persons.nodes():
        sizes[found.chain(record, person)] += rows
    through = [0.0] * len(found.direct)
    for (_, person), rows in sizes.items():
        through[person] += rows * (rows - 1) // 2
    return {"direct": found.direct, "through_cluster": through}


def tally_findable(persons: RecordPersons, found: FoundPairs, judge: Judge) -> dict[str, list[float]]:
    """For each person how many of its pairs of different records could be found, and how many were; O(pairs of records).

    Columns: of each kind in `FINDABLE` the pairs, those found directly (`kept.direct`) and those found through the cluster (`kept.through_cluster`). Pairs
    of records count once each, however many rows they have; rows of one record need no finding and are no such pair. `found` must have remembered.
    """
    columns = {name + part: [0.0] * len(persons.place) for name in FINDABLE for part in _FOUND}
    pairs = persons.pairs()
    while chunk := list(islice(pairs, _CHUNK)):
        judged = judge([a for _, a, _ in chunk], [b for _, _, b in chunk])
        flags = zip(*(getattr(judged, name) for name in FINDABLE), strict=True)
        for (person, a, b), kinds in zip(chunk, flags, strict=True):
            if not any(kinds):
                continue
            direct = found.has(a, b)
            through = direct or found.chain(a, person) == found.chain(b, person)
            for name, flag in zip(FINDABLE, kinds, strict=True):
                for part, counts in zip(_FOUND, (True, direct, through), strict=True):
                    columns[name + part][person] += flag and counts
    return columns


_FOUND = ("", ".direct", ".through_cluster")

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

__all__ = ["FINDABLE", "Blocking", "Findable", "Judge", "RecordPersons", "tally_blocking", "tally_findable"]

FINDABLE = ("alike", "kept")
"""The kinds of pairs that could be found, as `Findable` has them."""
_CHUNK = 500_000
_MOST_PAIRS = 20_000_000
"""True pairs of records that are judged; a truth with more is one of crowds, not of persons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findable:
    """One byte for each of some pairs of records, 1 or 0."""

    alike: bytes = field(repr=False)
    """They agree or nearly agree in at least one compared field."""
    kept: bytes = field(repr=False)
    """They would be kept if they were candidates."""


Judge: TypeAlias = Callable[[Sequence[int], Sequence[int]], Findable]
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
    true_record_pairs: int | None = None
    """Pairs of different records of one person; None where they were not judged, as the two that follow."""
    alike_pairs: int | None = None
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


def tally_blocking(persons: RecordPersons, left: Sequence[int], right: Sequence[int]) -> dict[str, list[float]]:
    """For each person its true pairs found directly and through the cluster; O(candidates)."""
    direct = [float(pairs) for pairs in persons.within()]
    chains = _Chains()
    for a, b in zip(left, right, strict=True):
        for person, pairs in persons.shared(a, b):
            direct[person] += pairs
            chains.join(a, b, person)
    sizes: Counter[tuple[int, int]] = Counter()
    for record, person, rows in persons.nodes():
        sizes[chains.root((record, person))] += rows
    through = [0.0] * len(direct)
    for (_, person), rows in sizes.items():
        through[person] += rows * (rows - 1) // 2
    return {"direct": direct, "through_cluster": through}


def tally_findable(
    persons: RecordPersons, left: Sequence[int], right: Sequence[int], judge: Judge
) -> dict[str, list[float]]:
    """For each person its pairs of different records, how many of them could be found, and how many were; O(candidates + pairs of records).

    Columns: `record_pairs`; of those that are alike and those that are kept `alike` and `kept`, found directly `kept.direct`, and through the cluster
    `kept.through_cluster`. Pairs of records count once each, however many rows they have; rows of one record need no finding and are no such pair.
    Empty where there are more than 20 million pairs.
    """
    records = Counter(person for _, person, _ in persons.nodes())
    if sum(count * (count - 1) // 2 for count in records.values()) > _MOST_PAIRS:
        return {}
    columns = {name: [0.0] * len(persons.place) for name in ("record_pairs", *_FINDABLE_COLUMNS)}
    chains = _Chains()
    found: set[tuple[int, int]] = set()
    for a, b in zip(left, right, strict=True):
        for person, _ in persons.shared(a, b):
            found.add((min(a, b), max(a, b)))
            chains.join(a, b, person)
    pairs = persons.pairs()
    while chunk := list(islice(pairs, _CHUNK)):
        judged = judge([a for _, a, _ in chunk], [b for _, _, b in chunk])
        for (person, a, b), alike, kept in zip(chunk, judged.alike, judged.kept, strict=True):
            columns["record_pairs"][person] += 1
            if not (alike or kept):
                continue
            direct = (a, b) in found
            through = direct or chains.root((a, person)) == chains.root((b, person))
            for name, flag in zip(FINDABLE, (alike, kept), strict=True):
                columns[name][person] += flag
                columns[f"{name}.direct"][person] += flag and direct
                columns[f"{name}.through_cluster"][person] += flag and through
    return columns


_FINDABLE_COLUMNS = [name + part for name in FINDABLE for part in ("", ".direct", ".through_cluster")]

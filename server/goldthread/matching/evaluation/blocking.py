"""What blocking finds: the share of the true pairs that become candidates, and what that costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Blocking", "RecordPersons", "tally_blocking"]


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

    def nodes(self) -> Iterable[tuple[int, int, int]]:
        """`(record, person, rows)` of every person in every record."""
        return ((record, person, rows) for record, held in self._held.items() for person, rows in held)


def tally_blocking(persons: RecordPersons, left: Sequence[int], right: Sequence[int]) -> dict[str, list[float]]:
    """For each person its true pairs found directly and through the cluster; O(candidates)."""
    direct = [float(pairs) for pairs in persons.within()]
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        while (above := parent.get(node, node)) != node:
            parent[node] = parent.get(above, above)
            node = parent[node]
        return node

    for a, b in zip(left, right, strict=True):
        for person, pairs in persons.shared(a, b):
            direct[person] += pairs
            parent[root((a, person))] = root((b, person))
    sizes: Counter[tuple[int, int]] = Counter()
    for record, person, rows in persons.nodes():
        sizes[root((record, person))] += rows
    through = [0.0] * len(direct)
    for (_, person), rows in sizes.items():
        through[person] += rows * (rows - 1) // 2
    return {"direct": direct, "through_cluster": through}

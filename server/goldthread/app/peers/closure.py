"""Clusters of the peers that only give links."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["closure"]


def closure(rows: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """The smallest row of each row's connected component; O(links)."""
    parent = list(range(rows))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for left, right in links:
        a, b = root(left), root(right)
        parent[max(a, b)] = min(a, b)
    return [root(row) for row in range(rows)]

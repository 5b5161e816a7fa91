"""Oracle records laid out the way the core takes them, and the core's answer read back into the oracle's words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from oracle.partition import Household, Outcome, Review
from oracle.records import ATTRIBUTES, Record

__all__ = ["Answer", "Columns", "columns", "extras_of", "outcome_of"]

Relation = tuple[int, int, int, int, int]

Answer = tuple[Sequence[int], Sequence[int], Sequence[tuple[int, int]], Sequence[Relation], Sequence[Relation]]
"""Clusters, ambiguous ones, contenders, reviews and households as the core gives them, by row."""


class Columns(NamedTuple):
    """Arguments of the core's `Records`, in its order."""

    addresses: list[bytes]
    attributes: dict[str, list[str | None]]
    offsets: list[int]
    types: list[int]
    namespaces: list[str]
    forms: list[int]
    tokens: list[bytes]


def columns(records: Sequence[Record]) -> Columns:
    """Columns of these records; row i is record i."""
    offsets = [0]
    for record in records:
        offsets.append(offsets[-1] + len(record.identifiers))
    every = [one for record in records for one in record.identifiers]
    return Columns(
        addresses=[record.address for record in records],
        attributes={name: [record.get(name) for record in records] for name in ATTRIBUTES},
        offsets=offsets,
        types=[one.type for one in every],
        namespaces=[one.namespace for one in every],
        forms=[one.form for one in every],
        tokens=[one.token for one in every],
    )


def extras_of(records: Sequence[Record]) -> dict[str, list[str | None]]:
    """The columns beyond the attributes that some of these records have, by name; the argument `extras` of the core's `Records`."""
    names = sorted({name for record in records for name in record.extras})
    return {name: [record.extras.get(name) for record in records] for name in names}


def outcome_of(records: Sequence[Record], answer: Answer) -> Outcome:
    """What `partition` or `match_records` answered about these records, with rows replaced by addresses.

    Raises `ValueError` if a cluster is not named by its record of lowest address or an ambiguous cluster has no contender.
    """
    clusters, ambiguous, contenders, reviews, households = answer
    members: dict[int, set[bytes]] = defaultdict(set)
    for record, name in zip(records, clusters, strict=True):
        members[name].add(record.address)
    for name, addresses in members.items():
        if records[name].address != min(addresses):
            raise ValueError("a cluster is not named by its lowest address")
    named = {name: frozenset(addresses) for name, addresses in members.items()}
    rivals = {row: frozenset(named[right] for left, right in contenders if left == row) for row in ambiguous}
    if not all(rivals.values()) or {left for left, _ in contenders} != set(ambiguous):
        raise ValueError("contenders do not fit the ambiguous clusters")
    return Outcome(
        list(named.values()),
        {named[row]: clusters_of for row, clusters_of in rivals.items()},
        {
            Review(named[x], named[y], strength, records[left].address, records[right].address)
            for x, y, strength, left, right in reviews
        },
        {
            Household(named[x], named[y], strength, records[left].address, records[right].address)
            for x, y, strength, left, right in households
        },
    )

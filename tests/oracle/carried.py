"""Limits on the identifiers that one cluster may gather: the middle of section 8 of docs/matching.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oracle.model import Model
from oracle.records import IDENTIFIER_TYPES, Identifier, Record

__all__ = ["Carried", "over_limit"]

_CUSTOMER_NUMBER = IDENTIFIER_TYPES.index("customer_number") + 1

Kind = tuple[int, str]
"""What is counted by itself: a type, and for customer numbers the namespace too."""


@dataclass(frozen=True)
class Carried:
    """Distinct identifiers of form 1 or 3 of some records, by kind. Generic ones have been taken out by the caller."""

    identifiers: Mapping[Kind, frozenset[Identifier]]

    @staticmethod
    def of(records: Iterable[Record]) -> Carried:
        """What these records carry together."""
        found: dict[Kind, set[Identifier]] = defaultdict(set)
        for record in records:
            for one in record.identifiers:
                if one.form in (1, 3):
                    found[one.type, one.namespace if one.type == _CUSTOMER_NUMBER else ""].add(one)
        return Carried({kind: frozenset(ones) for kind, ones in found.items()})

    def count(self, kind: Kind) -> int:
        """Distinct identifiers of one kind."""
        return len(self.identifiers.get(kind, ()))


def over_limit(x: Carried, y: Carried, model: Model) -> bool:
    """Whether two clusters together hold more of some kind than the model allows, and more than either holds alone."""
    for kind in x.identifiers.keys() & y.identifiers.keys():
        together = len(x.identifiers[kind] | y.identifiers[kind])
        if together > model.cluster_limit(kind[0]) and together > max(x.count(kind), y.count(kind)):
            return True
    return False

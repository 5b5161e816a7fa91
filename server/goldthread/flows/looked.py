"""What looks did, and why they did not."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from goldthread.domain.errors import LedgerUnavailableError
from goldthread.flows.components import Settlement
from goldthread.ledger import ProfileRow

__all__ = ["BeatenError", "Look", "OversizedError", "RestlessError"]


class OversizedError(Exception):
    """A look would reach too many records."""


class BeatenError(Exception):
    """Others were faster than a look at several marks, or one keeps it waiting: parts of it may do better."""


class RestlessError(LedgerUnavailableError):
    """Others change keys faster than one look can follow."""


@dataclass(slots=True)
class Look:
    """What looks wrote: changed profiles at their new versions, where the records of ended ones went, reviews, marks done and left to redo.

    `made` are records that a preview had to make because phones changed hands.
    """

    changed: list[ProfileRow] = field(default_factory=list)
    successors: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    reviews_opened: int = 0
    reviews_closed: int = 0
    marks: int = 0
    deferred: int = 0
    made: set[int] = field(default_factory=set)

    def add(self, settlement: Settlement, marks: int) -> None:
        """Adds one transaction's work; of a profile that changed twice the last state counts."""
        known = {row.profile_id: row for row in self.changed}
        known.update({row.profile_id: row for row in settlement.changed})
        self.changed = list(known.values())
        self.successors.update(settlement.successors)
        for row in (row for row in settlement.changed if row.live):
            self.successors.pop(row.profile_id, None)
        self.reviews_opened += settlement.reviews_opened
        self.reviews_closed += settlement.reviews_closed
        self.marks += marks

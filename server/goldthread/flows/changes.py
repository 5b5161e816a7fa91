"""What a look tells everybody else."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from goldthread.domain.policy import tier_of
from goldthread.domain.ports import ProfileChange
from goldthread.domain.words import profile_public_id
from goldthread.flows.components import Settlement
from goldthread.ledger import LedgerTransaction
from goldthread.wire import encode_change

__all__ = ["queue_changes"]


def queue_changes(
    tx: LedgerTransaction, settlement: Settlement, *, model_version: str, as_of: date, began: datetime
) -> None:
    """Queues what changed for the relay: tiers are of the day `as_of`, changes of the moment when the look `began`."""
    rows: list[tuple[UUID, int, bool, bytes]] = []
    for row in settlement.changed:
        change = ProfileChange(
            profile_public_id(row.profile_id),
            row.version,
            row.live,
            tuple(map(profile_public_id, settlement.successors.get(row.profile_id, ()))),
            tuple(map(str, row.members)),
            settlement.causes[row.profile_id].cause,
            tier_of(row.totals, as_of),
            row.totals,
            model_version,
        )
        rows.append((row.profile_id, row.version, row.live, encode_change(change, began)))
    tx.write_changes(rows)
